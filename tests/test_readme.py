"""What the README shows is what happens: its examples run, in its order, and print what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from mnas_moo.objectives.objective import OBJECTIVES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
NUMBER = re.compile(r"\d+(?:\.\d+)?")
ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
}


class Block(NamedTuple):
    language: str
    text: str


BLOCKS = [Block(*match) for match in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
EXAMPLES = [
    (block.text, BLOCKS[i + 1].text if BLOCKS[i + 1].language == "text" else None)
    for i, block in enumerate(BLOCKS[:-1])
    if block.language == "python"
]
EXAMPLES += [  # of the other pages, those whose output stands right below
    example
    for page in sorted(ROOT.glob("docs/*.md"))
    for example in re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]
COMMANDS = [line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]


def command(line: str) -> list[str]:
    """A line of the README as arguments; the program is that of these sources."""
    words = line.split()
    assert words[0] == "mnas-moo"
    return [sys.executable, "-m", "mnas_moo.cli.main", *words[1:]]


@pytest.mark.parametrize(("program", "output"), EXAMPLES)
def test_a_python_example_prints_what_is_shown(program: str, output: str | None, tmp_path: Path) -> None:
    assert output is not None
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    # Another type of CPU rounds differently, and may choose another network somewhere: figures may differ a little.
    assert NUMBER.sub("#", answer.stdout) == NUMBER.sub("#", output)
    shown = [pytest.approx(float(number), rel=0.02) for number in NUMBER.findall(output)]
    assert [float(number) for number in NUMBER.findall(answer.stdout)] == shown


SHORTENED = {"{train: {}}": "{train: {steps: 20, confirm: 0}}", "budget: 10 min": "budget: 30 s"}
"""What the tests change in the study file, so that they take less than its ten minutes."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study file of the README under the name it has there, and images in two classes."""
    folder = tmp_path_factory.mktemp("readme")
    digits = load_digits()
    for i, (pixels, digit) in enumerate(zip(digits.images[:120], digits.target, strict=False)):
        image = folder / "photos" / ("odd" if digit % 2 else "even") / f"{i}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * (255 / 16)).astype(np.uint8)).save(image)
    for block in BLOCKS:
        if block.language == "yaml":
            text = block.text
            for long, short in SHORTENED.items():
                assert long in text
                text = text.replace(long, short)
            folder.joinpath(text.partition("\n")[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    return folder


def test_the_commands_work_one_after_the_other(folder: Path) -> None:
    for line in COMMANDS:
        if "dashboard" not in line:
            answer = subprocess.run(
                command(line), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
            )
            assert answer.returncode == 0, (line, answer.stderr)
            assert answer.stdout or "--plot" in line, line
    assert {path.name for path in folder.iterdir()} >= {"study.yaml", "small.db", "front.svg", "network.svg"}


def test_the_dashboard_opens_on_the_study(folder: Path) -> None:
    assert (folder / "small.db").exists(), "the commands before it made no study"
    (line,) = (line for line in COMMANDS if "dashboard" in line)
    words = [*command(line), "--port", "0", "--no-browser"]
    with subprocess.Popen(words, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[1]
            with urllib.request.urlopen(address) as page:
                assert page.status == 200
        finally:
            process.send_signal(signal.SIGINT)


def test_the_message_about_a_mistake_is_the_one_shown(folder: Path) -> None:
    shown = re.search(r"^`(study\.yaml:\d+: .*) …`$", README, re.MULTILINE)
    assert shown is not None
    wrong = folder / "wrong" / "study.yaml"
    wrong.parent.mkdir()
    wrong.write_text((folder / "study.yaml").read_text(encoding="utf-8").replace("threads", "treads"), encoding="utf-8")
    answer = subprocess.run(
        command("mnas-moo run study.yaml"),
        cwd=wrong.parent,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"mnas-moo: {shown[1]}")
    assert answer.stderr.count("\n") == 1


def test_every_link_to_a_file_leads_to_one() -> None:
    links = [
        (page, link.partition("#")[0])
        for page in PAGES
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in link
    ]
    assert {page.name for page, _ in links} >= {"README.md", "CONTRIBUTING.md", "sampler.md"}
    assert [(page.name, link) for page, link in links if link and not (page.parent / link).is_file()] == []


def test_every_verb_is_in_the_table() -> None:
    answer = subprocess.run(command("mnas-moo --help"), env=ENVIRONMENT, capture_output=True, text=True, check=True)
    verbs = re.findall(r"^    ([a-z-]+)\b", answer.stdout, re.MULTILINE)
    assert verbs
    section = README.partition("## The verbs\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)", section, re.MULTILINE) == verbs


def test_every_objective_is_in_the_table_of_figures_with_its_direction() -> None:
    section = README.partition("## What the figures mean\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (more|less) \|$", section, re.MULTILINE))
    assert rows == {name: "more" if info.direction == "maximize" else "less" for name, info in OBJECTIVES.items()}
