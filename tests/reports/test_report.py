from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from mnas_moo.objectives.objective import Measurement
from mnas_moo.reports.page import Report, Section
from mnas_moo.reports.report import report_of
from mnas_moo.running import latency_sources
from mnas_moo.running.trained import label_of, trained_file
from mnas_moo.running.trials import FAILURE, MEASUREMENTS, NETWORK
from mnas_moo.spaces import network
from mnas_moo.spaces.text import to_text
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile
from tests.conftest import STUDY
from tests.reports.conftest import a_study, random_values
from tests.reports.test_members import five
from tests.reports.test_searches import CHOICES, EPOCHS, POINT
from tests.running.points import searched

Finished = tuple[StudyFile, optuna.Study]
SMALL = [to_text(network("mnasnet-small", width=width, resolution=32, classes=10)) for width in (0.5, 0.75, 1.0)]


def of(study: optuna.Study, study_file: StudyFile, **more: Any) -> Report:
    return report_of(study, study_file, ["mnas-moo run small.yaml"], "small.yaml", **more)


def sections(report: Report) -> dict[str, Section]:
    return {section.name: section for section in report.sections if not section.is_empty}


def file_of(folder: Path, text: str = STUDY) -> StudyFile:
    (folder / "small.yaml").write_text(text.format(folder=folder, limit=1), encoding="utf-8")
    return load_study_file(folder / "small.yaml")


def networks_study(n: int = 3, **attributes: Any) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency_ms"])
    for i in range(n):
        found = {NETWORK: SMALL[i % 3], **attributes}
        study.add_trial(create_trial(values=[0.5 + i / 10, 1.0 + i * i], user_attrs=found))
    return study


def test_a_study_of_networks_has_its_front_its_choices_and_where_it_is_from(finished_study: Finished) -> None:
    study_file, study = finished_study
    report = of(study, study_file)
    assert report.name == "small"
    assert set(sections(report)) == {"networks", "front", "hypervolume", "mattered"}
    cards = sections(report)["networks"].cards
    titles = ", ".join(card.title for card in cards).lower()
    assert "most accurate" in titles and "fastest" in titles
    number = cards[0].name.removeprefix("trial ")
    assert cards[0].commands == [
        f"mnas-moo show small.yaml --trial {number}",
        f"mnas-moo train small.yaml {number}",
        f"mnas-moo export small.yaml {number} -o trial-{number}",
    ]
    assert all(report.pictures[card.name].startswith("<svg") for card in cards)
    tiles = dict(report.tiles)
    assert tiles["finished trials"] == "12"
    assert int(tiles["violate a constraint"]) > 0
    assert report.commands == ["mnas-moo run small.yaml"]
    assert "preset: digits" in report.study
    assert dict(report.origin)["sampler"] == "random, seed 0"


def test_a_study_without_a_finished_trial_is_refused_in_one_line(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], study_name="new")
    with pytest.raises(StudyError, match=r"^study 'new' has no finished trial \(it has no trials yet\), so there is"):
        of(study, file_of(tmp_path))
    study.add_trial(create_trial(state=TrialState.FAIL))
    with pytest.raises(StudyError, match=r"\(1 trial, 1 of them failed\)"):
        of(study, file_of(tmp_path))


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_any_number_of_objectives_is_reported(objectives: int, tmp_path: Path) -> None:
    report = of(a_study(random_values(30, objectives)), file_of(tmp_path))
    assert ("hypervolume" in sections(report)) == (objectives > 1)
    assert ("on the front" in dict(report.tiles)) == (objectives > 1)
    if objectives == 1:
        assert report.lead.startswith("The best network of 30 trials (trial ")


def test_a_front_of_many_objectives_is_shown_in_all_at_once_with_its_panacea(tmp_path: Path) -> None:
    report = of(five(), file_of(tmp_path))
    assert [figure.name for figure in sections(report)["objectives"].figures] == ["parallel", "matrix"]
    assert "panacea" in ", ".join(card.title for card in sections(report)["networks"].cards).lower()
    assert "objectives" not in sections(of(networks_study(), file_of(tmp_path)))


def test_a_study_in_which_nothing_is_feasible_says_so(tmp_path: Path) -> None:
    report = of(a_study([[0.5, 1.0], [0.6, 2.0]], infeasible=[0, 1]), file_of(tmp_path))
    assert report.lead == "2 trials, none of which keeps all constraints."
    assert "No trial keeps all constraints, so there is no front." in report.told
    assert set(sections(report)) == {"front"}


def test_one_trial_is_a_report_too(tmp_path: Path) -> None:
    report = of(networks_study(1), file_of(tmp_path))
    assert report.lead.startswith("One network of 1 trial is better than all others")
    (card,) = sections(report)["networks"].cards
    assert card.title == "Most accurate, fastest"


def test_a_study_of_a_table_has_configurations_and_no_commands_of_networks(tmp_path: Path) -> None:
    text = (
        "name: past\nstorage: sqlite:///{folder}/x.db\ntable: {{file: past.csv, parameters: [width], "
        "objectives: {{accuracy: maximize, latency_ms: minimize}}}}\nsampler: {{random: {{}}}}\ntrials: 2\n"
    )
    study = optuna.create_study(directions=["maximize", "minimize"])
    space = {"width": CategoricalDistribution([1, 2])}
    for width in (1, 2):
        study.add_trial(create_trial(values=[width / 4, width], params={"width": width}, distributions=space))
    report = of(study, file_of(tmp_path, text))  # the table itself is not there
    cards = sections(report)["configurations"].cards
    assert [(card.text, list(card.commands)) for card in cards] == [("width = 2", []), ("width = 1", [])]
    assert report.pictures == {}
    (front,) = sections(report)["front"].figures
    assert "width = 1" in " ".join(note for marks in front.panels[0].marks for note in marks.notes)


def test_failed_trials_and_those_under_way_are_counted(tmp_path: Path) -> None:
    study = networks_study()
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={FAILURE: "latency_ms: no phone"}))
    study.add_trial(create_trial(state=TrialState.RUNNING))
    report = of(study, file_of(tmp_path))
    assert [failure.reason for failure in report.failures] == ["latency_ms: no phone"]
    tiles = dict(report.tiles)
    assert (tiles["failed trials"], tiles["under way"]) == ("1", "1")


def test_the_reward_of_the_published_search_chooses_too(tmp_path: Path) -> None:
    paper = STUDY.replace("{{random: {{seed: 0}}}}", "{{mnas-paper: {{seed: 0, reward: {{mnas: {{target: 2}}}}}}}}")
    report = of(networks_study(), file_of(tmp_path, paper))
    assert "best reward" in ", ".join(card.title for card in sections(report)["networks"].cards).lower()


def test_trained_networks_stand_beside_what_their_trials_said(tmp_path: Path) -> None:
    study_file = file_of(tmp_path)
    held = {"accuracy": {"value": 0.5, "interval": [0.4, 0.6]}}
    study = networks_study(**{MEASUREMENTS: held})
    file = trained_file(study_file, label_of(1)).with_suffix(".json")
    file.parent.mkdir(parents=True)
    figures = {
        "label": "trial-1",
        "accuracy": 0.9,
        "interval": [0.88, 0.92],
        "recipe": {"recipe": "modern"},
        "steps": 9000,
    }
    file.write_text(json.dumps(figures), encoding="utf-8")
    (table,) = sections(of(study, study_file))["trained"].tables.values()
    row = dict(zip(table.heads, table.rows[0], strict=True))
    assert row == {
        "network": "trial-1",
        "in its trial": "50.0 ± 10.0 %",
        "hold-out": "90.0 ± 2.0 %",
        "recipe": "modern",
        "steps": "9,000",
    }


def test_searches_with_shared_weights_show_their_pictures(tmp_path: Path) -> None:
    study_file = file_of(tmp_path)
    study_file.files.mkdir()
    (study_file.files / "supernet-small.json").write_text(json.dumps({"curve": [POINT]}))
    (study_file.files / "fbnet-small.json").write_text(json.dumps({"choices": CHOICES, "epochs": EPOCHS}))
    figures = sections(of(networks_study(), study_file))["searches"].figures
    assert [figure.name for figure in figures] == ["shared-weights", "fbnet-search", "fbnet-choices"]


def test_a_search_that_another_program_has_changed_has_no_pictures(tmp_path: Path) -> None:
    study_file = file_of(tmp_path)
    study_file.files.mkdir()
    (study_file.files / "fbnet-small.json").write_text(json.dumps({"choices": CHOICES, "epochs": [{"epoch": 1}]}))
    assert "searches" not in sections(of(networks_study(), study_file))


def test_networks_of_somebody_elses_are_left_without_a_picture(tmp_path: Path) -> None:
    report = of(networks_study(**{NETWORK: "no network <b>"}), file_of(tmp_path))
    assert report.pictures == {}
    assert sections(report)["networks"].cards[0].text == "no\nnetwork\n<b>"


def test_damaged_notes_of_the_search_are_said_and_all_else_is_there(tmp_path: Path) -> None:
    study = networks_study()
    study.add_trial(create_trial(values=[0.1, 9.0], system_attrs={"mnas_moo:genome": {"learning": 7}}))
    report = of(study, file_of(tmp_path))
    assert "front" in sections(report)


class _Ideal:
    def measure_all(self, specs: Any) -> list[Measurement]:
        return [Measurement(spec.multiply_adds / 1e6) for spec in specs]

    def close(self) -> None:
        pass


@pytest.fixture
def ideal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(latency_sources, "make", lambda settings, report: _Ideal())
    return


@pytest.mark.usefixtures("ideal")
def test_published_networks_are_timed_where_one_asks_for_it(tmp_path: Path) -> None:
    study, study_file = networks_study(), file_of(tmp_path)
    assert "beside" not in sections(of(study, study_file))
    (figure,) = sections(of(study, study_file, timing=print))["beside"].figures
    names = list(figure.panels[0].y.names)
    assert names[0] == "most accurate (trial 2)"
    assert "MobileNetV2" in names


@pytest.mark.usefixtures("ideal")
def test_a_study_without_networks_has_nothing_to_time(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="has no networks on its front"):
        of(a_study([[0.5, 1.0]], network=""), file_of(tmp_path), timing=print)


def test_the_points_of_a_search_have_their_sections_and_need_no_training(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    found = sections(of(study, study_file))
    assert [figure.name for figure in found["per-image"].figures] == ["instanas-search"]
    assert len(found["points"].figures) == 4
    commands = {card.name: [line.split()[1] for line in card.commands] for card in found["networks"].cards}
    assert commands["trial 1"] == ["show", "export"]
    assert "searches" not in found
