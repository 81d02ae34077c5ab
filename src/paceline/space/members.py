"""Rules for the members of a space: order, names, and conditions that exclude each other."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.core import InvalidInput, closest, shown
from paceline.space.hyperparameter import Condition, Hyperparameter, Typed
from paceline.space.kinds import KINDS


def check_member(h: object, earlier: Mapping[str, Sequence[Hyperparameter]]) -> None:
    """Checks that a hyperparameter can be added to a space.

    Args:
        h: the new hyperparameter.
        earlier: the others, by name, in order.

    Raises:
        InvalidInput: it has no name, has a condition on one that does not come before, or may be
            active together with another one of its name.
    """
    if not isinstance(h, Hyperparameter):
        raise InvalidInput(
            f"the space contains {shown(h)}", expected=f"a hyperparameter: {', '.join(KINDS)}"
        )
    if not h.name:
        fix = "Pass it first, or use .named(name)."
        raise InvalidInput(
            f"the space contains {h.kind} without a name", expected="a name", fix=fix
        )
    for condition in h.conditions:
        if not isinstance(condition, Condition):
            raise InvalidInput(
                f"a condition of {h.label} is {condition!r}", expected="Condition(parent, values)"
            )
        if condition.parent not in earlier:
            expected = (
                f"a parent that comes before it; {known_names(condition.parent, tuple(earlier))}"
            )
            raise InvalidInput(
                f"{h.label} has a condition on {condition.parent!r}", expected=expected
            )
    child = next(
        (one for name in earlier for one in earlier[name] if _refers_to(one, h.name)), None
    )
    if h.name in earlier and child is not None:
        expected = f"it before {child.label}, which has a condition on {h.name!r}"
        raise InvalidInput(f"the space has another {h.label} at its end", expected=expected)
    for other in earlier.get(h.name, ()):
        if not exclude_each_other(other, h, earlier):
            raise InvalidInput(
                f"the space has two hyperparameters named {h.name!r} that may be active together, "
                f"{other} and {h}",
                expected="each name once, or conditions that exclude each other",
            )


def _refers_to(h: Hyperparameter, name: str) -> bool:
    return any(condition.parent == name for condition in h.conditions)


def exclude_each_other(
    one: Hyperparameter, other: Hyperparameter, known: Mapping[str, Sequence[Hyperparameter]]
) -> bool:
    """Whether two hyperparameters are never active together: their conditions contradict.

    Args:
        one, other: the hyperparameters, with their conditions.
        known: the hyperparameters to which the conditions refer, by name.
    """
    needs, others = _needs(one, known), _needs(other, known)
    return any(not needs[parent] & others[parent] for parent in needs.keys() & others.keys())


def _needs(
    h: Hyperparameter, known: Mapping[str, Sequence[Hyperparameter]]
) -> dict[str, frozenset[Typed]]:
    """Values that each ancestor must have for a hyperparameter to be active."""
    found: dict[str, frozenset[Typed]] = {}
    for condition in h.conditions:
        parents = known[condition.parent]
        above = _needs(parents[0], known) if len(parents) == 1 else {}
        for name, values in (*above.items(), (condition.parent, admitted_by(parents, condition))):
            found[name] = found[name] & values if name in found else values
    return found


def admitted_by(parents: Iterable[Hyperparameter], condition: Condition) -> frozenset[Typed]:
    """Values of a condition that at least one of these parents can take."""
    return frozenset().union(*(parent.admitted(condition) for parent in parents))


def known_names(name: object, known: tuple[str, ...]) -> str:
    """Part of a message: the known names, and the one most similar to this one."""
    if not known:
        return "there are none yet"
    close = closest(name, known)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"did you mean {close!r}? Known: {listed}" if close else f"known: {listed}"
