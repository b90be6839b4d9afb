"""The verb `devices`: lists the connected phones, or starts virtual phones on this machine."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_verb, say

if TYPE_CHECKING:
    from mnas_moo.objectives.phone.listing import Listed


def add(verbs: Any) -> None:
    """Adds the verb `devices`."""
    parser = add_verb(
        verbs,
        "devices",
        _devices,
        "list connected phones and any problem that prevents measuring",
        "  mnas-moo devices\n  mnas-moo devices --benchmark-model ~/Downloads/benchmark_model\n"
        "  mnas-moo devices --virtual 2     two virtual phones on this machine, until Ctrl-C",
    )
    parser.add_argument(
        "--benchmark-model", metavar="PATH", help="also check whether this benchmark_model runs on the phones"
    )
    parser.add_argument("--virtual", type=int, metavar="N", help="start N virtual phones and print how to use them")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _devices(arguments: argparse.Namespace) -> int:
    from mnas_moo.study_file.document import StudyError, refusals

    if arguments.virtual is not None:
        from mnas_moo.objectives.virtual_phone.phones import main

        try:
            with refusals():
                main(arguments.virtual)
        except RuntimeError as error:  # not on Linux
            raise StudyError(f"--virtual: {error}") from error
        return 0
    from mnas_moo.objectives.phone.adb import PhoneError
    from mnas_moo.objectives.phone.listing import list_devices

    try:
        with refusals():
            found = list_devices(Path(arguments.benchmark_model) if arguments.benchmark_model else None)
    except PhoneError as error:
        raise StudyError(f"adb: {error}") from error
    if arguments.json:
        print(json.dumps([dataclasses.asdict(phone) for phone in found], indent=2))
    elif found:
        from mnas_moo.spaces.printable import printable

        for phone in found:
            print("\n".join(map(printable, _in_words(phone))))
    else:
        say(
            "no phone is connected: enable USB debugging on one, plug it in and confirm its dialog (docs/phones.md); "
            "`mnas-moo devices --virtual 2` starts two virtual phones"
        )
    return 0


def _in_words(phone: Listed) -> Iterator[str]:
    """The lines that describe one phone."""
    standing = "ready" if phone.usable else "not ready" if phone.model else phone.state
    yield f"{phone.model or 'a phone'} ({phone.serial}): {standing}"
    if phone.model:
        yield f"  {phone.manufacturer}, Android {phone.android}, {phone.soc}, {phone.abi}"
        core = "" if phone.big_core is None else f"; times on core {phone.big_core} ({phone.governor or 'no governor'})"
        yield f"  cores: {phone.cores or 'unknown'}{core}"
        heat = [
            f"{celsius:.1f} °C {of}" for of, celsius in (("battery", phone.battery_c), ("CPU", phone.cpu_c)) if celsius
        ]
        power = f"battery {phone.battery_percent} %{', charging' if phone.charging else ''}"
        screen = {True: ["screen on"], False: ["screen off"], None: []}[phone.screen_on]
        yield f"  {', '.join([*heat, *([power] if phone.battery_percent is not None else []), *screen])}"
        yield f"  benchmark_model: {'on it' if phone.has_benchmark_model else 'not on it'}"
    if phone.advice:
        yield f"  {phone.advice}"
