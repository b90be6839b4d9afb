"""A budget of time: what is chosen for it, what is promised, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.training.speed import Speed
from mnas_moo.running import planning
from mnas_moo.running.per_image import promise_of_search
from mnas_moo.running.plan import stored_plan
from mnas_moo.running.planning import rounds
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import MEASUREMENTS, Observer
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.study import StudyFile
from tests.running.conftest import write
from tests.running.points import searched
from tests.running.test_per_image import study_of as per_image_study

OBJECTIVES = "objectives: {parameters_m: , multiply_adds_m: }"
TRAINED = "objectives: {accuracy: {train: {device: cpu}}, parameters_m: }"


def budgeted(folder: Path, budget: str, *changes: str) -> StudyFile:
    return write(folder, OBJECTIVES, TRAINED, "trials: 5", f"budget: {budget}", *changes)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of 30 photographs of 32 pixels, of one colour each."""
    image = pytest.importorskip("PIL.Image")
    for name, colour in (("dark", (20, 30, 40)), ("light", (220, 230, 240))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(30):
            image.new("RGB", (32, 32), tuple(c + i % 10 for c in colour)).save(tmp_path / f"photos/{name}/{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Networks train as fast as a test says, by their multiply-adds."""
    known = {"images": 1e9}
    monkeypatch.setattr(
        "mnas_moo.objectives.training.speed.speed_of",
        lambda spec, *rest: Speed(known["images"] / spec.multiply_adds, 0.1),
    )
    return known


class Watch(Observer):
    def __init__(self) -> None:
        self.seconds = 0.0
        self.words: Sequence[str] = ()
        self.wanted = 0

    def promised(self, trial_seconds: float, words: Sequence[str]) -> None:
        self.seconds, self.words = trial_seconds, words

    def started(self, study: Any, completed: Any, wanted: int) -> None:
        self.wanted = wanted
        raise InterruptedError


def chosen(file: StudyFile) -> tuple[Any, Watch]:
    from mnas_moo.running.storage import open_study

    watch = Watch()
    with pytest.raises(InterruptedError):
        run_study(file, observer=watch)
    return stored_plan(open_study(file)), watch


@pytest.mark.parametrize(("images", "size"), [(6e8, "2m"), (2e11, "300m")])
def test_the_size_follows_from_the_speed(
    tmp_path: Path, photos: Path, speed: dict[str, float], images: float, size: str
) -> None:
    speed["images"] = images
    space = "space: {mnasnet: {preset: digits, blocks: 3}}"
    plan, watch = chosen(budgeted(tmp_path, "10 min", space, "space: mnasnet", "data: digits", f"data: {photos}"))
    assert plan.size == size
    assert plan.words == tuple(watch.words)
    assert watch.words[0].startswith(f"chosen for 10 min: networks of about {size[:-1]} million multiply-adds")
    assert plan.trials * plan.trial_seconds == pytest.approx(600, rel=0.3)


def test_what_the_file_says_is_kept(tmp_path: Path, speed: dict[str, float]) -> None:
    file = budgeted(tmp_path, "10 min", "train: {device: cpu}", "train: {device: cpu, steps: 33}")
    plan, _ = chosen(file)
    assert (plan.size, plan.steps) == ("", 33)


def test_a_run_that_goes_on_keeps_the_plan_also_on_another_machine(tmp_path: Path, speed: dict[str, float]) -> None:
    file = budgeted(tmp_path, "10 min")
    first, _ = chosen(file)
    speed["images"] /= 50
    second, watch = chosen(file)
    assert second == first
    assert watch.words == first.words


def test_the_budget_ends_the_study_and_a_number_of_trials_may_go_beyond_it(tmp_path: Path) -> None:
    file = budgeted(tmp_path, "4 s", "blocks: 3", "blocks: 1, resolution: 8", "train: {device: cpu}",
                    "train: {device: cpu, steps: 2, confirm: 0}")  # fmt: skip
    study = run_study(file)
    done = len(study.trials)
    assert done >= 3
    assert len(run_study(file).trials) == done
    assert len(run_study(file, trials=done + 2).trials) == done + 2
    assert study.trials[0].user_attrs[MEASUREMENTS]["accuracy"]["steps"] == 2


def test_a_budget_too_small_for_one_child_is_one_line(tmp_path: Path, speed: dict[str, float]) -> None:
    speed["images"] = 1e6
    with pytest.raises(StudyError) as told:
        run_study(budgeted(tmp_path, "30 s"))
    (line,) = str(told.value).splitlines()
    assert "counts.yaml:7: budget is 30 s, and a trial of the smallest networks takes" in line
    assert "are needed, for 6 trials" in line
    assert not list(tmp_path.glob("counts.log"))


def test_without_a_budget_a_child_is_timed_too(tmp_path: Path, speed: dict[str, float]) -> None:
    watch = Watch()
    with pytest.raises(InterruptedError):
        run_study(write(tmp_path, OBJECTIVES, TRAINED), observer=watch)
    assert watch.seconds > 0
    assert watch.wanted == 5


def test_studies_that_train_nothing_promise_nothing(tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(InterruptedError):
        run_study(write(tmp_path), observer=watch)
    assert watch.seconds == 0


def test_a_search_before_the_first_trial_is_promised_and_no_child(tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(InterruptedError):
        run_study(per_image_study(tmp_path, "points: 2", "points: 2, minutes: 3"), observer=watch)
    assert watch.seconds == 0
    (line,) = watch.words
    assert line == (
        "InstaNAS' search comes before the first trial: about 3 min, epochs: 1 of the meta-graph, 2 with the "
        "controller, 1 more for each point; trials are its points, and take no time"
    )


def test_a_search_that_is_made_is_not_promised_again(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    assert promise_of_search(study, study_file) == ()


def test_confirmation_takes_no_more_than_its_share() -> None:
    assert rounds(0.0) == 1
    assert rounds(0.2) == pytest.approx(1.25)
    assert rounds(0.9) == planning.AGAIN


def test_a_study_needs_trials_or_a_budget(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"trials is missing; give the number of networks to try, or a budget: 30 min"):
        write(tmp_path, "trials: 5\n", "")
    with pytest.raises(StudyError, match="such as 30 min"):
        budgeted(tmp_path, "30")


def test_networks_of_the_planned_study_have_the_chosen_size(tmp_path: Path) -> None:
    file = budgeted(tmp_path, "1 h", "{mnasnet: {preset: digits, blocks: 3}}", "mnasnet")
    assert isinstance(file, NetworkStudy)
    planned = file.planned("10m", 64, 500, 32, 20)
    assert planned.space.settings == {"preset": "10m", "resolution": 64}
    assert (planned.training["steps"], planned.trials) == (500, 20)
    assert file.space.settings == {}
