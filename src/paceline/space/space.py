"""The search space: hyperparameters with conditions, and operations on configurations."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, InvalidInput, Value, checks, markup
from paceline.space.enumeration import Enumeration
from paceline.space.hyperparameter import Condition, Hyperparameter, Typed, typed
from paceline.space.kinds import hyperparameter_from_json
from paceline.space.members import admitted_by, check_member, known_names

_Rule = tuple[str, frozenset[Typed]]
_write = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, init=False, eq=False)
class Space:
    """A frozen, ordered collection of hyperparameters, parents before their children.

    ``Space([Int("layers", 1, 3), Float("rate", 0, 0.5)])`` or ``Space({"layers": Int(1, 3), "rate":
    Float(0, 0.5)})``.

    A *configuration* has one value for each active hyperparameter. A hyperparameter is active if
    all its conditions hold: each parent is active and has one of the condition's values. Methods
    that take a configuration also accept missing values (which are the defaults) and values of
    inactive hyperparameters (which are ignored).

    Several hyperparameters may share a name if their conditions exclude each other: a learning
    rate with one range for Adam and another for SGD. They are the *variants* of the name. Each is
    a dimension of its own; a configuration has the value of the active one under the common name.

    Raises:
        InvalidInput: a hyperparameter without a name, two with one name that may be active
            together, or a condition on one that does not come before.
    """

    hyperparameters: tuple[Hyperparameter, ...]

    def __init__(
        self, hyperparameters: Iterable[Hyperparameter] | Mapping[str, Hyperparameter] = ()
    ) -> None:
        if isinstance(hyperparameters, Mapping):
            hyperparameters = [h.named(name) for name, h in hyperparameters.items()]
        listed: dict[str, list[Hyperparameter]] = {}
        members: list[Hyperparameter] = []
        for h in hyperparameters:
            check_member(h, listed)
            listed.setdefault(h.name, []).append(h)
            members.append(h)
        object.__setattr__(self, "hyperparameters", tuple(members))

    def _repr_html_(self) -> str:
        rows = [
            (h.name, str(h).replace(f"{h.name!r}, ", "", 1), " and ".join(map(str, h.conditions)))
            for h in self.hyperparameters
        ]
        return markup.table(["hyperparameter", "values", "active if"], rows)

    # -- a collection

    @cached_property
    def _by_name(self) -> dict[str, tuple[Hyperparameter, ...]]:
        found: dict[str, tuple[Hyperparameter, ...]] = {}
        for h in self.hyperparameters:
            found[h.name] = (*found.get(h.name, ()), h)
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters, in order, each once."""
        return tuple(self._by_name)

    @cached_property
    def by_label(self) -> dict[str, Hyperparameter]:
        """The hyperparameters by unique label: the name, with the conditions if it has variants.

        ``"units"``; ``"rate (optimizer is sgd)"``.
        """
        found: dict[str, Hyperparameter] = {}
        for h in self.hyperparameters:
            is_variant = len(self._by_name[h.name]) > 1
            plain = f"{h.name} ({' and '.join(map(str, h.conditions))})" if is_variant else h.name
            label = plain
            while label in found or (is_variant and label in self._by_name):
                label += "'"
            found[label] = h
        return found

    def __len__(self) -> int:
        """Number of hyperparameters, variants included."""
        return len(self.hyperparameters)

    def __iter__(self) -> Iterator[Hyperparameter]:
        return iter(self.hyperparameters)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Hyperparameter:
        """The hyperparameter of this name.

        Raises:
            KeyError: unknown name, or it has variants: see `variants`.
        """
        found = self._by_name.get(name, ())
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"{name!r} is {' or '.join(map(str, found))}; see variants({name!r})")
        raise KeyError(f"no hyperparameter {name!r}; {known_names(name, self.names)}")

    def variants(self, name: str) -> tuple[Hyperparameter, ...]:
        """The hyperparameters of this name; of several, at most one is active."""
        return self._by_name.get(name, ())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Space):
            return self.hyperparameters == other.hyperparameters
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.hyperparameters)

    def with_hyperparameter(self, hyperparameter: Hyperparameter) -> "Space":
        """The space with a hyperparameter added, or replaced if there is one of the same name."""
        name = hyperparameter.name
        if name not in self:
            return Space((*self.hyperparameters, hyperparameter))
        first = self._by_name[name][0]
        return Space(
            hyperparameter if h is first else h for h in self if h is first or h.name != name
        )

    # -- what is active

    def admitted(self, condition: Condition) -> frozenset[Typed]:
        """The condition's values that its parent, or one of the parent's variants, can take."""
        return admitted_by(self._by_name.get(condition.parent, ()), condition)

    @cached_property
    def _members(self) -> tuple[tuple[Hyperparameter, tuple[_Rule, ...]], ...]:
        """Each hyperparameter with its parents and the values they need."""
        return tuple(
            (h, tuple((condition.parent, self.admitted(condition)) for condition in h.conditions))
            for h in self
        )

    def _active(self, values: Mapping[str, Any]) -> Iterator[tuple[Hyperparameter, Value]]:
        """The active hyperparameters with the given values, or else their defaults."""
        config: dict[str, Value] = {}
        for h, rules in self._members:
            if not rules or _hold(rules, config):
                config[h.name] = value = h.legal(values[h.name]) if h.name in values else h.default
                yield h, value

    def active(self, config: Configuration) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that are active in a configuration, in order."""
        return tuple(h for h, _ in self._active(config))

    def may_be_active(self, h: Hyperparameter, values: Mapping[str, Value]) -> bool:
        """Whether the conditions of a member hold for these values, legal or not."""
        return any(one is h and _hold(rules, values) for one, rules in self._members)

    def default(self) -> dict[str, Value]:
        """The configuration in which every active hyperparameter has its default."""
        return self._fill({})

    def _fill(self, values: Mapping[str, Any]) -> dict[str, Value]:
        return {h.name: value for h, value in self._active(values)}

    def project(
        self, values: Mapping[str, Any], *, strict: bool = False
    ) -> dict[str, Value] | None:
        """The nearest configuration of this space to one of another space.

        Values of unknown or inactive names are dropped; missing ones are the defaults. None if an
        active hyperparameter cannot take its given value or, if ``strict``, has none.
        """
        config: dict[str, Value] = {}
        for h, rules in self._members:
            if not rules or _hold(rules, config):
                if h.name in values and not h.admits(values[h.name]):
                    return None
                if strict and h.name not in values:
                    return None
                config[h.name] = h.legal(values[h.name]) if h.name in values else h.default
        return config

    def complete(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """Completes values to a configuration: adds defaults, drops inactive values.

        Raises:
            InvalidInput: an unknown name, or a value that its hyperparameter cannot take (even if
                inactive).
        """
        for name, value in values.items():
            if name not in self:
                expected = known_names(name, self.names)
                raise InvalidInput(
                    f"{name!r} is not a hyperparameter of the space", expected=expected
                )
            variants = self._by_name[name]
            if not any(h.admits(value) for h in variants[1:]):
                variants[0].legal(value)
        return self._fill(values)

    def key(self, config: Configuration) -> str:
        """A text that is equal for two configurations exactly if they are the same.

        It contains the values that differ from their defaults, so it does not change when a
        hyperparameter is added later: earlier trials count as having its default.
        """
        active = self._active(config)
        return _write({h.name: value for h, value in active if typed(value) != typed(h.default)})

    # -- every configuration

    @cached_property
    def _enumerations(self) -> dict[int, Enumeration]:
        return {}

    def _enumeration(self, samples: int) -> Enumeration:
        samples = checks.whole_number("samples", samples)
        if samples not in self._enumerations:
            self._enumerations[samples] = Enumeration(self.hyperparameters, samples)
        return self._enumerations[samples]

    def size(self) -> int | None:
        """Number of distinct configurations; None if a hyperparameter is continuous."""
        return None if any(h.num_values is None for h in self) else self._enumeration(1).size

    def grid_size(self, samples: int = 10) -> int:
        """Number of configurations in `grid`; equal to `size` if nothing is continuous."""
        return self._enumeration(samples).size

    def grid_at(self, rank: int, samples: int = 10) -> dict[str, Value]:
        """The configuration that `grid` yields at ``rank`` (from 0), computed directly.

        Raises:
            IndexError: the rank is not in ``[0, grid_size(samples))``.
        """
        enumeration = self._enumeration(samples)
        if not 0 <= rank < enumeration.size:
            raise IndexError(f"rank {rank} of a grid of {enumeration.size}")
        return enumeration.at(rank)

    def grid(self, samples: int = 10) -> Iterator[dict[str, Value]]:
        """Every configuration exactly once, the default first, made one at a time.

        A continuous hyperparameter takes ``samples`` points, evenly spaced in its own sampling,
        both ends included, and its default.
        """
        return (self.grid_at(rank, samples) for rank in range(self.grid_size(samples)))

    # -- the unit cube

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """A random configuration; each active hyperparameter is drawn independently."""
        return self.decode(rng.random(len(self)))

    def encode(self, config: Configuration) -> npt.NDArray[np.float64]:
        """Coordinates of a configuration in the unit cube, shape [d]; NaN if inactive."""
        filled: dict[str, Value] = {}
        u = np.full(len(self.hyperparameters), np.nan)
        for at, (h, rules) in enumerate(self._members):
            if not rules or _hold(rules, filled):
                filled[h.name] = value = h.legal(config[h.name]) if h.name in config else h.default
                u[at] = h.to_unit(value)
        return u

    def decode(self, u: npt.ArrayLike) -> dict[str, Value]:
        """The configuration at coordinates of shape [d]; inverse of `encode`.

        Coordinates of inactive hyperparameters are ignored; NaN at an active one is its default.

        Raises:
            InvalidInput: the shape is not [d].
        """
        coordinates = np.asarray(u, dtype=np.float64)
        if coordinates.shape != (len(self),):
            raise InvalidInput(
                f"u has shape {list(coordinates.shape)}", expected=f"shape [{len(self)}]"
            )
        config: dict[str, Value] = {}
        for (h, rules), at in zip(self._members, coordinates.tolist(), strict=True):
            if not rules or _hold(rules, config):
                config[h.name] = h.default if at != at else h.from_unit(at)
        return config

    # -- JSON

    def to_json(self) -> dict[str, Any]:
        """The space as JSON types; `from_json` is the inverse."""
        return {"hyperparameters": [h.to_json() for h in self]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Space":
        """A space from the result of `to_json`.

        Raises:
            InvalidInput: an unknown kind of hyperparameter, or invalid arguments of one.
        """
        return cls(hyperparameter_from_json(entry) for entry in state["hyperparameters"])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, unique to the space."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


def _hold(rules: Iterable[_Rule], config: Mapping[str, Value]) -> bool:
    """Whether conditions hold, by exact values of the hyperparameters active so far."""
    return all(parent in config and typed(config[parent]) in wanted for parent, wanted in rules)
