"""Checks whether the objective is measured."""

from collections.abc import Mapping

from paceline.core import InvalidInput, closest


def check_objective(metric: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Checks that the objective is among the metrics of an epoch, as a scalar.

    Args:
        metric: the objective's.
        shapes: the shape of each metric.

    Raises:
        InvalidInput: it is not.
    """
    if metric not in shapes:
        close = closest(metric, shapes, 0.7)
        fix = "" if not metric.startswith("val_") and f"val_{metric}" in shapes else _ADD
        if close is not None:  # a name that differs only in case is the same metric
            fix = f"Did you mean {close!r}?" + (
                f" If not: {_ADD}" if close.casefold() != metric.casefold() else ""
            )
        raise InvalidInput(
            f"objective is {metric!r}",
            expected=f"one of the model's metrics: {', '.join(sorted(shapes))}",
            fix=fix,
        )
    if shapes[metric] != ():
        size = "x".join(map(str, shapes[metric]))
        raise InvalidInput(
            f"objective is {metric!r}, which has {size} values, such as one for each class",
            expected="a metric with a single value",
            fix="Use an average, as keras.metrics.F1Score(average='macro') does.",
        )


_ADD = "Add it to metrics=[...] in model.compile."
