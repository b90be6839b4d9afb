"""How phones stand, told by events with made-up times."""

from __future__ import annotations

import pytest

from mnas_moo.objectives.phone.pool import Pool, Standing

GRACE_S = 5.0


def pool(model: str | None = None, serials: list[str] | None = None, **phones: str) -> Pool:
    """A pool at time 0 whose ``phones`` (serial to model) are there and have said what they are."""
    made = Pool(model, serials, rest_s=(1.0, 8.0), patience_s=60.0, grace_s=GRACE_S)
    made.observe(dict.fromkeys(phones, "device"), 0.0)
    for serial, name in phones.items():
        if serial in made.seats:
            made.introduce(serial, name)
    return made


def test_phones_of_one_model_are_all_used() -> None:
    made = pool(a="Pixel 6", b="Pixel 6")
    assert made.choose() is None
    assert made.model == "Pixel 6"
    assert made.verdict(0.0).go


def test_phones_of_two_models_need_a_choice() -> None:
    message = pool(a="Pixel 6", b="Pixel 4").choose()
    assert message is not None
    for words in ("a is a Pixel 6", "b is a Pixel 4", "model ('Pixel 4' or 'Pixel 6')", "serials"):
        assert words in message


@pytest.mark.parametrize(("model", "serials"), [("Pixel 4", None), (None, ["b"])])
def test_choice_by_model_or_by_serial(model: str | None, serials: list[str] | None) -> None:
    made = pool(model, serials, a="Pixel 6", b="Pixel 4")
    assert made.choose() is None
    assert [seat.serial for seat in made.can_measure()] == ["b"]


def test_model_that_nobody_has_is_never_measured_on() -> None:
    made = pool("Pixel 9", a="Pixel 6")
    made.choose()
    verdict = made.verdict(10.0)
    assert verdict.never
    assert "no phone of model 'Pixel 9' can measure: Pixel 6 a: it is a Pixel 6" in verdict.reason


def test_later_phone_of_the_same_model_joins_and_of_another_does_not() -> None:
    made = pool(a="Pixel 6")
    made.choose()
    made.observe({"a": "device", "b": "device", "c": "device"}, 1.0)
    made.introduce("b", "Pixel 6")
    made.introduce("c", "Pixel 4")
    assert made.choose() is None
    assert [seat.serial for seat in made.can_measure()] == ["a", "b"]
    assert made.seats["c"].standing is Standing.OTHER


def test_choice_waits_until_all_phones_have_said_what_they_are() -> None:
    made = pool(a="Pixel 6")
    made.observe({"a": "device", "b": "device"}, 0.0)
    assert made.choose() is None
    assert made.model is None


def test_rests_grow_to_a_limit_and_a_success_ends_that() -> None:
    made = pool(a="Pixel 6")
    ends = []
    for _ in range(5):
        made.begin("a")
        made.rest("a", "broken", 0.0, trouble=False)
        ends.append(made.seats["a"].until)
    assert ends == [1.0, 2.0, 4.0, 8.0, 8.0]
    made.succeed("a")
    made.rest("a", "broken", 0.0, trouble=False)
    assert made.seats["a"].until == 1.0


def test_rest_ends_by_itself() -> None:
    made = pool(a="Pixel 6")
    made.rest("a", "broken", 0.0, trouble=False)
    assert not made.verdict(0.5).go
    made.observe({"a": "device"}, 0.5)
    assert made.seats["a"].standing is Standing.RESTING
    made.observe({"a": "device"}, 1.0)
    assert made.verdict(1.0).go


def test_trouble_that_lasts_retires_and_a_cable_never_does() -> None:
    made = pool(a="Pixel 6", b="Pixel 6")
    for now in (0.0, 30.0, 61.0):
        messages = made.rest("a", "too hot", now, trouble=True)
        made.rest("b", "gone", now, trouble=False)
    assert messages == ["not used any longer: Pixel 6 a: too hot, and that for 1 minutes"]
    assert made.seats["a"].standing is Standing.RETIRED
    assert made.seats["b"].standing is Standing.RESTING


def test_trouble_with_a_success_between_begins_anew() -> None:
    made = pool(a="Pixel 6")
    made.rest("a", "too hot", 0.0, trouble=True)
    made.succeed("a")
    assert made.rest("a", "too hot", 61.0, trouble=True) == []


def test_vanished_phone_is_waited_for_with_a_reason() -> None:
    made = pool(a="Pixel 6")
    made.choose()
    made.observe({"a": "offline"}, 10.0)
    verdict = made.verdict(10.0)
    assert (verdict.go, verdict.never, verdict.reason) == (False, False, "no phone answers (Pixel 6 a: offline)")
    made.observe({}, 1e6)
    assert "not attached" in made.verdict(1e6).reason
    assert not made.verdict(1e6).never


def test_retired_phone_that_is_plugged_in_anew_is_asked_anew() -> None:
    made = pool(a="Pixel 6")
    made.retire("a", "wrong program")
    made.observe({"a": "device"}, 1.0)
    assert made.seats["a"].standing is Standing.RETIRED
    made.observe({}, 2.0)
    assert made.verdict(2.0).never
    made.observe({"a": "device"}, 3.0)
    assert made.seats["a"].standing is Standing.NEW


def test_retired_phone_is_asked_once_more_before_there_is_none() -> None:
    made = pool(a="Pixel 6")
    assert made.retire("a", "wrong program") != []
    assert made.verdict(10.0).never
    assert made.reconsider()
    assert not made.verdict(10.0).never
    assert made.retire("a", "wrong program") == []
    assert not made.reconsider()
    made.succeed("a")
    made.retire("a", "wrong program")
    assert made.reconsider()


def test_same_retirement_is_told_once() -> None:
    made = pool()
    assert made.observe({"a": "unauthorized"}, 0.0) == []
    assert made.observe({"a": "unauthorized"}, GRACE_S) != []
    assert made.observe({"a": "unauthorized"}, GRACE_S + 1) == []


def test_phone_that_is_plugged_in_again_may_look_unauthorised_for_a_moment() -> None:
    made = pool()
    made.observe({"a": "device"}, 0.0)
    made.introduce("a", "Pixel 6")
    for state, now in (("offline", 1.0), ("no permissions", 2.0), ("unauthorized", 2.5)):
        assert made.observe({"a": state}, now) == []
        assert not made.verdict(now).never
    assert made.observe({"a": "device"}, 3.0) == []
    assert made.verdict(3.0).go


def test_phone_in_use_is_not_retired_under_the_hands_of_who_uses_it() -> None:
    made = pool()
    made.observe({"a": "device"}, 0.0)
    made.introduce("a", "Pixel 6")
    made.begin("a")
    made.observe({"a": "unauthorized"}, 1.0)
    assert made.observe({"a": "unauthorized"}, 1.0 + 2 * GRACE_S) == []
    made.free("a")
    assert made.observe({"a": "unauthorized"}, 2.0 + 2 * GRACE_S) != []


def test_without_any_phone_there_is_a_short_wait_and_then_advice() -> None:
    made = pool()
    assert not made.verdict(1.0).never
    verdict = made.verdict(6.0)
    assert verdict.never
    assert "plug one in" in verdict.reason
    assert "latency_ms: {host: {}}" in verdict.reason


def test_named_phone_that_was_never_there_is_not_waited_for_for_ever() -> None:
    made = pool(serials=["x"])
    assert not made.verdict(1.0).never
    assert made.verdict(6.0).reason == "no phone can measure: x: not attached"


def test_phone_that_is_offline_from_the_start_is_waited_for() -> None:
    made = pool()
    made.observe({"a": "offline"}, 0.0)
    verdict = made.verdict(100.0)
    assert (verdict.never, verdict.reason) == (False, "no phone answers (a: offline)")


def test_paused_phone_is_not_blamed() -> None:
    made = pool(a="Pixel 6")
    made.begin("a")
    made.pause("a", "another study measures on it", 0.5)
    made.observe({"a": "device"}, 0.6)
    seat = made.seats["a"]
    assert (seat.standing, seat.strikes, seat.trouble_since) == (Standing.FREE, 0, None)
