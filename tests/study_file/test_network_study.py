from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.training.data import DataInfo
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import bundled, load_study_file
from mnas_moo.study_file.measuring import Adb, Cuda, Host, OnnxRuntime, Train
from mnas_moo.study_file.parts import Part
from mnas_moo.study_file.study import StudyFile

TEXT = """\
name: small
storage: sqlite:///small.db
space: {mnasnet: {preset: digits, blocks: 3}}
data: digits
objectives:
  accuracy: {train: {epochs: 2}}
  latency_ms: {host: {threads: 1}}
constraints: {parameters_m: {max: 6}}
sampler: {mnas: {seed: 0}}
trials: 60
"""
DIGITS = DataInfo(tuple("0123456789"), channels=1, resolution=8, images=1797, flip=False)


ANY_PHONE = {"threads": 1}
"""What two studies on phones must share by their files; the phone's model is known when it is there."""


def load(folder: Path, *changes: str, **arguments: str) -> StudyFile:
    """The study of ``TEXT`` with texts replaced: old, new, old, new, …; loaded with ``arguments``."""
    text = TEXT
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study_file(path, **arguments)  # type: ignore[arg-type]


def test_a_study_file_is_read(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert (study.name, study.storage, study.trials) == ("small", "sqlite:///small.db", 60)
    assert (study.space.name, study.space.settings) == ("mnasnet", {"preset": "digits", "blocks": 3})
    assert study.data.source == "digits"
    assert study.objective_names == ("accuracy", "latency_ms")
    assert study.directions == ("maximize", "minimize")
    assert study.measured_names == ("accuracy", "latency_ms", "parameters_m")
    assert study.settings_of("accuracy")["epochs"] == 2
    assert study.sampler.chosen[0] == "mnas"
    assert study.files == Path("small_files")


def test_objectives_have_one_order_whatever_the_files(tmp_path: Path) -> None:
    study = load(
        tmp_path, TEXT[TEXT.index("  accuracy") : TEXT.index("constraints")], "  {latency_ms: host, accuracy: train}\n"
    )
    assert study.objective_names == ("accuracy", "latency_ms")
    assert study.settings_of("latency_ms") == Host().model_dump()


def test_how_something_is_measured_is_no_part_of_the_identity(tmp_path: Path) -> None:
    one = load(
        tmp_path, "epochs: 2", "epochs: 2, device: cpu, threads: 2", "threads: 1}", "threads: 1, precision: 0.1}"
    )
    other, longer = load(tmp_path), load(tmp_path, "epochs: 2", "epochs: 3")
    assert one.identity_of("accuracy") == other.identity_of("accuracy") != longer.identity_of("accuracy")
    assert one.identity_of("latency_ms") == other.identity_of("latency_ms")


def test_training_has_the_settings_and_defaults_of_the_objective() -> None:
    from mnas_moo.objectives.training.train import TrainSettings

    defaults = {name: p.default for name, p in inspect.signature(TrainSettings).parameters.items()}
    assert Train().model_dump(exclude={"holdout"}) == defaults


def test_the_host_has_the_settings_and_defaults_of_the_objective() -> None:
    from mnas_moo.objectives.host.latency import HostLatency

    assert Host().model_dump() == {name: p.default for name, p in inspect.signature(HostLatency).parameters.items()}


@pytest.mark.parametrize(
    ("part", "objective", "not_in_files"),
    [
        (OnnxRuntime(), "host.latency:OnnxLatency", set()),
        (Cuda(), "host.cuda:CudaLatency", set()),
        (Adb(), "phone.latency:AdbLatency", {"rest_s", "report"}),
    ],
)
def test_a_device_has_the_settings_and_defaults_of_its_objective(
    part: Part, objective: str, not_in_files: set[str]
) -> None:
    module, _, name = objective.partition(":")
    made = getattr(importlib.import_module(f"mnas_moo.objectives.{module}"), name)
    defaults = {key: p.default for key, p in inspect.signature(made).parameters.items()}
    assert part.model_dump() == {key: value for key, value in defaults.items() if key not in not_in_files}


def test_data_gives_the_space_what_the_file_leaves_open(tmp_path: Path) -> None:
    space = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "mnasnet").make_space(DIGITS)
    spec = space.spec(dict.fromkeys(space.distributions) | {n: d.choices[0] for n, d in space.distributions.items()})  # type: ignore[attr-defined]
    assert (spec.input_shape, spec.classes) == ((1, 16, 16), 10)


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


def test_two_phone_studies_are_one_wherever_they_are_measured(tmp_path: Path) -> None:
    def identity(latency: str) -> dict[str, Any]:
        return load(tmp_path, "{host: {threads: 1}}", latency).identity_of("latency_ms")

    assert identity("{adb: {serials: [a], benchmark_model: x}}") == identity("adb") == {"adb": ANY_PHONE}
    assert identity("{adb: {threads: 2}}") != identity("adb")
    assert identity("{adb: {data_type: int8}}") != identity("adb")
    assert identity("{model: {source: past.yaml, measure: adb}}") == {"model": {"adb": ANY_PHONE}}
    assert identity("{lut: one.json}") == identity("{lut: {file: two.json}}") == {"lut": {}}
    assert identity("host") == {"threads": 1}  # as the first studies have it


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
    "module that is not there": (("{mnasnet: {preset: digits, blocks: 3}}", "no_such.module:Space"), "3: space is 'no_such.module:Space', but no_such.module cannot be imported: "),
    "class that is not there": (("{mnasnet: {preset: digits, blocks: 3}}", "collections:Ordereddict"), "3: space is 'collections:Ordereddict', but collections has no such class; did you mean 'OrderedDict'?"),
    "YAML that does not parse": (("data: digits", "data: ["), "6: not valid YAML: "),
    "the first of two": (("threads", "treads", "trials: 60", "trials: 0"), "7: objectives.latency_ms.host.treads is unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_with_its_place_and_what_is_right(case: str, tmp_path: Path) -> None:
    changes, message = BAD[case]
    with pytest.raises(StudyError) as caught:
        load(tmp_path, *changes)
    assert str(caught.value).startswith(f"{tmp_path}/small.yaml:{message}")
    assert "\n" not in str(caught.value)


def test_a_users_space_is_made_with_its_settings_and_what_the_data_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_space.py").write_text(
        "class MySpace:\n"
        "    def __init__(self, depth=1, classes=2, resolution=3):\n"
        "        if depth > 9: raise ValueError('depth is too much')\n"
        "        self.made = (depth, classes, resolution)\n"
    )
    monkeypatch.chdir(tmp_path)
    mine = "{my_own_space:MySpace: {depth: 2}}"
    study = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", mine)
    assert study.make_space(DIGITS).made == (2, 10, 8)  # type: ignore[attr-defined]
    for change, message in (("deph: 2", "is unknown; did you mean 'depth'?"), ("depth: 10", ": depth is too much")):
        with pytest.raises(StudyError, match=r"small.yaml:3: space\.my_own_space:MySpace\.dep") as caught:
            load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", mine.replace("depth: 2", change))
        assert message in str(caught.value)


def test_what_is_given_instead_of_the_files_is_checked_without_blaming_a_line(tmp_path: Path) -> None:
    study = load(tmp_path, "data: digits", "data: {imagenet: here}")
    path = tmp_path / "small.yaml"
    changed = load_study_file(path, storage="sqlite:////tmp/x.db", data="there", trials=3)
    assert (changed.storage, changed.data.source, changed.trials) == ("sqlite:////tmp/x.db", {"imagenet": "there"}, 3)
    assert study.data.source == {"imagenet": "here"}
    assert changed.files == Path("/tmp/x_files")
    with pytest.raises(StudyError, match=r"small.yaml: trials is 0"):
        load_study_file(path, trials=0)


def test_a_folder_of_images_is_given_by_its_path_alone(tmp_path: Path) -> None:
    assert load(tmp_path, "data: digits", "data: ./digits").data.source == {"folder": "./digits"}


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
    with pytest.raises(StudyError, match="this is a folder"):
        load_study_file(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"name: \xff")
    with pytest.raises(StudyError, match="not text in UTF-8"):
        load_study_file(tmp_path / "x.yaml")
