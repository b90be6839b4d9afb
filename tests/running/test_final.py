from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.objectives.training.full import ALONE
from mnas_moo.objectives.training.recipes import RECIPES
from mnas_moo.running import final
from mnas_moo.running.final import Asked, of_the_front, of_trials, published, train_networks
from mnas_moo.running.trained import trained_figures, trained_file
from mnas_moo.running.trials import FAILURE, NETWORK, SAME_AS, Observer
from mnas_moo.spaces import get
from mnas_moo.spaces.text import to_text
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.conftest import write

SPACE = get("mnasnet", preset="digits", blocks=2)
ASKED = Asked(dataclasses.replace(RECIPES["sgd"], epochs=0.2), 0, None, None, None, "cpu", 1)


def networks(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    found: dict[str, None] = {}
    while len(found) < n:
        found[to_text(SPACE.random(rng).canonical())] = None
    return list(found)


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(study_name="few", directions=["maximize", "minimize"])
    texts = networks(5)
    for text, values in zip(texts, ([0.5, 1.0], [0.9, 9.0], [0.8, 2.0], [0.4, 3.0]), strict=False):
        study.add_trial(create_trial(values=values, user_attrs={NETWORK: text}))
    study.add_trial(create_trial(values=[0.8, 2.0], user_attrs={NETWORK: texts[2], SAME_AS: 2}))
    failed = {NETWORK: texts[4], FAILURE: "the loss became nan"}
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=failed))
    study.add_trial(create_trial(values=[0.3, 3.0]))
    study.add_trial(create_trial(values=[0.3, 3.0], user_attrs={NETWORK: "no network"}))
    return study


@pytest.fixture
def study_file(tmp_path: Path) -> NetworkStudy:
    found = write(tmp_path)
    assert isinstance(found, NetworkStudy)
    return found


def test_the_front_gives_the_networks_that_cover_most_together(study: optuna.Study) -> None:
    assert [each.trial for each in of_the_front(study, 1)] == [2]
    assert {each.trial for each in of_the_front(study, 3)} == {0, 1, 2}
    assert len(of_the_front(study, 9)) == 4  # each network once, and those beyond the front too
    assert [each.label for each in of_trials(study, [3, 0, 3])] == ["trial-3", "trial-0"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (99, "few has no trial 99; it has trials 0 to 7"),
        (-1, "few has no trial -1; it has trials 0 to 7"),
        (5, r"trial 5 of few failed \(the loss became nan\); `mnas-moo front` lists others"),
        (6, r"trial 6 of few has no network \(COMPLETE\)"),
        (7, "trial 7 of few holds no network of ours"),
    ],
)
def test_a_trial_without_a_network_to_train_is_refused(study: optuna.Study, number: int, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        of_trials(study, [number])


def test_an_empty_front_is_refused(study: optuna.Study) -> None:
    empty = optuna.create_study(study_name="none", directions=["maximize", "minimize"])
    with pytest.raises(StudyError, match="none has no finished trial with a feasible network yet"):
        of_the_front(empty, 2)
    with pytest.raises(StudyError, match="--top is 0; it must be at least 1"):
        of_the_front(study, 0)


def test_networks_are_trained_into_files_once(study: optuna.Study, study_file: NetworkStudy) -> None:
    chosen = of_trials(study, [0, 2])
    told: list[str] = []

    class Teller(Observer):
        def preparing(self, what: str) -> None:
            told.append(what)

    trained = train_networks(study_file, chosen, ASKED, Teller(), lambda *_: None, ALONE)
    assert [each.figures["label"] for each in trained] == ["trial-0", "trial-2"]
    figures = trained_figures(study_file)
    assert set(figures) == {"trial-0", "trial-2"}
    assert figures["trial-2"]["trial"] == 2 and figures["trial-2"]["study"] == "counts"
    assert figures["trial-2"]["data"] == {"source": "digits", "holdout": 0.2, "images": 1797, "train_images": 1438}
    assert not list(study_file.checkpoints.glob("final-*"))
    before = trained_file(study_file, "trial-0").read_bytes()
    again = train_networks(study_file, chosen, ASKED, Teller(), lambda *_: None, ALONE)
    assert trained_file(study_file, "trial-0").read_bytes() == before
    assert told[-1].startswith("trial-2 is trained already: ")
    assert again[0].figures == trained[0].figures


def test_a_training_that_fails_stops_the_others_which_go_on_later(
    study: optuna.Study, study_file: NetworkStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(final, "at_a_time", lambda threads, device: 2)
    bad, good = of_trials(study, [0, 2])
    wide = dataclasses.replace(bad, spec=dataclasses.replace(bad.spec, classes=9))
    with pytest.raises(ValueError, match="of 9 classes, but the data has"):
        train_networks(study_file, [wide, good], ASKED, Observer(), lambda *_: None, ALONE)
    assert train_networks(study_file, [good], ASKED, Observer(), lambda *_: None, ALONE)


def test_a_published_network_takes_the_studys_classes_and_size(study: optuna.Study, study_file: NetworkStudy) -> None:
    side = SPACE.spec({name: d.choices[0] for name, d in SPACE.distributions.items()}).input_shape[1]  # type: ignore[attr-defined]
    chosen = published(study, study_file, "MnasNet-small", 0.5)
    assert chosen.label == "mnasnet-small-x0.5" and chosen.trial is None
    assert (chosen.spec.classes, chosen.spec.input_shape) == (10, (3, side, side))
    assert published(None, study_file, "mnasnet-small", 1.0).spec.input_shape == (3, 8, 8)  # the digits' own
