from __future__ import annotations

import re
from pathlib import Path

import pytest

from mnas_moo.cli import main as cli
from mnas_moo.compare import contenders
from tests.compare.conftest import Compare, compare, refused, table

__all__ = ["compare", "table"]  # fixtures


def test_what_cannot_be_compared_is_refused_in_one_line(compare: Compare) -> None:
    refused(compare("small.yaml", "--samplers", "nsga,random"), "no sampler 'nsga'", "did you mean 'nsga2'?")
    refused(compare("small.yaml", "--samplers", "cmaes"), "no sampler left to compare", "one objective, not 2")
    refused(compare("small.yaml", "--samplers", ","), "--samplers names none")
    refused(compare("small.yaml", "--seeds", "0"), "--seeds is 0; it must be at least 1")
    refused(compare("small.yaml", "--trials", "0"), "trials is 0")
    refused(compare("small.yaml", "--time-limit", "0"), "--time-limit is 0; it must be above 0")
    refused(compare("smal.yaml"), "there is no such file")
    assert not Path("small_comparison").exists()


def test_a_published_table_wants_to_know_where_the_tables_are(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MNAS_MOO_TABLES", raising=False)
    Path("macro.yaml").write_text("name: m\nstorage: sqlite:///m.db\ntable: macro\nsampler: mnas\ntrials: 9\n")
    refused(compare("macro.yaml"), "macro.yaml:3: table", "--tables DIR")
    refused(compare("macro.yaml", "--tables", "nowhere"), "nowhere")


def test_the_help_names_every_sampler(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["compare", "--help"])
    words = set(re.findall(r"[\w-]+", re.sub(r"-\s+", "-", capsys.readouterr().out)))
    assert set(contenders.NAMES) <= words
