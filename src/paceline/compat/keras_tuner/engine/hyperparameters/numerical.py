"""The hyperparameters `Int` and `Float`.

| symbol | meaning |
| --- | --- |
| a, b | ``min_value``, ``max_value`` |
| p | cumulative probability, from 0 to 1 |

Values are a + p (b - a) for linear sampling, a (b / a)^p for log, and those of log mirrored,
a + b - a (b / a)^(1 - p), for reverse_log. A step is added, or, on a log scale, multiplied.
"""

import math
import operator
from collections.abc import Iterable
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import (
    HyperParameter,
    index_at,
    middle_of,
)
from paceline.core import shown

_SAMPLINGS = ("linear", "log", "reverse_log")


class Numerical(HyperParameter):
    """A number of a range.

    Args:
        name, default, **given: see `HyperParameter`.
        min_value, max_value: the range.
        step: difference of neighbouring values, or their ratio on a log scale; None for any.
        sampling: ``"linear"``, ``"log"`` or ``"reverse_log"``; None for ``"linear"``.

    Raises:
        ValueError: an empty range, an unknown sampling, or a range or step that does not suit it.
    """

    def __init__(
        self,
        name: str,
        min_value: Any,
        max_value: Any,
        step: Any = None,
        sampling: str | None = "linear",
        default: Any = None,
        **given: Any,
    ) -> None:
        super().__init__(name=name, default=default, **given)
        self.min_value, self.max_value, self.step = min_value, max_value, step
        self.sampling = (sampling or "linear").lower()
        self._check()

    def _check(self) -> None:
        said = f"For HyperParameters.{type(self).__name__}(name='{self.name}'), "
        if self.min_value > self.max_value:
            raise ValueError(
                f"{said}min_value {self.min_value} is greater than the max_value {self.max_value}."
            )
        if self.sampling not in _SAMPLINGS:
            raise ValueError(f"{said}sampling must be one of {', '.join(_SAMPLINGS)}.")
        if self.sampling == "linear":
            return
        if self.min_value <= 0:
            raise ValueError(
                f"{said}sampling='{self.sampling}' does not support negative values or zero; "
                f"min_value is {self.min_value}."
            )
        if self.step is not None and self.step <= 1:
            raise ValueError(
                f"{said}expected step > 1 with sampling='{self.sampling}'; step is {self.step}."
            )

    @property
    def default(self) -> Any:
        """Where none was given, the smallest value."""
        return self.min_value if self._default is None else self._default

    def get_config(self) -> dict[str, Any]:
        """See `HyperParameter`."""
        return {
            **super().get_config(),
            "default": self._default,
            "min_value": self.min_value,
            "max_value": self.max_value,
            "step": self.step,
            "sampling": self.sampling,
        }

    @property
    def num_values(self) -> int | None:
        """How many values there are; None without a step."""
        if self.step is None:
            return None
        if self.sampling == "linear":
            return int((self.max_value - self.min_value) // self.step + 1)
        return int(math.log(self.max_value / self.min_value, self.step) + 1e-8) + 1

    def _at(self, index: int) -> Any:
        """The value of a number of steps."""
        if self.sampling == "linear":
            return self.min_value + index * self.step
        grown = self.min_value * math.pow(self.step, index)
        return grown if self.sampling == "log" else self.max_value + self.min_value - grown

    def _between(self, prob: float, end: float) -> float:
        """The value at a probability, without steps."""
        start = self.min_value
        if self.sampling == "linear":
            return float(prob * (end - start) + start)
        if self.sampling == "log":
            return float(start * math.pow(end / start, prob))
        return float(end + start - start * math.pow(end / start, 1.0 - prob))

    def _prob_of(self, value: float, end: float) -> float:
        """The inverse of `_between`."""
        start = self.min_value
        if end == start:
            return 0.5
        if self.sampling == "linear":
            return float((value - start) / (end - start))
        if self.sampling == "log":
            return math.log(value / start) / math.log(end / start)
        return 1.0 - math.log((end + start - value) / start) / math.log(end / start)

    def _index_of(self, value: float) -> float:
        """The number of steps to a value."""
        if self.sampling == "linear":
            return float((value - self.min_value) // self.step)
        if self.sampling == "reverse_log":
            value = self.max_value + self.min_value - value
        return math.log(value / self.min_value, self.step)

    @property
    def values(self) -> Iterable[Any]:
        """All values; of a range without steps ten, evenly spread."""
        count = self.num_values
        if count is not None:
            return [self.prob_to_value(middle_of(index, count)) for index in range(count)]
        return list(dict.fromkeys(self.prob_to_value(0.1 * part + 0.05) for part in range(10)))


class Float(Numerical):
    """A real number; see `Numerical`.

    With a step that does not go into the range exactly, in floating point, the largest value is
    left out: ``Float("rate", 0, 0.5, 0.1)`` is never 0.5.
    """

    def __init__(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        **given: Any,
    ) -> None:
        step = float(step) if step else None
        super().__init__(name, float(min_value), float(max_value), step, sampling, default, **given)

    def prob_to_value(self, prob: float) -> float:
        """See `HyperParameter`."""
        count = self.num_values
        if count is None:
            return self._between(prob, self.max_value)
        return float(self._at(index_at(prob, count)))

    def value_to_prob(self, value: float) -> float:
        """See `HyperParameter`."""
        count = self.num_values
        if count is None:
            return self._prob_of(value, self.max_value)
        return middle_of(self._index_of(value), count)


class Int(Numerical):
    """A whole number, ``max_value`` included; see `Numerical`."""

    def __init__(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        **given: Any,
    ) -> None:
        step = _whole(name, "step", step) if step else None
        if step is None and (sampling or "linear").lower() == "linear":
            step = 1
        super().__init__(
            name,
            _whole(name, "min_value", min_value),
            _whole(name, "max_value", max_value),
            step,
            sampling,
            default,
            **given,
        )

    def prob_to_value(self, prob: float) -> int:
        """See `HyperParameter`."""
        count = self.num_values
        if count is None:
            return int(self._between(prob, self.max_value + 1))
        return int(self._at(index_at(prob, count)))

    def value_to_prob(self, value: int) -> float:
        """See `HyperParameter`."""
        count = self.num_values
        if count is None:
            return self._prob_of(value + 0.5, self.max_value + 1)
        return middle_of(self._index_of(value), count)


def _whole(name: str, what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        if not isinstance(value, float) or not value.is_integer():
            raise ValueError(
                f"For HyperParameters.Int(name='{name}'), {what} must be an int; it is "
                f"{shown(value)}."
            ) from None
        number = int(value)
    return number
