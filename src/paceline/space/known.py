"""The hyperparameters that builds have defined so far, and what one build adds to them."""

from collections.abc import Callable, Iterable, Sequence

from paceline.core import InvalidInput
from paceline.space.choices import Fixed
from paceline.space.hyperparameter import Condition, Hyperparameter, typed


class KnownHyperparameters:
    """Hyperparameters by name and definition; a name may have variants.

    Args:
        known: those of earlier builds.
        on_change: called with each hyperparameter that is added, or loses conditions.

    Attributes:
        all: every hyperparameter, in order.
    """

    def __init__(
        self,
        known: Iterable[Hyperparameter],
        on_change: Callable[[Hyperparameter], None] | None = None,
    ) -> None:
        self.all: list[Hyperparameter] = list(known)
        self._on_change = on_change
        self._of_name: dict[str, list[Hyperparameter]] = {}
        for h in self.all:
            self._of_name.setdefault(h.name, []).append(h)
        self._added: set[tuple[str, str]] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Names, in order, without duplicates."""
        return tuple(self._of_name)

    @property
    def joined(self) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that were added, in order."""
        return tuple(h for h in self.all if (h.name, h.definition_id) in self._added)

    def __contains__(self, name: str) -> bool:
        return name in self._of_name

    def of(self, name: str) -> Sequence[Hyperparameter]:
        """The variants of a name."""
        return self._of_name.get(name, ())

    def add(self, defined: Hyperparameter, conditions: Sequence[Condition]) -> None:
        """Adds a definition, or drops the conditions of a known one that do not always hold.

        Args:
            defined: the hyperparameter as it was defined in this call.
            conditions: the conditions of the scopes around the call.
        """
        known = next(
            (h for h in self.of(defined.name) if h.definition_id == defined.definition_id), None
        )
        if known is None:
            self._added.add((defined.name, defined.definition_id))
            self._put(defined, None)
        elif known.conditions and not set(conditions) <= set(known.conditions):
            self._put(known.with_conditions(_either(known.conditions, conditions)), known)

    def _put(self, h: Hyperparameter, before: Hyperparameter | None) -> None:
        for listed in (self.all, self._of_name.setdefault(h.name, [])):
            if before is None:
                listed.append(h)
            else:
                listed[next(at for at, known in enumerate(listed) if known is before)] = h
        if self._on_change is not None:
            self._on_change(h)


def two_definitions(one: Hyperparameter, other: Hyperparameter) -> InvalidInput:
    """The error for two definitions of a name that no condition distinguishes."""
    fix = "Give one of them another name, or define each under a condition that excludes the other."
    if isinstance(one, Fixed) and isinstance(other, Fixed):
        fix = (
            "A value that follows from other hyperparameters is not a hyperparameter: use it "
            "without hp.Fixed."
        )
    return InvalidInput(
        f"{one.name!r} is defined as {one} and as {other} under the same conditions",
        expected="one definition for each name",
        fix=fix,
    )


def _either(first: Sequence[Condition], second: Sequence[Condition]) -> tuple[Condition, ...]:
    """Conditions that hold if either set holds; exact if only one parent's values differ."""
    common = [condition for condition in first if condition in second]
    left = [condition for condition in first if condition not in second]
    right = [condition for condition in second if condition not in first]
    if len(left) == len(right) == 1 and left[0].parent == right[0].parent:
        merged = {typed(value): value for value in (*left[0].values, *right[0].values)}
        return (*common, Condition(left[0].parent, list(merged.values())))
    return tuple(common)
