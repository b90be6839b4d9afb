from mnas_moo.objectives.training.settings import (
    EPOCHS,
    LEAST_STEPS,
    PHOTO_PASSES,
    augmentation_of,
    default_steps,
)


def test_small_data_are_seen_again_and_again_and_large_data_a_few_times() -> None:
    assert default_steps(10, 64) == LEAST_STEPS
    assert default_steps(640_000, 64) == EPOCHS * 10_000


def test_photographs_that_are_seen_often_are_changed_more() -> None:
    assert augmentation_of(PHOTO_PASSES, flip=True) == "photo"
    assert augmentation_of(PHOTO_PASSES - 1, flip=True) == "shift"
    assert augmentation_of(1000, flip=False) == "shift"
