"""Every line of SECURITY.md has a test that exists; those that belong to no other file are here."""

from __future__ import annotations

import io
import re
from pathlib import Path

import optuna
import pytest

from mnas_moo.cli import main as cli
from mnas_moo.reports.dashboard_view import NetworkStore, View
from mnas_moo.running.storage import open_study
from mnas_moo.study_file.load import load_study_file
from tests.cli.conftest import Run, refused
from tests.cli.conftest import mnas_moo as mnas_moo

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith(("| can |", "| cannot |"))]


def named(row: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)


def test_the_page_speaks_of_every_kind_of_guest() -> None:
    kinds = ("study file", "plugin", "storage", "phone", "lookup table", "table", "folder of images", "artifact")
    assert [kind for kind in kinds if not re.search(rf"^## An? {kind}$", PAGE, re.MULTILINE)] == []
    assert len(ROWS) >= 25


@pytest.mark.parametrize("row", ROWS)
def test_a_line_names_a_test_that_exists(row: str) -> None:
    tests = named(row)
    assert tests
    for file, name in tests:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{name}"


@pytest.mark.parametrize("identifier", ["../x", "../../x", "/etc/passwd", "a/../../x", "..", "/tmp/x"])
def test_artifacts_stay_in_their_folder(identifier: str, tmp_path: Path) -> None:
    folder = tmp_path / "study_files" / "artifacts"
    store = NetworkStore(optuna.storages.InMemoryStorage(), folder)
    (tmp_path / "x").write_text("mine", encoding="utf-8")
    folder.mkdir(parents=True)
    with pytest.raises((ValueError, OSError)):
        store.open_reader(identifier)
    with pytest.raises((ValueError, OSError)):
        store.write(identifier, io.BytesIO(b"theirs"))
    with pytest.raises((ValueError, OSError)):
        store.remove(identifier)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["artifacts", "study_files", "x"]
    assert (tmp_path / "x").read_text(encoding="utf-8") == "mine"


def test_whoever_writes_to_a_storage_decides_its_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = "{file: t.csv, parameters: [a], objectives: {error: minimize}}"
    text = f"name: s\nstorage: sqlite:///s.db\ntable: {table}\nsampler: random\ntrials: 1\n"
    Path("s.yaml").write_text(text, encoding="utf-8")
    Path("t.csv").write_text("a,error\n1,0.5\n2,0.6\n", encoding="utf-8")
    study = optuna.create_study(study_name="s", storage="sqlite:///s.db", direction="minimize")
    study.add_trial(optuna.trial.create_trial(value=-123.25))
    assert cli.main(["front", "s.yaml", "--json"]) == 0
    assert "-123.25" in capsys.readouterr().out


HUGE = {
    "long": ("x" * 50_000_000, "a network of 50,000,000 characters is too long; at most 65,536 are allowed"),
    "many tokens": (
        f"in3x32x32 stem_k3_s11_o16 {'r1_k3_s11_e1_i16_o16 ' * 200_000}fc10",
        "a network of 4,200,030 characters is too long; at most 65,536 are allowed",
    ),
    "many layers": (
        "in3x32x32 stem_k3_s11_o16 r999999999_k3_s11_e1_i16_o16 fc10",
        "token 'r999999999_k3_s11_e1_i16_o16': part r999999999: at most 1,000 layers are allowed",
    ),
    "no text": (["in3x32x32"], "token \"['in3x32x32']\" is none of the network's"),
}
"""Networks that somebody has written to a storage -> what is said of them."""


@pytest.mark.parametrize("kind", HUGE)
def test_a_network_of_any_length_holds_nothing_up(mnas_moo: Run, kind: str) -> None:
    network, message = HUGE[kind]
    assert mnas_moo("run", "counts.yaml")[0] == 0
    study_file = load_study_file("counts.yaml")
    study = open_study(study_file)
    trial = study.trials[0]
    theirs = {"network": network, "measurements": trial.user_attrs["measurements"]}
    values = [1e-6, 1e-6]  # it is the front
    study.add_trial(
        optuna.create_trial(values=values, params=trial.params, distributions=trial.distributions, user_attrs=theirs)
    )
    shown = kind == "many layers"  # a text like others, which is not read here
    said = "" if shown else "trial 4: its network is left out, as no text of up to 65,536 characters\n"
    for words in ((), ("--json",), ("--csv",)):
        status, out, err = mnas_moo("front", "counts.yaml", *words)
        assert (status, err) == (0, said)
        assert len(out) < 2000
    for plot in ("front.html", "front.png"):
        assert mnas_moo("front", "counts.yaml", "--plot", plot)[0] == 0
        assert Path(plot).stat().st_size < 6_000_000
    refused(
        mnas_moo("show", "counts.yaml", "--trial", "4", "--no-latency"),
        f"trial 4 of counts holds no network of ours: {message}",
    )
    assert mnas_moo("run", "counts.yaml", "--trials", "7")[0] == 0
    view = View(open_study(study_file)._storage, study_file)
    (last,) = [each for each in view.get_all_trials(study._study_id) if each.number == 4]
    assert len(str(last.user_attrs["network"])) < 100
    view.refresh()
    store = NetworkStore(view.stored, Path("artifacts"))
    with pytest.raises(optuna.artifacts.exceptions.ArtifactNotFound) as raised:
        store.open_reader(f"0-{last._trial_id:x}-0")
    assert len(str(raised.value)) < 1000
