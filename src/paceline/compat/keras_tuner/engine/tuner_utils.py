"""The results of training as metrics of a trial."""

import importlib
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from paceline.compat.keras_tuner.engine.objective import DefaultObjective, Objective
from paceline.compat.keras_tuner.errors import FatalTypeError, FatalValueError
from paceline.core import shown

_INSTEAD = "paceline.compat.keras_tuner.engine.keras_callbacks"


def validate_trial_results(results: Any, objective: Objective, func_name: str) -> None:
    """Checks what training has returned.

    Args:
        results: a number, a dict of metrics, a ``History``, or a list of these.
        objective: that of the search.
        func_name: what has returned it, for messages.

    Raises:
        FatalTypeError: something else.
        FatalValueError: the objective is missing.
    """
    if isinstance(results, list):
        for one in results:
            validate_trial_results(one, objective, func_name)
        return
    if _is_number(results):
        return
    if results is None:
        raise FatalTypeError(
            f"{func_name} has returned None. Did you forget to return the metrics?"
        )
    metrics = results if isinstance(results, Mapping) else _history(results)
    if metrics is None:
        raise FatalTypeError(
            f"Expected the return value of {func_name} to be one of float, dict, History, or a "
            f"list of these; it is {shown(results)}."
        )
    if isinstance(objective, DefaultObjective) and objective.name not in metrics:
        raise FatalTypeError(
            f"Expected the return value of {func_name} to be a single float, since the tuner has "
            f"no objective; it is {shown(results)}."
        )
    if isinstance(results, Mapping) and not objective.has_value(metrics):
        raise FatalValueError(
            f"The dict that {func_name} has returned does not have the specified objective, "
            f"{objective.name}; it has {', '.join(map(str, results)) or 'nothing'}."
        )


def convert_to_metrics_dict(results: Any, objective: Objective) -> dict[str, Any]:
    """The metrics of a result; of a ``History`` those of its best epoch, of a list their means."""
    if isinstance(results, list):
        each = [convert_to_metrics_dict(one, objective) for one in results]
        names = dict.fromkeys(name for one in each for name in one)
        return {name: fmean(one[name] for one in each if name in one) for name in names}
    if _is_number(results):
        return {objective.name: float(results)}
    if isinstance(results, Mapping):
        return dict(results)
    epochs = _epochs(results)
    return epochs[_best_epoch(epochs, objective)] if epochs else {}


def get_best_step(results: Any, objective: Objective) -> int:
    """The best epoch of a result, from 0; the mean over a list; 0 without epochs."""
    if isinstance(results, list):
        return int(fmean(get_best_step(one, objective) for one in results)) if results else 0
    epochs = _epochs(results)
    return _best_epoch(epochs, objective) if epochs else 0


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | int | float):
        return True
    return (
        hasattr(value, "dtype")
        and getattr(value, "shape", None) == ()
        and value.dtype.kind in "fiu"
    )


def _history(result: Any) -> Mapping[str, Any] | None:
    """The metrics of a ``History`` by name, each a list over the epochs; None of something else."""
    found = getattr(result, "history", None)
    return found if isinstance(found, Mapping) else None


def _epochs(result: Any) -> list[dict[str, Any]]:
    """The metrics of each epoch of a ``History``, the objective among them."""
    history = _history(result) or {}
    count = max(map(len, history.values()), default=0)
    return [
        {name: values[epoch] for name, values in history.items() if epoch < len(values)}
        for epoch in range(count)
    ]


def _best_epoch(epochs: list[dict[str, Any]], objective: Objective) -> int:
    """The best of the epochs; the objective is added to each that has what it is computed from."""
    best = 0
    for number, metrics in enumerate(epochs):
        if not objective.has_value(metrics):
            continue
        value = metrics.setdefault(objective.name, objective.get_value(metrics))
        first = epochs[best].get(objective.name)
        if first is None or first != first or objective.better_than(value, first):
            best = number
    return best


def __getattr__(name: str) -> Any:
    """The callbacks, which need Keras and are loaded at their first use."""
    if name in ("SaveBestEpoch", "TunerCallback"):
        found: Callable[..., Any] = getattr(importlib.import_module(_INSTEAD), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
