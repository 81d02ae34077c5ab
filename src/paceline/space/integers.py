"""The hyperparameter `Int`, with KerasTuner's arguments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
    read_sampling,
    whole,
)


@dataclass(frozen=True, init=False, eq=False)
class Int(Hyperparameter):
    """A whole number from ``min_value`` to ``max_value``, both included.

    ``Int("units", 32, 512, step=32)``; with ``sampling="log"`` the step multiplies: ``Int("units",
    32, 512, 2, "log")`` is one of 32, 64, 128, 256, 512. The name may be left out (``Int(1, 5)``)
    and set later.

    Attributes:
        step: difference between neighbours (linear; 1 by default) or their ratio (log, reverse_log;
            None for every whole number).
        sampling: ``linear``, ``log`` or ``reverse_log`` (log scale from the upper end); case does
            not matter.
        default: by default the smallest value.

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
        bound = bind("Int", NAMES, 2, args, given)
        named, step = label("Int", bound["name"]), bound.get("step")
        low, high = (whole(bound[end], f"{end} of {named}") for end in ("min_value", "max_value"))
        sampling = read_sampling(bound.get("sampling"), named)
        step = (
            whole(step, f"step of {named}")
            if step is not None
            else 1
            if sampling == "linear"
            else None
        )
        check_range(named, low, high, step, sampling)
        largest = high - low if sampling == "linear" else high
        if largest >= MOST_VALUES:
            raise InvalidInput(
                f"{named} spans {low} to {high}",
                expected=f"fewer than 2**40 values ({MOST_VALUES})",
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
        if self.sampling == "log":
            return tuple(powers)
        return tuple(high + low - power for power in reversed(powers))

    @property
    def num_values(self) -> int:
        """Number of values."""
        return len(self._values)

    def legal(self, value: object) -> int:
        """The value as an int."""
        if value.__class__ is int and value in self._values:
            return value
        number = whole(value, f"value of {self.label}")
        if number not in self._values:
            expected = describe_range(self._values[0], self._values[-1], self.step, self.sampling)
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
        """The number at coordinate u; as in KerasTuner, the log cell of ``v`` is [v, v + 1)."""
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
