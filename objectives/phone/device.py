"""What a phone is and how it is now, from one shell command: its cores, its heat, its power, its screen.

The big cores are those with the highest ``cpuinfo_max_freq`` (Linux cpufreq): MnasNet times with one thread on a big
core of a Pixel 1 (Tan et al. 2019). Heat is the battery's temperature where there is a battery: every Android tells it
to adb's shell, it follows the case, and unlike a CPU zone it does not jump by 30 °C within a second of load. What a
phone does not tell is None: none of it is needed for timing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_PROPERTIES = {
    "model": "ro.product.model",
    "manufacturer": "ro.product.manufacturer",
    "android": "ro.build.version.release",
    "abis": "ro.product.cpu.abilist",
    "abi": "ro.product.cpu.abi",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",  # the SoC on Android 11 and older
    "virtual": "ro.mnas_moo.virtual",  # only the phones of mnas_moo.objectives.virtual_phone have it
}

_IDENTITY = "".join(f'echo "{key}=$(getprop {name})"\n' for key, name in _PROPERTIES.items())

# `read` is built into the shell: a phone takes 10 ms to start a program. Braces: a failed redirection prints its error
# before its own 2>/dev/null is in force.
_CONDITION = """\
{ read boot < /proc/sys/kernel/random/boot_id; } 2>/dev/null
echo "boot=$boot"
for folder in /sys/devices/system/cpu/cpu[0-9]*; do
    most= now= governor=
    { read most < $folder/cpufreq/cpuinfo_max_freq; } 2>/dev/null
    { read now < $folder/cpufreq/scaling_cur_freq; } 2>/dev/null
    { read governor < $folder/cpufreq/scaling_governor; } 2>/dev/null
    echo "core=${folder##*cpu} ${most:--} ${now:--} ${governor:--}"
done
for folder in /sys/class/thermal/thermal_zone*; do
    kind= heat=
    { read kind < $folder/type; } 2>/dev/null
    case "$kind" in *cpu*|*CPU*|*soc*|*BIG*|*MID*|*LITTLE*) { read heat < $folder/temp; } 2>/dev/null;; esac
    [ -n "$heat" ] && echo "zone=$heat"
done
dumpsys battery 2>/dev/null | grep -E '^ *(level|temperature|AC powered|USB powered|Wireless powered):'
dumpsys power 2>/dev/null | grep -m 1 'mWakefulness='
"""


def condition_script() -> str:
    """Prints what changes, and the model, which tells whether it is still the same phone."""
    return f'echo "model=$(getprop {_PROPERTIES["model"]})"\n{_CONDITION}'


def identity_script() -> str:
    """Prints all that ``State`` holds."""
    return _IDENTITY + _CONDITION


@dataclass(frozen=True)
class Core:
    """One core; frequencies in kHz, 0 where the phone does not tell."""

    index: int
    maximum_khz: int = 0
    current_khz: int = 0
    governor: str = ""


@dataclass(frozen=True)
class State:
    """A phone at one moment.

    Attributes:
        model: its maker's name for it ("Pixel 6").
        manufacturer, android, soc: what the phone says; empty in a ``condition_script``'s output.
        abis: the binary interfaces it runs, best first ("arm64-v8a", "armeabi-v7a").
        boot: identifier that changes with each start.
        virtual: whether it is a virtual phone on this machine.
        cores: in order of their index.
        battery_c: temperature of the battery, °C.
        cpu_c: temperature of the hottest CPU zone that may be read, °C.
        battery_percent: how full the battery is.
        charging: whether it gets power.
        awake: whether the screen is on.
    """

    model: str = ""
    manufacturer: str = ""
    android: str = ""
    soc: str = ""
    abis: tuple[str, ...] = ()
    boot: str = ""
    virtual: bool = False
    cores: tuple[Core, ...] = ()
    battery_c: float | None = None
    cpu_c: float | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    awake: bool | None = None

    @property
    def temperature_c(self) -> float | None:
        """The battery's temperature; the CPU's where there is no battery."""
        return self.cpu_c if self.battery_c is None else self.battery_c

    @property
    def big_cores(self) -> tuple[int, ...]:
        """Indices of the fastest cores; none where the phone does not tell their frequencies."""
        fastest = max((core.maximum_khz for core in self.cores), default=0)
        return tuple(core.index for core in self.cores if core.maximum_khz == fastest and fastest)

    def timing_cores(self, threads: int) -> tuple[int, ...]:
        """The cores to time on: one for each thread, the fastest, of equals those with the highest indices."""
        if not self.big_cores:
            return ()
        order = sorted(self.cores, key=lambda core: (core.maximum_khz, core.index))
        return tuple(sorted(core.index for core in order[-threads:]))

    def governor(self, cores: Sequence[int]) -> str:
        """The frequency governor of ``cores``; several joined by a comma."""
        return ",".join(sorted({core.governor for core in self.cores if core.index in cores and core.governor}))


def mask(cores: Sequence[int]) -> str:
    """``taskset``'s mask of cores, hexadecimal as toybox and util-linux both read it.

    >>> mask([6, 7])
    'c0'
    """
    return f"{sum(1 << core for core in set(cores)):x}"


def parse(text: str) -> State:
    """Reads the output of one of the scripts; other lines are skipped, what is missing is None."""
    words: dict[str, str] = {}
    cores: list[Core] = []
    zones: list[float] = []
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if not separator:
            key, _, value = line.strip().partition(": ")
        if key == "core" and len(fields := value.split()) == 4:
            index, most, now, governor = fields
            if index.isdigit():
                cores.append(Core(int(index), _integer(most) or 0, _integer(now) or 0, governor.replace("-", "")))
        elif key == "zone":
            if (heat := _integer(value)) is not None:
                zones.append(heat / 1000 if abs(heat) >= 1000 else float(heat))  # a few kernels give whole degrees
        elif key not in words:
            words[key] = value.strip()
    tenths = _integer(words.get("temperature", ""))
    powered = [words[key] == "true" for key in ("AC powered", "USB powered", "Wireless powered") if key in words]
    wakefulness = words.get("mWakefulness")
    abis = words.get("abis") or words.get("abi", "")
    return State(
        model=words.get("model", ""),
        manufacturer=words.get("manufacturer", ""),
        android=words.get("android", ""),
        soc=words.get("soc") or words.get("board", ""),
        abis=tuple(filter(None, abis.split(","))),
        boot=words.get("boot", ""),
        virtual=words.get("virtual", "") == "1",
        cores=tuple(sorted(cores, key=lambda core: core.index)),
        battery_c=None if tenths is None else tenths / 10,
        # Sensors that are off give 0 or absurd values.
        cpu_c=max((zone for zone in zones if 0 < zone < 150), default=None),
        battery_percent=_integer(words.get("level", "")),
        charging=any(powered) if powered else None,
        awake=None if wakefulness is None else wakefulness == "Awake",
    )


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
