"""Define by run: the ``hp`` that is handed to the user's ``build(hp)``, in KerasTuner's vocabulary."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from paceline.core import InvalidInput, Value
from paceline.space.base import Condition, Hyperparameter, typed
from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.numbers import Float, Int
from paceline.space.space import Space

_Values = Value | Sequence[Value] | None


class HyperParameters:
    """The hyperparameters as one call of ``build(hp)`` sees them.

    ``hp.Int("units", 32, 512, step=32)`` answers the value that this configuration has for ``units`` (its default where
    the configuration has none), and lets ``units`` join the space where it is not in it yet. The first registration of
    a name wins: asked again with another range it answers the same value.

    Args:
        space: what is known to vary.
        values: the configuration; names that it lacks have their default.
        reporter: what `report` calls; only in a function objective.
        met: told of each hyperparameter that joins the space, or loses conditions, as soon as it does; gives the value
            that it has where the configuration has none, or None for its default.
        seed: what `seed` answers.
    """

    def __init__(
        self,
        space: Space | None = None,
        values: Mapping[str, Any] | None = None,
        reporter: Callable[[Any, int | None], bool] | None = None,
        met: Callable[[Hyperparameter], Value | None] | None = None,
        seed: int = 0,
    ) -> None:
        space = Space() if space is None else space
        self._reporter, self._met, self._seed = reporter, met, seed
        self._seed_was_read = False
        self._known: dict[str, Hyperparameter] = {h.name: h for h in space}
        self._joined: dict[str, None] = {}
        self._used: dict[str, Value] = {}
        self._given = dict(values or {})
        self._space: Space | None = space
        self._name_scopes: list[str] = []
        self._conditions: list[Condition] = []

    # -- what this build did

    @property
    def space(self) -> Space:
        """The space, grown by what this build asked for."""
        if self._space is None:
            self._space = Space(self._known.values())
        return self._space

    @property
    def joined(self) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that joined the space in this build, in order."""
        return tuple(self._known[name] for name in self._joined)

    @property
    def used(self) -> tuple[str, ...]:
        """Names that this build asked for where they were active, in order."""
        return tuple(self._used)

    @property
    def config(self) -> dict[str, Value]:
        """The values of those `used`."""
        return dict(self._used)

    @property
    def values(self) -> dict[str, Value]:
        """The values of all active hyperparameters, asked for or not, and those given for names that are not known."""
        values = {name: value for name, value in self._given.items() if name not in self._known}
        for name in self._known:
            if self._is_active(name):
                values[name] = self._value(name)
        return values

    @property
    def seed(self) -> int:
        """What a function objective may seed its training with: the study's, and another one in each fresh training."""
        self._seed_was_read = True
        return self._seed

    @property
    def seed_was_read(self) -> bool:
        """Whether `seed` has been asked for: where it has not, another seed would have changed nothing."""
        return self._seed_was_read

    # -- asking

    def Int(  # noqa: N802 - KerasTuner's name
        self, name: str, min_value: int, max_value: int, step: int | None = None, sampling: str | None = "linear",
        default: int | None = None, parent_name: str | None = None, parent_values: _Values = None,
    ) -> Any:  # fmt: skip
        """A whole number, or None where it is inactive; see `paceline.space.Int`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Int(full, min_value, max_value, step, sampling, default, when))

    def Float(  # noqa: N802 - KerasTuner's name
        self, name: str, min_value: float, max_value: float, step: float | None = None, sampling: str | None = "linear",
        default: float | None = None, parent_name: str | None = None, parent_values: _Values = None,
    ) -> Any:  # fmt: skip
        """A real number, or None where it is inactive; see `paceline.space.Float`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Float(full, min_value, max_value, step, sampling, default, when))

    def Choice(  # noqa: N802 - KerasTuner's name
        self, name: str, values: Sequence[Value], ordered: bool | None = None, default: Value | None = None,
        parent_name: str | None = None, parent_values: _Values = None,
    ) -> Any:  # fmt: skip
        """One of ``values``, or None where it is inactive; see `paceline.space.Choice`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Choice(full, values, ordered, default, when))

    def Boolean(  # noqa: N802 - KerasTuner's name
        self, name: str, default: bool = False, parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:  # fmt: skip
        """True or False, or None where it is inactive; see `paceline.space.Boolean`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Boolean(full, default, when))

    def Fixed(  # noqa: N802 - KerasTuner's name
        self, name: str, value: Value, parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:  # fmt: skip
        """``value``, or None where it is inactive; see `paceline.space.Fixed`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Fixed(full, value, when))

    def get(self, name: str) -> Any:
        """The value of a hyperparameter.

        Raises:
            KeyError: there is none of this name.
            ValueError: it is inactive.
        """
        full = self._full(name)
        if full not in self._known:
            if full in self._given:
                return self._given[full]
            raise KeyError(f"{full} does not exist. Known: {', '.join(self._known) or 'none yet'}.")
        if full not in self._used and not self._is_active(full):
            raise InvalidInput(f"{full} is inactive in this configuration", expected="a name that is active in it")
        return self._used.setdefault(full, self._value(full))

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        full = self._full(name)
        return full in self._given if full not in self._known else self._is_active(full)

    def is_active(self, hyperparameter: str | Hyperparameter) -> bool:
        """Whether the conditions of a hyperparameter hold; False for a name that is not known."""
        name = hyperparameter.name if isinstance(hyperparameter, Hyperparameter) else hyperparameter
        return name in self._known and self._is_active(name)

    def report(self, value: Any, step: int | None = None) -> bool:
        """In a function objective: tells how it is doing, and is told whether to go on.

        Args:
            value: the score so far, or a dict of metrics with the objective among them.
            step: how many steps were taken, from 1; each is reported once, in order. Left out, it is counted.

        Returns:
            True: go on. False: the schedule has stopped this trial, the function should return; what it returns then
            does not count.

        Raises:
            InvalidInput: a value that is no number, a step out of order, or this is no function objective.
        """
        if self._reporter is None:
            raise InvalidInput(
                "hp.report was called in build(hp)", expected="it in a function objective, which is tuned without data",
                fix="The epochs of a network are measured by themselves.",
            )  # fmt: skip
        return self._reporter(value, step)

    # -- scopes

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Names in this scope begin with ``name/``."""
        self._name_scopes.append(str(name))
        try:
            yield
        finally:
            self._name_scopes.pop()

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Value | Iterable[Value]) -> Iterator[None]:
        """Hyperparameters of this scope are active only while the parent has one of the values; else they answer None.

        The code in the scope runs in either case.

        Raises:
            ValueError: the parent has not been asked for yet.
        """
        parent = self._full(parent_name)
        if parent not in self._known:
            known = ", ".join(self._known) or "none yet"
            raise InvalidInput(f"conditional_scope's parent is {parent!r}", expected=f"one asked for before: {known}")
        self._conditions.append(Condition(parent, parent_values))
        try:
            yield
        finally:
            self._conditions.pop()

    def _maybe_scope(self, parent: str | None, values: _Values) -> Any:
        if not parent:
            return nullcontext()
        if values is None:
            raise InvalidInput(f"parent_name is {parent!r} and parent_values is left out", expected="both or none")
        return self.conditional_scope(parent, values)

    def _full(self, name: str) -> str:
        return "/".join([*self._name_scopes, str(name)])

    # -- inside

    def _ask(self, name: str, make: Callable[[str, Sequence[Condition]], Hyperparameter]) -> Value | None:
        full, conditions = self._full(name), self._conditions
        if any(condition.parent == full for condition in conditions):
            raise InvalidInput(f"{full!r} is conditional on itself", expected="a parent of another name")
        known = self._known.get(full)
        if known is None:
            self._learn(make(full, conditions))
            self._joined[full] = None
        elif known.conditions and not set(conditions) <= set(known.conditions):
            self._learn(known.with_conditions(_either(known.conditions, conditions)))
        if not self._all_hold(conditions):
            return None
        return self._used.setdefault(full, self._value(full))

    def _learn(self, hyperparameter: Hyperparameter) -> None:
        self._known[hyperparameter.name] = hyperparameter
        self._space = None
        value = None if self._met is None else self._met(hyperparameter)
        if value is not None:
            self._given.setdefault(hyperparameter.name, value)

    def _value(self, name: str) -> Value:
        if name in self._used:
            return self._used[name]
        hyperparameter = self._known[name]
        if name not in self._given:
            return hyperparameter.default
        value: Value = self._given[name]
        return hyperparameter.legal(value) if hyperparameter.admits(value) else value

    def _is_active(self, name: str) -> bool:
        return self._all_hold(self._known[name].conditions)

    def _all_hold(self, conditions: Iterable[Condition]) -> bool:
        return all(self._holds(condition) for condition in conditions)

    def _holds(self, condition: Condition) -> bool:
        parent = self._known[condition.parent]
        if condition.parent not in self._used and not self._is_active(condition.parent):
            return False
        return typed(self._value(condition.parent)) in parent.admitted(condition)


def _either(first: Sequence[Condition], second: Sequence[Condition]) -> tuple[Condition, ...]:
    """Conditions that hold wherever either set holds; exactly there if the two differ in one parent's values only."""
    common = [condition for condition in first if condition in second]
    left = [condition for condition in first if condition not in second]
    right = [condition for condition in second if condition not in first]
    if len(left) == len(right) == 1 and left[0].parent == right[0].parent:
        merged = {typed(value): value for value in (*left[0].values, *right[0].values)}
        return (*common, Condition(left[0].parent, list(merged.values())))
    return tuple(common)
