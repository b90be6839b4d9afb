from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnas_moo.cli.main import main
from tests.cli.conftest import SMALL

pytestmark = pytest.mark.usefixtures("folder")


def test_it_trains_the_weights_and_a_study_searches_with_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["supernet", "small.yaml", "--minutes", "0.02", "-o", "w.pt", "--json"]) == 0
    output = capsys.readouterr()
    curve = json.loads(output.out)
    assert curve[-1]["step"] >= 1 and set(curve[-1]) == {"step", "seconds", "loss", "largest", "smallest", "random"}
    last = output.err.splitlines()[-1]
    assert last == "wrote w.pt; to search with it: `accuracy: {supernet: w.pt}` in a study file"
    (folder / "with.yaml").write_text(SMALL.replace("{train: {steps: 5, device: cpu}}", "{supernet: w.pt}"))
    assert main(["run", "with.yaml"]) == 0
    assert main(["supernet", "small.yaml", "-o", "w.pt"]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "mnas-moo: w.pt is there already; remove it, or give another -o FILE"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--minutes", "-1"], "mnas-moo: --minutes is -1.0; it must be above 0"),
        (["--rule", "sandwhich"], "mnas-moo: shared: rule is 'sandwhich'; allowed: uniform, sandwich"),
        (["--data", "nowhere"], "mnas-moo: small.yaml: data: nowhere is no folder"),
    ],
)
def test_wrong_input_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["supernet", "small.yaml", *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(message)
