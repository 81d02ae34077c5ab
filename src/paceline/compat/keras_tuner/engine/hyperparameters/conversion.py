"""Hyperparameters of this interface as Paceline's, and the other way round."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from paceline import space as paceline_space
from paceline.compat.keras_tuner.engine.conditions import Parent
from paceline.compat.keras_tuner.engine.hyperparameters.categorical import Boolean, Choice, Fixed
from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import HyperParameter
from paceline.compat.keras_tuner.engine.hyperparameters.numerical import Float, Int, Numerical
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.core import shown
from paceline.space import Condition, Hyperparameter


def paceline_arguments(one: HyperParameter) -> tuple[str, tuple[Any, ...]]:
    """The method of Paceline's ``hp`` that defines a hyperparameter, and its arguments.

    Repeated values of a choice count once. A default that is not one of the values is moved to the
    nearest one, with a warning.
    """
    kind = type(one).__name__
    if isinstance(one, Numerical):
        last = _largest(one)
        step = one.step if last > one.min_value else None
        default = _nearest(one, lambda: _numerical(one, last, step))
        return kind, (one.name, one.min_value, last, step, one.sampling, default)
    if isinstance(one, Choice):
        each = list({(type(value), value): value for value in one.values}.values())
        return kind, (one.name, each, one.ordered, one.default)
    return kind, (one.name, one.default)


def to_paceline(one: HyperParameter) -> Hyperparameter:
    """A hyperparameter as one of Paceline."""
    kind, given = paceline_arguments(one)
    conditions = tuple(Condition(each.name, each.values) for each in one.conditions)
    make: Any = getattr(paceline_space, kind)
    found: Hyperparameter = make(*given, conditions)
    return found


def from_paceline(one: Hyperparameter) -> HyperParameter:
    """A hyperparameter of Paceline as one of this interface."""
    conditions: Any = [Parent(each.parent, list(each.values)) for each in one.conditions]
    if isinstance(one, paceline_space.Int | paceline_space.Float):
        kind: Any = Int if isinstance(one, paceline_space.Int) else Float
        given = (one.step, one.sampling, one.default)
        made: Numerical = kind(
            one.name, one.min_value, one.max_value, *given, conditions=conditions
        )
        if one.step is not None and made.num_values != one.num_values:  # by rounding
            made.max_value += one.step * 1e-6
        return made
    if isinstance(one, paceline_space.Choice):
        ordered = one.ordered and not isinstance(one.values[0], str)
        return Choice(one.name, list(one.values), ordered, one.default, conditions=conditions)
    if isinstance(one, paceline_space.Boolean):
        return Boolean(one.name, one.default, conditions=conditions)
    return Fixed(one.name, one.default, conditions=conditions)


def widened(one: Hyperparameter, value: Any) -> Hyperparameter:
    """A hyperparameter that has ``value`` among its values, with as little else as possible."""
    if one.admits(value):
        return one
    conditions = one.conditions
    numbers = isinstance(one, paceline_space.Int | paceline_space.Float)
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        whole = isinstance(one, paceline_space.Int) and isinstance(value, int)
        low, high = min(one.min_value, value), max(one.max_value, value)  # type: ignore[attr-defined]
        kind: Any = paceline_space.Int if whole else paceline_space.Float
        sampling = one.sampling if low > 0 else "linear"  # type: ignore[attr-defined]
        return kind(one.name, low, high, None, sampling, None, conditions)  # type: ignore[no-any-return]
    known = getattr(one, "values", (one.default,))
    return paceline_space.Choice(one.name, [*known, value], False, one.default, conditions)


def complete(space: Sequence[HyperParameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each active hyperparameter: that in ``values``, else its default."""
    found: dict[str, Any] = {}
    for one in space:
        if all(condition.is_active(found) for condition in one.conditions):
            found[one.name] = values.get(one.name, one.default)
    return found


def _numerical(one: Numerical, last: Any, step: Any) -> Any:
    kind: Any = getattr(paceline_space, type(one).__name__)
    return kind(one.name, one.min_value, last, step, one.sampling)


def _largest(one: Numerical) -> Any:
    """The largest value that KerasTuner would draw; it may leave out the last step."""
    if one.step is None or one.sampling != "linear":
        return one.max_value
    count = one.num_values or 1
    if isinstance(one, Int):
        return one.min_value + (count - 1) * one.step
    return float(Decimal(repr(one.min_value)) + (count - 1) * Decimal(repr(one.step)))


def _nearest(one: Numerical, make: Callable[[], Any]) -> Any:
    """A default that is a value of the range: the nearest, with a warning if it is another."""
    default = one.default
    made = make()
    if made.admits(default) or not isinstance(default, int | float):
        return default
    number = min(max(default, made.min_value), made.max_value)
    if made.num_values is not None:
        low, high = 0, made.num_values - 1
        while high - low > 1:  # the values ascend
            middle = (low + high) // 2
            low, high = (middle, high) if made.value_at(middle) <= number else (low, middle)
        number = min(map(made.value_at, (low, high)), key=lambda value: abs(value - number))
    elif isinstance(one, Int):
        number = round(number)
    warn_once(
        f"the default of {one.name}",
        f"The default of {one.name} is {shown(default)}, which is none of its values; where trials "
        f"train together, {number} is used.",
    )
    return number
