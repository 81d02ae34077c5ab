"""Checks what `OpenStudy.tell` is given."""

from typing import Any

from paceline.core import InvalidInput, Trial, TrialState
from paceline.core.checks import whole_number
from paceline.execute.function_call import metrics_of
from paceline.study.record.record import Record


def pending_number(trial: Trial | int, record: Record) -> int:
    """The number of a trial that waits for its result.

    Raises:
        InvalidInput: the study never asked for it, it has a result already, or it was ended when
            the space was changed.
    """
    number = trial.number if isinstance(trial, Trial) else trial
    try:
        own = record.trials.get(whole_number("trial", number, at_least=0))
    except InvalidInput:
        own = None
    pending = [str(one.number) for one in record.all_trials() if not one.state.is_final]
    waiting = f"one that is pending: {', '.join(pending) or 'none'}"
    if own is None or (isinstance(trial, Trial) and trial.config != own.config):
        name = f"trial {number!r}" if own is None else f"a trial {number} of another study"
        raise InvalidInput(
            f"tell was given {name}, which this study never asked for", expected=waiting
        )
    if own.state is TrialState.STOPPED:  # nothing else stops a trial that its user runs
        raise InvalidInput(
            f"trial {number} was ended when the space was changed: its configuration is not "
            f"one of the space now",
            expected=waiting,
        )
    if own.state.is_final:
        raise InvalidInput(
            f"trial {number} already has a result ({own.state}, score {own.score})",
            expected="each trial once",
        )
    return int(number)


def finite_metrics(metrics: Any, metric: str) -> dict[str, float]:
    """The metrics of a trial, by name.

    Raises:
        InvalidInput: they are not numbers, or lack the objective ``metric``, or it is not finite.
    """
    fix = "For a trial without a score, pass failed='why'."
    try:
        found = metrics_of(metrics, metric, "tell was given")
    except InvalidInput as error:
        raise InvalidInput(error.passed, expected=error.expected, fix=error.fix or fix) from None
    if found[metric] - found[metric] != 0:  # NaN and the infinities
        raise InvalidInput(
            f"tell was given {metric} as {found[metric]}", expected="a finite number", fix=fix
        )
    return found
