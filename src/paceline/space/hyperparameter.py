"""The base class of hyperparameters, and conditions.

| symbol | meaning |
| --- | --- |
| u | coordinate in [0, 1]; uniform u is the hyperparameter's own sampling distribution |
| index | position of a discrete value in its natural order, from 0 |
| position | position in grid order: the default first, then the others in their natural order |
"""

import dataclasses
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from paceline.core import InvalidInput, Value

Typed = tuple[type, Value]
"""A value with its type, so that ``1``, ``1.0`` and ``True`` differ."""


def typed(value: Value) -> Typed:
    """The value paired with its type; equal only to the same value of the same type."""
    return value.__class__, value


def plain(value: object) -> object:
    """A NumPy scalar as a Python object; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def scalar(value: object, what: str) -> Value:
    """Validates a value that survives a round trip through JSON.

    Raises:
        InvalidInput: not an int, finite float, str or bool; ``what`` names the value in the
            message.
    """
    value = plain(value)
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    fix = "Use a string such as 'none' and translate it in build(hp)." if value is None else ""
    raise InvalidInput(
        f"{what} is {value!r}", expected="an int, a finite float, a str or a bool", fix=fix
    )


@dataclass(frozen=True, init=False, eq=False)
class Condition:
    """The hyperparameter is active only if ``parent`` is active and has one of ``values``.

    Attributes:
        parent: name of another hyperparameter, earlier in the space.
        values: the parent's values that meet the condition. Values that the parent cannot take are
            ignored.

    Raises:
        InvalidInput: no values, or one that is not an int, finite float, str or bool.
    """

    parent: str
    values: tuple[Value, ...]

    def __init__(self, parent: str, values: Value | Iterable[Value]) -> None:
        listed = [values] if isinstance(values, bool | int | float | str) else list(values)
        if not isinstance(parent, str) or not parent:
            raise InvalidInput(
                f"condition's parent is {parent!r}", expected="the name of another hyperparameter"
            )
        if not listed:
            raise InvalidInput(
                f"condition on {parent!r} has no values",
                expected="at least one value of the parent",
            )
        object.__setattr__(self, "parent", parent)
        object.__setattr__(
            self,
            "values",
            tuple(scalar(v, f"a value of the condition on {parent!r}") for v in listed),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return self.parent == other.parent and [*map(typed, self.values)] == [
            *map(typed, other.values)
        ]

    def __hash__(self) -> int:
        return hash((self.parent, self.values))

    def __str__(self) -> str:
        """As text: ``optimizer is adam or sgd``."""
        return f"{self.parent} is {' or '.join(map(str, self.values))}"

    def to_json(self) -> dict[str, Any]:
        """The condition as JSON types."""
        return {"parent": self.parent, "values": list(self.values)}


class Hyperparameter(ABC):
    """A named hyperparameter: its values, its default, and the conditions under which it is active.

    Frozen. Two are equal if their JSON is equal, so ``Choice("a", [1])`` and
    ``Choice("a", [True])`` differ. The name may be left out (``Choice([32, 64])``) and set later
    with `named`.
    """

    kind: ClassVar[str]
    name: str
    default: Value
    conditions: tuple[Condition, ...]

    @property
    @abstractmethod
    def num_values(self) -> int | None:
        """Number of values; None if continuous."""

    @property
    def is_ordered(self) -> bool:
        """Whether neighbouring values are similar: numbers and ordered choices, not categories."""
        return True

    @abstractmethod
    def legal(self, value: object) -> Value:
        """Validates a value and returns it in this hyperparameter's exact type and form.

        Raises:
            InvalidInput: not one of its values.
        """

    @abstractmethod
    def value_at(self, index: int) -> Value:
        """The discrete value at ``index`` in ``[0, num_values)``, in natural order."""

    @abstractmethod
    def index_of(self, value: Value) -> int:
        """The index of a legal discrete value; inverse of `value_at`."""

    def to_unit(self, value: Value) -> float:
        """Coordinate u of a legal value; the middle of its cell if it is discrete."""
        return (self.index_of(value) + 0.5) / (self.num_values or 1)

    def from_unit(self, u: float) -> Value:
        """The value at coordinate u; ``from_unit(to_unit(value)) == value`` for legal values."""
        count = self.num_values or 1
        return self.value_at(min(count - 1, max(0, int(u * count))))

    def _as_default(self, given: object) -> Any:
        """Validates a default.

        Raises:
            InvalidInput: not one of the values.
        """
        try:
            return self.legal(given)
        except InvalidInput as error:
            raise InvalidInput(
                f"default of {self.label} is {given!r}", expected=error.expected
            ) from None

    def admits(self, value: object) -> bool:
        """Whether `legal` accepts the value."""
        try:
            self.legal(value)
        except InvalidInput:
            return False
        return True

    def admitted(self, condition: Condition) -> frozenset[Typed]:
        """The condition's values that this hyperparameter can take."""
        return frozenset(
            typed(self.legal(value)) for value in condition.values if self.admits(value)
        )

    @cached_property
    def definition(self) -> Self:
        """The same hyperparameter without its conditions: name, kind, values and default."""
        return self.with_conditions(()) if self.conditions else self

    @cached_property
    def definition_id(self) -> str:
        """12 hex digits, unique to the definition."""
        return hashlib.sha256(self.definition._identity.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        """As Python code: ``Float('rate', 0.001, 0.1, sampling='log')``."""
        fields = self.to_json()
        own = [name for name in fields if name not in ("kind", "name", "conditions")]
        first = [name for name in own if name in ("min_value", "max_value", "values", "value")]
        shown = {
            name: fields[name]
            for name in own
            if name not in first and self._differs_from_default(name, fields[name])
        }
        arguments = [repr(self.name), *(repr(fields[name]) for name in first), *_named(shown)]
        return f"{self.kind}({', '.join(arguments)})"

    def _differs_from_default(self, name: str, value: Any) -> bool:
        """Whether an argument's value differs from the default of the argument."""
        if name == "default":
            return typed(value) != typed(
                self.value_at(0) if self.num_values else self.from_unit(0.0)
            )
        return value is not None and (name, value) not in (
            ("sampling", "linear"),
            ("step", 1),
            ("ordered", self.is_ordered),
        )

    def named(self, name: str) -> Self:
        """The same hyperparameter under another name."""
        return self._replaced(name=name)

    def with_conditions(self, conditions: Sequence[Condition]) -> Self:
        """The same hyperparameter under other conditions."""
        return self._replaced(conditions=tuple(conditions))

    def _replaced(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """The hyperparameter as JSON types; the inverse is `hyperparameter_from_json`."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        listed = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields.items()
        }
        return {
            "kind": self.kind,
            **listed,
            "conditions": [condition.to_json() for condition in self.conditions],
        }

    @cached_property
    def _identity(self) -> str:
        return json.dumps(self.to_json(), sort_keys=True)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Hyperparameter):
            return self._identity == other._identity
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def label(self) -> str:
        """Its name in messages: ``Int 'units'``."""
        return label(self.kind, self.name)

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def _named(arguments: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in arguments.items()]


def label(kind: str, name: str) -> str:
    """A hyperparameter's name in messages: ``Int 'units'``, or ``Int`` if it has no name."""
    return f"{kind} {name!r}" if name else kind


def bind(
    kind: str, names: Sequence[str], required: int, args: Sequence[Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Binds a hyperparameter's arguments; the name is left out if the first is not a str.

    Args:
        kind: the hyperparameter's kind, for messages.
        names: names of the parameters in positional order, ``"name"`` first.
        required: number of required parameters after the name.
        args: positional arguments.
        given: keyword arguments.

    Raises:
        InvalidInput: a required argument is missing, or the name is not a str.
        TypeError: too many arguments, an unknown one, or one given twice.
    """
    positional = names if args and isinstance(args[0], str) and "name" not in given else names[1:]
    arguments = dict(zip(positional, args, strict=False))
    if len(args) > len(positional):
        raise TypeError(
            f"{kind}() takes at most {len(positional)} positional arguments, {len(args)} were given"
        )
    for name in given:
        if name in arguments or name not in names:
            raise TypeError(
                f"{kind}() got {'twice' if name in arguments else 'an unexpected'} argument "
                f"{name!r}"
            )
    arguments.update(given)
    name = arguments.setdefault("name", "")
    if not isinstance(name, str):
        raise InvalidInput(f"name of the {kind} is {name!r}", expected="a str")
    missing = [wanted for wanted in names[1 : 1 + required] if wanted not in arguments]
    if missing:
        call = f"{kind}({', '.join(names[: 1 + required])})"
        raise InvalidInput(f"{label(kind, name)} has no {' and no '.join(missing)}", expected=call)
    arguments["conditions"] = tuple(arguments.get("conditions") or ())
    return arguments


def read_conditions(state: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Conditions from JSON."""
    return tuple(Condition(entry["parent"], entry["values"]) for entry in state)
