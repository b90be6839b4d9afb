from __future__ import annotations

import pytest

from mnas_moo.reports.members import Members, Objective, Pick
from tests.reports.test_members import members

pytest.importorskip("plotly")
from mnas_moo.reports.members_plotly import matrix_figure, parallel_figure


def test_axes_lead_upwards_to_the_better_and_have_the_values_as_ticks() -> None:
    figure = parallel_figure(members())
    accuracy, latency, *_ = figure.data[0].dimensions
    assert accuracy.range[0] < accuracy.range[1]
    assert latency.range[0] > latency.range[1]
    assert (latency.label, latency.ticktext[0], latency.ticktext[-1]) == ("latency (ms)", "2", "40")
    assert latency.range == pytest.approx((1.60206, 0.30103))  # logarithms
    assert len(figure.data[0].line.color) == 4


def test_every_pair_is_drawn_and_picks_have_their_legend() -> None:
    figure = matrix_figure(members())
    assert {trace.type for trace in figure.data} == {"splom"}
    assert sum(len(trace.dimensions[0]["values"]) for trace in figure.data) == 4
    names = [trace.name for trace in figure.data]
    assert "most accurate (0)" in names
    assert names == [trace.name for trace in parallel_figure(members()).data[1:]]
    assert figure.layout.xaxis4.type == "log" and figure.layout.yaxis5.tickformat == ".0%"


def test_both_are_told_in_words() -> None:
    found = members()
    assert parallel_figure(found).layout.meta["alternative"] == found.says
    assert matrix_figure(found).layout.meta["alternative"] == found.relations


def test_names_of_a_studys_are_text() -> None:
    evil = "<a href='https://example.org'>x</a>"
    objectives = [Objective(evil, True, False, [1.0, 2.0], [evil, evil])] * 3
    found = Members([evil, evil], objectives, [evil, evil], [Pick(0, evil, 0, 0)])
    for figure in (parallel_figure(found), matrix_figure(found)):
        assert "<a href" not in figure.to_json().replace("\\u003c", "<")
