"""The trials of an earlier study, of Paceline or of Optuna, from which a search learns."""

import os
from typing import TYPE_CHECKING, Any, TypeAlias

from paceline.core import Configuration, InvalidInput, TrialState
from paceline.store import has_study, study_directory
from paceline.study.record.replay import read_record

if TYPE_CHECKING:
    import optuna

Earlier: TypeAlias = "str | os.PathLike[str] | optuna.Study | None"
"""The argument ``learn_from``."""

Source = tuple[tuple[Configuration, float], ...]
"""Configurations and their losses, which are to be minimised."""


def source_of(given: Any) -> Source:
    """The completed trials of an earlier study, with their losses.

    Args:
        given: the directory of a study, a study of Optuna, or None.

    Raises:
        InvalidInput: neither, or it has no completed trial.
    """
    if given is None:
        return ()
    modules = {base.__module__.partition(".")[0] for base in type(given).__mro__}
    if "optuna" in modules and hasattr(given, "get_trials"):
        return _of_optuna(given)
    return _of_directory(given)


def _of_directory(directory: str | os.PathLike[str]) -> Source:
    """The completed trials of a study as configurations and losses."""
    path = study_directory(directory, "learn_from")
    if not has_study(path):
        raise InvalidInput(
            f"learn_from is {str(directory)!r}, which contains no study",
            expected="the directory of an earlier study",
        )
    record = read_record(path)
    if record.created is None:
        raise InvalidInput(
            f"learn_from is {str(directory)!r}, a study that has not begun",
            expected="a completed trial",
        )
    loss = record.objective.loss
    completed = [trial for trial in record.trials.values() if trial.state is TrialState.COMPLETED]
    found = tuple(
        (dict(trial.config), loss(trial.score)) for trial in completed if trial.score is not None
    )
    if not found:
        raise InvalidInput(
            f"learn_from is {str(directory)!r}, which has no completed trial",
            expected="at least one",
        )
    return found


def _of_optuna(study: "optuna.Study") -> Source:
    """The complete trials of a study of Optuna; None among its categories is left out."""
    what = f"learn_from is the study {study.study_name!r} of Optuna"
    if len(study.directions) > 1:
        raise InvalidInput(f"{what}, which has several objectives", expected="one objective")
    sign = -1.0 if study.directions[0].name == "MAXIMIZE" else 1.0
    found = tuple(
        ({name: v for name, v in one.params.items() if v is not None}, sign * one.value)
        for one in study.get_trials(deepcopy=False)
        if one.state.name == "COMPLETE" and one.value is not None
    )
    if not found:
        raise InvalidInput(f"{what}, which has no complete trial", expected="at least one")
    return found
