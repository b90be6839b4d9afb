from __future__ import annotations

from mnas_moo.spaces.names import closest, unknown


def test_the_error_names_the_nearest_and_all() -> None:
    error = unknown("network", "mnasnet-a", ["mnasnet-a1", "mobilenetv2"])
    assert str(error) == ("network 'mnasnet-a' is unknown; did you mean 'mnasnet-a1'? allowed: mnasnet-a1, mobilenetv2")


def test_nothing_is_proposed_where_nothing_is_near() -> None:
    assert str(unknown("space", "zzz", ["mnasnet"])) == "space 'zzz' is unknown; allowed: mnasnet"


def test_capitals_do_not_matter_and_any_object_can_be_given() -> None:
    assert "did you mean 'digits'" in str(unknown("preset", "DIGITS", ["digits"]))
    assert str(unknown("choice", 3, iter(["a", "b"]))) == "choice 3 is unknown; allowed: a, b"


def test_initials_mean_the_words_they_begin() -> None:
    names = ["layers", "learning_rate", "batch_size"]
    assert closest("lr", names) == "learning_rate"
    assert closest("BS", names) == "batch_size"
    assert closest("xq", names) is None
