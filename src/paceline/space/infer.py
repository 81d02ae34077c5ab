"""Conditions that a ``build(hp)`` keeps in plain Python, inferred from what its runs asked for.

``for i in range(hp.Int("layers", 1, 3)): hp.Int(f"units_{i}", ...)`` never says that ``units_2`` matters only with
three layers, but its runs show it. A condition is inferred only where it explains every observation exactly.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from paceline.core import Configuration
from paceline.space.base import Condition, Hyperparameter, Typed, typed
from paceline.space.space import Space

_MOST_PARENTS = 2
_MOST_LISTED = 4096


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run of ``build`` asked for.

    Attributes:
        config: the values of all hyperparameters that it asked for where they were active.
        error: why the run failed; None if it did not. A failed run may not have come to ask for everything.
    """

    config: Configuration
    error: str | None = None


def contradicts(
    space: Space, config: Configuration, used: Collection[str], *, outside: Collection[str] = ()
) -> tuple[str, ...]:
    """Names about which the space and a build disagree: asked for and not active, or active and not asked for.

    Args:
        space: what is believed.
        config: the configuration that was built.
        used: names that the build asked for, ``hp.used``.
        outside: names that no build asks for, such as the batch size; they are never in disagreement.
    """
    active = {h.name for h in space.active(config)}
    return tuple(name for name in space.names if name not in outside and (name in active) != (name in used))


def infer_conditions(
    declared: Space, observations: Iterable[Observation]
) -> tuple[Space, tuple[tuple[str, tuple[Condition, ...]], ...]]:
    """The space with the conditions that its builds show, and by name those that were added.

    A hyperparameter gets conditions on one other that comes before it (two, where one does not do) if then, in all
    observations, it is active exactly where it was asked for. Earlier parents are preferred. One that was never asked
    for, or that nothing explains, stays as it is. A declared condition that did not hold where it was asked for goes.

    Args:
        declared: the hyperparameters with the conditions that ``conditional_scope`` gave them.
        observations: runs of ``build``. Failed ones only show what was asked for, not what was not.
    """
    seen = tuple(observations)
    found: list[Hyperparameter] = []
    inferred: list[tuple[str, tuple[Condition, ...]]] = []
    for h in declared:
        kept = tuple(c for c in h.conditions if not _refuted(declared, h.name, c, seen))
        added = _explanation(found, h.name, [o for o in seen if _hold(declared, kept, o)])
        found.append(h.with_conditions((*kept, *added)) if added or kept != h.conditions else h)
        if added:
            inferred.append((h.name, added))
    return Space(found), tuple(inferred)


def _meets(wanted: frozenset[Typed], parent: str, observation: Observation) -> bool:
    return parent in observation.config and typed(observation.config[parent]) in wanted


def _hold(space: Space, conditions: Iterable[Condition], observation: Observation) -> bool:
    return all(_meets(space[c.parent].admitted(c), c.parent, observation) for c in conditions)


def _refuted(space: Space, name: str, condition: Condition, observations: Iterable[Observation]) -> bool:
    return any(name in o.config and not _hold(space, [condition], o) for o in observations)


def _explanation(
    earlier: Sequence[Hyperparameter], name: str, observations: Sequence[Observation]
) -> tuple[Condition, ...]:
    """Conditions on as few parents as possible under which ``name`` is active exactly where it was asked for."""
    used = [o for o in observations if name in o.config]
    unused = [o for o in observations if name not in o.config and o.error is None]
    if not used or not unused:
        return ()
    possible = [h for h in earlier if all(h.name in o.config for o in used)]
    shown = {h.name: {typed(o.config[h.name]) for o in used} for h in possible}
    for count in range(1, _MOST_PARENTS + 1):
        for parents in combinations(possible, count):
            if not any(all(_meets(frozenset(shown[h.name]), h.name, o) for h in parents) for o in unused):
                conditions = [_generalised(h, shown[h.name], unused) for h in parents]
                if all(conditions):
                    return tuple(condition for condition in conditions if condition is not None)
    return ()


def _generalised(parent: Hyperparameter, shown: set[Typed], unused: Sequence[Observation]) -> Condition | None:
    """A condition on the values with which the name was used, and on those never seen that are not nearer to others.

    None where the values are too many to be listed.
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
