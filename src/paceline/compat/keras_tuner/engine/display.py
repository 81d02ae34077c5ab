"""Printed progress while trials run one by one."""

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus

_WIDTH = 18


class Display:
    """Prints each trial as it begins and ends.

    Args:
        oracle: whose trials they are.
        verbose: 0 for silence.

    Attributes:
        trial_number: the number of each trial by its id, from 1.
    """

    def __init__(self, oracle: Any, verbose: int = 1) -> None:
        self.oracle, self.verbose = oracle, verbose
        self.search_start: datetime | None = None
        self.trial_start: dict[str, datetime] = {}
        self.trial_number: dict[str, int] = {}

    def on_trial_begin(self, trial: Trial) -> None:
        """Prints the configuration beside the best one so far."""
        now = datetime.now()
        self.trial_start[trial.trial_id] = now
        self.search_start = self.search_start or now
        number = self.trial_number.setdefault(trial.trial_id, len(self.oracle.trials))
        if self.verbose < 1:
            return
        print(f"\nSearch: Running Trial #{number}\n")
        best = _best(self.oracle)
        values = {} if best is None else best.hyperparameters.values
        self._row("Value", "Best Value So Far", "Hyperparameter")
        for name, value in trial.hyperparameters.values.items():
            self._row(self.format_value(value), self.format_value(values.get(name, "?")), name)
        print()

    def on_trial_end(self, trial: Trial) -> None:
        """Prints score, best score and duration, or why the trial has failed."""
        has_failed = trial.status != TrialStatus.COMPLETED
        if has_failed and trial.message:
            print(trial.message, file=sys.stderr)
        if self.verbose < 1:
            return
        now, name = datetime.now(), self.oracle.objective.name
        begun = self.trial_start.get(trial.trial_id, now)
        number = self.trial_number.get(trial.trial_id, len(self.oracle.trials))
        ended = "Failed" if has_failed else "Complete"
        print(f"\nTrial {number} {ended} [{self.format_duration(now - begun)}]")
        if trial.score is not None:
            print(f"{name}: {trial.score}")
        best = _best(self.oracle)
        print(f"\nBest {name} So Far: {None if best is None else best.score}")
        print(f"Total elapsed time: {self.format_duration(now - (self.search_start or now))}")

    def format_value(self, value: Any) -> str:
        """A value in the width of a column."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:.5g}"
        text = str(value)
        return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."

    def format_duration(self, duration: timedelta) -> str:
        """Such as ``"1d 02h 03m 04s"``; without days where there are none."""
        minutes, seconds = divmod(round(duration.total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        return (f"{days}d " if days else "") + f"{hours:02d}h {minutes:02d}m {seconds:02d}s"

    def get_state(self) -> dict[str, Any]:
        """As JSON types."""
        start = self.search_start
        return {
            "search_start": None if start is None else start.isoformat(),
            "trial_start": {name: at.isoformat() for name, at in self.trial_start.items()},
            "trial_number": self.trial_number,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        start = state["search_start"]
        self.search_start = None if start is None else datetime.fromisoformat(start)
        self.trial_start = {
            name: datetime.fromisoformat(at) for name, at in state["trial_start"].items()
        }
        self.trial_number = dict(state["trial_number"])

    def _row(self, *cells: str) -> None:
        print("|".join(f"{cell:{_WIDTH}}" for cell in cells).rstrip())


def _best(oracle: Any) -> Trial | None:
    found = next(iter(oracle.get_best_trials(1)), None)
    return found if found is None or found.score is not None else None
