"""Settings as fields with rules: checks, JSON, and changes by name.

A setting is a field of a frozen dataclass, declared with `setting`: its default, the check of a
user's value, and whether a study may continue with another one. Everything else (JSON, comparison,
the command line, the report) is derived from the field.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from typing import Any, Self

from paceline.core import checks as core_checks
from paceline.core import known_name, parse_bytes, parse_seconds, shown
from paceline.core.events import Json

Check = Callable[[str, Any], Any]
"""Converts a user's value for an argument to the stored value; raises InvalidInput."""


class Change(Enum):
    """Whether a study may continue with another value of a setting."""

    NEVER = auto()
    """No: its trials would not be comparable."""
    NOTED = auto()
    """Yes, and the user is informed."""
    SILENT = auto()
    """Yes."""


@dataclass(frozen=True, slots=True)
class FromMemory:
    """Placeholder for an object that was passed from memory, and has to be passed again.

    All placeholders are equal; the data themselves are compared by fingerprint.

    Attributes:
        what: description of the object.
    """

    what: str = field(default="an object", compare=False)

    def __str__(self) -> str:
        return f"{self.what}, passed from memory"


@dataclass(frozen=True, slots=True)
class Terminal:
    """How a setting is typed on the command line.

    Attributes:
        kind: the type of the typed value.
        help: one short sentence.
        metavar: placeholder of the value; None for that of the type.
        flags: the option's names; None for ``--name``.
        parse: converts the typed value to that of `paceline.tune`.
        write: converts the stored value to a typed one; None if it cannot be typed.
        default: default to show, if it differs from the setting's.
    """

    kind: Any = str
    help: str = ""
    metavar: str | None = None
    flags: str | None = None
    parse: Callable[[Any], Any] | None = None
    write: Callable[[Any], str | None] = str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How a setting is checked, compared and typed.

    Attributes:
        check: applied to a user's value.
        change: whether a study may continue with another value.
        argument: its name for users; empty for the field's name.
        terminal: how it is typed; None if it cannot be.
        same: whether two stored values mean the same.
        is_option: whether users can pass it; other settings are recorded as decided.
    """

    check: Check
    change: Change = Change.NEVER
    argument: str = ""
    terminal: Terminal | None = None
    same: Callable[[Any, Any], bool] = lambda one, other: bool(one == other)
    is_option: bool = True


def setting(default: Any, check: Check, change: Change = Change.NEVER, **rule: Any) -> Any:
    """A field of a group: ``default``, and a `Rule`."""
    metadata = {"rule": Rule(check, change, **rule)}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class Group:
    """A group of settings: a frozen dataclass."""

    @classmethod
    def rules(cls) -> Mapping[str, Rule]:
        """The rule of each field, by its name."""
        return {one.name: one.metadata["rule"] for one in fields(cls) if "rule" in one.metadata}  # type: ignore[arg-type]

    def updated(self, given: Mapping[str, Any]) -> Self:
        """Returns the group with some values replaced, after checks.

        Args:
            given: values as users pass them, by the field's name; others are left alone.

        Raises:
            InvalidInput: a value that is not valid.
        """
        rules = self.rules()
        found = {
            name: rules[name].check(rules[name].argument or name, value)
            for name, value in given.items()
            if name in rules
        }
        return replace(self, **found)  # type: ignore[type-var]

    def to_json(self) -> dict[str, Json]:
        """The group as plain JSON types."""
        return {name: plain(getattr(self, name)) for name in self.rules()}

    @classmethod
    def from_json(cls, state: Mapping[str, Json]) -> Self:
        """The inverse of `to_json`; missing values get their defaults, unknown ones are ignored."""
        return cls(**{name: _restored(state[name]) for name in cls.rules() if name in state})

    def non_default(self, default: Self | None = None) -> Iterator[tuple[str, Any]]:
        """The options that differ from their defaults, with their values.

        Args:
            default: the group at its defaults, where they are not those of the class.
        """
        default = type(self)() if default is None else default
        for name, rule in self.rules().items():
            value = getattr(self, name)
            if rule.is_option and value != getattr(default, name):
                yield name, value


def plain(value: Any) -> Json:
    """A setting's value as plain JSON types."""
    if isinstance(value, FromMemory):
        return {"from_memory": value.what}
    if dataclasses.is_dataclass(value) or not isinstance(value, list | tuple | Mapping):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value]


def _restored(value: Json) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"from_memory"}:
        return FromMemory(value["from_memory"])
    return value


def brief(value: Any) -> str:
    """A setting's value as text within a sentence."""
    if isinstance(value, Mapping):
        value = value.get("strategy") or value.get("schedule") or value
    return str(value) if isinstance(value, FromMemory | str) else shown(value)


# -- checks of single values


def optional(check: Check) -> Check:
    """The check, with None accepted as None."""
    return lambda name, value: None if value is None else check(name, value)


def whole(at_least: int = 1, also: str = "") -> Check:
    """A whole number."""
    return lambda name, value: core_checks.whole_number(name, value, at_least, also=also)


def choice(*known: str) -> Check:
    """One of some names."""
    return lambda name, value: known_name(name, value, known)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    return core_checks.flag(name, value)


def optional_flag(name: str, value: Any) -> bool | None:
    """True, False or None."""
    return None if value is None else core_checks.flag(name, value, also=", or nothing")


def seconds(name: str, value: Any) -> float:
    """A duration."""
    return parse_seconds(value, name)


def num_bytes(name: str, value: Any) -> int:
    """An amount of memory."""
    return parse_bytes(value, name)


def unchecked(_: str, value: Any) -> Any:
    """Accepts any value; it is checked where it is used."""
    return value
