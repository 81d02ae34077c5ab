"""Inference of conditions that ``build(hp)`` has in plain Python, from what its calls used.

``for i in range(hp.Int("layers", 1, 3)): hp.Int(f"units_{i}", ...)`` does not declare that
``units_2`` matters only with three layers, but its calls show it. A condition is inferred only if
it explains every observation exactly.

``rate = hp.Float("rate", 1e-4, 1e-2) if optimizer == "adam" else hp.Float("rate", 0.01, 1)`` has
two definitions of one name. They are two hyperparameters, the variants of the name, if the values
of others determine in every observation which of them was used.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from paceline.core import Configuration, InvalidInput
from paceline.space.hyperparameter import Condition, Hyperparameter, Typed, typed
from paceline.space.known import two_definitions
from paceline.space.members import exclude_each_other
from paceline.space.space import Space

_MOST_PARENTS = 2
_MOST_LISTED = 4096

MOST_VARIANTS = 16
"""Maximum number of definitions of one name; more are of no use to a search."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The hyperparameters that one call of ``build`` used.

    Attributes:
        config: the values of all hyperparameters used while active.
        error: the traceback of a failed call, which may have stopped early; None otherwise.
        asked: the ``definition_id`` by name; names left out have the first known definition.
    """

    config: Configuration
    error: str | None = None
    asked: Mapping[str, str] = field(default_factory=dict)


def contradicts(
    space: Space, config: Configuration, used: Collection[str], *, outside: Collection[str] = ()
) -> tuple[str, ...]:
    """Names on which the space and a build disagree.

    They were used but are inactive in the space, or are active but were not used, or have an
    illegal value.

    Args:
        space: the space as inferred so far.
        config: the configuration that was built.
        used: names that the build used, ``hp.used``.
        outside: names that builds never use, such as the batch size; they are ignored.
    """
    expected = space.project(config)
    if expected is None:
        active = [h for h in space if h.name in config and space.may_be_active(h, config)]
        return tuple(h.name for h in active if not h.admits(config[h.name]))
    return tuple(
        name for name in space.names if name not in outside and (name in expected) != (name in used)
    )


Inferred = tuple[tuple[str, tuple[Condition, ...]], ...]
"""Names with the conditions that were not declared; a name with variants has several entries."""


def infer_conditions(
    declared: Iterable[Hyperparameter], observations: Iterable[Observation]
) -> tuple[Space, Inferred]:
    """Infers conditions from observed builds; returns the space and the conditions added.

    A hyperparameter gets conditions on one earlier hyperparameter (or two, if one is not enough) if
    they make it active, in all observations, exactly where it was used. Earlier parents are
    preferred. One that was never used, or that nothing explains, is left unchanged. A declared
    condition that did not hold where the hyperparameter was used is removed. Variants of one name
    get conditions that exclude each other.

    Args:
        declared: the hyperparameters with the conditions from ``conditional_scope``, in the order
            in which they were found.
        observations: calls of ``build``. Failed ones only show what was used, not what was unused.

    Raises:
        InvalidInput: a name has several definitions that no condition distinguishes, or too many.
    """
    inference = _Inference(_ordered(declared), tuple(observations))
    found: list[Hyperparameter] = []
    inferred: list[tuple[str, tuple[Condition, ...]]] = []
    for h in inference.declared:
        kept, added = inference.conditions(h, found)
        if kept is None:
            continue
        now = h.with_conditions((*kept, *added)) if added or kept != h.conditions else h
        found.append(now)
        if added:
            inferred.append((h.name, added))
    return Space(found), tuple(inferred)


class _Inference:
    """Observations of hyperparameters, and what follows from them."""

    def __init__(
        self, declared: Sequence[Hyperparameter], observations: Sequence[Observation]
    ) -> None:
        self.declared, self._observations = declared, observations
        self._of_name: dict[str, list[Hyperparameter]] = {}
        for h in declared:
            self._of_name.setdefault(h.name, []).append(h)
        self._apart: dict[str, dict[str, tuple[Condition, ...]] | None] = {}

    def conditions(
        self, h: Hyperparameter, earlier: Sequence[Hyperparameter]
    ) -> tuple[tuple[Condition, ...] | None, tuple[Condition, ...]]:
        """Declared conditions that hold, and new ones; None for a variant that was never used."""
        kept = self._kept(h)
        variants = self._of_name[h.name]
        if len(variants) == 1:
            return kept, self._explanation(earlier, h, kept)
        if h.name not in self._apart:
            self._apart[h.name] = self._tell_apart(h.name)
        apart = self._apart[h.name]
        if apart is None:  # the declared conditions distinguish them
            return kept, self._explanation(earlier, h, kept)
        if h.definition_id not in apart:
            return None, ()
        added = apart[h.definition_id]
        return kept, (*added, *self._explanation(earlier, h, (*kept, *added)))

    def _asked(self, h: Hyperparameter, observation: Observation) -> bool:
        """Whether a call used a hyperparameter with this definition."""
        if h.name not in observation.config:
            return False
        variants = self._of_name[h.name]
        if len(variants) == 1:
            return True
        known = observation.asked.get(h.name)
        return h is variants[0] if known is None else h.definition_id == known

    def _kept(self, h: Hyperparameter) -> tuple[Condition, ...]:
        return tuple(
            c
            for c in h.conditions
            if not any(self._asked(h, o) and not self._meets(c, o) for o in self._observations)
        )

    def _meets(self, condition: Condition, observation: Observation) -> bool:
        parents = self._of_name[condition.parent]
        admitted = frozenset().union(*(parent.admitted(condition) for parent in parents))
        return (
            condition.parent in observation.config
            and typed(observation.config[condition.parent]) in admitted
        )

    # -- variants

    def _tell_apart(self, name: str) -> dict[str, tuple[Condition, ...]] | None:
        """Mutually exclusive conditions by definition; None if the declared ones are exclusive.

        Raises:
            InvalidInput: no conditions distinguish the variants.
        """
        variants = self._of_name[name]
        kept = [h.with_conditions(self._kept(h)) for h in variants]
        if all(
            exclude_each_other(one, other, self._of_name) for one, other in combinations(kept, 2)
        ):
            return None
        seen = {
            h.definition_id: [o for o in self._observations if self._asked(h, o)] for h in variants
        }
        seen = {key: used for key, used in seen.items() if used}
        if len(seen) > MOST_VARIANTS:
            raise too_many(variants)
        if len(seen) < 2:
            return dict.fromkeys(seen or [variants[0].definition_id], ())
        parents = self._listed_before(name)
        for count in range(1, _MOST_PARENTS + 1):
            for some in combinations(parents, count):
                boxes = {key: _box(some, used) for key, used in seen.items()}
                if all(_disjoint(one, other) for one, other in combinations(boxes.values(), 2)):
                    return _separated({h.name: h for h in some}, boxes)
        one, other, *_ = (h for h in variants if h.definition_id in seen)
        raise two_definitions(one, other)

    def _listed_before(self, name: str) -> list[Hyperparameter]:
        """Hyperparameters of few values that are declared before the last variant of a name."""
        last = max(at for at, h in enumerate(self.declared) if h.name == name)
        return [
            h
            for h in self.declared[:last]
            if h.name != name
            and len(self._of_name[h.name]) == 1
            and (h.num_values or _MOST_LISTED + 1) <= _MOST_LISTED
        ]

    # -- one hyperparameter

    def _explanation(
        self, earlier: Sequence[Hyperparameter], h: Hyperparameter, kept: Sequence[Condition]
    ) -> tuple[Condition, ...]:
        """Conditions on as few parents as possible, under which it is active exactly where used."""
        observations = [o for o in self._observations if all(self._meets(c, o) for c in kept)]
        used = [o for o in observations if self._asked(h, o)]
        unused = [o for o in observations if not self._asked(h, o) and o.error is None]
        if not used or not unused:
            return ()
        possible = [
            one
            for one in earlier
            if len(self._of_name[one.name]) == 1
            and one.name != h.name
            and all(one.name in o.config for o in used)
        ]
        shown = {one.name: {typed(o.config[one.name]) for o in used} for one in possible}
        for count in range(1, _MOST_PARENTS + 1):
            for parents in combinations(possible, count):
                if not any(
                    all(_has(shown[one.name], one.name, o) for one in parents) for o in unused
                ):
                    conditions = [_generalised(one, shown[one.name], unused) for one in parents]
                    if all(conditions):
                        return tuple(condition for condition in conditions if condition is not None)
        return ()


def too_many(variants: Sequence[Hyperparameter]) -> InvalidInput:
    """The error for a name whose definition changes with almost every configuration."""
    first, second, *rest = variants
    return InvalidInput(
        f"{first.name!r} is defined as {first}, as {second} and in {len(rest)} other ways, "
        "depending on other values",
        expected=f"at most {MOST_VARIANTS} definitions of one name",
        fix="Define something that does not depend on other values, such as a share: round(units * "
        "hp.Float('share', 0.1, 1)).",
    )


_Box = dict[str, set[Typed]]
"""Values seen with one variant, by the name of a parent that was active in each of its calls."""


def _box(parents: Sequence[Hyperparameter], used: Sequence[Observation]) -> _Box:
    active = [h.name for h in parents if all(h.name in o.config for o in used)]
    return {name: {typed(o.config[name]) for o in used} for name in active}


def _disjoint(one: _Box, other: _Box) -> bool:
    return any(not one[name] & other[name] for name in one.keys() & other.keys())


def _separated(
    parents: Mapping[str, Hyperparameter], boxes: Mapping[str, _Box]
) -> dict[str, tuple[Condition, ...]]:
    """The boxes as conditions; an unseen value goes to the variant with the nearest one."""
    found: dict[str, tuple[Condition, ...]] = {}
    for key, box in boxes.items():
        conditions = []
        for name, own in box.items():
            others = [
                other[name] for other in boxes.values() if name in other and not other[name] & own
            ]
            conditions.append(_claimed(parents[name], own, others))
        found[key] = tuple(conditions)
    return found


def _claimed(parent: Hyperparameter, own: set[Typed], others: Sequence[set[Typed]]) -> Condition:
    mine = [parent.index_of(value) for _, value in own]
    theirs = [[parent.index_of(value) for _, value in other] for other in others]
    taken = {at for one in theirs for at in one}

    def is_mine(at: int) -> bool:
        if at in mine or at in taken:
            return at in mine
        if not parent.is_ordered:  # categories: to the variant with the first listed value
            return not theirs or min(mine) < min(map(min, theirs))
        near = [(_distance(at, one), min(one)) for one in theirs]
        return not near or (_distance(at, mine), min(mine)) < min(near)

    return Condition(
        parent.name, [parent.value_at(at) for at in range(parent.num_values or 0) if is_mine(at)]
    )


def _has(wanted: Collection[Typed], name: str, observation: Observation) -> bool:
    return name in observation.config and typed(observation.config[name]) in wanted


def _generalised(
    parent: Hyperparameter, shown: set[Typed], unused: Sequence[Observation]
) -> Condition | None:
    """A condition on the values seen with the name, and on unseen values not nearer to others.

    None if there are too many values to list.
    """
    count = parent.num_values
    if count is None or count > _MOST_LISTED:
        return None
    on = [parent.index_of(value) for _, value in shown]
    elsewhere = {typed(o.config[parent.name]) for o in unused if parent.name in o.config}
    off = [parent.index_of(value) for _, value in elsewhere]
    off = [at for at in off if at not in on]
    if parent.is_ordered and off:
        indices = [at for at in range(count) if _distance(at, on) <= _distance(at, off)]
    else:
        indices = [at for at in range(count) if at not in off]
    return Condition(parent.name, [parent.value_at(at) for at in indices])


def _distance(at: int, others: Iterable[int]) -> int:
    return min(abs(at - other) for other in others)


def _ordered(declared: Iterable[Hyperparameter]) -> list[Hyperparameter]:
    """The hyperparameters in order, but later variants before all that have conditions on them."""
    listed = list(declared)
    for h in listed[:]:
        looking = [
            at for at, one in enumerate(listed) if any(c.parent == h.name for c in one.conditions)
        ]
        place = next(at for at, one in enumerate(listed) if one is h)
        if looking and place > looking[0]:
            listed.insert(looking[0], listed.pop(place))
    return listed
