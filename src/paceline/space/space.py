"""The space: all hyperparameters of a search with their conditions, and what can be done with a
configuration of it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, InvalidInput, Value, checks, closest, shown
from paceline.space.base import Condition, Hyperparameter, Typed, read_conditions, typed
from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.enumeration import Enumeration
from paceline.space.numbers import Float, Int

_KINDS: Mapping[str, type[Hyperparameter]] = {
    kind.kind: kind for kind in (Int, Float, Choice, Boolean, Fixed)
}
_Rule = tuple[str, frozenset[Typed]]
_write = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, init=False, eq=False)
class Space:
    """A frozen, ordered collection of hyperparameters; parents come before those whose conditions
    look at them.

    ``Space([Int("layers", 1, 3), Float("rate", 0, 0.5)])`` or ``Space({"layers": Int(1, 3), "rate":
    Float(0, 0.5)})``.

    A *configuration* has one value for each active hyperparameter. A hyperparameter is active where
    all its conditions
    hold: each parent active, and with one of the condition's values. Methods that take a
    configuration also take one that lacks values (their defaults are meant) or has those of
    inactive hyperparameters (they are passed over).

    Several hyperparameters may have one name, if their conditions exclude each other: a learning
    rate of one range for Adam and of another for SGD. They are the *variants* of the name. Each is
    a dimension of its own; a configuration has the value of the one that is active under their
    common name.

    Raises:
        InvalidInput: a hyperparameter without a name, two of one name that may be active together,
            a condition on one that does not come before.
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
        """The hyperparameters by labels of their own: the name, of variants with their conditions.

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
        """How many hyperparameters there are, each variant counted."""
        return len(self.hyperparameters)

    def __iter__(self) -> Iterator[Hyperparameter]:
        return iter(self.hyperparameters)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Hyperparameter:
        """The one hyperparameter of this name.

        Raises:
            KeyError: there is none, or it has variants: see `variants`.
        """
        found = self._by_name.get(name, ())
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"{name!r} is {' or '.join(map(str, found))}; see variants({name!r})")
        raise KeyError(f"no hyperparameter {name!r}; {_did_you_mean(name, self.names)}")

    def variants(self, name: str) -> tuple[Hyperparameter, ...]:
        """All hyperparameters of this name: none, one, or several of which at most one is
        active.
        """
        return self._by_name.get(name, ())

    def __eq__(self, other: object) -> bool:
        return (
            self.hyperparameters == other.hyperparameters
            if isinstance(other, Space)
            else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(self.hyperparameters)

    def with_hyperparameter(self, hyperparameter: Hyperparameter) -> "Space":
        """The space with one more hyperparameter at its end; what has the same name is replaced
        where it stands.
        """
        name = hyperparameter.name
        if name not in self:
            return Space((*self.hyperparameters, hyperparameter))
        first = self._by_name[name][0]
        return Space(
            hyperparameter if h is first else h for h in self if h is first or h.name != name
        )

    # -- what is active

    def admitted(self, condition: Condition) -> frozenset[Typed]:
        """Those values of a condition that its parent can take, whichever of the parent's variants
        is active.
        """
        return _admitted(self._by_name.get(condition.parent, ()), condition)

    @cached_property
    def _members(self) -> tuple[tuple[Hyperparameter, tuple[_Rule, ...]], ...]:
        """Each hyperparameter with its parents and the values that they must have."""
        return tuple(
            (h, tuple((condition.parent, self.admitted(condition)) for condition in h.conditions))
            for h in self
        )

    def _active(self, values: Mapping[str, Any]) -> Iterator[tuple[Hyperparameter, Value]]:
        """The active hyperparameters with their values: those given, else their defaults."""
        config: dict[str, Value] = {}
        for h, rules in self._members:
            if not rules or _hold(rules, config):
                config[h.name] = value = h.legal(values[h.name]) if h.name in values else h.default
                yield h, value

    def active(self, config: Configuration) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that are active in a configuration, in order."""
        return tuple(h for h, _ in self._active(config))

    def may_be_active(self, h: Hyperparameter, values: Mapping[str, Value]) -> bool:
        """Whether the conditions of a member hold by these values alone, legal or not."""
        return any(one is h and _hold(rules, values) for one, rules in self._members)

    def default(self) -> dict[str, Value]:
        """The configuration in which every active hyperparameter has its default."""
        return self._fill({})

    def _fill(self, values: Mapping[str, Any]) -> dict[str, Value]:
        return {h.name: value for h, value in self._active(values)}

    def project(
        self, values: Mapping[str, Any], *, strict: bool = False
    ) -> dict[str, Value] | None:
        """The configuration of this space that a configuration of another one comes nearest to.

        Values of names that are not in this space, or inactive in it, are left out; missing ones
        are at their defaults. None where an active hyperparameter cannot take the value that is
        given for it or, where that is ``strict``, none is given.
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
        """The configuration that some values mean: missing ones at their defaults, inactive ones
        left out.

        Raises:
            InvalidInput: a name that is not in the space, or a value that its hyperparameter cannot
                take (even where it is inactive).
        """
        for name, value in values.items():
            if name not in self:
                expected = _did_you_mean(name, self.names)
                raise InvalidInput(f"{name!r} is no hyperparameter of the space", expected=expected)
            variants = self._by_name[name]
            if not any(h.admits(value) for h in variants[1:]):
                variants[0].legal(value)
        return self._fill(values)

    def key(self, config: Configuration) -> str:
        """A text that two configurations share exactly if they are the same one.

        It holds the values that differ from their defaults. So it stays what it was when a
        hyperparameter joins the
        space later: a trial that ran before counts as having that one's default.
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
        """Number of distinct configurations; None where a hyperparameter is continuous."""
        return None if any(h.num_values is None for h in self) else self._enumeration(1).size

    def grid_size(self, samples: int = 10) -> int:
        """Number of configurations in `grid`; equal to `size` where nothing is continuous."""
        return self._enumeration(samples).size

    def grid_at(self, rank: int, samples: int = 10) -> dict[str, Value]:
        """The configuration that `grid` yields at ``rank`` (from 0), without going through those
        before.

        Raises:
            IndexError: the rank is not in ``[0, grid_size(samples))``.
        """
        enumeration = self._enumeration(samples)
        if not 0 <= rank < enumeration.size:
            raise IndexError(f"rank {rank} of a grid of {enumeration.size}")
        return enumeration.at(rank)

    def grid(self, samples: int = 10) -> Iterator[dict[str, Value]]:
        """Every configuration exactly once, the default first, made one at a time.

        A continuous hyperparameter takes ``samples`` points, even in its own sampling, ends
        included; its default is added where it is none of them.
        """
        return (self.grid_at(rank, samples) for rank in range(self.grid_size(samples)))

    # -- the unit cube

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """A configuration at random: each active hyperparameter on its own, by its sampling."""
        return self.decode(rng.random(len(self)))

    def encode(self, config: Configuration) -> npt.NDArray[np.float64]:
        """Coordinates of a configuration in the unit cube, shape [d] for d hyperparameters; NaN
        where inactive.
        """
        filled: dict[str, Value] = {}
        u = np.full(len(self.hyperparameters), np.nan)
        for at, (h, rules) in enumerate(self._members):
            if not rules or _hold(rules, filled):
                filled[h.name] = value = h.legal(config[h.name]) if h.name in config else h.default
                u[at] = h.to_unit(value)
        return u

    def decode(self, u: npt.ArrayLike) -> dict[str, Value]:
        """The configuration at coordinates of shape [d]; inverse of `encode` for every
        configuration.

        Coordinates of inactive hyperparameters are passed over; NaN at an active one means its
        default.

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
        """As plain JSON types; `from_json` reads it back unchanged."""
        return {"hyperparameters": [h.to_json() for h in self]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Space":
        """A space from what `to_json` wrote.

        Raises:
            InvalidInput: an unknown kind of hyperparameter, or what the hyperparameters themselves
                refuse.
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
        raise InvalidInput(
            f"hyperparameter is of kind {state.get('kind')!r}",
            expected=f"one of {', '.join(_KINDS)}",
        )
    return kind(**{**fields, "conditions": read_conditions(fields.get("conditions", ()))})


def check_member(h: object, earlier: Mapping[str, Sequence[Hyperparameter]]) -> None:
    """Makes sure that a hyperparameter may join a space.

    Args:
        h: what is to join.
        earlier: what is there, by name, in order.

    Raises:
        InvalidInput: it has no name, a condition on one that does not come before, or it may be
            active together with another one of its name.
    """
    if not isinstance(h, Hyperparameter):
        raise InvalidInput(
            f"the space holds {shown(h)}", expected=f"a hyperparameter: {', '.join(_KINDS)}"
        )
    if not h.name:
        fix = "Pass it first, or use .named(name)."
        raise InvalidInput(f"the space holds {h.kind} without a name", expected="a name", fix=fix)
    for condition in h.conditions:
        if not isinstance(condition, Condition):
            raise InvalidInput(
                f"a condition of {h.label} is {condition!r}", expected="Condition(parent, values)"
            )
        if condition.parent not in earlier:
            expected = (
                f"a parent that comes before it; {_did_you_mean(condition.parent, tuple(earlier))}"
            )
            raise InvalidInput(
                f"{h.label} has a condition on {condition.parent!r}", expected=expected
            )
    looked_at = next(
        (one for name in earlier for one in earlier[name] if _looks_at(one, h.name)), None
    )
    if h.name in earlier and looked_at is not None:
        expected = f"it before {looked_at.label}, which has a condition on {h.name!r}"
        raise InvalidInput(f"the space has another {h.label} at its end", expected=expected)
    for other in earlier.get(h.name, ()):
        if not exclude_each_other(other, h, earlier):
            raise InvalidInput(
                f"the space has two hyperparameters named {h.name!r} that may be active together, "
                f"{other} and {h}",
                expected="each name once, or conditions that exclude each other",
            )


def _looks_at(h: Hyperparameter, name: str) -> bool:
    return any(condition.parent == name for condition in h.conditions)


def exclude_each_other(
    one: Hyperparameter, other: Hyperparameter, known: Mapping[str, Sequence[Hyperparameter]]
) -> bool:
    """Whether two hyperparameters are never active together: some parent of both would need two
    values at once.

    Args:
        one, other: with their conditions.
        known: those to which the conditions refer, by name.
    """
    needs, others = _needs(one, known), _needs(other, known)
    return any(not needs[parent] & others[parent] for parent in needs.keys() & others.keys())


def _needs(
    h: Hyperparameter, known: Mapping[str, Sequence[Hyperparameter]]
) -> dict[str, frozenset[Typed]]:
    """What each parent must be for a hyperparameter to be active, parents of parents included."""
    found: dict[str, frozenset[Typed]] = {}
    for condition in h.conditions:
        parents = known[condition.parent]
        above = _needs(parents[0], known) if len(parents) == 1 else {}
        for name, values in (*above.items(), (condition.parent, _admitted(parents, condition))):
            found[name] = found[name] & values if name in found else values
    return found


def _admitted(parents: Iterable[Hyperparameter], condition: Condition) -> frozenset[Typed]:
    return frozenset().union(*(parent.admitted(condition) for parent in parents))


def _hold(rules: Iterable[_Rule], config: Mapping[str, Value]) -> bool:
    """Whether conditions hold, by exact values of those active so far."""
    return all(parent in config and typed(config[parent]) in wanted for parent, wanted in rules)


def _did_you_mean(name: object, known: tuple[str, ...]) -> str:
    if not known:
        return "there are none yet"
    close = closest(name, known)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"did you mean {close!r}? Known: {listed}" if close else f"known: {listed}"
