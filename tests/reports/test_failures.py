from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState, create_trial

from mnas_moo.reports.failures import PRUNED, UNKNOWN, failures_of
from mnas_moo.running.trials import FAILURE


def trial(number: int, state: TrialState, reason: object = None) -> FrozenTrial:
    values = [1.0] if state == TrialState.COMPLETE else None
    made = create_trial(state=state, values=values, user_attrs={} if reason is None else {FAILURE: reason})
    made.number = number
    return made


def test_reasons_that_differ_in_numbers_are_one_and_the_frequent_come_first() -> None:
    found = failures_of(
        [
            trial(0, TrialState.FAIL, "latency_ms: the phone is at 45.5 degrees"),
            trial(1, TrialState.COMPLETE, "nothing"),
            trial(2, TrialState.FAIL),
            trial(3, TrialState.FAIL, "latency_ms: the phone is at 47 degrees"),
            trial(4, TrialState.PRUNED),
            trial(5, TrialState.RUNNING),
        ]
    )
    assert [(each.reason, each.trials) for each in found] == [
        ("latency_ms: the phone is at 45.5 degrees", (0, 3)),
        (UNKNOWN, (2,)),
        (PRUNED, (4,)),
    ]


def test_a_reason_of_somebody_elses_is_short_and_printable() -> None:
    (found,) = failures_of([trial(0, TrialState.FAIL, "\x1b[2J" + "x" * 10_000)])
    assert "\x1b" not in found.reason
    assert len(found.reason) <= 200
    (found,) = failures_of([trial(0, TrialState.FAIL, {"not": "a text"})])
    assert found.reason == UNKNOWN
