"""The verb `devices`: lists the connected phones, puts benchmark_model on them, or starts virtual phones here."""

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
    from mnas_moo.objectives.phone.benchmark_model import SOURCE, VERSION
    from mnas_moo.objectives.virtual_phone.benchmark import PROGRAMS

    parser = add_verb(
        verbs,
        "devices",
        _devices,
        "list connected phones and any problem that prevents measuring",
        "  mnas-moo devices\n  mnas-moo devices --install     put LiteRT's benchmark_model on the phones\n"
        "  mnas-moo devices --benchmark-model ~/Downloads/benchmark_model\n"
        "  mnas-moo devices --virtual 2     two virtual phones on this machine, until Ctrl-C",
    )
    parser.add_argument(
        "--benchmark-model",
        metavar="PATH",
        help="also check whether this benchmark_model runs on the phones; with --install: put it there",
    )
    parser.add_argument(
        "--install",
        nargs="?",
        const="",
        metavar="VERSION",
        help=f"put LiteRT's published benchmark_model on all phones; of this version (default: {VERSION})",
    )
    parser.add_argument("--mirror", metavar="URL", help=f"with --install: fetch it from here instead of {SOURCE}")
    parser.add_argument("--virtual", type=int, metavar="N", help="start N virtual phones and print how to use them")
    parser.add_argument(
        "--program",
        choices=PROGRAMS,
        help="with --virtual: benchmark_model is LiteRT's (the default) or TensorFlow Lite's",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _devices(arguments: argparse.Namespace) -> int:
    from mnas_moo.study_file.document import StudyError, refusals

    for option, needed in (("mirror", "install"), ("program", "virtual")):
        if getattr(arguments, option) is not None and getattr(arguments, needed) is None:
            raise StudyError(f"--{option} has a meaning with --{needed} only")
    if arguments.install is not None and arguments.virtual is not None:
        raise StudyError(
            "--install and --virtual exclude each other: virtual phones have a benchmark_model of their own"
        )
    if arguments.virtual is not None:
        from mnas_moo.objectives.virtual_phone.phones import main

        try:
            with refusals():
                main(arguments.virtual, program=arguments.program or "litert")
        except RuntimeError as error:  # not on Linux
            raise StudyError(f"--virtual: {error}") from error
        return 0
    from mnas_moo.objectives.phone.adb import PhoneError
    from mnas_moo.objectives.phone.listing import list_devices

    own = Path(arguments.benchmark_model) if arguments.benchmark_model else None
    status = 0
    try:
        with refusals():
            found = list_devices(own)
            if arguments.install is not None:
                status = _install(found, arguments.install, arguments.mirror, own)
                found = list_devices(own)
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
    return status


def _install(phones: list[Listed], version: str, mirror: str | None, own: Path | None) -> int:
    """Puts a program on each phone; says for each what was done or why not, and returns the exit status.

    Args:
        phones: the phones.
        version: of the published program; empty: the default.
        mirror: address to fetch it from instead of its makers'.
        own: the user's own program, to be put there instead.

    Raises:
        ValueError: an argument is none.
    """
    from mnas_moo.objectives.phone import benchmark_model, installed, published
    from mnas_moo.objectives.phone.adb import PhoneError, Server
    from mnas_moo.spaces.printable import printable

    if own is not None and (version or mirror):
        raise ValueError("--benchmark-model is the program itself: neither --install VERSION nor --mirror goes with it")
    version = published.check_version(version or benchmark_model.VERSION)
    source = published.check_mirror(mirror or benchmark_model.SOURCE)
    content = None if own is None else benchmark_model.read_program(own)
    server, status = Server(), 0
    for phone in phones:
        name = f"{phone.model or 'a phone'} ({phone.serial})"
        try:
            if not phone.model:
                raise published.FetchError(phone.advice)
            if phone.in_use:
                raise published.FetchError("a study measures on it; install when that has ended")
            if content is None:
                fetched = published.fetch(phone.abis, version, source)
                program, known = fetched.content, version
                origin = "kept on this machine" if fetched.kept else f"fetched from {fetched.address}"
            else:
                benchmark_model.check_abi(content, phone.abis)
                program, known, origin = content, "", f"the file {own}"
            installed.put(server.phone(phone.serial), program, known)
        except (published.FetchError, PhoneError, ValueError) as error:
            say(printable(f"{name}: benchmark_model was not installed: {error}"))
            status = 2
            continue
        what = installed.Installed(maker=benchmark_model.maker(program), version=known).words
        digest = installed.of_content(program).digest
        say(printable(f"{name}: {what}, {origin}, sha256 {digest}, is now {benchmark_model.PLACE}"))
    return status


def _in_words(phone: Listed) -> Iterator[str]:
    """The lines that describe one phone."""
    standing = "ready" if phone.usable else "not ready" if phone.model else phone.state
    yield f"{phone.model or 'a phone'}{', virtual' if phone.virtual else ''} ({phone.serial}): {standing}"
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
        yield f"  benchmark_model: {f'{phone.benchmark_model} is on it' if phone.has_benchmark_model else 'not on it'}"
    if phone.advice:
        yield f"  {phone.advice}"
