"""Paceline's study of trials that run one by one, as an oracle chooses them.

The oracle's own files say how the search continues; the study has what was measured, for
``tuner.study``, its report and the terminal's commands that read studies.
"""

import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.hyperparameters.conversion import (
    complete,
    to_paceline,
    widened,
)
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.core import Configuration, TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SpaceChanged,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.report import Study
from paceline.space import Space
from paceline.store import has_study
from paceline.study.asktell import OpenStudy


class StudyOfTrials:
    """Writes the trials of an oracle to a study as they end; a context manager.

    Args:
        directory: of the study; it is made when the first trial ends.
        oracle: of the trials.
    """

    def __init__(self, directory: Path, oracle: Any) -> None:
        self._directory, self._oracle = directory, oracle
        self._study: _Writer | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        for trial_id in self._oracle.end_order:  # a process may have been killed before it wrote
            self.take(self._oracle.trials[trial_id])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._study is not None:
            self._study.close()

    def take(self, trial: Trial) -> None:
        """Adds a trial that has ended; one that is to be repeated is left out."""
        seconds = time.monotonic() - self._began
        self._began = time.monotonic()
        if trial.status not in (TrialStatus.COMPLETED, TrialStatus.FAILED):
            return
        space = self._space()
        if not len(space):
            return
        if self._study is None:
            self._study = _opened(self._directory, space, self._oracle)
        values = complete(self._oracle.hyperparameters.space, trial.hyperparameters.values)
        config = {name: value for name, value in values.items() if name in space}
        self._study.add(trial, config, space, seconds)

    def load(self) -> Study | None:
        """The study as it is now; None before the first trial."""
        return Study.open(self._directory) if has_study(self._directory) else None

    def _space(self) -> Space:
        """The space of the oracle, widened by values that trials had."""
        known: HyperParameters = self._oracle.hyperparameters
        each = []
        for one in known.space:
            made = to_paceline(one)
            for trial in self._oracle.trials.values():
                if one.name in trial.hyperparameters.values and trial.hyperparameters.is_active(
                    one
                ):
                    made = widened(made, trial.hyperparameters.values[one.name])
            each.append(made)
        return Space(each)


class _Writer(OpenStudy):
    """A study whose trials are chosen elsewhere."""

    @cached_property
    def _written(self) -> set[str]:
        return {one.origin for one in self.record.trials.values()}

    def add(self, trial: Trial, config: Configuration, space: Space, seconds: float) -> None:
        """Writes a trial that has ended, unless it was written before."""
        origin = f"trial {trial.trial_id}"
        if origin in self._written:
            return
        self._written.add(origin)
        events: list[Event] = []
        if space != self.record.space:
            events.append(SpaceChanged(space.to_json()))
        number, seed = len(self.record.trials), self.record.settings.search.seed
        events.append(TrialAsked(number, config, seed, 1, origin))
        events.append(TrialStarted(number, "by itself", config))
        if trial.status == TrialStatus.FAILED or trial.score is None:
            reason = trial.message or "it has no score"
            self._write([*events, TrialEnded(number, TrialState.FAILED, None, None, reason)])
            return
        metrics = {name: one.get_last_value() for name, one in trial.metrics.metrics.items()}
        found = {name: float(value) for name, value in metrics.items() if value is not None}
        found[self.record.objective.metric] = float(trial.score)
        ended = TrialEnded(number, TrialState.COMPLETED, float(trial.score), 1, "")
        self._write([*events, EpochMeasured(number, 1, found, seconds), ended])


def _opened(directory: Path, space: Space, oracle: Any) -> _Writer:
    goal = (oracle.objective.name, oracle.objective.direction)
    return _Writer(directory, space, goal, "random", oracle.seed, change_space=True)
