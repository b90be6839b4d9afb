from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from mnas_moo.compare.journal import Journal
from mnas_moo.objectives.objective import Direction

DIRECTIONS: dict[str, Direction] = {"accuracy": "maximize", "latency_ms": "minimize"}


def trials(n: int) -> list[FrozenTrial]:
    x = {"x": FloatDistribution(0, 10)}
    return [
        optuna.trial.create_trial(
            params={"x": i / 7},
            distributions=x,
            values=[0.1 * i, i],
            user_attrs={"sampler_ms": 1.5},
            system_attrs={"constraints": [i - 2.0]},
        )
        for i in range(n)
    ]


def stored(file: Path) -> dict[str, list[FrozenTrial]]:
    storage = JournalStorage(JournalFileBackend(str(file)))
    return {name: optuna.load_study(study_name=name, storage=storage).trials for name in sorted(names(storage))}


def names(storage: JournalStorage) -> list[str]:
    return optuna.get_all_study_names(storage)


def test_optuna_reads_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "studies.journal"
    journal = Journal(file)
    journal.put("a", DIRECTIONS, lambda: trials(5), {"trials": 5})
    journal.put("b", DIRECTIONS, lambda: trials(3), {"trials": 3})
    found = stored(file)
    assert [(t.params, t.values, t.user_attrs, t.constraints, t.number) for t in found["a"]] == [
        (t.params, t.values, t.user_attrs, t.constraints, i) for i, t in enumerate(trials(5))
    ]
    assert len(found["b"]) == 3
    study = optuna.load_study(study_name="a", storage=JournalStorage(JournalFileBackend(str(file))))
    assert study.metric_names == ["accuracy", "latency_ms"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]


def test_what_is_there_is_not_written_again_and_what_is_new_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "studies.journal"
    Journal(file).put("a", DIRECTIONS, lambda: trials(5), {"trials": 5})
    Journal(file).put("b", DIRECTIONS, lambda: trials(2), {"trials": 2})
    size = file.stat().st_size
    journal = Journal(file)
    journal.put("a", DIRECTIONS, lambda: pytest.fail("not needed"), {"trials": 5})
    assert file.stat().st_size == size
    journal.put("a", DIRECTIONS, lambda: trials(7), {"trials": 7})
    journal.put("a", DIRECTIONS, lambda: pytest.fail("not needed"), {"trials": 7})
    assert {name: len(found) for name, found in stored(file).items()} == {"a": 7, "b": 2}


def test_the_lock_of_a_killed_program_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    file = Path("out/studies.journal")
    (tmp_path / "out/studies.journal.lock").symlink_to("out/studies.journal")
    Journal(file).put("a", DIRECTIONS, lambda: trials(2), {"trials": 2})
    assert [path.name for path in Path("out").iterdir()] == ["studies.journal"]


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_study_that_was_cut_short_is_written_anew(kept: float, tmp_path: Path) -> None:
    file = tmp_path / "studies.journal"
    Journal(file).put("a", DIRECTIONS, lambda: trials(5), {"trials": 5})
    before = file.stat().st_size
    Journal(file).put("b", DIRECTIONS, lambda: trials(5), {"trials": 5})
    content = file.read_bytes()
    file.write_bytes(content[: int(before + kept * (len(content) - before))])
    Journal(file).put("b", DIRECTIONS, lambda: trials(5), {"trials": 5})
    assert {name: len(found) for name, found in stored(file).items()} == {"a": 5, "b": 5}
