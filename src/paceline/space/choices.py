"""Categorical hyperparameters `Choice`, `Boolean` and `Fixed`, with KerasTuner's arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, overload

from paceline.core import InvalidInput, Value
from paceline.space.hyperparameter import (
    Condition,
    Hyperparameter,
    Typed,
    bind,
    label,
    plain,
    scalar,
    typed,
)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, init=False, eq=False)
class Choice(Hyperparameter):
    """One of the listed values; their types may differ.

    ``Choice("activation", ["relu", "tanh"])``, or ``Choice([32, 64])`` if the name is set later.

    Attributes:
        values: in the given order; ``1``, ``1.0`` and ``True`` are three values.
        ordered: whether neighbours are similar; by default True if all values are numbers.
        default: by default the first value.

    Raises:
        InvalidInput: no values, a duplicate, one that is not an int, finite float, str or bool; a
            default that is not among them; ``ordered=True`` for values that are not numbers.
    """

    kind: ClassVar[str] = "Choice"

    name: str
    values: tuple[Value, ...]
    ordered: bool
    default: Value
    conditions: tuple[Condition, ...]

    @overload
    def __init__(
        self,
        name: str,
        values: Sequence[Value],
        ordered: bool | None = None,
        default: Value | None = None,
        conditions: Sequence[Condition] = (),
    ) -> None: ...
    @overload
    def __init__(
        self,
        values: Sequence[Value],
        ordered: bool | None = None,
        default: Value | None = None,
        conditions: Sequence[Condition] = (),
        *,
        name: str = "",
    ) -> None: ...
    def __init__(self, *args: Any, **given: Any) -> None:
        bound = bind(
            "Choice", ("name", "values", "ordered", "default", "conditions"), 1, args, given
        )
        named = label("Choice", bound["name"])
        if isinstance(bound["values"], str) or not hasattr(bound["values"], "__iter__"):
            raise InvalidInput(
                f"values of {named} is {bound['values']!r}", expected="a list of values"
            )
        values = tuple(scalar(value, f"a value of {named}") for value in bound["values"])
        if not values:
            raise InvalidInput(f"{named} has no values", expected="at least one")
        if len(set(map(typed, values))) < len(values):
            twice = next(
                value for at, value in enumerate(values) if typed(value) in map(typed, values[:at])
            )
            raise InvalidInput(f"{named} lists {twice!r} twice", expected="each value once")
        ordered, numbers = bound.get("ordered"), all(map(_is_number, values))
        if ordered and not numbers:
            raise InvalidInput(
                f"{named} is ordered and has values {list(values)}",
                expected="numbers, or ordered=False",
            )
        self._set(name=bound["name"], conditions=bound["conditions"], values=values)
        self._set(ordered=numbers if ordered is None else bool(ordered))
        default = bound.get("default")
        self._set(default=values[0] if default is None else self._as_default(default))

    @cached_property
    def _index(self) -> dict[Typed, int]:
        return {typed(value): index for index, value in enumerate(self.values)}

    @property
    def num_values(self) -> int:
        """Number of values."""
        return len(self.values)

    @property
    def is_ordered(self) -> bool:
        """Whether neighbours are similar."""
        return self.ordered

    def legal(self, value: object) -> Value:
        """The listed value of the same type, or else the number equal to it."""
        return self.values[self._find(value)]

    def _find(self, value: object) -> int:
        found = plain(value)
        if isinstance(found, bool | int | float | str):
            index = self._index.get(typed(found))
            if index is not None:
                return index
            if _is_number(found):
                for index, listed in enumerate(self.values):
                    if _is_number(listed) and listed == found:
                        return index
        raise InvalidInput(
            f"value of {self.label} is {value!r}", expected=f"one of {list(self.values)}"
        )

    def value_at(self, index: int) -> Value:
        """The value at ``index``, in the given order."""
        return self.values[index]

    def index_of(self, value: Value) -> int:
        """The index of a listed value."""
        return self._find(value)


@dataclass(frozen=True, init=False, eq=False)
class Boolean(Hyperparameter):
    """True or False; False by default.

    Raises:
        InvalidInput: the default is not a bool.
    """

    kind: ClassVar[str] = "Boolean"

    name: str
    default: bool
    conditions: tuple[Condition, ...]

    @overload
    def __init__(
        self, name: str, default: bool = False, conditions: Sequence[Condition] = ()
    ) -> None: ...
    @overload
    def __init__(
        self, default: bool = False, conditions: Sequence[Condition] = (), *, name: str = ""
    ) -> None: ...
    def __init__(self, *args: Any, **given: Any) -> None:
        bound = bind("Boolean", ("name", "default", "conditions"), 0, args, given)
        self._set(name=bound["name"], conditions=bound["conditions"])
        self._set(default=self._as_default(bound.get("default", False)))

    @property
    def num_values(self) -> int:
        """Two."""
        return 2

    @property
    def is_ordered(self) -> bool:
        """False."""
        return False

    def legal(self, value: object) -> bool:
        """The value as a bool."""
        found = plain(value)
        if not isinstance(found, bool):
            raise InvalidInput(f"value of {self.label} is {value!r}", expected="True or False")
        return found

    def value_at(self, index: int) -> bool:
        """False at 0, True at 1."""
        return bool(index)

    def index_of(self, value: Value) -> int:
        """0 for False, 1 for True."""
        return int(self.legal(value))


@dataclass(frozen=True, init=False, eq=False)
class Fixed(Hyperparameter):
    """A constant that is part of each configuration but not tuned.

    Raises:
        InvalidInput: not an int, finite float, str or bool.
    """

    kind: ClassVar[str] = "Fixed"

    name: str
    value: Value
    conditions: tuple[Condition, ...]

    @overload
    def __init__(self, name: str, value: Value, conditions: Sequence[Condition] = ()) -> None: ...
    @overload
    def __init__(
        self, value: Value, conditions: Sequence[Condition] = (), *, name: str = ""
    ) -> None: ...
    def __init__(self, *args: Any, **given: Any) -> None:
        bound = bind("Fixed", ("name", "value", "conditions"), 1, args, given)
        value = scalar(bound["value"], f"value of {label('Fixed', bound['name'])}")
        self._set(name=bound["name"], conditions=bound["conditions"], value=value)

    @property
    def default(self) -> Value:  # type: ignore[override]
        """The value."""
        return self.value

    @property
    def num_values(self) -> int:
        """One."""
        return 1

    @property
    def is_ordered(self) -> bool:
        """False."""
        return False

    def legal(self, value: object) -> Value:
        """The value, if it is equal to the fixed one."""
        found, fixed = plain(value), self.value
        same = isinstance(found, bool | int | float | str) and typed(found) == typed(fixed)
        if not same and not (_is_number(fixed) and not isinstance(found, bool) and found == fixed):
            raise InvalidInput(f"value of {self.label} is {value!r}", expected=repr(fixed))
        return fixed

    def value_at(self, index: int) -> Value:  # noqa: ARG002 - there is only one
        """The value."""
        return self.value

    def index_of(self, value: Value) -> int:
        """Always 0."""
        self.legal(value)
        return 0
