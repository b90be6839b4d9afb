from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from PIL import Image
from rich.console import Console
from rich.live import Live

from mnas_moo.cli import main as cli
from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.objective import Measurement
from mnas_moo.reports.progress import LiveProgress
from mnas_moo.running import network_trials
from mnas_moo.running.run import run_study
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.load import load_study_file

COUNTS = """\
name: counts
storage: sqlite:///counts.db
space: {mnasnet: {preset: digits, blocks: 2}}
data: digits
objectives: {parameters_m: , multiply_adds_m: }
sampler: {random: {seed: 0}}
trials: 4
"""
Answer = tuple[int, str, str]
Run = Callable[..., Answer]


@pytest.fixture
def mnas_moo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with counts.yaml; gives exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    Path("counts.yaml").write_text(COUNTS, encoding="utf-8")
    verbosity = optuna.logging.get_verbosity()

    def answer(*words: str) -> Answer:
        capsys.readouterr()
        try:
            status = cli.main(words)
        finally:
            optuna.logging.set_verbosity(verbosity)
        return (status, *capsys.readouterr())

    return answer


def change(old: str, new: str) -> None:
    text = Path("counts.yaml").read_text(encoding="utf-8")
    assert old in text
    Path("counts.yaml").write_text(text.replace(old, new), encoding="utf-8")


def refused(answer: Answer, start: str) -> None:
    """The command ended with status 2 and one line that begins so."""
    status, out, err = answer
    assert status == 2
    assert out == ""
    assert err.startswith(f"mnas-moo: {start}")
    assert err.count("\n") == 1


def test_run_prints_a_line_a_trial_the_front_and_what_comes_next(mnas_moo: Run) -> None:
    status, out, err = mnas_moo("run", "counts.yaml")
    assert status == 0
    assert re.findall(r"^trial (\d): parameters_m [\d.]+, multiply_adds_m [\d.]+ \((\d) of 4, ", err, re.M) == [
        ("0", "1"), ("1", "2"), ("2", "3"), ("3", "4"),
    ]  # fmt: skip
    assert "parameters_m" in out
    assert "counts: 4 trials are finished" in err
    assert "mnas-moo front counts.yaml --plot front.svg" in err


def test_a_finished_study_says_so_and_how_to_add_trials(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    status, _, err = mnas_moo("run", "counts.yaml")
    assert status == 0
    assert "counts is finished: it wants 4 trials and has 4. To add some: mnas-moo run counts.yaml --trials 8" in err
    assert "trial 0" not in err
    _, out, _ = mnas_moo("run", "counts.yaml", "--trials", "6", "--json")
    assert {record["trial"] for record in json.loads(out)} <= set(range(6))
    assert len(optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials) == 6


def test_front_as_table_csv_json_and_picture(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    best = {trial.number for trial in optuna.load_study(study_name="counts", storage="sqlite:///counts.db").best_trials}
    status, table, _ = mnas_moo("front", "counts.yaml")
    assert status == 0
    assert {
        int(line.split()[0]) for line in table.splitlines() if line.split()[:1] and line.split()[0].isdigit()
    } == best
    records = json.loads(mnas_moo("front", "counts.yaml", "--json")[1])
    assert {record["trial"] for record in records} == best
    assert set(records[0]) == {"trial", "params", "network", "parameters_m", "multiply_adds_m"}
    lines = mnas_moo("front", "counts.yaml", "--csv")[1].splitlines()
    assert lines[0].startswith("trial,parameters_m,multiply_adds_m,network,block1.operation,")
    assert len(lines) == 1 + len(best)
    status, out, err = mnas_moo("front", "counts.yaml", "--plot", "front.svg")
    assert (status, out, err) == (0, "", "written: front.svg\n")
    assert "<svg" in Path("front.svg").read_text(encoding="utf-8")
    refused(mnas_moo("front", "counts.yaml", "--plot", "front.gif"), "front.gif: its ending is '.gif'")
    refused(mnas_moo("front", "counts.yaml", "--plot", "no/front.svg"), "no/front.svg: No such file or directory")


def test_a_study_without_a_finished_trial_has_no_front(mnas_moo: Run) -> None:
    optuna.create_study(study_name="counts", storage="sqlite:///counts.db", directions=["minimize"] * 2)
    assert mnas_moo("front", "counts.yaml") == (0, "", "counts: no trial is finished yet, so there is no front\n")
    assert mnas_moo("front", "counts.yaml", "--json") == (0, "[]\n", "")


def test_show_a_published_network(mnas_moo: Run) -> None:
    status, out, _ = mnas_moo("show", "mnasnet-a1", "--json", "--no-latency")
    shown = json.loads(out)
    assert status == 0
    assert (shown["parameters"], shown["multiply_adds"]) == (3887038, 311579072)
    assert set(shown) == {"name", "parameters", "multiply_adds", "peak_memory_bytes", "network"}
    _, out, err = mnas_moo("show", "MnasNet-A1", "--no-latency", "--picture", "a1.svg")
    assert "3,887,038" in out
    assert "r3_k5_s22_e3_i24_o40_se0.25" in out
    assert err == "written: a1.svg\n"
    assert "<svg" in Path("a1.svg").read_text(encoding="utf-8")
    scaled = json.loads(
        mnas_moo("show", "mnasnet-a1", "--width", "0.5", "--classes", "10", "--no-latency", "--json")[1]
    )
    assert scaled["network"].split()[-3] == "fc10"


def test_show_measures_latency_on_this_machine(mnas_moo: Run) -> None:
    words = ("show", "mnasnet-small", "--resolution", "32", "--json")
    assert json.loads(mnas_moo(*words, "--latency")[1])["latency_ms"] > 0


def test_show_the_network_of_a_trial(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    trial = optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials[2]
    shown = json.loads(mnas_moo("show", "counts.yaml", "--trial", "2", "--no-latency", "--json")[1])
    assert shown["trial"] == 2
    assert [shown["parameters"] / 1e6, shown["multiply_adds"] / 1e6] == trial.values
    assert "trial 2\n" in mnas_moo("show", "counts.yaml", "--trial", "2", "--no-latency")[1]


def test_show_refuses_what_it_cannot_show(mnas_moo: Run) -> None:
    refused(mnas_moo("show", "mnasnet-a7"), "network 'mnasnet-a7' is unknown; did you mean 'mnasnet-a1'?")
    refused(mnas_moo("show", "mnasnet-a1", "--width", "0"), "network 'mnasnet-a1': width is 0.0; it must be above 0")
    refused(mnas_moo("show", "mnasnet-a1", "--no-latency", "--picture", "x.gif"), "x.gif: a network is drawn as .svg")
    refused(mnas_moo("show", "digits"), "digits is a study; say which of its networks: --trial N")
    refused(
        mnas_moo("show", "counts.yaml", "--trial", "2"), "counts.yaml:2: storage is sqlite:///counts.db, which is not"
    )
    mnas_moo("run", "counts.yaml")
    refused(mnas_moo("show", "counts.yaml", "--trial", "9"), "counts has no trial 9; it has trials 0 to 3")
    refused(mnas_moo("show", "counts.yaml", "--trial", "1", "--width", "2"), "--width is for published networks")


def images(folder: str, **classes: int) -> None:
    """A folder of images: names of classes and how many they have."""
    Path(folder).mkdir()
    for name, count in classes.items():
        Path(folder, name).mkdir()
        for i in range(count):
            Image.new("L", (16, 16), 16 * i).save(Path(folder, name, f"{i}.png"))


def corrupt_image() -> None:
    images("images", a=4, b=4)
    Path("images/b/3.png").write_bytes(b"\x89PNG no more")


# ruff: noqa: E501 (a table reads best with one case a line)
BAD_INPUT: dict[str, tuple[Callable[[], None], str]] = {
    "a missing file": (lambda: Path("counts.yaml").unlink(), "counts.yaml: there is no such file, and no bundled study"),
    "YAML that does not parse": (lambda: change("data: digits", "data: ["), "counts.yaml:6: not valid YAML: "),
    "an unknown key": (lambda: change("trials:", "trails:"), "counts.yaml:7: trails is unknown; did you mean 'trials'?"),
    "a wrong type": (lambda: change("trials: 4", "trials: four"), "counts.yaml:7: trials is 'four'; it must be a whole number"),
    "an unknown space": (lambda: change("{mnasnet:", "{mnasnt:"), "counts.yaml:3: space.mnasnt is unknown; did you mean 'mnasnet'?"),
    "no such folder": (lambda: change("data: digits", "data: nowhere"), "counts.yaml:4: data: nowhere is no folder"),
    "an empty data folder": (lambda: (change("data: digits", "data: images"), images("images")), "counts.yaml:4: data: "),
    "one class only": (lambda: (change("data: digits", "data: images"), images("images", a=3)), "counts.yaml:4: data: "),
    "a corrupt image": (
        lambda: (change("data: digits", "data: images"), change("parameters_m:", "accuracy: train, parameters_m:"), corrupt_image()),
        "counts.yaml:4: data: ",
    ),
    "a storage that is not there": (lambda: change("sqlite:///", "sqlite:///nowhere/"), "counts.yaml:2: storage is sqlite:///nowhere/counts.db, but there is no folder nowhere"),
    "a storage that cannot be reached": (lambda: change("sqlite:///counts.db", "postgresql+psycopg2://localhost:9/x"), "counts.yaml:2: storage is postgresql+psycopg2://localhost:9/x, which cannot be opened: "),
    "a storage that is none": (lambda: change("sqlite:///counts.db", "counts.db"), "counts.yaml:2: storage is 'counts.db', which is no storage; allowed: "),
    "a storage in memory": (lambda: change("sqlite:///counts.db", "'sqlite:///:memory:'"), "counts.yaml:2: storage is 'sqlite:///:memory:', which names no file"),
    "a storage that is no database": (lambda: Path("counts.db").write_text("hello"), "counts.yaml:2: storage is sqlite:///counts.db, which cannot be opened: "),
    "a target of 0": (lambda: change("{random: {seed: 0}}", "{mnas-paper: {reward: {mnas: {target: 0}}}}"), "counts.yaml:6: sampler.mnas-paper.reward.mnas.target is 0; it must be above 0"),
    "another space than the storage's": (lambda: (run_study("counts.yaml"), change("blocks: 2", "blocks: 3")), "counts.yaml:3: space: the file asks for mnasnet {preset: 'digits', blocks: 3}, but study 'counts' in sqlite:///counts.db holds mnasnet {preset: 'digits', blocks: 2}"),
    "other objectives than the storage's": (lambda: (run_study("counts.yaml"), change("parameters_m: , ", "")), "counts.yaml:5: objectives: the file asks for {multiply_adds_m: {}}, but study 'counts' in sqlite:///counts.db holds {parameters_m: {}, multiply_adds_m: {}}"),
    "no trials": (lambda: change("trials: 4", "trials: 0"), "counts.yaml:7: trials is 0; it must be at least 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_status_2(case: str, mnas_moo: Run) -> None:
    prepare, start = BAD_INPUT[case]
    prepare()
    status, out, err = mnas_moo("run", "counts.yaml")
    lines = [line for line in err.splitlines() if line.startswith("mnas-moo: ")]
    assert (status, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith(f"mnas-moo: {start}")
    assert err.endswith(f"{lines[0]}\n")
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", [("front",), ("show", "--trial", "1"), ("dashboard", "--no-browser")])
def test_what_only_reads_creates_nothing(verb: tuple[str, ...], mnas_moo: Run) -> None:
    words = (verb[0], "counts.yaml", *verb[1:])
    refused(
        mnas_moo(*words), "counts.yaml:2: storage is sqlite:///counts.db, which is not there; `mnas-moo run` creates it"
    )
    refused(
        mnas_moo(*words, "--storage", "journal:///x.log"),
        "counts.yaml: storage is journal:///x.log, which is not there",
    )
    assert [path.name for path in Path().iterdir()] == ["counts.yaml"]
    optuna.create_study(study_name="count", storage="sqlite:///counts.db")
    refused(
        mnas_moo(*words),
        "counts.yaml:1: name is 'counts', which sqlite:///counts.db does not hold; did you mean 'count'?",
    )


def test_a_missing_extra_is_one_line(mnas_moo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise MissingExtraError("x is not installed; install it with: pip install 'mnas-moo[host]'")

    monkeypatch.setattr(network_trials, "make_objective", missing)
    refused(mnas_moo("run", "counts.yaml"), "x is not installed; install it with: pip install 'mnas-moo[host]'")


def test_ten_failures_in_a_row_are_status_1(mnas_moo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
            raise ValueError("broken")

        def close(self) -> None:
            pass

    monkeypatch.setattr(network_trials, "make_objective", lambda *_: Broken())
    status, out, err = mnas_moo("run", "counts.yaml")
    assert (status, out) == (1, "")
    assert err.count("failed: parameters_m: broken") == 10
    assert err.endswith("mnas-moo: counts: 10 trials in a row failed; the last one, trial 9: parameters_m: broken\n")
    assert "Traceback" not in err


def test_the_live_view_shows_front_counts_and_what_runs(mnas_moo: Run) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=60)
    with Live(console=console, auto_refresh=False) as live:
        progress = LiveProgress(live, None)
        study = run_study("counts.yaml", observer=progress)
        progress.trial_started(4, "in1x16x16 stem")
        with console.capture() as capture:
            console.print(progress.view())
    view = re.sub(r"\x1b\[[\d;]*m", "", capture.get())
    assert "counts" in view
    assert "4 of 4 trials" in view
    assert "best parameters_m" in view
    assert all(f" {trial.number} " in view for trial in study.best_trials)
    assert "trial 4: in1x16x16 stem" in view


def test_ctrl_c_ends_after_saving_and_the_same_command_goes_on(mnas_moo: Run) -> None:
    change("trials: 4", "trials: 100000")
    command = [sys.executable, "-m", "mnas_moo.cli.main", "run", "counts.yaml"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("trial 1:"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.endswith("stopped; what is finished is saved. To go on: mnas-moo run counts.yaml\n")
    assert "Traceback" not in rest
    trials = optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials
    finished = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert not [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    assert len(finished) >= 2
    study = run_study(load_study_file("counts.yaml", trials=len(finished) + 1))
    assert [trial.values for trial in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))][:-1] == [
        trial.values for trial in finished
    ]


def test_help_imports_nothing_heavy_and_shows_an_example() -> None:
    script = (
        "import sys; from mnas_moo.cli import main as cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'optuna', 'pydantic', 'rich', 'numpy', 'yaml', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    for words in (["--help"], *([verb, "--help"] for verb in ("run", "front", "show", "dashboard"))):
        result = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, env=environment, check=False
        )
        assert result.returncode == 0, result.stderr
        assert (
            words == ["--help"]
            or f"example:\n  mnas-moo {words[0]} digits" in result.stdout
            or "show mnasnet-a1" in result.stdout
        )
