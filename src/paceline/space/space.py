"""The space: all hyperparameters of a search with their conditions, and what can be done with a configuration of it."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, InvalidInput, Value
from paceline.space.base import Condition, Hyperparameter, Typed, read_conditions, typed
from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.enumeration import Enumeration
from paceline.space.numbers import Float, Int

_KINDS: Mapping[str, type[Hyperparameter]] = {kind.kind: kind for kind in (Int, Float, Choice, Boolean, Fixed)}
_Rule = tuple[str, frozenset[Typed]]
_write = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, init=False, eq=False)
class Space:
    """A frozen, ordered collection of hyperparameters; parents come before those whose conditions look at them.

    ``Space([Int("layers", 1, 3), Float("rate", 0, 0.5)])`` or ``Space({"layers": Int(1, 3), "rate": Float(0, 0.5)})``.

    A *configuration* has one value for each active hyperparameter. A hyperparameter is active where all its conditions
    hold: each parent active, and with one of the condition's values. Methods that take a configuration also take one
    that lacks values (their defaults are meant) or has those of inactive hyperparameters (they are passed over).

    Raises:
        InvalidInput: a hyperparameter without a name, two with the same, a condition on one that does not come before.
    """

    hyperparameters: tuple[Hyperparameter, ...]

    def __init__(self, hyperparameters: Iterable[Hyperparameter] | Mapping[str, Hyperparameter] = ()) -> None:
        if isinstance(hyperparameters, Mapping):
            hyperparameters = [h.named(name) for name, h in hyperparameters.items()]
        listed: dict[str, Hyperparameter] = {}
        for h in hyperparameters:
            _check_member(h, listed)
            listed[h.name] = h
        object.__setattr__(self, "hyperparameters", tuple(listed.values()))

    # -- a collection

    @cached_property
    def _by_name(self) -> dict[str, Hyperparameter]:
        return {h.name: h for h in self.hyperparameters}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters, in order."""
        return tuple(self._by_name)

    def __len__(self) -> int:
        return len(self.hyperparameters)

    def __iter__(self) -> Iterator[Hyperparameter]:
        return iter(self.hyperparameters)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Hyperparameter:
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"no hyperparameter {name!r}; {_did_you_mean(name, self.names)}") from None

    def __eq__(self, other: object) -> bool:
        return self.hyperparameters == other.hyperparameters if isinstance(other, Space) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hyperparameters)

    def with_hyperparameter(self, hyperparameter: Hyperparameter) -> "Space":
        """The space with one more hyperparameter at its end; one of the same name is replaced where it stands."""
        if hyperparameter.name in self:
            return Space(hyperparameter if h.name == hyperparameter.name else h for h in self)
        return Space((*self.hyperparameters, hyperparameter))

    # -- what is active

    @cached_property
    def _rules(self) -> dict[str, tuple[_Rule, ...]]:
        """For each conditional hyperparameter: its parents, with the values that they must have."""
        return {
            h.name: tuple((c.parent, self._by_name[c.parent].admitted(c)) for c in h.conditions)
            for h in self.hyperparameters
            if h.conditions
        }

    def _holds(self, name: str, values: Mapping[str, Value]) -> bool:
        """Whether the conditions hold, by exact values of those active so far."""
        rules = self._rules.get(name, ())
        return all(parent in values and typed(values[parent]) in wanted for parent, wanted in rules)

    def _fill(self, values: Mapping[str, Any]) -> dict[str, Value]:
        config: dict[str, Value] = {}
        for h in self.hyperparameters:
            if not h.conditions or self._holds(h.name, config):
                config[h.name] = h.legal(values[h.name]) if h.name in values else h.default
        return config

    def active(self, config: Configuration) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that are active in a configuration, in order."""
        return tuple(self._by_name[name] for name in self._fill(config))

    def default(self) -> dict[str, Value]:
        """The configuration in which every active hyperparameter has its default."""
        return self._fill({})

    def complete(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The configuration that some values mean: missing ones at their defaults, inactive ones left out.

        Raises:
            InvalidInput: a name that is not in the space, or a value that its hyperparameter cannot take (even where it
                is inactive).
        """
        for name, value in values.items():
            if name not in self:
                expected = _did_you_mean(name, self.names)
                raise InvalidInput(f"{name!r} is no hyperparameter of the space", expected=expected)
            self._by_name[name].legal(value)
        return self._fill(values)

    def key(self, config: Configuration) -> str:
        """A text that two configurations share exactly if they are the same one.

        It holds the values that differ from their defaults. So it stays what it was when a hyperparameter joins the
        space later: a trial that ran before counts as having that one's default.
        """
        filled = self._fill(config)
        varied = {name: value for name, value in filled.items() if typed(value) != typed(self._by_name[name].default)}
        return _write(varied)

    # -- every configuration

    @cached_property
    def _enumerations(self) -> dict[int, Enumeration]:
        return {}

    def _enumeration(self, samples: int) -> Enumeration:
        if samples not in self._enumerations:
            if samples < 1:
                raise InvalidInput(f"samples is {samples}", expected="a whole number of at least 1")
            self._enumerations[samples] = Enumeration(self.hyperparameters, samples)
        return self._enumerations[samples]

    def size(self) -> int | None:
        """Number of distinct configurations; None where a hyperparameter is continuous."""
        return None if any(h.num_values is None for h in self) else self._enumeration(1).size

    def grid_size(self, samples: int = 10) -> int:
        """Number of configurations in `grid`; equal to `size` where nothing is continuous."""
        return self._enumeration(samples).size

    def grid_at(self, rank: int, samples: int = 10) -> dict[str, Value]:
        """The configuration that `grid` yields at ``rank`` (from 0), without going through those before.

        Raises:
            IndexError: the rank is not in ``[0, grid_size(samples))``.
        """
        enumeration = self._enumeration(samples)
        if not 0 <= rank < enumeration.size:
            raise IndexError(f"rank {rank} of a grid of {enumeration.size}")
        return enumeration.at(rank)

    def grid(self, samples: int = 10) -> Iterator[dict[str, Value]]:
        """Every configuration exactly once, the default first, made one at a time.

        A continuous hyperparameter takes ``samples`` points, even in its own sampling, ends included; its default is
        added where it is none of them.
        """
        return (self.grid_at(rank, samples) for rank in range(self.grid_size(samples)))

    # -- the unit cube

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """A configuration at random: each active hyperparameter on its own, by its sampling."""
        return self.decode(rng.random(len(self)))

    def encode(self, config: Configuration) -> npt.NDArray[np.float64]:
        """Coordinates of a configuration in the unit cube, shape [d] for d hyperparameters; NaN where inactive."""
        filled = self._fill(config)
        return np.array([h.to_unit(filled[h.name]) if h.name in filled else np.nan for h in self], dtype=np.float64)

    def decode(self, u: npt.ArrayLike) -> dict[str, Value]:
        """The configuration at coordinates of shape [d]; inverse of `encode` for every configuration.

        Coordinates of inactive hyperparameters are passed over; NaN at an active one means its default.

        Raises:
            InvalidInput: the shape is not [d].
        """
        coordinates = np.asarray(u, dtype=np.float64)
        if coordinates.shape != (len(self),):
            raise InvalidInput(f"u has shape {list(coordinates.shape)}", expected=f"shape [{len(self)}]")
        config: dict[str, Value] = {}
        for h, at in zip(self.hyperparameters, coordinates.tolist(), strict=True):
            if not h.conditions or self._holds(h.name, config):
                config[h.name] = h.default if at != at else h.from_unit(at)
        return config

    # -- JSON

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types; `from_json` reads it back unchanged."""
        return {"hyperparameters": [h.to_json() for h in self]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Space":
        """A space from what `to_json` wrote.

        Raises:
            InvalidInput: an unknown kind of hyperparameter, or what the hyperparameters themselves refuse.
        """
        return cls(hyperparameter_from_json(entry) for entry in state["hyperparameters"])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that tell this space from any other."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


def hyperparameter_from_json(state: Mapping[str, Any]) -> Hyperparameter:
    """A hyperparameter from what its ``to_json`` wrote.

    Raises:
        InvalidInput: its kind is unknown, or its values contradict each other.
    """
    fields = dict(state)
    kind = _KINDS.get(fields.pop("kind", ""))
    if kind is None:
        raise InvalidInput(f"hyperparameter is of kind {state.get('kind')!r}", expected=f"one of {', '.join(_KINDS)}")
    return kind(**{**fields, "conditions": read_conditions(fields.get("conditions", ()))})


def _check_member(h: object, earlier: Mapping[str, Hyperparameter]) -> None:
    if not isinstance(h, Hyperparameter):
        raise InvalidInput(f"the space holds {h!r}", expected=f"a hyperparameter: {', '.join(_KINDS)}")
    if not h.name:
        fix = "Pass it first, or use .named(name)."
        raise InvalidInput(f"the space holds {h.kind} without a name", expected="a name", fix=fix)
    if h.name in earlier:
        raise InvalidInput(f"the space has two hyperparameters named {h.name!r}", expected="each name once")
    for condition in h.conditions:
        if not isinstance(condition, Condition):
            raise InvalidInput(f"a condition of {h.label} is {condition!r}", expected="Condition(parent, values)")
        if condition.parent not in earlier:
            expected = f"a parent that comes before it; {_did_you_mean(condition.parent, tuple(earlier))}"
            raise InvalidInput(f"{h.label} has a condition on {condition.parent!r}", expected=expected)


def _did_you_mean(name: object, known: tuple[str, ...]) -> str:
    if not known:
        return "there are none yet"
    close = difflib.get_close_matches(str(name), known, n=1)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"did you mean {close[0]!r}? Known: {listed}" if close else f"known: {listed}"
