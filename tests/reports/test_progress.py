from __future__ import annotations

import io
import re
from pathlib import Path

import optuna
import pytest
from rich.console import Console
from rich.live import Live

from mnas_moo.objectives.training.settings import TrainingProgress
from mnas_moo.reports.progress import LiveProgress, Pace, PlainProgress, best_line, trial_line
from mnas_moo.reward import AbsoluteReward, MnasReward
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import FAILURE, completed_trials
from tests.cli.conftest import COUNTS
from tests.reports.conftest import STUDY, study_of


def test_a_trial_in_one_line() -> None:
    study = study_of(*STUDY)
    assert trial_line(study, study.trials[0]) == "trial 0: accuracy 80.00 %, latency_ms 20"
    assert trial_line(study, study.trials[3]).endswith(", as trial 1")
    assert trial_line(study, study.trials[4]).endswith(", outside the constraints")
    trial = study.ask()
    trial.set_user_attr(FAILURE, "no luck")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert trial_line(study, study.trials[6]) == "trial 6 failed: no luck"


def test_the_best_is_the_reward_where_there_is_one() -> None:
    study = study_of(*STUDY)
    completed = completed_trials(study)
    assert best_line(study, completed, None) == "3 on the front, best accuracy 90.00 % (trial 1)"
    hard = MnasReward(20.0, alpha=0.0, beta=-1.0)
    assert best_line(study, completed, hard) == "3 on the front, best reward 0.8000 (trial 0)"
    slow = AbsoluteReward(30.0, beta=-2.0)
    assert best_line(study, completed, slow).endswith("best reward 0.7000 (trial 2)"), "it need not be on the front"
    assert best_line(study, completed[4:5], hard) == "no feasible network yet"


def test_the_time_left_follows_the_pace_of_this_run() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    pace.start(10, 60)
    assert pace.left(10) == "time left not known yet"
    now[0] += 20
    assert pace.left(20) == "1:20 min left"
    now[0] += 100 * 3600
    assert pace.left(59) == "2 h 2 min left"
    assert pace.left(11) == "204 d 4 h left"


def test_the_live_view_shows_front_counts_and_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("counts.yaml").write_text(COUNTS, encoding="utf-8")
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=60)
    with Live(console=console, auto_refresh=False) as live:
        progress = LiveProgress(live, None)
        study = run_study("counts.yaml", observer=progress)
        progress.trial_started(4, "in1x16x16 stem")
        with console.capture() as capture:
            console.print(progress.view())
    view = re.sub(r"\x1b\[[\d;]*m", "", capture.get())
    assert "counts" in view
    assert "4 of 4 trials" in view
    assert "best parameters_m" in view
    assert all(f" {trial.number} " in view for trial in study.best_trials)
    assert "trial 4: in1x16x16 stem" in view


def test_a_log_has_a_line_for_each_trial_with_the_state_after_it() -> None:
    now, out = [0.0], io.StringIO()
    progress, study = PlainProgress(out, None, lambda: now[0]), study_of(*STUDY[:2])
    progress.preparing("reading images")
    progress.started(study, completed_trials(study)[:1], 4)
    now[0] += 30
    progress.trial_finished(study, study.trials[1], completed_trials(study))
    assert out.getvalue().splitlines() == [
        "reading images",
        f"{study.study_name}: 1 of 4 trials are finished",
        "trial 1: accuracy 90.00 %, latency_ms 40 (2 of 4, 2 on the front, best accuracy 90.00 % (trial 1), "
        "1:00 min left)",
    ]
    assert progress.finished_here == 1


def test_a_finished_study_starts_without_a_line() -> None:
    out, study = io.StringIO(), study_of(*STUDY[:2])
    PlainProgress(out, None).started(study, completed_trials(study), 2)
    assert out.getvalue() == ""


def test_the_live_view_says_why_it_waits_and_counts_failures() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=60)
    study = study_of(*STUDY[:2])
    failed = study.ask()
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    with Live(console=console, auto_refresh=False) as live:
        progress = LiveProgress(live, None)
        progress.started(study, completed_trials(study), 4)
        progress.trial_finished(study, study.trials[2], completed_trials(study))
        progress.waiting("the phone cools down")
        with console.capture() as capture:
            console.print(progress.view())
    view = re.sub(r"\x1b\[[\d;]*m", "", capture.get())
    assert "2 of 4 trials, 1 failed" in view
    assert "the phone cools down" in view


def test_a_log_says_once_what_the_results_cannot_say() -> None:
    study, out = optuna.create_study(directions=["maximize", "minimize"]), io.StringIO()
    study.set_metric_names(["accuracy", "latency_ms"])
    progress = PlainProgress(out, None, lambda: 0.0)
    for i in range(5):
        accuracy = 0.2 + i / 1000
        held = {"value": accuracy, "interval": [accuracy - 0.05, accuracy + 0.05], "chance": 0.2}
        attributes = {"measurements": {"accuracy": held}, "network": f"network {i}"}
        study.add_trial(optuna.trial.create_trial(values=[accuracy, 1.0 + i], user_attrs=attributes))
        progress.trial_finished(study, study.trials[-1], completed_trials(study))
    assert out.getvalue().count("no network beats chance yet") == 1


def test_the_training_under_way_and_what_was_promised_are_shown() -> None:
    now, out = [0.0], io.StringIO()
    progress = PlainProgress(out, None, lambda: now[0])
    progress.promised(20.0, ["chosen for 10 min: small networks"])
    progress.expects(6)
    progress.trial_started(3, "conv")
    for second in range(0, 100, 5):
        now[0] = float(second)
        progress.training(3, TrainingProgress(1, 2, second + 1, 100, 580.4, 1.214, None, 72.0))
    lines = out.getvalue().splitlines()
    assert lines[0] == "chosen for 10 min: small networks"
    assert lines[1] == "trial 3, training 1 of 2: step 11 of 100, 580 images/s, loss 1.21, 1:12 left"
    assert len(lines) == 4  # after 10 seconds, and then every 30
    assert progress.pace.left(0) == "2:00 min left"
