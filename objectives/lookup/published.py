"""Published lookup tables in our format: an import re-runs the table's own check and keeps the figures in the file.

- ``fbnet``: FBNet's space on CIFAR-100 (HW-NAS-Bench, Li et al. 2021; networks from HELP, Lee et al. 2021): 22 places,
  9 choices, for ``pixel3``, ``raspi4``, ``eyeriss`` and ``fpga``. Check: the listed networks, to 1e-9 ms.
- ``tunas``: TuNAS' model of a Pixel 1 (Bender et al. 2020, ``cost_model_data.py``): ProxylessNAS' space, 22 places.
  Check: the network of its authors' own test, 84 ms within 1.
- ``proxylessnas``: ProxylessNAS' measured blocks on a Pixel 1 (Cai et al. 2019), by layer and shape, so that it prices
  networks. Check: all choices of that space are there; the time of MnasNet-B1, 77 ms in its paper (Tan et al. 2019),
  stands beside it.

All are read from one folder; nothing in them is unpickled.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mnas_moo.objectives.lookup.lookup_table import Correction, Entry, LookupTable, Place, now
from mnas_moo.objectives.numpy_archive import MAX_BYTES, read_archive
from mnas_moo.objectives.objective import JSON
from mnas_moo.objectives.regular_file import read_regular
from mnas_moo.spaces import network
from mnas_moo.spaces.fragment import fragments
from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.spec import Layer, NetworkSpec

FBNET_DEVICES = ("pixel3", "raspi4", "eyeriss", "fpga")

_ACTIVATION = "relu6"  # the activation of ProxylessNAS' networks
_MNASNET_B1_MS = 77.0  # Tan et al. 2019, table 2, Pixel 1


def import_table(
    kind: str, folder: str | os.PathLike[str], file: str | os.PathLike[str], device: str | None = None
) -> LookupTable:
    """Writes a published table in our format, if it passes its check.

    Args:
        kind: one of ``KINDS``.
        folder: folder of the published tables, each in its own subfolder.
        file: file to write the table to.
        device: one of ``FBNET_DEVICES`` for ``fbnet``; the others have one device only.

    Returns:
        The table; its ``check`` has the figures.

    Raises:
        ValueError: an unknown kind or device; the published file is missing, invalid, or does not pass its check.
        OSError: ``file`` cannot be written.
    """
    if kind not in KINDS:
        raise unknown("published table", kind, KINDS)
    name, read, devices = KINDS[kind]
    if device is None and len(devices) > 1:
        raise ValueError(f"table {kind!r} is of several devices; choose one of {', '.join(devices)}")
    if device is not None and device not in devices:
        raise unknown(f"table {kind!r}: device", device, devices)
    path = Path(folder, name)
    try:
        table = read(path, device or devices[0])
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file; name the folder that has {name}") from None
    except (KeyError, IndexError, TypeError, ValueError, OSError, csv.Error) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise ValueError(f"{path}: is not the published table {kind!r}: {why}") from error
    table.save(file)
    return table


def _fbnet(path: Path, device: str) -> LookupTable:
    data = read_archive(path)
    names = tuple(map(str, data["op_names"]))
    table = LookupTable(
        {"backend": "published", "model": device},
        now(),
        places=tuple(Place(names, tuple(row)) for row in data[f"lut_{device}"].tolist()),
        correction=Correction(intercept_ms=float(data[f"lut_intercept_{device}"])),
        source="FBNet's space, HW-NAS-Bench (github.com/GATECH-EIC/HW-NAS-Bench), networks of HELP",
    )
    listed = data[f"lat_{device}"]
    priced = np.array([table.price(choices) for choices in data["ops"].tolist()])
    worst = float(np.abs(priced - listed).max())
    if not worst <= 1e-9:
        raise ValueError(f"a listed network is {worst:.3g} ms off the sum; it must be within 1e-9 ms")
    return dataclasses.replace(table, check={"networks": len(listed), "maximum_difference_ms": worst})


def _tunas(path: Path, device: str) -> LookupTable:
    data = read_archive(path)
    rest = tuple(map(str, data["op_names"]))
    names = [tuple(map(str, data["sepconv_op_names"])), *[rest] * (len(data["lut_ms"]) - 1)]
    table = LookupTable(
        {"backend": "published", "model": device},
        now(),
        places=tuple(
            Place(named[:n], tuple(row[:n]))
            for named, row, n in zip(names, data["lut_ms"].tolist(), data["n_choices"].tolist(), strict=True)
        ),
        correction=Correction(intercept_ms=float(data["bias_ms"])),
        source="ProxylessNAS' space, TuNAS (github.com/google-research/google-research, tunas/cost_model_data.py)",
    )
    cost, expected = table.price(data["unit_test_choices"].tolist()), float(data["unit_test_cost_ms"])
    if not abs(cost - expected) <= 1:
        raise ValueError(f"the test network costs {cost:.3f} ms; its authors' test says {expected:g} within 1")
    return dataclasses.replace(table, check={"test_network_ms": cost, "expected_ms": expected})


def _proxylessnas(path: Path, device: str) -> LookupTable:
    stream = io.StringIO(read_regular(path, MAX_BYTES).decode("utf-8"), newline="")
    rows = [(row["op"], float(row["mean_ms"]), int(row["count"])) for row in csv.DictReader(stream)]
    entries: dict[str, Entry] = {}
    after: dict[str, tuple[list[int], float]] = {}  # what follows the layers, which is one part with us
    for op, ms, count in rows:
        kind, _, shapes = op.partition("-")
        numbers = [int(number) for number in re.findall(r"\d+", shapes)]
        height, width, channels = numbers[:3]
        if kind == "expanded_conv":
            _, _, outputs, expansion, kernel, stride, skip = numbers[3:]
            layer = Layer("mbconv", channels, outputs, kernel, stride, expansion, skip="identity" if skip else "none")
        elif kind == "Conv":
            layer = Layer("conv", channels, numbers[5], 3, height // numbers[3], skip="none")
        elif kind in ("Conv_1", "Logits"):
            after[kind] = numbers, ms
            continue
        else:
            raise ValueError(f"operation {op!r} is unknown")
        alone = NetworkSpec((channels, height, width), layer, (), 0, 1, activation=_ACTIVATION)
        first, *skips = fragments(alone)[:-1]
        entries[first.name] = Entry(ms, details={"runs": count})
        entries.update({part.name: Entry(0.0) for part in skips})
    (head, head_ms), (classifier, classifier_ms) = after["Conv_1"], after["Logits"]
    height, width, channels = head[:3]
    before = Layer("conv", channels, channels, 1, skip="none")
    alone = NetworkSpec((channels, height, width), before, (), head[-1], classifier[-1], activation=_ACTIVATION)
    entries[fragments(alone)[-1].name] = Entry(head_ms + classifier_ms)
    table = LookupTable(
        {"backend": "published", "model": device},
        now(),
        entries=entries,
        source="ProxylessNAS (github.com/mit-han-lab/proxylessnas), measured blocks; an addition was timed with its "
        "layer and costs 0 here; Conv_1 and Logits are the head",
    )
    totals = [table.latency_ms(spec) for spec in _proxylessnas_networks()]
    b1 = table.latency_ms(dataclasses.replace(network("mnasnet-b1"), activation=_ACTIVATION))
    figures: dict[str, JSON] = {"least_ms": min(totals), "most_ms": max(totals)}
    return dataclasses.replace(table, check={**figures, "mnasnet_b1_ms": b1, "mnasnet_b1_paper_ms": _MNASNET_B1_MS})


def _proxylessnas_networks() -> Iterator[NetworkSpec]:
    """Networks that hold, together, every choice of ProxylessNAS' space but an absent layer."""
    filters, strides, lengths = (24, 40, 80, 96, 192, 320), (2, 2, 2, 1, 2, 1), (4, 4, 4, 4, 4, 1)
    for kernel, expansion in itertools.product((3, 5, 7), (3, 6)):
        layers = [Layer("mbconv", 32, 16, kernel, skip="none")]
        for outputs, stride, length in zip(filters, strides, lengths, strict=True):
            layers.append(Layer("mbconv", layers[-1].out_channels, outputs, kernel, stride, expansion))
            layers += [Layer("mbconv", outputs, outputs, kernel, 1, expansion)] * (length - 1)
        stem = Layer("conv", 3, 32, 3, 2, skip="none")
        yield NetworkSpec((3, 224, 224), stem, tuple(layers), 1280, 1000, activation=_ACTIVATION)


KINDS: dict[str, tuple[str, Callable[[Path, str], LookupTable], tuple[str, ...]]] = {
    "fbnet": ("fbnet_hwnas/fbnet_hwnas.npz", _fbnet, FBNET_DEVICES),
    "tunas": ("tunas_pixel1/tunas_pixel1_proxylessnas.npz", _tunas, ("pixel1",)),
    "proxylessnas": ("mnasnet_reference/proxylessnas_mobile_lut.csv", _proxylessnas, ("pixel1",)),
}
"""The published tables: file within the folder, how it is read, and its devices."""
