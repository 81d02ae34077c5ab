"""The callbacks of ``search``, for `paceline.tune`."""

from collections.abc import Sequence
from typing import Any

from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.compat.keras_tuner.engine.options import warn_once


def of_search(
    given: Any, objective: Objective, is_halving: bool, patience: int | None
) -> list[Any] | None:
    """The callbacks that `paceline.tune` is given; None for none.

    Args:
        given: as passed to ``search``: one, or lists of some in any depth, as in ``fit``.
        objective: that of the search.
        is_halving: whether trials stop at several epochs and continue later.
        patience: that of an existing project. Earlier versions turned ``EarlyStopping`` of the
            objective into it.
    """
    each = [one for one in _flat(given) if not _is_known(one, objective, patience)]
    if is_halving and any(type(one).__name__ == "EarlyStopping" for one in each):
        warn_once(
            "patience",
            "EarlyStopping counts its patience over all epochs of a trial. KerasTuner's Hyperband "
            "starts to count anew in each round.",
        )
    return each or None


def _flat(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [one for part in given for one in _flat(part)]
    return [given]


def _is_known(callback: Any, objective: Objective, patience: int | None) -> bool:
    """Whether an existing project has a callback as its patience."""
    is_stopping = type(callback).__name__ == "EarlyStopping"
    return (
        patience is not None
        and is_stopping
        and (callback.monitor, max(1, callback.patience)) == (objective.name, patience)
    )
