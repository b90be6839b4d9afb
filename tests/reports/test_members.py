from __future__ import annotations

import optuna
import pytest
from optuna.trial import create_trial

from mnas_moo.reports.choices import choices_of
from mnas_moo.reports.members import Members, Objective, members_of
from mnas_moo.reports.picks import with_panacea
from mnas_moo.reports.text import front_trials
from tests.reports.conftest import a_study, of, random_values

FIVE = ("accuracy", "latency_ms", "parameters_m", "multiply_adds_m", "peak_memory_mb")
ROWS = [
    [0.95, 40.0, 4.0, 300.0, 5.0],
    [0.90, 20.0, 2.0, 100.0, 4.0],
    [0.80, 4.0, 1.0, 20.0, 3.0],
    [0.70, 2.0, 0.9, 25.0, 3.0],
    [0.60, 50.0, 5.0, 400.0, 6.0],
]
"""The last is dominated."""


def five(rows: list[list[float]] = ROWS, network: str = "in1x8x8") -> optuna.Study:
    study = optuna.create_study(directions=["maximize", *["minimize"] * 4])
    study.set_metric_names(list(FIVE))
    study.add_trials([create_trial(values=row, user_attrs={"network": f"{network} {row}"}) for row in rows])
    return study


def made(study: optuna.Study) -> Members | None:
    front = front_trials(study.directions, study.trials)
    names = study.metric_names
    choices = with_panacea(choices_of(front, names, study.directions, None), front, names, study.directions)
    return members_of(of(study), front, choices, {0: "said of it"})


def members(rows: list[list[float]] = ROWS) -> Members:
    found = made(five(rows))
    assert found is not None
    return found


def test_the_members_are_the_front_with_their_values_and_notes() -> None:
    found = members()
    assert list(found.names) == ["trial 0", "trial 1", "trial 2", "trial 3"]
    assert [list(each.values) for each in found.objectives] == [list(column) for column in zip(*ROWS[:4], strict=True)]
    assert found.notes[0].splitlines()[0] == "accuracy on the hold-out: 95.00 %"
    assert found.notes[0].splitlines()[-1] == "said of it"
    assert found.what == "networks"


def test_picks_have_the_words_of_the_choices_and_a_look_of_their_own() -> None:
    found = members()
    assert found.picks[0].label == "most accurate (trial 0)"
    assert "panacea" in ", ".join(pick.words for pick in found.picks)
    assert len({(pick.color, pick.dash, pick.shape) for pick in found.picks}) == len(found.picks)
    assert {*found.others, *(pick.member for pick in found.picks)} == set(range(4))


@pytest.mark.parametrize("objectives", [1, 2])
def test_few_objectives_and_one_member_need_no_plot_of_their_own(objectives: int) -> None:
    assert made(a_study(random_values(20, objectives))) is None
    assert made(five(ROWS[:1])) is None


def test_axes_lead_to_the_better_and_are_logarithmic_beyond_a_decade() -> None:
    accuracy, latency, parameters, *_ = members().objectives
    assert (accuracy.logarithmic, latency.logarithmic, parameters.logarithmic) == (False, True, False)
    assert (accuracy.goodness(0.95), accuracy.goodness(0.70)) == (1.0, 0.0)
    assert (latency.goodness(2.0), latency.goodness(40.0)) == (1.0, 0.0)
    assert latency.place(4.0) == pytest.approx(0.2314, abs=1e-4)  # ln 2 / ln 20


def test_a_fraction_is_never_logarithmic_and_equal_values_stand_in_the_middle() -> None:
    assert not Objective("accuracy", True, True, [0.01, 0.9], ["1 %", "90 %"]).logarithmic
    same = Objective("memory", False, False, [3.0, 3.0], ["3", "3"])
    assert (same.place(3.0), same.ticks(5)) == (0.5, [(3.0, "3")])


def test_what_is_said_without_a_plot_names_spans_directions_picks_and_relations() -> None:
    found = members()
    assert "latency (ms) from 2 to 40 (less is better)" in found.says
    assert "most accurate (trial 0)" in found.says
    assert "best together are latency and parameters (Kendall's correlation 1.00)" in found.relations
    assert "most at odds are accuracy on the hold-out and " in found.relations


def test_the_table_has_every_member_and_names_the_picks() -> None:
    heads, rows = members().rows()
    assert heads[:2] == ["name", "accuracy on the hold-out"] and heads[-1] == "series"
    assert rows[1][:3] == ["trial 1", "0.9", "20.0"]
    assert rows[0][-1] == "most accurate (trial 0)"
