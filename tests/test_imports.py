"""What importing a module brings in, and in which direction the parts of the package know of each other.

The directions are import-linter's contracts in setup.cfg. It follows the links from mnas_moo/ to the folders at the
top, and counts imports inside functions and under TYPE_CHECKING: made-up packages show here that it does. What it
leaves open is checked on the syntax trees: that a module imports a name from the package that it lies in.
"""

from __future__ import annotations

import ast
import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINKED = ("objectives", "spaces")
EXTRAS = {
    "adbutils",
    "ai_edge_litert",
    "cmaes",
    "flatbuffers",
    "litert_torch",
    "matplotlib",
    "optuna_dashboard",
    "PIL",
    "plotly",
    "pyarrow",
    "pymoo",
    "ray",
    "sklearn",
    "torchvision",
}


def dotted(path: Path) -> str:
    """The name under which a module is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join((*(("mnas_moo",) if parts[0] in LINKED else ()), *parts)).removesuffix(".__init__")


MODULES = {  # rglob does not follow the links to the folders at the top
    dotted(path): path for folder in ("mnas_moo", *LINKED) for path in sorted((ROOT / folder).rglob("*.py"))
}


def imported_by(statement: str) -> set[str]:
    """The top-level packages that a new process has imported after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).split())


def lint_imports(root: Path) -> tuple[int, str]:
    """The exit status and the output of import-linter on the checkout in a folder."""
    program = "from importlinter.cli import lint_imports_command as main; main(['--no-logo', '--no-cache'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def made_up(root: Path, modules: dict[str, str]) -> None:
    """Writes a package with the real one's contracts, links and layers, and besides them these modules."""
    shutil.copy(ROOT / "setup.cfg", root)
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = config["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    (root / "mnas_moo").mkdir()
    (root / "mnas_moo" / "__init__.py").touch()
    for layer in layers:
        folder = root / ("." if layer in LINKED else "mnas_moo") / layer.strip("()")
        folder.mkdir()
        (folder / "__init__.py").touch()
    for folder in LINKED:
        (root / "mnas_moo" / folder).symlink_to(Path("..", folder))
    for name, text in modules.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("module", ["mnas_moo", "mnas_moo.spaces", "mnas_moo.objectives", "mnas_moo.cli.main"])
def test_the_package_and_its_parts_bring_in_nothing_heavy(module: str) -> None:
    assert not imported_by(f"import {module}") & (EXTRAS | {"torch", "optuna", "sqlalchemy", "pydantic"})


def test_no_public_name_brings_in_a_package_of_an_extra() -> None:
    imported = imported_by("from mnas_moo import *")
    assert "torch" in imported
    assert not imported & EXTRAS


@pytest.mark.parametrize(
    ("subject", "sampler", "needed"),
    [
        ("table: {file: past.csv, parameters: [p], objectives: {accuracy: maximize}}", "nsga2", set()),
        ("table: {file: past.csv, parameters: [p], objectives: {accuracy: maximize}}", "mnas", {"torch"}),
        ("space: {mnasnet: {blocks: 1}}\ndata: digits\nobjectives: {parameters_m: }", "tpe", set()),
        ("space: {mnasnet: {blocks: 1}}\ndata: digits\nobjectives: {parameters_m: }", "mnas", {"torch"}),
    ],
)
def test_a_run_brings_in_what_its_study_needs(tmp_path: Path, subject: str, sampler: str, needed: set[str]) -> None:
    (tmp_path / "past.csv").write_text("p,accuracy\n1,0.5\n2,0.75\n", encoding="utf-8")
    study = tmp_path / "s.yaml"
    storage = f"journal:///{tmp_path}/s.log"
    study.write_text(f"name: s\nstorage: {storage}\ntrials: 1\n{subject}\nsampler: {sampler}\n", encoding="utf-8")
    (tmp_path / "s.log").touch()
    imported = imported_by(
        f"import os\nfrom mnas_moo import run_study\nos.chdir({str(tmp_path)!r})\nrun_study('s.yaml')"
    )
    assert imported & (EXTRAS | {"torch", "scipy", "rich", "alembic"}) == needed


def test_nothing_imports_upwards_or_in_a_circle_and_every_part_has_its_layer() -> None:
    status, output = lint_imports(ROOT)
    assert status == 0, output
    assert f"Analyzed {len(MODULES) + 1} files" in output  # and studies/__init__.py


def test_imports_downwards_keep_the_contracts(tmp_path: Path) -> None:
    made_up(
        tmp_path,
        {
            "mnas_moo/running/a.py": "from mnas_moo.policy import b\nfrom mnas_moo.objectives.host import c",
            "mnas_moo/policy/b.py": "",
            "objectives/host/c.py": "from mnas_moo import spaces\nfrom mnas_moo.objectives.d import e",
            "objectives/d.py": "e = 0",
        },
    )
    assert lint_imports(tmp_path)[0] == 0


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        pytest.param(
            {"mnas_moo/controller/a.py": "from mnas_moo.running import b", "mnas_moo/running/b.py": ""},
            "mnas_moo.controller.a -> mnas_moo.running.b",
            id="upwards",
        ),
        pytest.param(
            {"objectives/a.py": "def f():\n    from mnas_moo.policy.b import c", "mnas_moo/policy/b.py": "c = 0"},
            "mnas_moo.objectives.a -> mnas_moo.policy.b",
            id="upwards out of a linked folder, in a function",
        ),
        pytest.param(
            {
                "spaces/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mnas_moo.objectives.b",
                "objectives/b.py": "",
            },
            "mnas_moo.spaces.a -> mnas_moo.objectives.b",
            id="upwards between linked folders, for types only",
        ),
        pytest.param(
            {"mnas_moo/policy/a.py": "from mnas_moo.study_file import b", "mnas_moo/study_file/b.py": ""},
            "mnas_moo.policy.a -> mnas_moo.study_file.b",
            id="sideways",
        ),
        pytest.param({"mnas_moo/news.py": ""}, "- mnas_moo.news", id="a module without a layer"),
        pytest.param(
            {
                "mnas_moo/running/a.py": "import mnas_moo.running.b",
                "mnas_moo/running/b.py": "def f():\n    import mnas_moo.running.a",
            },
            "No cycles are allowed in mnas_moo.running",
            id="a circle of modules",
        ),
        pytest.param(
            {
                "objectives/host/a.py": "from mnas_moo.objectives.phone import b",
                "objectives/phone/b.py": "",
                "objectives/phone/c.py": "from mnas_moo.objectives.host import d",
                "objectives/host/d.py": "",
            },
            "No cycles are allowed in mnas_moo.objectives",
            id="a circle of folders, though not of modules",
        ),
    ],
)
def test_other_imports_break_the_contracts(tmp_path: Path, modules: dict[str, str], complaint: str) -> None:
    made_up(tmp_path, modules)
    status, output = lint_imports(tmp_path)
    assert status == 1
    assert complaint in output


def complaints(module: str, text: str) -> list[str]:
    """What is wrong with how a module of this text writes its imports."""
    names = module.split(".")
    around = {".".join(names[:n]) for n in range(1, len(names))}
    wrong = []
    for node in ast.walk(ast.parse(text)):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            if node.level:
                wrong.append(f"line {node.lineno} imports relatively")
            imported = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in imported:
            if name.partition(".")[0] in (*LINKED, "studies"):
                wrong.append(f"line {node.lineno}: write mnas_moo.{name}")
            source = name if name in MODULES else name.rpartition(".")[0]
            if source in around:
                wrong.append(f"line {node.lineno}: import {name} from the module that defines it")
    return wrong


def test_modules_import_absolutely_and_nothing_from_the_packages_around_them() -> None:
    found = {module: complaints(module, path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
    assert not {module: wrong for module, wrong in found.items() if wrong}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("from . import counts", "line 1 imports relatively"),
        ("import spaces.spec", "line 1: write mnas_moo.spaces.spec"),
        ("def f():\n    from mnas_moo import MnasSampler", "line 2: import mnas_moo.MnasSampler from the module"),
        ("from mnas_moo.objectives import Latency", "line 1: import mnas_moo.objectives.Latency from the module"),
    ],
)
def test_other_ways_to_write_an_import_are_found(text: str, complaint: str) -> None:
    (found,) = complaints("mnas_moo.objectives.counts", text)
    assert found.startswith(complaint)


def test_a_module_of_the_own_package_and_another_package_may_be_imported() -> None:
    text = "from mnas_moo import spaces\nfrom mnas_moo.objectives import counts, front\nimport mnas_moo.spaces.spec"
    assert not complaints("mnas_moo.objectives.objective", text)
