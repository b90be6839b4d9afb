"""The files of a virtual phone: what a program there finds in /system/bin, /sys, /proc and /data.

Its shell is mksh and its programs are links to toybox, as Android's are, where this machine has them (Debian's
packages ``mksh`` and ``toybox``); bash and this machine's own stand in for what is missing (``missing_tools``). Those
of Android are small scripts which read what the phone writes to its state files.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mnas_moo.objectives.virtual_phone import benchmark_client
from mnas_moo.objectives.virtual_phone.benchmark import Program
from mnas_moo.objectives.virtual_phone.models import Model

STATE = "state"  # the folder of the state files, beside the phone's folders; no phone has it
TEMPORARY = "data/local/tmp"

# What Android's toybox (and its one-true-awk) and this machine both have, and which does no harm to other processes of
# this machine. Debian's toybox is built without awk, dd, expr and tr: those are always this machine's.
_TOYBOX = """\
awk base64 basename cat chmod cksum cmp comm cp cut date dd df dirname du echo env expr false find grep head kill ln
ls md5sum mkdir mktemp mv nice nohup od paste printf pwd readlink realpath rm rmdir sed seq setsid sha1sum sha256sum
sleep sort split stat sync tail tee test timeout touch tr true uniq wc xargs"""

_SCRIPTS = {
    "getprop": """\
if [ $# -eq 0 ]; then exec sed 's/^\\([^=]*\\)=\\(.*\\)$/[\\1]: [\\2]/' STATE/properties; fi
while IFS= read -r line; do
    if [ "${line%%=*}" = "$1" ]; then printf '%s\\n' "${line#*=}"; exit; fi
done <STATE/properties
printf '%s\\n' "${2-}"
""",
    "dumpsys": """\
if [ "${1-}" = -l ]; then echo 'Currently running services:'; cd STATE/dumpsys; printf '  %s\\n' *; exit; fi
if [ $# -eq 0 ]; then exec cat STATE/dumpsys/*; fi
case $1 in */*|.*) ;; *) if [ -f "STATE/dumpsys/$1" ]; then exec cat "STATE/dumpsys/$1"; fi ;; esac
echo "Can't find service: $1"
""",
    "cmd": """\
if [ "${1-}" = -l ]; then exec dumpsys -l; fi
echo "cmd: Can't find service: ${1-}" >&2
exit 20
""",
    "settings": """\
if [ "${1-}" = get ] && [ $# -eq 3 ]; then
    while IFS= read -r line; do
        if [ "${line%%=*}" = "$2/$3" ]; then printf '%s\\n' "${line#*=}"; exit; fi
    done <STATE/settings
    echo null
    exit
fi
echo 'Invalid command: only get NAMESPACE KEY is there' >&2
exit 255
""",
    "taskset": """\
if [ $# -lt 2 ] || [ "$1" = -p ]; then echo 'taskset: needs MASK and COMMAND' >&2; exit 1; fi
case $1 in *[!0-9a-fA-F]*|'') echo "taskset: bad mask '$1'" >&2; exit 1 ;; esac
if [ "$((0x$1 & ALL_CORES))" -eq 0 ]; then echo 'taskset: failed to set affinity: Invalid argument' >&2; exit 1; fi
export TASKSET_MASK=$1
shift
exec "$@"
""",
    "uname": """\
case ${1-} in
    -a) echo 'Linux localhost 6.1.75-android14-11 #1 SMP PREEMPT aarch64 Toybox' ;;
    -m) echo aarch64 ;;
    -n) echo localhost ;;
    -r) echo 6.1.75-android14-11 ;;
    *) echo Linux ;;
esac
""",
    "id": """\
case ${1-} in
    -u|-g) echo 2000 ;;
    -un|-gn) echo shell ;;
    *) echo 'uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input) context=u:r:shell:s0' ;;
esac
""",
    "whoami": "echo shell\n",
    "nproc": "echo CORES\n",
    "benchmark_model_of_virtual_phone": 'exec PYTHON -I -S CLIENT STATE/benchmark.socket "$@"\n',
}
_UNWRITABLE = """\
for last; do :; done
echo "NAME: '$last': REASON" >&2
exit 1
"""

_STAND_IN = """\
#!/bin/sh
# Stands for WHOSE benchmark_model on a virtual phone, and does nothing on a real one. At its end it prints
# "SUMMARY".
exec benchmark_model_of_virtual_phone KIND "$0" "$@"
"""


def stand_in(program: Program) -> str:
    """The text of a program that stands for one of those called benchmark_model."""
    whose, summary = {
        "litert": ("LiteRT's", "BENCHMARK RESULTS"),
        "tflite": ("TensorFlow Lite's", "Inference timings in us"),
    }[program]
    return _STAND_IN.replace("WHOSE", whose).replace("SUMMARY", summary).replace("KIND", program)


def missing_tools() -> list[str]:
    """Which of Android's own shell and programs this machine lacks: "mksh", "toybox"; others stand in for them."""
    return [name for name in ("mksh", "toybox") if shutil.which(name) is None]


@functools.cache
def _applets(toybox: str) -> frozenset[str]:
    """The programs that a toybox is."""
    done = subprocess.run([toybox], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    return frozenset(done.stdout.split())


@dataclass(frozen=True)
class State:
    """How the phone is at a moment.

    Attributes:
        uptime_seconds: seconds since it was started.
        boot_id: identifier that changes with each start.
        battery_c: temperature of the battery.
        cpu_c: temperature of the cores.
        frequency_factor: share of its highest frequency that a core runs at.
        busy_share: share of the time of all cores that other programs take.
        screen_on: whether the display is lit.
        battery_level: charge of the battery in percent.
    """

    uptime_seconds: float
    boot_id: str
    battery_c: float
    cpu_c: float
    frequency_factor: float
    busy_share: float
    screen_on: bool
    battery_level: int


class Image:
    """The folder of one phone.

    Args:
        root: the folder, which is made.
        model: the phone's model.
        serial: adb's name for it.
    """

    def __init__(self, root: Path, model: Model, serial: str) -> None:
        self.root = root
        self.shell = shutil.which("mksh") or shutil.which("bash") or "/bin/sh"
        (root / TEMPORARY).mkdir(parents=True)
        (root / STATE / "dumpsys").mkdir(parents=True)
        self._written: dict[str, str] = {}
        self._programs(model)
        self.become(model, serial)

    @property
    def environment(self) -> dict[str, str]:
        """All that programs on the phone find in their environment; nothing of this machine's."""
        return {
            "ANDROID_DATA": f"{self.root}/data",
            "ANDROID_ROOT": f"{self.root}/system",
            "HOME": "/",
            "HOSTNAME": self._model.device,
            "LOGNAME": "shell",
            "PATH": f"{self.root}/system/bin",
            "SHELL": f"{self.root}/system/bin/sh",
            "TMPDIR": f"{self.root}/{TEMPORARY}",
            "USER": "shell",
        }

    def become(self, model: Model, serial: str) -> None:
        """Writes the properties and cores of ``model``."""
        self._model = model
        properties = model.properties(serial)
        self._write(f"{STATE}/properties", "".join(f"{name}={value}\n" for name, value in properties.items()))
        for core, frequency in enumerate(model.core_frequencies):
            folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
            values = {
                "affected_cpus": core,
                "cpuinfo_max_freq": frequency,
                "cpuinfo_min_freq": 300000,
                "scaling_governor": "sched_pixel",
                "scaling_max_freq": frequency,
                "scaling_min_freq": 300000,
            }
            for name, value in values.items():
                self._write(f"{folder}/{name}", f"{value}\n")
        last = len(model.core_frequencies) - 1
        for name in ("online", "possible", "present"):
            self._write(f"sys/devices/system/cpu/{name}", f"0-{last}\n")
        processors = "".join(f"processor\t: {core}\nBogoMIPS\t: 49.15\n\n" for core in range(last + 1))
        self._write("proc/cpuinfo", f"{processors}Hardware\t: {model.soc}\n")
        self._write("proc/version", "Linux version 6.1.75-android14-11 (build@virtual) #1 SMP PREEMPT\n")
        self._write("proc/meminfo", "MemTotal:        7758752 kB\nMemAvailable:    4205488 kB\n")
        self._write("proc/cmdline", "androidboot.virtual=1\n")

    def show(self, state: State) -> None:
        """Writes ``state`` to wherever programs look for it."""
        for core, frequency in enumerate(self._model.core_frequencies):
            current = int(frequency * state.frequency_factor)
            self._write(f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", f"{current}\n")
        zones = {"BIG": state.cpu_c, "MID": state.cpu_c - 0.5, "LITTLE": state.cpu_c - 1, "battery": state.battery_c}
        for number, (zone, celsius) in enumerate(zones.items()):
            self._write(f"sys/class/thermal/thermal_zone{number}/type", f"{zone}\n")
            self._write(f"sys/class/thermal/thermal_zone{number}/temp", f"{1000 * celsius:.0f}\n")
        self._write("sys/class/power_supply/battery/temp", f"{10 * state.battery_c:.0f}\n")
        self._write("sys/class/power_supply/battery/capacity", f"{state.battery_level}\n")
        cores = len(self._model.core_frequencies)
        self._write("proc/uptime", f"{state.uptime_seconds:.2f} {state.uptime_seconds * cores * 0.9:.2f}\n")
        ticks = 100 * cores * state.uptime_seconds
        busy = int(ticks * state.busy_share)
        self._write("proc/stat", f"cpu  {busy} 0 0 {int(ticks) - busy} 0 0 0 0 0 0\n")
        load = cores * state.busy_share
        self._write("proc/loadavg", f"{load:.2f} {load:.2f} {load:.2f} 1/900 4242\n")
        self._write("proc/sys/kernel/random/boot_id", f"{state.boot_id}\n")
        self._write(f"{STATE}/settings", "system/screen_off_timeout=30000\nglobal/stay_on_while_plugged_in=0\n")
        self._dumpsys(state, zones)

    def files(self) -> list[str]:
        """What lies in /data/local/tmp, as paths below it, in order."""
        folder = self.root / TEMPORARY
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))

    def _dumpsys(self, state: State, zones: dict[str, float]) -> None:
        battery = {
            "AC powered": "false",
            "USB powered": "true",
            "Wireless powered": "false",
            "Dock powered": "false",
            "Max charging current": 500000,
            "Max charging voltage": 5000000,
            "Charge counter": 43000 * state.battery_level,
            "status": 5 if state.battery_level == 100 else 2,
            "health": 2,
            "present": "true",
            "level": state.battery_level,
            "scale": 100,
            "voltage": 3600 + 8 * state.battery_level,
            "temperature": f"{10 * state.battery_c:.0f}",
            "technology": "Li-ion",
        }
        lines = "".join(f"  {name}: {value}\n" for name, value in battery.items())
        self._write(f"{STATE}/dumpsys/battery", f"Current Battery Service state:\n{lines}")
        awake, lit = ("Awake", "ON") if state.screen_on else ("Asleep", "OFF")
        self._write(
            f"{STATE}/dumpsys/power",
            "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n"
            f"  mWakefulness={awake}\n  mIsPowered=true\n  mPlugType=2\n  mBatteryLevel={state.battery_level}\n"
            f"  mStayOn=false\n\nDisplay Power: state={lit}\n",
        )
        self._write(f"{STATE}/dumpsys/display", f"DISPLAY MANAGER (dumpsys display)\n  mScreenState={lit}\n")
        severity = 0 if state.cpu_c < 50 else 2 if state.cpu_c < 60 else 3  # none, moderate, severe
        kinds = {"BIG": 0, "MID": 0, "LITTLE": 0, "battery": 2}  # CPU, battery
        temperatures = "".join(
            f"\tTemperature{{mValue={celsius:.1f}, mType={kinds[zone]}, mName={zone}, mStatus={severity}}}\n"
            for zone, celsius in zones.items()
        )
        self._write(
            f"{STATE}/dumpsys/thermalservice",
            f"IsStatusOverride: false\nThermal Status: {severity}\nCached temperatures:\n{temperatures}"
            f"HAL Ready: true\nCurrent temperatures from HAL:\n{temperatures}",
        )

    def _programs(self, model: Model) -> None:
        folder = self.root / "system/bin"
        folder.mkdir(parents=True)
        (folder / "sh").symlink_to(self.shell)
        toybox = shutil.which("toybox")
        applets = _applets(toybox) if toybox else frozenset()
        for name in _TOYBOX.split():
            if program := toybox if name in applets else shutil.which(name):
                (folder / name).symlink_to(program)
        cores = len(model.core_frequencies)
        words = {
            "STATE": str(self.root / STATE),
            "ALL_CORES": str((1 << cores) - 1),
            "CORES": str(cores),
            "PYTHON": shlex.quote(sys.executable),
            "CLIENT": shlex.quote(str(Path(benchmark_client.__file__).resolve())),
        }
        for name, script in _SCRIPTS.items():
            for word, meaning in words.items():
                script = script.replace(word, meaning)
            self._script(folder / name, script)
        # Without rights of its own a phone's folder can be neither full nor forbidden; these programs act as if.
        for condition, reason in (("full", "No space left on device"), ("forbidden", "Permission denied")):
            (self.root / STATE / condition).mkdir()
            for name in ("cp", "ln", "mkdir", "mktemp", "mv", "tee", "touch"):
                script = _UNWRITABLE.replace("NAME", name).replace("REASON", reason)
                self._script(self.root / STATE / condition / name, script)

    def _script(self, path: Path, text: str) -> None:
        path.write_text(f"#!{self.shell}\n{text}", encoding="utf-8")
        path.chmod(0o755)

    def _write(self, name: str, text: str) -> None:
        """Writes a file whole or not at all, where its contents have changed."""
        if self._written.get(name) == text:
            return
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = self.root / STATE / "part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)  # noqa: PTH105
        self._written[name] = text
