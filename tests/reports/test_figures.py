from __future__ import annotations

import csv
import io
import math

from mnas_moo.reports.figures import Axis, Bars, Figure, Line, Marks, Panel, Picture, Shades, csv_of


def test_a_table_has_every_point_with_its_interval_and_names_its_columns_by_the_axes() -> None:
    marks = Marks("front", 0, "diamond", [2.0, 3.0], [0.5, 0.75], ["trial 1", "trial 4"], y_range=[(0.25, 0.625), None])
    line = Line("", 0, [2.0], [0.5])
    axes = Axis("latency (ms)", (0, 4)), Axis("accuracy", (0, 1), percent=True)
    rows = list(csv.reader(io.StringIO(csv_of(Figure("f", "F", "", [Panel("", *axes, marks=[marks], lines=[line])])))))
    assert rows == [
        ["series", "name", "latency (ms)", "accuracy", "y_low", "y_high"],
        ["front", "trial 1", "2", "0.5", "0.25", "0.625"],
        ["front", "trial 4", "3", "0.75", "", ""],
        ["line", "", "2", "0.5", "", ""],
    ]


def test_panels_of_several_quantities_are_told_apart() -> None:
    over = Axis("trial", (0, 9))
    panels = [
        Panel("loss", over, Axis("", (0, 1)), lines=[Line("", 0, [1.0], [0.5])]),
        Panel("", over, Axis("accuracy", (0, 1)), lines=[Line("", 0, [1.0], [0.25])]),
    ]
    rows = list(csv.reader(io.StringIO(csv_of(Figure("f", "F", "", panels)))))
    assert rows == [
        ["panel", "series", "trial", "y"],
        ["loss", "line", "1", "0.5"],
        ["accuracy against trial", "line", "1", "0.25"],
    ]


def test_bars_and_shades_are_rows_too() -> None:
    names = Axis("", (0, 1), names=["a", "b"])
    bars = Panel("", Axis("share", (0, 1)), names, bars=[Bars("x", 0, [0.25, math.nan]), Bars("y", 1, [math.nan, 1.0])])
    shades = Panel("map", Axis("epoch", (0, 2)), names, shades=Shades([1.0, 2.0], [[0.0, 0.5], [1.0, 0.5]]))
    assert csv_of(Figure("f", "F", "", [bars])).splitlines() == ["series,name,share", "x,a,0.25", "y,b,1"]
    assert csv_of(Figure("f", "F", "", [shades])).splitlines()[1:3] == ["a,1,0", "a,2,0.5"]


def test_images_are_rows_with_their_number() -> None:
    pictures = [Picture("dog", 1.5, "1.5 ms", b""), Picture("cat", 2.0, "2 ms", b"")]
    panel = Panel("", Axis("latency (ms)", (1, 2)), Axis("", (0, 1)), pictures=pictures)
    assert csv_of(Figure("f", "F", "", [panel])).splitlines() == ["name,latency (ms)", "dog,1.5", "cat,2"]


def test_a_text_of_somebody_elses_is_printable_in_a_table() -> None:
    marks = Marks("front", 0, "circle", [1.0], [1.0], ["trial 1"])
    figure = Figure("f", "F", "", [Panel("", Axis("a\x1b[2J", (0, 1)), Axis("y", (0, 1)), marks=[marks])])
    assert "\x1b" not in csv_of(figure)


def test_the_legend_names_each_label_once() -> None:
    axis = Axis("", (0, 1))
    lines = [Line("one", 0, [0.0], [0.0]), Line("", 1, [0.0], [0.0])]
    figure = Figure("f", "F", "", [Panel("", axis, axis, lines=lines), Panel("", axis, axis, lines=lines)])
    assert [series.label for series in figure.legend] == ["one"]
