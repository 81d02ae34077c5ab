"""The values of an estimator's parameter as a hyperparameter of a study, and back.

| value in the search | in the study |
| --- | --- |
| numbers, texts, booleans | themselves; NumPy's as plain ones |
| others (None, tuples, functions, estimators) | a text for each |
| distributions of SciPy, dimensions of scikit-optimize, ranges of Paceline | a range |
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np

from paceline.core import InvalidInput, Value, shown
from paceline.space import Choice, Condition, Fixed, Float, Hyperparameter, Int

_TAIL = 0.001  # of a distribution without an end, on each side
_LOG_SCALE = {"loguniform", "reciprocal", "lognorm"}
_MOST_CHARACTERS = 60  # of the text of a value


class ParameterValues(Protocol):
    """The values of one parameter."""

    def hyperparameter(self, name: str, conditions: Sequence[Condition] = ()) -> Hyperparameter:
        """The parameter in the search space of a study."""

    def label(self, value: Any) -> Value:
        """The value of the hyperparameter for one of the parameter."""

    def value(self, label: Value) -> Any:
        """The inverse of `label`."""


def plain(value: Any) -> Any:
    """NumPy's scalars as Python's; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True, eq=False)
class ListedValues:
    """Values from a list.

    Attributes:
        values: as the estimator gets them.
        labels: of each, in the study.
    """

    values: tuple[Any, ...]
    labels: tuple[Value, ...]

    @classmethod
    def of(cls, listed: Iterable[Any]) -> Self:
        """Of a list or an array."""
        values = tuple(map(plain, listed))
        if all(map(_is_scalar, values)):
            return cls(values, values)
        labels: list[Value] = []
        for value in values:
            text = same = _text(value)
            while text in labels:
                text = f"{same} ({labels.count(same) + labels.count(text) + 1})"
            labels.append(text)
        return cls(values, tuple(labels))

    def hyperparameter(self, name: str, conditions: Sequence[Condition] = ()) -> Hyperparameter:
        """Whole numbers at equal distances are a range, other numbers are ordered."""
        distinct = list({(type(label), label): label for label in self.labels}.values())
        if not all(type(label) in (int, float) for label in distinct):
            return Choice(name, distinct, ordered=False, conditions=conditions)
        ordered: list[Any] = sorted(distinct)
        steps = {after - before for before, after in pairwise(ordered)}
        if len(steps) == 1 and all(type(label) is int for label in ordered):
            return Int(name, ordered[0], ordered[-1], step=steps.pop(), conditions=conditions)
        return Choice(name, ordered, conditions=conditions)

    def label(self, value: Any) -> Value:
        """The label of a value of the list."""
        value = plain(value)
        for own, label in zip(self.values, self.labels, strict=True):
            if own is value or (_is_scalar(value) and type(own) is type(value) and own == value):
                return label
        raise InvalidInput(f"a value is {shown(value)}", expected=f"one of {list(self.labels)}")

    def value(self, label: Value) -> Any:
        """The value with a label."""
        for own, value in zip(self.labels, self.values, strict=True):
            if type(own) is type(label) and own == label:
                return value
        return next(v for o, v in zip(self.labels, self.values, strict=True) if o == label)


@dataclass(frozen=True, eq=False)
class ValueRange:
    """Numbers from a range; they are their own labels.

    Attributes:
        range: the hyperparameter, whose name does not matter.
    """

    range: Hyperparameter

    def hyperparameter(self, name: str, conditions: Sequence[Condition] = ()) -> Hyperparameter:
        """The range under a name."""
        return self.range.named(name).with_conditions(tuple(conditions))

    def label(self, value: Any) -> Value:
        """The number, rounded as the study stores it."""
        return self.range.legal(plain(value))

    def value(self, label: Value) -> Any:
        """The number."""
        return label


def drawn_values(distribution: Any, draws: Sequence[Any]) -> ParameterValues:
    """The values of a parameter that were drawn from a distribution.

    Args:
        distribution: as passed by the user; only its range matters.
        draws: all values that were drawn.
    """
    if not draws or not all(type(one) in (int, float) and math.isfinite(one) for one in draws):
        return ListedValues.of(draws)
    try:
        known = range_of(distribution).range
    except InvalidInput:  # it can only draw
        known = None
    low, high = min(draws), max(draws)
    is_log = isinstance(known, Int | Float) and known.sampling == "log"
    if isinstance(known, Int | Float):
        low, high = min(low, known.min_value), max(high, known.max_value)
    if low == high:
        return ValueRange(Fixed("value", low))
    kind = Int if all(type(one) is int for one in (*draws, low, high)) else Float
    return ValueRange(kind("value", low, high, sampling="log" if is_log and low > 0 else "linear"))


def range_of(given: Any) -> ValueRange:
    """The range of a distribution of SciPy, or of a dimension of scikit-optimize.

    Raises:
        InvalidInput: it has none.
    """
    if isinstance(given, Hyperparameter):
        return ValueRange(given.named("value"))
    kind = type(given).__name__
    if kind in ("Real", "Integer") and hasattr(given, "prior"):
        return number_range(given.low, given.high, given.prior)
    distribution = getattr(given, "dist", None)
    if distribution is None or not hasattr(given, "ppf"):
        raise InvalidInput(
            f"a distribution is {shown(given)}, whose range is not known",
            expected="a frozen distribution of scipy.stats, a range (low, high) or a list",
        )
    low, high = map(float, given.support())
    is_log = getattr(distribution, "name", "") in _LOG_SCALE
    if not math.isfinite(low) or (is_log and low <= 0):
        low = float(given.ppf(_TAIL))
    high = high if math.isfinite(high) else float(given.ppf(1.0 - _TAIL))
    if hasattr(distribution, "pmf"):
        return ValueRange(Int("value", math.ceil(low), math.floor(high)))
    return number_range(low, high, "log-uniform" if is_log else "uniform")


def number_range(low: Any, high: Any, prior: str = "uniform") -> ValueRange:
    """The range between two numbers, of whole numbers if both are.

    Args:
        low, high: the ends, both included.
        prior: ``"uniform"`` or ``"log-uniform"``.

    Raises:
        InvalidInput: another prior, or numbers in the wrong order.
    """
    if prior not in ("uniform", "log-uniform"):
        raise InvalidInput(f"prior is {prior!r}", expected="'uniform' or 'log-uniform'")
    low, high = plain(low), plain(high)
    sampling = "linear" if prior == "uniform" else "log"
    if type(low) is int and type(high) is int:
        return ValueRange(Int("value", low, high, sampling=sampling))
    return ValueRange(Float("value", float(low), float(high), sampling=sampling))


def dimension(given: Any, lists_are_ranges: bool = False) -> ParameterValues:
    """The values of a parameter for a search that learns, in any of the usual forms.

    Args:
        given: a list of values, a tuple ``(low, high)`` or ``(low, high, "log-uniform")``, a
            distribution, a dimension of scikit-optimize or a hyperparameter of Paceline.
        lists_are_ranges: whether lists of two numbers are ranges, too, as in scikit-optimize.

    Raises:
        InvalidInput: anything else.
    """
    if type(given).__name__ == "Categorical" and hasattr(given, "categories"):
        return ListedValues.of(given.categories)
    if isinstance(given, Hyperparameter) or hasattr(given, "rvs"):
        return range_of(given)
    if isinstance(given, tuple) or (lists_are_ranges and isinstance(given, list)):
        found = _as_range(given)
        if found is not None:
            return found
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
        raise InvalidInput(
            f"the values of a parameter are {shown(given)}",
            expected="a list of values, a tuple (low, high) or (low, high, 'log-uniform'), a "
            "distribution of scipy.stats or a dimension of scikit-optimize",
        )
    if not len(given):
        raise InvalidInput("the values of a parameter are an empty list", expected="values")
    return ListedValues.of(given)


_NOT_PRIORS = ("log", "loguniform", "log_uniform", "linear", "reciprocal")
"""Misspelt priors: they are refused, and not taken for a third value."""


def _as_range(given: Sequence[Any]) -> ValueRange | None:
    """The range that a tuple stands for; None if it is a list of values."""
    ends = [plain(one) for one in given[:2]]
    if len(given) not in (2, 3) or any(type(end) not in (int, float) for end in ends):
        return None
    low, high = ends
    if len(given) == 2:
        return number_range(low, high)
    is_prior = given[2] in ("uniform", "log-uniform", *_NOT_PRIORS)
    return number_range(low, high, given[2]) if is_prior else None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | str) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _text(value: Any) -> str:
    """A text for a value, equal in every process."""
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(value).split()))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
