"""Checks whether the objective is measured."""

from collections.abc import Mapping

from paceline.core import InvalidInput, closest


def check_objective(
    metric: str, shapes: Mapping[str, tuple[int, ...]], *, built_in: bool = False
) -> None:
    """Checks that the objective is among the metrics of an epoch, as a scalar.

    Args:
        metric: the objective's.
        shapes: the shape of each metric.
        built_in: whether the network is a built-in one, whose metrics cannot be chosen.

    Raises:
        InvalidInput: it is not.
    """
    if metric not in shapes:
        whose = "the built-in network's" if built_in else "the model's"
        raise InvalidInput(
            f"objective is {metric!r}",
            expected=f"one of {whose} metrics: {', '.join(sorted(shapes))}",
            fix=_instead(metric, shapes, built_in),
        )
    if shapes[metric] != ():
        size = "x".join(map(str, shapes[metric]))
        raise InvalidInput(
            f"objective is {metric!r}, which has {size} values, such as one for each class",
            expected="a metric with a single value",
            fix="Use an average, as keras.metrics.F1Score(average='macro') does.",
        )


_ADD = "Add it to metrics=[...] in model.compile."
_OWN_BUILD = "For other metrics pass a build function of your own."
_SAME = (
    {"accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"},
    {"mae", "mean_absolute_error"},
    {"mse", "mean_squared_error"},
    {"rmse", "root_mean_squared_error"},
    {"mape", "mean_absolute_percentage_error"},
    {"msle", "mean_squared_logarithmic_error"},
)
"""Names of one metric, of which Keras uses the one in ``compile``."""

_LOSS = {"mse", "mean_squared_error"}
"""The loss of built-in networks for regression."""


def _instead(metric: str, shapes: Mapping[str, object], built_in: bool) -> str:
    """What to do about a metric that is not measured."""
    otherwise = _OWN_BUILD if built_in else _ADD
    part, name = ("val_", metric[4:]) if metric.startswith("val_") else ("", metric)
    names = next((names for names in _SAME if name in names), {name})
    same = next((f"{part}{one}" for one in sorted(names) if f"{part}{one}" in shapes), None)
    if same is None and built_in and name in _LOSS and "mae" in shapes:
        same = f"{part}loss"
    close = same or closest(metric, shapes, 0.7)
    if close is None:  # a metric of training alone has a counterpart where there is validation
        return "" if not part and f"val_{metric}" in shapes else otherwise
    # a name that differs only in case is the same metric
    is_sure = same is not None or close.casefold() == metric.casefold()
    return f"Did you mean {close!r}?" + ("" if is_sure else f" If not: {otherwise}")
