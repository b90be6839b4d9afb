"""One phone in use: what is brought to it, its lock, one invocation at a time, and the removal of all that is ours.

Scripts are put together from fragments of ``lock`` and ``device``, so that an invocation is one round trip: check and
renew the lock, run benchmark_model on its core with the phone's own ``timeout`` above it, check the lock again.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mnas_moo.objectives.phone import accelerator, benchmark_model, device, installed, lock, steadiness
from mnas_moo.objectives.phone.adb import DiskFullError, Phone, TransientError, UnusableError, file_error
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError, Timing
from mnas_moo.objectives.phone.settings import Accelerator

REFERENCE_PLACE = "$own/reference.tflite"
"""Place of the reference network on the phone, for ``Session.invoke``."""

_ANSWER_SECONDS = 15.0  # time for everything that is no benchmark; busy phones take seconds for `dumpsys`
_PUSH_BYTES_PER_SECOND = 1e6  # slower than any USB cable, Wi-Fi included
_WARM_UP_SECONDS = 0.1  # caches fill and the core reaches its speed
_RUNS = 5  # fewest runs of one invocation
_MINIMUM_SECONDS = 0.2  # fewest seconds of timed runs of one invocation
_MAXIMUM_SECONDS = 2.0
_STUCK_SECONDS = 10.0  # how long a lock that makes no sense is let be
_SLACK_SECONDS = 5.0  # between the end of a command's time and the end of the lease


class LockLostError(Exception):
    """The phone's lock was taken over while we measured; what was measured is void."""

    def __init__(self) -> None:
        super().__init__("another study took its lock over; what was measured is measured again")


@dataclass(frozen=True)
class Program:
    """benchmark_model, as the user named it, and what it is to run networks on.

    Attributes:
        content: the file, pushed to the phone; None: the one that lies at ``benchmark_model.PLACE`` is used.
        accelerator: "cpu", "gpu" or "npu".
        full: whether a network of which the accelerator runs only a part fails.
    """

    content: bytes | None = None
    accelerator: Accelerator = "cpu"
    full: bool = False

    @property
    def path(self) -> str:
        """Its place on the phone, in scripts after ``lock.prelude``."""
        return benchmark_model.PLACE if self.content is None else "$own/benchmark_model"


class Session:
    """A phone under one owner's token. Methods raise what ``Phone`` raises; they are called by one thread at a time.

    Args:
        phone: the phone.
        token: name of the owner of the lock, another for each ``AdbLatency``.
        program: benchmark_model.
        threads: number of LiteRT's threads.
        limit_s: longest time of one invocation of benchmark_model.
        stopped: whether the caller wants it to end; asked between invocations.
        clock: the time in seconds.
    """

    def __init__(
        self,
        phone: Phone,
        token: str,
        program: Program,
        threads: int,
        limit_s: float,
        stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.phone = phone
        self.token = token
        self.threads = threads
        self.identity = device.State()
        self.runtime = ""  # what times, by its checksum
        self.program = ""  # the same in words: whose, and its version where that is known
        self.installed = False  # whether there may be files of ours on the phone
        self.cores: tuple[int, ...] = ()
        self._library = False  # whether the phone has a library of the accelerator
        self._program = program
        self._limit_s = limit_s
        self._lease_s = limit_s + _SLACK_SECONDS
        self._stopped = stopped
        self._clock = clock
        self._prelude = lock.prelude(token)
        self._stuck_since: float | None = None  # since when nobody has the lock, and nobody can get it
        self._boot = ""
        self._check: tuple[float, float, str] | None = None  # when the reference network was last timed, its ms, boot

    def identify(self) -> device.State:
        """Asks what the phone is and whether benchmark_model can run on it.

        Raises:
            UnusableError: it cannot; the message says where there is one that can.
        """
        script = device.identity_script()
        if self._program.content is None:
            script += installed.script()
        script += accelerator.library_script(self._program.accelerator, lock.MARK)
        output = self.phone.run(script, _ANSWER_SECONDS)
        state = device.parse(output.stdout)
        if not state.model or not state.boot:
            raise TransientError(f"it does not say what it is yet ({output.stderr.strip() or 'no model or boot id'})")
        if self._program.content is None:
            found = installed.read(output.stdout)
            if found is None:
                raise UnusableError(
                    f"no benchmark_model on it ({benchmark_model.PLACE}); {benchmark_model.advice(state.abis)}"
                )
        else:
            try:
                benchmark_model.check_abi(self._program.content, state.abis)
            except ValueError as error:
                raise UnusableError(str(error)) from error
            found = installed.of_content(self._program.content)
        self.runtime, self.program = found.runtime, found.words
        self._find_library(output.stdout)
        self.identity = state
        self.cores = state.timing_cores(self.threads)
        return state

    def _find_library(self, output: str) -> None:
        """Adds the accelerator's library to ``runtime``; with another one times are others."""
        found = [words for words in lock.marked(output) if words[0] == "library" and len(words) == 3]
        self._library = bool(found)
        if self._program.accelerator == "gpu" and not found:
            raise UnusableError(
                f"no {accelerator.GPU_LIBRARY} in {accelerator.LIBRARIES} on it, which accelerator: gpu needs; it is "
                "published beside benchmark_model; copy it there with `adb push`"
            )
        for _, digest, path in found:
            self.runtime += f", {path.rpartition('/')[2]} sha256:{digest[:12]}"

    def begin(self) -> device.State | lock.Attempt:
        """Tries once to get the lock; with it, removes leftovers and brings what is missing.

        Returns:
            The phone's state, or who has the lock.
        """
        # A takeover takes a moment: a lock that stays stuck was left by a process that was killed in the middle of one.
        force = self._stuck_since is not None and self._clock() - self._stuck_since > _STUCK_SECONDS
        script = (
            self._prelude
            + lock.acquire(self._lease_s, force=force)
            + f"if held; then\nrm -f $own/model.tflite\n[ -x {self._program.path} ] && [ -f $own/reference.tflite ] "
            + f'&& echo "{lock.MARK} ready"\nfi\n'
            + device.condition_script()
        )
        self.installed = True
        output = self.phone.run(script, _ANSWER_SECONDS)
        attempt = lock.attempt(output.stdout)
        if attempt is None:
            raise _no_answer(output.stdout + output.stderr)
        if not attempt.held and attempt.owner == "-" and output.stderr.strip():
            error = file_error(" ".join(output.stderr.split())[-150:])
            if isinstance(error, DiskFullError):  # not even for a lock; is there room for a file again?
                self._push(bytes(4096), "room", 0o644)
            raise error
        if not attempt.held:
            since = self._clock() if self._stuck_since is None else self._stuck_since
            self._stuck_since = since if attempt.stuck else None
            return attempt
        self._stuck_since = None
        if attempt.owner != self.token:
            self._check = None  # another had the phone since
        if ["ready"] not in lock.marked(output.stdout):
            self._install()
        state = device.parse(output.stdout)
        self._boot = state.boot
        return state

    def end(self) -> device.State:
        """Removes the models, gives the lock back, and asks how the phone is after all that."""
        script = self._prelude + "rm -f $own/model.tflite\n" + device.condition_script() + lock.release()
        return device.parse(self.phone.run(script, _ANSWER_SECONDS).stdout)

    def remove_all(self, timeout_s: float) -> None:
        """Removes everything of ours from the phone, and ends what still runs there for us."""
        self.phone.run(self._prelude + lock.remove_all(), timeout_s)

    def push(self, model: bytes) -> str:
        """Brings a model; returns its place for ``time``. The next one replaces it, and ``end`` removes it."""
        self._push(model, "model.tflite", 0o644)
        return "$own/model.tflite"

    def time(
        self,
        graph: str,
        fewest: int,
        precision: float,
        maximum_seconds: float,
        halfway: Callable[[], None] = lambda: None,
    ) -> tuple[list[Timing], float]:
        """Invokes benchmark_model on ``graph`` until its time is known well enough.

        Args:
            graph: its place on the phone.
            fewest: see ``steadiness.enough``.
            precision: see ``steadiness.enough``.
            maximum_seconds: see ``steadiness.enough``.
            halfway: called once, after more than half of the fewest invocations.

        Returns:
            The timings and the seconds they took.

        Raises:
            BenchmarkError: an invocation failed.
            LockLostError: the lock was taken over meanwhile.
            InterruptedError: the caller wants it to end.
        """
        timings: list[Timing] = []
        seconds = 0.0
        while True:
            start = self._clock()
            timings.append(self.invoke(graph))
            seconds += self._clock() - start
            if len(timings) == fewest // 2 + 1:
                halfway()
            if steadiness.enough(milliseconds(timings), fewest, precision, seconds, maximum_seconds):
                return timings, seconds

    def invoke(self, graph: str) -> Timing:
        """Runs benchmark_model once; see ``time``."""
        if self._stopped():
            raise InterruptedError
        words = benchmark_model.command(
            self._program.path,
            graph,
            self.threads,
            warm_up_s=_WARM_UP_SECONDS,
            runs=_RUNS,
            minimum_s=_MINIMUM_SECONDS,
            maximum_s=_MAXIMUM_SECONDS,
        )
        words += accelerator.flags(self._program.accelerator, library=self._library)
        libraries = f"LD_LIBRARY_PATH={accelerator.LIBRARIES} " if self._library else ""
        # The shell is to replace `$own`; nothing else in the words means anything to it.
        pinned = f"command -v taskset > /dev/null && pin='taskset {device.mask(self.cores)}'\n" if self.cores else ""
        script = (
            self._prelude
            + lock.guard(self._lease_s)
            + f"start=$up limit= pin=\ncommand -v timeout > /dev/null && limit='timeout -s KILL {self._limit_s:g}'\n"
            + pinned
            # The number of the process is kept, so that it can be ended after a broken connection.
            + f"{libraries}$limit sh -c 'echo $$ > $0; exec \"$@\"' $own/pid $pin {' '.join(words)} 2>&1 < /dev/null\n"
            + "code=$?\nclock\n"
            + f'echo; echo "{lock.MARK} exit $code $((up - start))"\n'
            + f'[ -f {self._program.path} ] || echo "{lock.MARK} gone"\n'
            + lock.check()
        )
        output = self.phone.run(script, self._limit_s + _ANSWER_SECONDS)
        marked = lock.marked(output.stdout)
        if ["lost"] in marked:
            raise LockLostError
        ended = [words for words in marked if words[0] == "exit" and len(words) == 3]
        if not ended:
            raise _no_answer(output.stdout + output.stderr)
        code, seconds = int(ended[-1][1]), float(ended[-1][2])
        timing = self._timing(output.stdout, code, seconds, gone=["gone"] in marked)
        return self._judged(timing, output.stdout, graph)

    def _judged(self, timing: Timing, output: str, graph: str) -> Timing:
        """The timing with what ran on the accelerator; a time of the CPU is not taken for the accelerator's."""
        kind = self._program.accelerator
        if kind == "cpu":
            return timing
        found = accelerator.delegation(kind, output)
        if graph == REFERENCE_PLACE:
            if found.share == 0:
                raise UnusableError(f"its {kind.upper()} runs no node of the reference network: LiteRT uses the CPU")
        elif problem := accelerator.objection(found, full=self._program.full):
            raise BenchmarkError(problem)
        return replace(timing, delegation=found)

    def check_reference(self, drift: float, maximum_seconds: float) -> float:
        """Times the reference network; returns its median in ms."""
        timings, _ = self.time(REFERENCE_PLACE, steadiness.REFERENCE_INVOCATIONS, drift / 3, maximum_seconds)
        median = statistics.median(milliseconds(timings))
        self._check = self._clock(), median, self._boot
        return median

    def confirm_reference(self, before: float, drift: float, maximum_seconds: float) -> float:
        """Times the reference network again, once if that agrees with ``before``: no spike would agree.

        What later checks are compared with stays ``before``, so that many small steps are noticed too.
        """
        now = self.invoke(REFERENCE_PLACE).milliseconds
        if steadiness.drifted(before, now, drift):
            return self.check_reference(drift, maximum_seconds)
        self._check = self._clock(), before, self._boot
        return now

    def recent_reference(self) -> float | None:
        """The last check's median in ms, if it still stands for the phone as it is."""
        if self._check is None:
            return None
        when, median, then = self._check
        return median if self._clock() - when < steadiness.CHECK_SECONDS and then == self._boot else None

    def forget_reference(self) -> None:
        """The last check no longer stands for the phone as it is."""
        self._check = None

    def _timing(self, output: str, code: int, seconds: float, *, gone: bool) -> Timing:
        """What one invocation means."""
        text = "\n".join(line for line in output.splitlines() if not line.startswith(lock.MARK))
        if code == 0:
            return benchmark_model.parse(text)
        if gone and self._program.content is None:
            raise UnusableError(f"benchmark_model is gone from {benchmark_model.PLACE}; put it back")
        if gone:
            raise TransientError("somebody removed our files from it")
        if code in (126, 127):
            if "Permission denied" in text:
                raise UnusableError(f"permission denied to run benchmark_model under {lock.FOLDER}")
            advice = benchmark_model.advice(self.identity.abis)
            raise UnusableError(f"it cannot run this benchmark_model ({text.strip()[-150:]}); {advice}")
        if seconds >= self._limit_s - 1 and code in (124, 137):
            raise BenchmarkError(f"benchmark_model did not end within {self._limit_s:g} s")
        if "taskset:" in text and "count=" not in text:
            raise TransientError(f"its core cannot be had now ({text.strip()[-150:]})")
        raise benchmark_model.failure(code, text)

    def _install(self) -> None:
        """Brings benchmark_model and the reference network; they take their names only when they are whole."""
        self._push(steadiness.reference_model(), "reference.new", 0o644)
        if self._program.content is not None:
            self._push(self._program.content, "program.new", 0o755)
        script = self._prelude + lock.guard(self._lease_s) + "cd $own && mv reference.new reference.tflite\n"
        if self._program.content is not None:
            script += "chmod 755 program.new && mv program.new benchmark_model\n"
        output = self.phone.run(script + f'echo "{lock.MARK} done $?"\n', _ANSWER_SECONDS)
        if ["lost"] in lock.marked(output.stdout):
            raise LockLostError
        if ["done", "0"] not in lock.marked(output.stdout):
            if "Permission denied" in output.stderr:
                raise UnusableError(f"permission denied under {lock.FOLDER} ({output.stderr.strip()})")
            raise _no_answer(output.stdout + output.stderr)

    def _push(self, data: bytes, name: str, mode: int) -> None:
        timeout_s = _ANSWER_SECONDS + len(data) / _PUSH_BYTES_PER_SECOND
        path = f"{lock.FOLDER}/{self.token}/{name}"
        try:
            self.phone.push(data, path, mode, timeout_s)
        except DiskFullError:
            self.phone.remove([path], _ANSWER_SECONDS)  # half a file would make it worse
            raise


def milliseconds(timings: Sequence[Timing]) -> list[float]:
    """The time of one inference in each invocation; all by the median where all have it."""
    if all(timing.median_ms is not None for timing in timings):
        return [timing.milliseconds for timing in timings]
    return [timing.mean_ms for timing in timings]


def _no_answer(text: str) -> TransientError:
    return TransientError(f"a command ended without its answer ({' '.join(text.split())[-150:] or 'nothing printed'})")
