"""Numbers: `Int` and `Float`, with KerasTuner's arguments and meaning.

Continuous floats are kept to 12 digits: significant ones where sampled on a log scale, decimals of
the range elsewhere. So every legal value survives the way to the unit interval and back unchanged,
and reads well.

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
from typing import Any, ClassVar, Literal, get_args, overload

from paceline.core import InvalidInput, Value
from paceline.space.base import Condition, Hyperparameter, bind, label, plain

Sampling = Literal["linear", "log", "reverse_log"]

_NAMES = ("name", "min_value", "max_value", "step", "sampling", "default", "conditions")
_DIGITS = 12
_MOST_VALUES = 2**40
_MOST_KEPT = 4096
_DECIMAL = Context(prec=50)
_NEARLY = Decimal(
    "1e-9"
)  # a step of 5 / 3 reaches 5 three times, though the float is a little more than 5 / 3


def _whole(value: object, what: str) -> int:
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{what} is {value!r}", expected="a whole number")
    return value


def _finite(value: object, what: str) -> float:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{what} is {value!r}", expected="a finite number")
    return float(value) + 0.0  # no negative zero


def _sampling(given: object, who: str) -> Sampling:
    name = "linear" if given is None else str(given).lower()
    for known in get_args(Sampling):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise InvalidInput(
        f"sampling of {who} is {given!r}", expected="'linear', 'log' or 'reverse_log'"
    )


def _check_range(who: str, low: float, high: float, step: float | None, sampling: Sampling) -> None:
    if low > high:
        raise InvalidInput(
            f"{who} has min_value={low} above max_value={high}", expected="min_value <= max_value"
        )
    if not math.isfinite(float(high) - float(low)):
        raise InvalidInput(
            f"{who} spans {low} to {high}", expected="a range whose width is a finite float"
        )
    if sampling != "linear" and low <= 0:
        fix = "Use sampling='linear', or raise min_value."
        raise InvalidInput(
            f"{who} has sampling={sampling!r} and min_value={low}",
            expected="min_value > 0",
            fix=fix,
        )
    least = 0 if sampling == "linear" else 1
    if step is not None and step <= least:
        meaning = "is added" if sampling == "linear" else "multiplies"
        fix = f"With sampling={sampling!r} the step {meaning}."
        raise InvalidInput(f"{who} has step={step}", expected=f"a step > {least}", fix=fix)


@dataclass(frozen=True, init=False, eq=False)
class Int(Hyperparameter):
    """A whole number from ``min_value`` to ``max_value``, both included.

    ``Int("units", 32, 512, step=32)``; with ``sampling="log"`` the step multiplies: ``Int("units",
    32, 512, 2, "log")`` is one of 32, 64, 128, 256, 512. Without a name (``Int(1, 5)``) it takes
    the name under which it is passed on.

    Attributes:
        step: distance between neighbours (linear; 1 if left out) or their ratio (log, reverse_log;
            None for every one).
        sampling: ``linear``, ``log`` or ``reverse_log`` (log seen from the far end); case does not
            matter.
        default: the smallest value, unless given.

    Raises:
        InvalidInput: contradictory bounds, a default or step that does not fit them, numbers that
            are not whole.
    """

    kind: ClassVar[str] = "Int"

    name: str
    min_value: int
    max_value: int
    step: int | None
    sampling: Sampling
    default: int
    conditions: tuple[Condition, ...]

    @overload
    def __init__(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        conditions: Sequence[Condition] = (),
    ) -> None: ...
    @overload
    def __init__(
        self,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        conditions: Sequence[Condition] = (),
        *,
        name: str = "",
    ) -> None: ...
    def __init__(self, *args: Any, **given: Any) -> None:
        bound = bind("Int", _NAMES, 2, args, given)
        who, step = label("Int", bound["name"]), bound.get("step")
        low, high = (_whole(bound[end], f"{end} of {who}") for end in ("min_value", "max_value"))
        sampling = _sampling(bound.get("sampling"), who)
        step = (
            _whole(step, f"step of {who}")
            if step is not None
            else 1
            if sampling == "linear"
            else None
        )
        _check_range(who, low, high, step, sampling)
        largest = high - low if sampling == "linear" else high
        if largest >= _MOST_VALUES:
            raise InvalidInput(
                f"{who} spans {low} to {high}", expected=f"fewer than 2**40 values ({_MOST_VALUES})"
            )
        self._set(name=bound["name"], conditions=bound["conditions"])
        self._set(min_value=low, max_value=high, step=step, sampling=sampling)
        default = bound.get("default")
        self._set(default=self._values[0] if default is None else self._as_default(default))

    @cached_property
    def _values(self) -> Sequence[int]:
        low, high, step = self.min_value, self.max_value, self.step
        if self.sampling == "linear" or step is None:
            return range(low, high + 1, step or 1)
        powers = [low]
        while powers[-1] * step <= high:
            powers.append(powers[-1] * step)
        return (
            tuple(powers)
            if self.sampling == "log"
            else tuple(high + low - power for power in reversed(powers))
        )

    @property
    def num_values(self) -> int:
        """How many whole numbers it may be."""
        return len(self._values)

    def legal(self, value: object) -> int:
        """The value as an int; see `Hyperparameter.legal`."""
        if value.__class__ is int and value in self._values:
            return value
        number = _whole(value, f"value of {self.label}")
        if number not in self._values:
            expected = _describe(self._values[0], self._values[-1], self.step, self.sampling)
            raise InvalidInput(f"value of {self.label} is {value!r}", expected=expected)
        return number

    def value_at(self, index: int) -> int:
        """The number at ``index``, ascending."""
        return self._values[index]

    def index_of(self, value: Value) -> int:
        """The index of a legal number."""
        return self._values.index(self.legal(value))

    def to_unit(self, value: Value) -> float:
        """Coordinate u of a number: the middle of its cell, on its own scale."""
        if self.sampling == "linear" or self.step is not None:
            return super().to_unit(value)
        number = self.legal(value)
        if self.sampling == "log":
            return self._log_to_unit(number)
        return 1.0 - self._log_to_unit(self.max_value + self.min_value - number)

    def from_unit(self, u: float) -> int:
        """The number at coordinate u. Log sampling as KerasTuner has it: the cell of ``v`` is [v, v
        + 1).
        """
        if self.sampling == "linear" or self.step is not None:
            count = len(self._values)
            return self._values[min(count - 1, max(0, int(u * count)))]
        if self.sampling == "log":
            return self._log_from_unit(u)
        return self.max_value + self.min_value - self._log_from_unit(1.0 - u)

    def _log_to_unit(self, number: int) -> float:
        middle = 0.5 * (math.log(number) + math.log(number + 1))
        return (middle - math.log(self.min_value)) / math.log((self.max_value + 1) / self.min_value)

    def _log_from_unit(self, u: float) -> int:
        number = int(self.min_value * math.exp(u * math.log((self.max_value + 1) / self.min_value)))
        return min(self.max_value, max(self.min_value, number))


@dataclass(frozen=True, init=False, eq=False)
class Float(Hyperparameter):
    """A real number from ``min_value`` to ``max_value``, both included.

    ``Float("learning_rate", 1e-4, 1e-1, sampling="log")``. With a step it is discrete:
    ``Float("rate", 0, 0.5, 0.1)``; with ``sampling="log"`` the step multiplies. Steps are taken in
    decimal, so that 0.1, 0.2, 0.3 are exactly that.

    Attributes:
        step: distance between neighbours (linear) or their ratio (log, reverse_log); None for a
            continuous range.
        sampling: ``linear``, ``log`` or ``reverse_log`` (log seen from the far end); case does not
            matter.
        default: the smallest value, unless given.

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
        bound = bind("Float", _NAMES, 2, args, given)
        who, step = label("Float", bound["name"]), bound.get("step")
        low, high = (_finite(bound[end], f"{end} of {who}") for end in ("min_value", "max_value"))
        sampling = _sampling(bound.get("sampling"), who)
        step = None if step is None else _finite(step, f"step of {who}")
        _check_range(who, low, high, step, sampling)
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
        if count > _MOST_VALUES or ends[0] == ends[1] or ends[2] == ends[3]:
            raise InvalidInput(
                f"{self.label} has step={self.step}", expected="a step that a float can resolve"
            )

    @cached_property
    def num_values(self) -> int | None:
        """How many values the steps reach; None where it is continuous."""
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
        """Decimals to which a value that is not on a log scale is kept."""
        width, size = self.max_value - self.min_value, max(abs(self.min_value), abs(self.max_value))
        coarse = size if self.sampling == "reverse_log" else max(width, size * 0.1)
        return _DIGITS - math.ceil(math.log10(coarse))

    @cached_property
    def _inside(self) -> tuple[float, float]:
        """Between these a value is told from both ends at the resolution that is kept."""
        if self.sampling == "log":
            return self.min_value * (1 + 10.0**-_DIGITS), self.max_value * (1 - 10.0**-_DIGITS)
        half = 0.5 * 10.0**-self._decimal_places
        return self.min_value + half, self.max_value - half

    def _kept(self, value: float) -> float:
        """A continuous value at the resolution that is kept, inside the range."""
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
        """The value as a float: at the resolution that is kept, or exactly on a step; see
        `Hyperparameter.legal`.
        """
        if value.__class__ is float and value in self._known:
            return value
        number = _finite(value, f"value of {self.label}")
        count, least, most = self.num_values, self.min_value, self.max_value
        if count is None and least <= number <= most:
            return self._kept(number)
        if count is not None:
            nearest = self._nearest(number)
            if nearest is not None:
                return self.value_at(nearest)
            least, most = self.value_at(0), self.value_at(count - 1)
        expected = _describe(least, most, self.step, self.sampling)
        raise InvalidInput(f"value of {self.label} is {value!r}", expected=expected)

    def _nearest(self, number: float) -> int | None:
        """Index of the step that a number means; None where it lies between steps."""
        count, step = self.num_values or 1, self.step
        if step is None or count == 1:
            guess = 0.0
        elif self.sampling == "linear":
            guess = (number - self.min_value) / step
        else:
            ahead = number if self.sampling == "log" else self.max_value + self.min_value - number
            powers = math.log(ahead / self.min_value) / math.log(step) if ahead > 0 else -1.0
            guess = powers if self.sampling == "log" else count - 1 - powers
        index = min(count - 1, max(0, round(guess)))
        at = self.value_at(index)
        slack = 1e-6 * step if step is not None and self.sampling == "linear" else 0.0
        return index if math.isclose(number, at, rel_tol=1e-12, abs_tol=slack) else None

    @cached_property
    def _table(self) -> tuple[float, ...]:
        """The values on steps, where they are few enough to be kept."""
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
        """The index of a value on a step."""
        index = self._nearest(_finite(value, f"value of {self.label}"))
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


def _describe(low: float, high: float, step: float | None, sampling: Sampling) -> str:
    if step is None or (step == 1 and sampling == "linear" and isinstance(step, int)):
        return f"a number from {low} to {high}"
    return f"a number from {low} to {high} in steps of {'' if sampling == 'linear' else 'times '}{step}"
