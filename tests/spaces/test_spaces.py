from __future__ import annotations

import subprocess
import sys

import pytest

from mnas_moo.spaces import SPACES, get


@pytest.mark.parametrize("name", SPACES)
def test_spaces_are_got_by_name_with_settings(name: str) -> None:
    space = get(name, resolution=16, classes=3, channels=1)
    assert space.name == name
    assert space.distributions


def test_unknown_space_gives_the_nearest_and_all() -> None:
    with pytest.raises(ValueError, match="space 'mnasnet_flat' is unknown; did you mean 'mnasnet-flat'") as error:
        get("mnasnet_flat")
    assert "allowed: mnasnet, mnasnet-flat, fbnet, dppnet" in str(error.value)


def test_published_networks_need_neither_optuna_nor_torch_nor_numpy() -> None:
    code = (
        "import sys, mnas_moo.spaces as s, mnas_moo.spaces.picture as p; p.picture(s.network('mnasnet-a1'));"
        "sys.exit(bool({'optuna', 'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
