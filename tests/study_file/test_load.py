from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import bundled, load_study_file, read_option
from mnas_moo.study_file.measuring import Host, Measured
from tests.study_file.conftest import TEXT, load, load_table

ROOT = Path(__file__).resolve().parents[2]

# ruff: noqa: E501 (a table reads best with one case a line)
BAD = {
    "unknown key": (("trials: 60", "trails: 60"), "10: trails is unknown; did you mean 'trials'?"),
    "unknown key inside": (("threads", "treads"), "7: objectives.latency_ms.host.treads is unknown; did you mean 'threads'?"),
    "missing key": (("trials: 60\n", ""), "1: trials is missing"),
    "wrong type": (("trials: 60", "trials: sixty"), "10: trials is 'sixty'; it must be a whole number"),
    "text for a number": (("epochs: 2", "epochs: '2'"), "6: objectives.accuracy.train.epochs is '2'; it must be a whole"),
    "number for text": (("name: small", "name: 7"), "1: name is 7; it must be text"),
    "yes for a number": (("epochs: 2", "epochs: yes"), "6: objectives.accuracy.train.epochs is true; it must be a whole"),
    "nothing": (("name: small", "name:"), "1: name is empty; it must be text"),
    "no trials": (("trials: 60", "trials: 0"), "10: trials is 0; it must be at least 1"),
    "list for a part": (("{mnas: {seed: 0}}", "[mnas]"), "9: sampler is ['mnas']; it must be a mapping of mnas, "),
    "unknown space": (("{mnasnet: {preset: digits, blocks: 3}}", "mnasnt"), "3: space is 'mnasnt', which is unknown; did you mean 'mnasnet'?"),
    "unknown space with settings": (("{mnasnet:", "{mnasnt:"), "3: space.mnasnt is unknown; did you mean 'mnasnet'?"),
    "unknown setting": (("blocks: 3", "widht: 3"), "3: space.mnasnet.widht: setting 'widht' is unknown; did you mean 'width'?"),
    "refused setting": (("blocks: 3", "width: -1"), "3: space.mnasnet.width: setting 'width' is -1; it must be a number above 0"),
    "two spaces": (("{mnasnet:", "{a: {}, mnasnet:"), "3: space is {'a': {}, 'mnasnet': "),
    "unknown objective": (("latency_ms:", "latency:"), "7: objectives.latency is unknown; did you mean 'latency_ms'?"),
    "unknown backend": (("{host: {threads: 1}}", "{hots: {}}"), "7: objectives.latency_ms.hots is unknown; did you mean 'host'?"),
    "no backend": (("{host: {threads: 1}}", ""), "7: objectives.latency_ms has nothing; exactly one is needed of host"),
    "no objective": ((TEXT[TEXT.index("objectives") : TEXT.index("constraints")], "objectives: {}\n"), "5: objectives is empty; at least one"),
    "settings of a count": (("  latency_ms: {host: {threads: 1}}", "  parameters_m: {max: 1}"), "7: objectives.parameters_m is {'max': 1}; a count has no settings"),
    "unknown constraint": (("{max: 6}", "{maximum: 6}"), "8: constraints.parameters_m.maximum is unknown; did you mean 'max'?"),
    "no bound": (("{max: 6}", "{}"), "8: constraints.parameters_m has no bound"),
    "bound of 0": (("{max: 6}", "{max: 0}"), "8: constraints.parameters_m.max is 0; it must be above 0"),
    "no network between": (("{max: 6}", "{max: 6, min: 7}"), "8: constraints.parameters_m asks for at least 7.0 and at most 6.0"),
    "accuracy in percent": (("{parameters_m: {max: 6}}", "{accuracy: {min: 90}}"), "8: constraints.accuracy.min is 90.0; accuracy is a fraction of 1"),
    "unknown sampler": (("{mnas: {seed: 0}}", "nsga"), "9: sampler.nsga is unknown; did you mean 'nsga2'?"),
    "two samplers": (("{mnas: {seed: 0}}", "{mnas: , tpe: }"), "9: sampler has mnas, tpe; exactly one is needed of mnas, "),
    "seed below 0": (("seed: 0", "seed: -1"), "9: sampler.mnas.seed is -1; it must be at least 0"),
    "target of 0": (("{mnas: {seed: 0}}", "{mnas-paper: {reward: {mnas: {target: 0}}}}"), "9: sampler.mnas-paper.reward.mnas.target is 0; it must be above 0"),
    "infinite target": (("{mnas: {seed: 0}}", "{mnas-paper: {reward: {mnas: {target: .inf}}}}"), "9: sampler.mnas-paper.reward.mnas.target is inf; it must be finite"),
    "no reward": (("{mnas: {seed: 0}}", "mnas-paper"), "9: sampler.mnas-paper.reward is missing; several objectives need one"),
    "reward of what is no objective": (
        ("{mnas: {seed: 0}}", "{mnas-paper: {reward: {absolute: {target: 5, latency: parameters_m}}}}"),
        "9: sampler.mnas-paper.reward.absolute: reward: no objective is named 'parameters_m'",
    ),
    "reward of one objective": (
        ("  latency_ms: {host: {threads: 1}}\n", "", "{mnas: {seed: 0}}", "{mnas-paper: {reward: {mnas: {target: 5}}}}"),
        "8: sampler.mnas-paper.reward joins two objectives, and there is only accuracy",
    ),
    "reward for slow networks": (("{mnas: {seed: 0}}", "{mnas-paper: {reward: {mnas: {target: 5, beta: 1}}}}"), "9: sampler.mnas-paper.reward.mnas.beta is 1; it must be at most 0"),
    "unknown data": (("data: digits", "data: {cifr10: x}"), "4: data.cifr10 is unknown; did you mean 'cifar10'?"),
    "data of another type": (("data: digits", "data: [digits]"), "4: data is ['digits']; it must be a mapping of "),
    "module of no plugin": (("{mnasnet: {preset: digits, blocks: 3}}", "no_such.module:Space"), "3: space is 'no_such.module:Space', which is of no plugin; a study file imports nothing: name its module or file with --plugin FILE_OR_MODULE"),
    "call of no plugin": (("{mnasnet: {preset: digits, blocks: 3}}", "{'os:system': {command: 'id > PWNED'}}"), "3: space.os:system is of no plugin; a study file imports nothing: name its module or file with --plugin FILE_OR_MODULE"),
    "port that is no number": (("sqlite:///small.db", "postgresql://me:secret@host:port/db"), "2: storage has a port that is no number from 1 to 65535; "),
    "port that is a part of a password": (("sqlite:///small.db", "postgresql://me:secr@et:pass@host/db"), "2: storage has a port that is no number from 1 to 65535; "),
    "port out of range": (("sqlite:///small.db", "postgresql://host:65536/db"), "2: storage has a port that is no number from 1 to 65535; "),
    "YAML that does not parse": (("data: digits", "data: ["), "6: not valid YAML: "),
    "the first of two": (("threads", "treads", "trials: 60", "trials: 0"), "7: objectives.latency_ms.host.treads is unknown"),
}  # fmt: skip  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_with_its_place_and_what_is_right(case: str, tmp_path: Path) -> None:
    changes, message = BAD[case]
    with pytest.raises(StudyError) as caught:
        load(tmp_path, *changes)
    assert str(caught.value).startswith(f"{tmp_path}/small.yaml:{message}")
    assert "\n" not in str(caught.value)


def test_what_is_given_instead_of_the_files_is_checked_without_blaming_a_line(tmp_path: Path) -> None:
    study = load(tmp_path, "data: digits", "data: {imagenet: here}")
    path = tmp_path / "small.yaml"
    changed = load_study_file(path, storage="sqlite:////tmp/x.db", data="there", trials=3)
    assert (changed.storage, changed.data.source, changed.trials) == ("sqlite:////tmp/x.db", {"imagenet": "there"}, 3)
    assert study.data.source == {"imagenet": "here"}
    assert changed.files == Path("/tmp/x_files")
    with pytest.raises(StudyError, match=r"small.yaml: trials is 0"):
        load_study_file(path, trials=0)


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_study_is_the_file_and_says_what_it_is_for(name: str) -> None:
    path = Path(__file__).parents[2] / "studies" / f"{name}.yaml"
    assert load_study_file(name).model_dump() == load_study_file(path).model_dump()
    assert load_study_file(name).name == name
    comment = path.read_text(encoding="utf-8").partition("name:")[0]
    assert all(f"# {word}" in comment for word in ("Purpose: ", "Cost: ", "Result: "))


def test_a_file_wins_over_a_bundled_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_study_file("digits").name == "small"


def test_a_missing_file_names_the_nearest_bundled_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no such file, .* did you mean 'digits'\? bundled: .*digits"):
        load_study_file("digit")
    with pytest.raises(StudyError, match="is a folder, no regular file; name a study file"):
        load_study_file(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"name: \xff")
    with pytest.raises(StudyError, match="not text in UTF-8"):
        load_study_file(tmp_path / "x.yaml")


def test_no_message_about_a_port_shows_a_password(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load(tmp_path, "sqlite:///small.db", "postgresql://me:secret@host:port/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h:5432/d", "postgresql+psycopg2://h/d?host=/run/pg", "mysql://u:p:q@[::1]:3306/d"]
)
def test_addresses_of_servers_are_accepted(url: str, tmp_path: Path) -> None:
    assert load(tmp_path, "sqlite:///small.db", f"'{url}'").storage == url


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """Reading a pipe would wait for a writer, and /dev/zero has no end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", "/dev/zero"):
        with pytest.raises(
            StudyError,
            match=rf"^{path}: is a (FIFO|device), no regular file; name a study file, which is text in YAML$",
        ):
            load_study_file(path)


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "long.yaml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(
        StudyError, match=r"long.yaml: is too large \(1099511627776 bytes; at most 65536 bytes are read"
    ):
        load_study_file(tmp_path / "long.yaml")


def test_whoever_only_reads_needs_no_plugin(tmp_path: Path) -> None:
    study = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "{'os:system': {command: x}}", reading=True)
    assert study.name == "small"
    with pytest.raises(StudyError, match=r"small.yaml:3: space.mnasnet.width: setting 'width' is -1"):
        load(tmp_path, "blocks: 3", "width: -1", reading=True)


@pytest.mark.parametrize(
    "latency",
    ["adb", "{adb: }", "{adb: {benchmark_model: old}}", "{model: {source: past.yaml, measure: {adb: {threads: 1}}}}"],
)
def test_the_phones_program_can_be_named_from_outside(tmp_path: Path, latency: str) -> None:
    study = load(tmp_path, "{host: {threads: 1}}", latency, benchmark_model="my program; $(rm)")
    chosen = study.latency.model.measure if study.latency.model else study.latency  # type: ignore[attr-defined]
    assert chosen.adb.benchmark_model == "my program; $(rm)"
    assert chosen.adb.threads == 1


def test_a_program_for_phones_is_refused_where_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"small.yaml: --benchmark-model is for studies that measure on phones"):
        load(tmp_path, benchmark_model="x")


def test_a_study_of_networks_has_no_use_for_tables(past_table: None) -> None:
    with pytest.raises(StudyError, match=r"digits.yaml: --tables is for the study of a table"):
        load_study_file("digits", tables=".")
    with pytest.raises(StudyError, match=r"past.yaml: data cannot stand beside table"):
        load_table(data=".")


def test_a_part_of_a_study_file_is_read_from_an_option() -> None:
    assert read_option("--device", "{host: {threads: 2}}", Measured).chosen == ("host", Host(threads=2))
    assert read_option("--device", "host", Measured).chosen == ("host", Host())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hots", "--device: hots is unknown; did you mean 'host'?"),
        ("{host: {threads: 0}}", "--device: host.threads is 0; it must be at least 1"),
        ("[", "--device:"),
    ],
)
def test_a_complaint_about_an_option_begins_with_its_name(text: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_option("--device", text, Measured)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_reading_a_study_file_imports_no_torch() -> None:
    program = (
        "import sys, mnas_moo; mnas_moo.load_study_file('phone'); mnas_moo.load_study_file('digits')\n"
        "print(*{'torch', 'adbutils', 'onnx', 'pymoo'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True) == "\n"
