"""How a run shows its progress: a live view in a terminal, one line per trial in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from mnas_moo.objectives.front import is_feasible
from mnas_moo.reports.learning_text import grown_line
from mnas_moo.reports.text import figure, front_plot, front_table, front_trials, objective_names, words
from mnas_moo.reports.verdicts import verdicts
from mnas_moo.running.trials import FAILURE, SAME_AS, Observer
from mnas_moo.spaces.printable import printable, short
from mnas_moo.study_file.duration import in_words

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial
    from rich.console import RenderableType
    from rich.live import Live

    from mnas_moo.objectives.training.settings import TrainingProgress
    from mnas_moo.reward import Reward

EXPECTED_TRIALS = 3
"""So many trials the time that was expected weighs against those that are completed."""
FIRST_SECONDS, TRAINING_SECONDS = 10.0, 30.0
"""A log tells of a training after so many seconds of a trial, and then so often."""
SHOWN_ROWS = 12
"""Largest number of rows of the front in the live view; the whole front is printed at the end."""


class Progress(Observer):
    """The state of a run that both views show.

    Attributes:
        completed: the study's completed trials, including those of other processes.
        finished_here: number of trials that finished in this process, completed or failed.
        elsewhere: trials that other processes completed since the last one that finished here.
        pace: estimate of the time left.
    """

    def __init__(self, reward: Reward | None, clock: Callable[[], float]) -> None:
        self.reward = reward
        self.pace = Pace(clock)
        self.completed: Sequence[FrozenTrial] = ()
        self.finished_here = 0
        self.elsewhere: Sequence[FrozenTrial] = ()
        self.verdicts: list[str] = []
        self.grown = ""  # how well the progressive search predicted its last round

    def promised(self, trial_seconds: float, words: Sequence[str]) -> None:
        """Notes how long a trial is expected to take."""
        self.pace.promise(trial_seconds)

    def expects(self, wanted: int) -> None:
        """Notes how many trials the time left has room for."""
        self.pace.wanted = wanted

    def started(self, study: optuna.Study, completed: Sequence[FrozenTrial], wanted: int) -> None:
        """Notes where the study stands before the first trial."""
        self.completed = completed
        self.pace.start(len(completed), wanted)
        self.show_start(study)

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Sequence[FrozenTrial]) -> None:
        """Notes a trial that has been stored."""
        known = {trial.number, *(each.number for each in self.completed)}
        self.elsewhere = [each for each in completed if each.number not in known]
        self.completed = completed
        self.finished_here += 1
        self.verdicts = verdicts(objective_names(study), study.directions, completed)
        self.grown = grown_line(study, trial) or self.grown
        self.show_trial(study, trial)

    def show_start(self, study: optuna.Study) -> None:
        """Shows the state before the first trial."""

    def show_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Shows a finished trial and the state after it."""


class PlainProgress(Progress):
    """One line per event, for a log.

    Args:
        out: stream to write to.
        reward: the sampler's reward; None: it has none.
        clock: function that returns seconds since a fixed moment.
    """

    def __init__(self, out: TextIO, reward: Reward | None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(reward, clock)
        self.out = out
        self._began = self._training_told = 0.0
        self._said: set[str] = set()

    def preparing(self, what: str) -> None:
        """Prints what is being prepared."""
        self._print(what)

    def waiting(self, why: str) -> None:
        """Prints why the run waits."""
        self._print(why)

    def promised(self, trial_seconds: float, words: Sequence[str]) -> None:
        """Prints what was chosen, and how long a trial will take."""
        super().promised(trial_seconds, words)
        for line in words:
            self._print(line)
        if trial_seconds and not words:
            self._print(f"a trial will take about {in_words(trial_seconds)}")

    def training(self, number: int, progress: TrainingProgress) -> None:
        """Prints where a training stands, now and then."""
        now = self.pace.clock()
        if now - self._training_told >= (TRAINING_SECONDS if self._training_told > self._began else FIRST_SECONDS):
            self._training_told = now
            self._print(training_line(number, progress))

    def trial_started(self, number: int, network: str) -> None:
        """Notes when a trial began."""
        self._began = self._training_told = self.pace.clock()

    def show_start(self, study: optuna.Study) -> None:
        """Prints the number of finished trials, unless all are finished."""
        if len(self.completed) < self.pace.wanted:
            done = len(self.completed)
            left = f", {self.pace.left(done)}" if self.pace.expected else ""
            self._print(f"{study.study_name}: {done} of {self.pace.wanted} trials are finished{left}")

    def show_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Prints the trials of other processes, the trial, how many are finished, the best result and the time left."""
        for other in self.elsewhere:
            self._print(trial_line(study, other))
        done = len(self.completed)
        rest = (f"{done} of {self.pace.wanted}", best_line(study, self.completed, self.reward), self.pace.left(done))
        self._print(f"{trial_line(study, trial)} ({', '.join(rest)})")
        if grown_line(study, trial):
            self._print(self.grown)
        for line in self.verdicts:
            kind = line.partition(":")[0]  # what follows changes from trial to trial
            if kind not in self._said:
                self._said.add(kind)
                self._print(line)

    def _print(self, line: str) -> None:
        print(printable(line), file=self.out, flush=True)


class LiveProgress(Progress):
    """The growing front in a terminal.

    Args:
        live: rich's display, started and stopped by the caller.
        reward: the sampler's reward; None: it has none.
        clock: function that returns seconds since a fixed moment.
    """

    def __init__(self, live: Live, reward: Reward | None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(reward, clock)
        self.live = live
        self.last = self.running = self.device = self.training_now = ""
        self.words: tuple[str, ...] = ()
        self.failed = 0
        self.study: optuna.Study | None = None

    def preparing(self, what: str) -> None:
        """Shows what is being prepared."""
        self.live.update(words(what))

    def waiting(self, why: str) -> None:
        """Shows why the run waits, until the trial is finished."""
        self.device = why
        self.live.update(words(why) if self.study is None else self.view())

    def show_start(self, study: optuna.Study) -> None:
        """Shows the study for the first time."""
        self.study = study
        self.live.update(self.view())

    def trial_started(self, number: int, network: str) -> None:
        """Shows which network is being measured."""
        self.running = f"trial {number}: {network}"
        self.live.update(self.view())

    def promised(self, trial_seconds: float, words: Sequence[str]) -> None:
        """Shows what was chosen above all else."""
        super().promised(trial_seconds, words)
        self.words = tuple(words)

    def training(self, number: int, progress: TrainingProgress) -> None:
        """Shows where a training stands."""
        self.training_now = training_line(number, progress)
        self.live.update(self.view())

    def show_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Shows the study with the finished trial."""
        self.training_now = ""
        self.failed += trial.state.name == "FAIL"
        self.last, self.running, self.device = trial_line(study, trial), "", ""
        self.live.update(self.view())

    def view(self) -> RenderableType:
        """The present contents of the display."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        study, pace = self.study, self.pace
        if study is None:
            return ""
        done = len(self.completed)
        front = front_trials(study.directions, self.completed)
        head = Table.grid(padding=(0, 2))
        counts = f"{done} of {pace.wanted} trials" + (f", {self.failed} failed" if self.failed else "")
        head.add_row(
            words(study.study_name, style="bold"),
            ProgressBar(total=pace.wanted, completed=done, width=30),
            counts,
            pace.left(done),
        )
        lines: list[RenderableType] = [
            *(words(line) for line in self.words),
            head,
            words(best_line(study, self.completed, self.reward)),
        ]
        if front:
            lines.append(front_plot(study, self.completed, front))
            lines.append(front_table(study, front[:SHOWN_ROWS]))
        if len(front) > SHOWN_ROWS:
            lines.append(Text(f"and {len(front) - SHOWN_ROWS} more", style="dim"))
        lines += [
            Text(printable(line), style="dim", no_wrap=True, overflow="ellipsis")
            for line in (self.grown, self.last, self.running, self.training_now)
            if line
        ]
        lines += [words(line, style="yellow") for line in (*self.verdicts, self.device) if line]
        return Group(*lines)


def training_line(number: int, progress: TrainingProgress) -> str:
    """Where a training stands, in one line."""
    parts = [f"step {progress.step} of {progress.steps}", f"{progress.images_per_second:.0f} images/s"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.2f}")
    if progress.accuracy is not None:
        parts.append(f"accuracy {100 * progress.accuracy:.1f} % so far")
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return (
        f"trial {number}, training {progress.training} of {progress.trainings}: {', '.join(parts)}, "
        f"{minutes}:{seconds:02d} left"
    )


class Pace:
    """The time left, from the rate at which all processes together complete trials.

    >>> seconds = iter([0.0, 60.0])
    >>> pace = Pace(lambda: next(seconds))
    >>> pace.start(completed=10, wanted=40)
    >>> pace.left(completed=20)
    '2:00 min left'

    Args:
        clock: function that returns seconds since a fixed moment.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.wanted = self.begun_with = 0
        self.begun = self.expected = 0.0

    def promise(self, trial_seconds: float) -> None:
        """Takes this as the time of a trial until some are completed."""
        self.expected = trial_seconds

    def start(self, completed: int, wanted: int) -> None:
        """Starts the estimate.

        Args:
            completed: number of completed trials at the start.
            wanted: number of completed trials at the end.
        """
        self.begun, self.begun_with, self.wanted = self.clock(), completed, wanted

    def left(self, completed: int) -> str:
        """The time left in words, when ``completed`` trials are completed."""
        new = completed - self.begun_with
        if new < 1 and not self.expected:
            return "time left not known yet"
        # What was expected weighs as much as some trials that took so long.
        weight = EXPECTED_TRIALS if self.expected else 0
        spent = self.clock() - self.begun if new else 0.0
        seconds = (spent + weight * self.expected) / (new + weight)
        seconds *= max(0, self.wanted - completed)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        if days:
            return f"{days} d {hours} h left"
        return f"{hours} h {minutes} min left" if hours else f"{minutes}:{seconds:02d} min left"


def trial_line(study: optuna.Study, trial: FrozenTrial) -> str:
    """A finished trial in one line."""
    if trial.state.name == "FAIL":
        return f"trial {trial.number} failed: {trial.user_attrs.get(FAILURE, 'no reason is stored')}"
    values = zip(objective_names(study), trial.values, strict=True)
    text = f"trial {trial.number}: " + ", ".join(f"{short(name)} {figure(name, value)}" for name, value in values)
    if not is_feasible(trial):
        text += ", outside the constraints"
    return f"{text}, as trial {trial.user_attrs[SAME_AS]}" if SAME_AS in trial.user_attrs else text


def best_line(study: optuna.Study, completed: Sequence[FrozenTrial], reward: Reward | None) -> str:
    """The size of the front, and the best reward or, without a reward, the best first objective."""
    front = front_trials(study.directions, completed)
    if not front:
        return "no feasible network yet"
    names = objective_names(study)
    text = f"{len(front)} on the front, " if len(names) > 1 else ""
    if reward is None:
        return text + f"best {short(names[0])} {figure(names[0], front[0].values[0])} (trial {front[0].number})"
    accuracy, latency = reward.bind(names, study.directions)
    # Not only trials of the front: TuNAS's absolute reward falls for latencies below the target too, so that a
    # dominated trial can have the best one.
    feasible = [trial for trial in completed if is_feasible(trial)]
    scores = [(reward(trial.values[accuracy], trial.values[latency]), -trial.number) for trial in feasible]
    best, number = max(scores)
    return text + f"best reward {best:.4f} (trial {-number})"
