"""The hyperparameters `Choice`, `Boolean` and `Fixed`."""

from collections.abc import Sequence
from typing import Any

from paceline.compat.keras_tuner.engine.conditions import plain
from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import (
    HyperParameter,
    index_at,
    middle_of,
)
from paceline.core import shown


class Choice(HyperParameter):
    """One of several values of one type.

    Args:
        name, default, **given: see `HyperParameter`.
        values: whole numbers, floats, strings or booleans. One that occurs twice is chosen twice as
            often.
        ordered: whether their order has a meaning; None if they are numbers.

    Raises:
        ValueError: no values, a default that is none of them, or ordered texts.
        TypeError: values of different types, or of another type.
    """

    def __init__(
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        **given: Any,
    ) -> None:
        super().__init__(name=name, default=plain(default), **given)
        each = [plain(value) for value in values]
        if not each:
            raise ValueError(f"`values` must be provided for Choice '{name}'.")
        if not isinstance(each[0], bool | int | float | str):
            raise TypeError(
                f"Choice '{name}' can contain only `int`, `float`, `str` or `bool`; its values are "
                f"{shown(each)}."
            )
        if len({type(value) for value in each}) > 1:
            raise TypeError(
                f"Choice '{name}' can contain only one type of values; they are {shown(each)}."
            )
        self._values = each
        if self._default is not None and self._default not in each:
            raise ValueError(
                f"The default value should be one of the choices of '{name}', {shown(each)}; it is "
                f"{shown(default)}."
            )
        is_number = isinstance(each[0], int | float)
        if ordered and not is_number:
            raise ValueError(f"`ordered` must be `False` for the texts of Choice '{name}'.")
        self.ordered = is_number if ordered is None else bool(ordered)

    @property
    def values(self) -> list[Any]:
        """The values."""
        return self._values

    @property
    def default(self) -> Any:
        """Where none was given, the first value."""
        return self._values[0] if self._default is None else self._default

    def prob_to_value(self, prob: float) -> Any:
        """See `HyperParameter`."""
        return self._values[index_at(prob, len(self._values))]

    def value_to_prob(self, value: Any) -> float:
        """See `HyperParameter`."""
        return middle_of(self._values.index(value), len(self._values))

    def get_config(self) -> dict[str, Any]:
        """See `HyperParameter`."""
        return {**super().get_config(), "values": self._values, "ordered": self.ordered}


class Boolean(HyperParameter):
    """True or False.

    Args:
        name, default, **given: see `HyperParameter`.

    Raises:
        ValueError: a default that is not a boolean.
    """

    def __init__(self, name: str, default: bool = False, **given: Any) -> None:
        super().__init__(name=name, default=plain(default), **given)
        if not isinstance(self._default, bool):
            raise ValueError(
                f"The default of Boolean '{name}' must be a Python boolean; it is {shown(default)}."
            )

    @property
    def values(self) -> tuple[bool, bool]:
        """True and False."""
        return True, False

    def prob_to_value(self, prob: float) -> bool:
        """See `HyperParameter`."""
        return bool(prob >= 0.5)

    def value_to_prob(self, value: bool) -> float:
        """See `HyperParameter`."""
        return middle_of(int(value), 2)


class Fixed(HyperParameter):
    """A value that is not tuned.

    Args:
        name, **given: see `HyperParameter`.
        value: a whole number, float, string or boolean.

    Raises:
        ValueError: another value.
    """

    def __init__(self, name: str, value: Any, **given: Any) -> None:
        value = plain(value)
        super().__init__(name=name, default=value, **given)
        if not isinstance(value, bool | int | float | str):
            raise ValueError(
                f"The value of Fixed '{name}' is {shown(value)}. The value must be an int, float, "
                "str or bool."
            )
        self.value = value

    @property
    def values(self) -> tuple[Any]:
        """The value alone."""
        return (self.value,)

    def prob_to_value(self, prob: float) -> Any:  # noqa: ARG002
        """The value."""
        return self.value

    def value_to_prob(self, value: Any) -> float:  # noqa: ARG002
        """0.5."""
        return 0.5

    def get_config(self) -> dict[str, Any]:
        """See `HyperParameter`."""
        config = super().get_config()
        return {**{k: v for k, v in config.items() if k != "default"}, "value": self.value}
