from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mnas_moo import spaces
from mnas_moo.objectives.lookup.latency import LutLatency
from mnas_moo.objectives.lookup.lookup_table import LookupTable
from mnas_moo.objectives.lookup.published import FBNET_DEVICES, KINDS, import_table

FOLDER = os.environ.get("MNAS_MOO_TABLES", "")
published = pytest.mark.skipif(not FOLDER, reason="MNAS_MOO_TABLES does not name the folder of the published tables")


@published
@pytest.mark.parametrize("device", FBNET_DEVICES)
def test_fbnets_tables_give_all_listed_networks(device: str, tmp_path: Path) -> None:
    table = import_table("fbnet", FOLDER, tmp_path / "t.json", device)
    assert table.check["networks"] == 5000
    assert table.check["maximum_difference_ms"] < 1e-9
    read = LookupTable.load(tmp_path / "t.json")
    data = np.load(Path(FOLDER, "fbnet_hwnas/fbnet_hwnas.npz"), allow_pickle=False)
    for i in (0, 17, 4999):
        names = [str(data["op_names"][choice]) for choice in data["ops"][i]]
        assert read.price(names) == pytest.approx(data[f"lat_{device}"][i], abs=1e-9)


@published
def test_tunas_table_gives_its_test_networks_84_ms(tmp_path: Path) -> None:
    table = import_table("tunas", FOLDER, tmp_path / "t.json")
    assert round(table.check["test_network_ms"], 3) == 84.017
    assert LookupTable.load(tmp_path / "t.json") == table
    assert [len(place.names) for place in table.places[:3]] == [3, 6, 7]


@published
def test_proxylessnas_table_prices_networks(tmp_path: Path) -> None:
    table = import_table("proxylessnas", FOLDER, tmp_path / "t.json", "pixel1")
    assert len(table.entries) == 69 + 1 + 1 + 5  # blocks, stem, head, and additions, which are in their blocks' times
    assert table.check["mnasnet_b1_ms"] == pytest.approx(77, rel=0.1)
    with pytest.raises(
        ValueError, match=r"no time for layer 'conv k3 s2 224x224x3-112x112x32 relu'.*ProxylessNAS.*DEVICE"
    ):
        LutLatency(tmp_path / "t.json").measure(spaces.network("mnasnet-b1"), 0)


def test_an_unknown_kind_or_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="published table 'fbnets' is unknown; did you mean 'fbnet'"):
        import_table("fbnets", tmp_path, tmp_path / "t.json")
    with pytest.raises(ValueError, match="table 'fbnet' is of several devices; choose one of pixel3, raspi4"):
        import_table("fbnet", tmp_path, tmp_path / "t.json")
    with pytest.raises(ValueError, match=r"table 'tunas': device 'pixel3' is unknown; .*pixel1"):
        import_table("tunas", tmp_path, tmp_path / "t.json", "pixel3")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_or_foreign_file_is_named(kind: str, tmp_path: Path) -> None:
    device = "pixel3" if kind == "fbnet" else None
    file = Path(tmp_path, KINDS[kind][0])
    with pytest.raises(ValueError, match=f"{file.name}: there is no such file; name the folder that has"):
        import_table(kind, tmp_path, tmp_path / "t.json", device)
    file.parent.mkdir()
    for content in (b"", b"op,mean_ms\nx,y\n", b"\xff\xfe\x00"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"{file.name}: is not the published table '{kind}'"):
            import_table(kind, tmp_path, tmp_path / "t.json", device)
    assert not Path(tmp_path, "t.json").exists()


@published
def test_a_table_that_does_not_pass_its_check_is_not_written(tmp_path: Path) -> None:
    file = Path(tmp_path, "tunas_pixel1/tunas_pixel1_proxylessnas.npz")
    file.parent.mkdir()
    with np.load(Path(FOLDER, "tunas_pixel1", file.name), allow_pickle=False) as data:
        np.savez(file, **{**data, "bias_ms": data["bias_ms"] + 2})
    with pytest.raises(ValueError, match=r"the test network costs 86.017 ms; its authors' test says 84 within 1"):
        import_table("tunas", tmp_path, tmp_path / "t.json")
    file = Path(tmp_path, "mnasnet_reference/proxylessnas_mobile_lut.csv")
    file.parent.mkdir()
    shutil.copy(Path(FOLDER, "mnasnet_reference", file.name), file)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if "7x7x192-output:7x7x320-expand:6-kernel:7" not in line))
    with pytest.raises(ValueError, match="no time for layer 'mbconv k7 e6 s1 7x7x192-7x7x320 relu6'"):
        import_table("proxylessnas", tmp_path, tmp_path / "t.json")
    assert not Path(tmp_path, "t.json").exists()
