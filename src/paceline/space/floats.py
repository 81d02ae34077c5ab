"""The hyperparameter `Float`, with KerasTuner's arguments.

Continuous floats are rounded to 12 digits: significant ones with sampling on a log scale, decimals
of the range otherwise. Thus every legal value survives a round trip through the unit interval, and
is readable.

| symbol | meaning |
| --- | --- |
| a, b | ``min_value``, ``max_value`` |
| L | log b - log a |
| w | b + a - value, the mirrored value of reverse_log |
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cached_property
from typing import Any, ClassVar, overload

from paceline.core import InvalidInput, Value
from paceline.space.hyperparameter import Condition, Hyperparameter, bind, label
from paceline.space.ranges import (
    MOST_VALUES,
    NAMES,
    Sampling,
    check_range,
    describe_range,
    finite,
    read_sampling,
)

_DIGITS = 12
_MOST_KEPT = 4096
_DECIMAL = Context(prec=50)
_NEARLY = Decimal("1e-9")  # for steps such as 5 / 3, whose float is a little more than the quotient


@dataclass(frozen=True, init=False, eq=False)
class Float(Hyperparameter):
    """A real number from ``min_value`` to ``max_value``, both included.

    ``Float("learning_rate", 1e-4, 1e-1, sampling="log")``. With a step it is discrete:
    ``Float("rate", 0, 0.5, 0.1)``; with ``sampling="log"`` the step multiplies. Steps are taken in
    decimal, so that 0.1, 0.2, 0.3 are exactly that.

    Attributes:
        step: difference between neighbours (linear) or their ratio (log, reverse_log); None for a
            continuous range.
        sampling: ``linear``, ``log`` or ``reverse_log`` (log scale from the upper end); case does
            not matter.
        default: by default the smallest value.

    Raises:
        InvalidInput: contradictory bounds, a default or step that does not fit them, numbers that
            are not finite.
    """

    kind: ClassVar[str] = "Float"

    name: str
    min_value: float
    max_value: float
    step: float | None
    sampling: Sampling
    default: float
    conditions: tuple[Condition, ...]

    @overload
    def __init__(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        conditions: Sequence[Condition] = (),
    ) -> None: ...
    @overload
    def __init__(
        self,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        conditions: Sequence[Condition] = (),
        *,
        name: str = "",
    ) -> None: ...
    def __init__(self, *args: Any, **given: Any) -> None:
        bound = bind("Float", NAMES, 2, args, given)
        named, step = label("Float", bound["name"]), bound.get("step")
        low, high = (finite(bound[end], f"{end} of {named}") for end in ("min_value", "max_value"))
        sampling = read_sampling(bound.get("sampling"), named)
        step = None if step is None else finite(step, f"step of {named}")
        check_range(named, low, high, step, sampling)
        self._set(name=bound["name"], conditions=bound["conditions"])
        self._set(min_value=low, max_value=high, step=step, sampling=sampling)
        self._check_steps()
        default = bound.get("default")
        least = low if self.num_values is None else self.value_at(0)
        self._set(default=least if default is None else self._as_default(default))

    def _check_steps(self) -> None:
        count = self.num_values
        if count is None or count == 1:
            return
        ends = [self._step_at(index) for index in (0, 1, count - 2, count - 1)]
        if count > MOST_VALUES or ends[0] == ends[1] or ends[2] == ends[3]:
            raise InvalidInput(
                f"{self.label} has step={self.step}", expected="a step that a float can resolve"
            )

    @cached_property
    def num_values(self) -> int | None:
        """Number of values; None if continuous."""
        low, high = self._decimals
        if low == high:
            return 1
        if self.step is None:
            return None
        step = _DECIMAL.create_decimal(repr(self.step))
        if self.sampling == "linear":
            return int(_DECIMAL.add(_DECIMAL.divide(high - low, step), _NEARLY)) + 1
        return (
            int(
                _DECIMAL.add(_DECIMAL.divide((high / low).ln(_DECIMAL), step.ln(_DECIMAL)), _NEARLY)
            )
            + 1
        )

    @cached_property
    def _decimals(self) -> tuple[Decimal, Decimal]:
        return _DECIMAL.create_decimal(repr(self.min_value)), _DECIMAL.create_decimal(
            repr(self.max_value)
        )

    @cached_property
    def _decimal_places(self) -> int:
        """Decimals to which a value is rounded, unless on a log scale."""
        width, size = self.max_value - self.min_value, max(abs(self.min_value), abs(self.max_value))
        coarse = size if self.sampling == "reverse_log" else max(width, size * 0.1)
        return _DIGITS - math.ceil(math.log10(coarse))

    @cached_property
    def _inside(self) -> tuple[float, float]:
        """The interval in which a rounded value differs from both ends."""
        if self.sampling == "log":
            return self.min_value * (1 + 10.0**-_DIGITS), self.max_value * (1 - 10.0**-_DIGITS)
        half = 0.5 * 10.0**-self._decimal_places
        return self.min_value + half, self.max_value - half

    def _kept(self, value: float) -> float:
        """A continuous value, rounded, inside the range."""
        kept = (
            float(f"{value:.{_DIGITS}g}")
            if self.sampling == "log"
            else round(value, self._decimal_places) + 0.0
        )
        least, most = self._inside
        if least < kept < most and self.min_value < value < self.max_value:
            return kept
        return self.min_value if value - self.min_value < self.max_value - value else self.max_value

    def legal(self, value: object) -> float:
        """The value as a float, rounded if continuous, else exactly one of its values."""
        if value.__class__ is float and value in self._known:
            return value
        number = finite(value, f"value of {self.label}")
        count, least, most = self.num_values, self.min_value, self.max_value
        if count is None and least <= number <= most:
            return self._kept(number)
        if count is not None:
            nearest = self._nearest(number)
            if nearest is not None:
                return self.value_at(nearest)
            least, most = self.value_at(0), self.value_at(count - 1)
        expected = describe_range(least, most, self.step, self.sampling)
        raise InvalidInput(f"value of {self.label} is {value!r}", expected=expected)

    def _nearest(self, number: float) -> int | None:
        """Index of the step that a number denotes; None if it lies between steps."""
        count, step = self.num_values or 1, self.step
        if step is None or count == 1:
            guess = 0.0
        elif self.sampling == "linear":
            guess = (number - self.min_value) / step
        else:
            ahead = number if self.sampling == "log" else self.max_value + self.min_value - number
            powers = math.log(ahead / self.min_value) / math.log(step) if ahead > 0 else -1.0
            guess = powers if self.sampling == "log" else count - 1 - powers
        index = round(min(count - 1.0, max(0.0, guess)))  # the guess may be infinite
        at = self.value_at(index)
        slack = 1e-6 * step if step is not None and self.sampling == "linear" else 0.0
        return index if math.isclose(number, at, rel_tol=1e-12, abs_tol=slack) else None

    @cached_property
    def _table(self) -> tuple[float, ...]:
        """The values, if they are few enough to be stored."""
        return (
            tuple(map(self._step_at, range(count)))
            if (count := self.num_values or 0) <= _MOST_KEPT
            else ()
        )

    @cached_property
    def _known(self) -> frozenset[float]:
        return frozenset(self._table)

    def value_at(self, index: int) -> float:
        """The value at ``index``, ascending."""
        return self._table[index] if self._table else self._step_at(index)

    def _step_at(self, index: int) -> float:
        low, high = self._decimals
        if self.step is None or (index == 0 and self.sampling != "reverse_log"):
            return self.min_value
        step = _DECIMAL.create_decimal(repr(self.step))
        if self.sampling == "linear":
            at = _DECIMAL.add(low, _DECIMAL.multiply(step, Decimal(index)))
        elif self.sampling == "log":
            at = _DECIMAL.multiply(low, _DECIMAL.power(step, index))
        else:
            power = _DECIMAL.multiply(low, _DECIMAL.power(step, (self.num_values or 1) - 1 - index))
            at = _DECIMAL.subtract(_DECIMAL.add(high, low), power)
        return min(self.max_value, max(self.min_value, float(at)))

    def index_of(self, value: Value) -> int:
        """The index of one of its values."""
        index = self._nearest(finite(value, f"value of {self.label}"))
        if index is None:
            raise InvalidInput(f"value of {self.label} is {value!r}", expected="one of its steps")
        return index

    def to_unit(self, value: Value) -> float:
        """Coordinate u of a value, on its own scale."""
        if self.num_values is not None:
            return super().to_unit(value)
        number = self.legal(value)
        if not self.min_value < number < self.max_value:
            return 0.0 if number <= self.min_value else 1.0
        if self.sampling == "linear":
            return (number - self.min_value) / (self.max_value - self.min_value)
        if self.sampling == "log":
            return self._log_to_unit(number)
        return 1.0 - self._log_to_unit(self.max_value + self.min_value - number)

    def from_unit(self, u: float) -> float:
        """The value at coordinate u: a + u (b - a), a exp(u L), or that mirrored."""
        if self.num_values is not None:
            return self.value_at(min(self.num_values - 1, max(0, int(u * self.num_values))))
        if u <= 0.0:
            return self.min_value
        if u >= 1.0:
            return self.max_value
        if self.sampling == "linear":
            return self._kept(self.min_value + u * (self.max_value - self.min_value))
        if self.sampling == "log":
            return self._kept(self._log_from_unit(u))
        return self._kept(self.max_value + self.min_value - self._log_from_unit(1.0 - u))

    def _log_to_unit(self, number: float) -> float:
        low = math.log(self.min_value)
        return (math.log(number) - low) / (math.log(self.max_value) - low)

    def _log_from_unit(self, u: float) -> float:
        low = math.log(self.min_value)
        return math.exp(low + u * (math.log(self.max_value) - low))
