"""The trials of Paceline's study as those of an oracle."""

import math
from collections.abc import Mapping
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.hyperparameters.conversion import from_paceline
from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.core import Trial as Measured
from paceline.core import TrialState
from paceline.report import Study
from paceline.schedule import KerasTunerHyperband

_STATUS = {
    TrialState.COMPLETED: TrialStatus.COMPLETED,
    TrialState.STOPPED: TrialStatus.COMPLETED,  # by Hyperband, whose rounds are trials there
    TrialState.FAILED: TrialStatus.FAILED,
}


def take_over(oracle: Any, study: Study, names: Mapping[str, str]) -> None:
    """Replaces the trials of an oracle by those of a study, and adds to its space.

    Args:
        oracle: the oracle.
        study: the study.
        names: those that hyperparameters of the study have here, if they have others.
    """
    known = oracle.hyperparameters
    are_known = {one.name for one in known.space}
    found = (from_paceline(one.named(names.get(one.name, one.name))) for one in study.space)
    known.merge([one for one in found if one.name not in are_known])
    space = list(known.space)
    digits = len(str(oracle.max_trials or 9999))
    each = [_trial(study, one, space, oracle.objective, digits, names) for one in study.trials]
    oracle.trials = {one.trial_id: one for one in each}
    oracle.start_order = [one.trial_id for one in each]
    done = (TrialStatus.COMPLETED, TrialStatus.FAILED)
    oracle.end_order = [one.trial_id for one in each if one.status in done]
    oracle._display.trial_number = {one.trial_id: n for n, one in enumerate(each, 1)}


def _trial(
    study: Study,
    one: Measured,
    space: list[Any],
    objective: Objective,
    digits: int,
    names: Mapping[str, str],
) -> Trial:
    values = {names.get(name, name): value for name, value in one.config.items()}
    values |= _of_hyperband(study, one)
    trial = Trial(
        HyperParameters.with_values(space, values),
        f"{one.number:0{digits}d}",
        _STATUS.get(one.state, TrialStatus.RUNNING),
        one.error if one.state is TrialState.FAILED else None,
    )
    trial.measured = one
    trial.score, trial.best_step = _score(one, objective)
    return trial


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
