"""Trials as KerasTuner shows them, and the oracle that lists them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paceline.compat.keras_tuner.engine.brackets import KerasTunerHyperband
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.core import InvalidInput, TrialState
from paceline.core import Trial as Measured
from paceline.report import Study

_STATUS = {
    TrialState.COMPLETED: "COMPLETED",
    TrialState.STOPPED: "COMPLETED",  # by Hyperband, whose rounds are trials in KerasTuner
    TrialState.FAILED: "FAILED",
}


@dataclass(frozen=True, eq=False)
class Trial:
    """One configuration and its score.

    Attributes:
        trial_id: its number as a text, with leading zeros.
        hyperparameters: its configuration.
        score: the objective of its best epoch, the mean over its executions; None without one.
        best_step: that epoch, from 0; None without one.
        status: ``"COMPLETED"``, ``"FAILED"`` or ``"RUNNING"``.
        message: the traceback of a failed trial.
        measured: the trial with all its epochs, as in ``tuner.study.trials``.
    """

    trial_id: str
    hyperparameters: HyperParameters
    score: float | None
    best_step: int | None
    status: str
    message: str | None = field(repr=False)
    measured: Measured = field(repr=False)

    def summary(self) -> None:
        """Prints configuration and score."""
        print(f"Trial {self.trial_id} summary")
        print("Hyperparameters:")
        for name, value in self.hyperparameters.values.items():
            print(f"{name}: {value}")
        if self.score is not None:
            print(f"Score: {self.score}")
        if self.message is not None:
            print(self.message)


class TunerOracle:
    """The trials of a tuner; its search strategy is Paceline's."""

    def __init__(self, objective: Objective, num_digits: int) -> None:
        """``num_digits`` of trial ids."""
        self.objective = objective
        self._num_digits = num_digits
        self._study: Study | None = None

    def attach(self, study: Study | None) -> None:
        """Sets the study of which these are the trials."""
        self._study = study

    @property
    def trials(self) -> dict[str, Trial]:
        """Every trial by its id, in the order in which they were proposed."""
        if self._study is None:
            return {}
        each = (self._trial(self._study, one) for one in self._study.trials)
        return {trial.trial_id: trial for trial in each}

    def get_trial(self, trial_id: str | int) -> Trial:
        """The trial with an id.

        Raises:
            KeyError: there is none.
        """
        return self.trials[f"{int(trial_id):0{self._num_digits}d}"]

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The trials with the best scores, the best first."""
        if self._study is None:
            raise InvalidInput(
                "the tuner has not searched yet", expected="a call of search(...) before this"
            )
        loss = self.objective.metric.loss
        scored = [
            (loss(trial.score), trial)
            for trial in self.trials.values()
            if trial.status == "COMPLETED" and trial.score is not None
        ]
        return [trial for _, trial in sorted(scored, key=lambda pair: pair[0])[:num_trials]]

    def _trial(self, study: Study, one: Measured) -> Trial:
        score, step = _score(one, self.objective)
        values = {**one.config, **_of_hyperband(study, one)}
        return Trial(
            f"{one.number:0{self._num_digits}d}",
            HyperParameters.with_values(tuple(study.space), values),
            score,
            step,
            _STATUS.get(one.state, "RUNNING"),
            one.error if one.state is TrialState.FAILED else None,
            one,
        )


def _score(one: Measured, objective: Objective) -> tuple[float | None, int | None]:
    """Score and best epoch, from 0; of a stopped trial those of its epochs so far."""
    if one.score is not None:
        return one.score, None if one.best_epoch is None else one.best_epoch - 1
    best: tuple[float | None, int | None] = None, None
    for epoch in one.measurements:
        value = epoch.metrics.get(objective.name, math.nan)
        if objective.metric.better(value, best[0]):
            best = value, epoch.epoch - 1
    return best


def _of_hyperband(study: Study, one: Measured) -> Mapping[str, Any]:
    """What KerasTuner's Hyperband adds to the values of a trial."""
    state = study.settings.search.schedule
    if state is None or state.get("schedule") != KerasTunerHyperband.name:
        return {}
    schedule = KerasTunerHyperband.from_json(state)
    rungs = (0, *schedule.rungs(one.number, one.epochs))
    done = sum(rung <= len(one.measurements) for rung in rungs) - 1
    return {
        "tuner/epochs": rungs[max(1, done)],
        "tuner/initial_epoch": rungs[max(0, done - 1)],
        "tuner/bracket": schedule.group(one.number, one.epochs).halvings,
        "tuner/round": max(0, done - 1),
    }
