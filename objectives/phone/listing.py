"""What `mnas-moo devices` shows: every phone that adb sees, how it is, and what stops it from being used.

Nothing is changed or written on a phone; its screen and battery are left to its owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnas_moo.objectives.phone import benchmark_model, device, installed, lock
from mnas_moo.objectives.phone.adb import PhoneError, Server, UnusableError, transport_error

_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Listed:
    """One phone.

    Attributes:
        serial: for `serials` in a study file.
        state: as adb names it: "device", "offline", "unauthorized"…
        usable: whether a study could measure on it now.
        advice: one line: what stops it from being used, or would make its times steadier; empty: nothing.
        model: for `model` in a study file; empty, like all that follows, where the phone cannot be asked.
        manufacturer, android, soc: what the phone says.
        abi: the binary interface that benchmark_model has to be built for.
        abis: all that it runs, best first.
        cores: number of cores and their highest frequencies: "4 x 1.80 GHz, 2 x 2.25 GHz, 2 x 2.80 GHz".
        big_core: the index of the core that times one thread; None: it does not tell.
        governor: what sets the frequency of that core.
        battery_c: temperature of the battery.
        cpu_c: temperature of the hottest CPU zone that may be read.
        battery_percent: how full the battery is.
        charging: whether it gets power.
        screen_on: whether the screen is on.
        has_benchmark_model: whether it lies in /data/local/tmp.
        benchmark_model: whose that is ("LiteRT benchmark_model 2.2.0"), and its version where it is known.
        in_use: whether a study measures on it now.
        virtual: whether it is a virtual phone on this machine.
    """

    serial: str
    state: str
    usable: bool
    advice: str = ""
    model: str = ""
    manufacturer: str = ""
    android: str = ""
    soc: str = ""
    abi: str = ""
    abis: tuple[str, ...] = ()
    cores: str = ""
    big_core: int | None = None
    governor: str = ""
    battery_c: float | None = None
    cpu_c: float | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    screen_on: bool | None = None
    has_benchmark_model: bool = False
    benchmark_model: str = ""
    in_use: bool = False
    virtual: bool = False


def list_devices(program: Path | None = None, maximum_temperature_c: float = 40.0) -> list[Listed]:
    """All phones that the adb server sees, in its order; the server is started if need be.

    Args:
        program: the benchmark_model that a study would bring (``AdbLatency``'s argument); None: the phone must have
            one.
        maximum_temperature_c: above it a study lets the phone cool first.

    Raises:
        TransientError: there is no adb server, and none can be started.
        ValueError: ``program`` cannot be read.
        MissingExtraError: adbutils is not installed.
    """
    content = None if program is None else benchmark_model.read_program(program)
    server = Server()
    return [_look(server, serial, state, content, maximum_temperature_c) for serial, state in server.states().items()]


def _look(server: Server, serial: str, state: str, program: bytes | None, maximum_temperature_c: float) -> Listed:
    """Asks one phone."""
    if state != "device":
        error = transport_error(state)
        hint = "" if isinstance(error, UnusableError) else "; unplug it and plug it in again"
        return Listed(serial, state, usable=False, advice=f"{error}{hint}")
    script = (
        lock.prelude("listing")
        + device.identity_script()
        + installed.script()
        + f'[ -s $base/lock ] && ! over $base/lock && echo "{lock.MARK} locked"\n'
    )
    try:
        output = server.phone(serial).run(script, _ANSWER_SECONDS)
    except PhoneError as error:
        return Listed(serial, state, usable=False, advice=str(error))
    phone = device.parse(output.stdout)
    marked = lock.marked(output.stdout)
    found = installed.read(output.stdout)
    stops = _what_stops(phone, program, has_program=found is not None)
    timing = phone.timing_cores(1)
    return Listed(
        serial,
        state,
        usable=not stops,
        advice=stops or _what_disturbs(phone, maximum_temperature_c, in_use=["locked"] in marked),
        model=phone.model,
        manufacturer=phone.manufacturer,
        android=phone.android,
        soc=phone.soc,
        abi=phone.abis[0] if phone.abis else "",
        abis=phone.abis,
        cores=_cores(phone),
        big_core=timing[0] if timing else None,
        governor=phone.governor(timing),
        battery_c=phone.battery_c,
        cpu_c=phone.cpu_c,
        battery_percent=phone.battery_percent,
        charging=phone.charging,
        screen_on=phone.awake,
        has_benchmark_model=found is not None,
        benchmark_model="" if found is None else found.words,
        in_use=["locked"] in marked,
        virtual=phone.virtual,
    )


def _what_stops(phone: device.State, program: bytes | None, *, has_program: bool) -> str:
    """Why a study could not measure on it; empty: it could."""
    if program is None:
        return "" if has_program else f"no benchmark_model on it: {benchmark_model.advice(phone.abis)}"
    try:
        benchmark_model.check_abi(program, phone.abis)
    except ValueError as error:
        return str(error)
    return ""


def _what_disturbs(phone: device.State, maximum_temperature_c: float, *, in_use: bool) -> str:
    """What would make its times steadier, the worst first; empty: nothing."""
    if in_use:
        return "a study measures on it; others wait for their turn"
    if phone.temperature_c is not None and phone.temperature_c > maximum_temperature_c:
        return f"it is {phone.temperature_c:.0f} °C warm and has to cool below {maximum_temperature_c:g} °C first"
    if phone.awake:
        return "its screen is on: switch it off, what is drawn takes time from what is measured"
    if phone.battery_percent is not None and phone.battery_percent < 20:
        return f"its battery is at {phone.battery_percent} %: charge it, many phones are slower when it is low"
    if phone.charging is False:
        return "it gets no power: plug in a charger for a long study"
    return ""


def _cores(phone: device.State) -> str:
    """The cores in groups of equal frequency."""
    frequencies = [core.maximum_khz for core in phone.cores]
    groups = [f"{frequencies.count(khz)} x {khz / 1e6:.2f} GHz" for khz in sorted(set(frequencies)) if khz]
    return ", ".join(groups) or (f"{len(frequencies)} cores" if frequencies else "")
