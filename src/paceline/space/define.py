"""Define by run: the ``hp`` that is handed to the user's ``build(hp)``, in KerasTuner's
vocabulary.
"""

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

    ``hp.Int("units", 32, 512, step=32)`` answers the value that this configuration has for
    ``units`` (its default where the configuration has none), and lets ``units`` join the space
    where it is not in it yet. Whatever is answered is legal for the call that asked. A name that is
    asked for with another definition is another hyperparameter, a variant; in one call of ``build``
    a name has one definition.

    Args:
        space: what is known to vary.
        values: the configuration; names that it lacks have their default.
        reporter: what `report` calls; only in a function objective.
        met: told of each hyperparameter that joins the space, or loses conditions, as soon as it
            does.
        missing: gives the value of a hyperparameter for which the configuration has none that it
            can take, or None for its default.
        fixed: values of hyperparameters that are not to be tuned.
        instead: hyperparameters that stand in the place of what is asked for under their names,
            such as a narrower range; what they answer has to be legal for the call all the same.
        seed: what `seed` answers.

    Attributes:
        refused: why the build asked for what cannot be searched, whatever it made of the error;
            None where it did not.
        mistake: the first definition that is none, such as bounds that contradict each other; None
            where all are well. It may hold in one configuration only: bounds may depend on the
            values of other hyperparameters.
    """

    def __init__(
        self,
        space: Iterable[Hyperparameter] | None = None,
        values: Mapping[str, Any] | None = None,
        reporter: Callable[[Any, int | None], bool] | None = None,
        met: Callable[[Hyperparameter], None] | None = None,
        seed: int = 0,
        *,
        missing: Callable[[Hyperparameter], Value | None] | None = None,
        fixed: Mapping[str, Any] | None = None,
        instead: Mapping[str, Hyperparameter] | None = None,
    ) -> None:
        self._reporter, self._met, self._missing, self._seed = reporter, met, missing, seed
        self._known: list[Hyperparameter] = list(space or ())
        self._of_name: dict[str, list[Hyperparameter]] = {}
        for h in self._known:
            self._of_name.setdefault(h.name, []).append(h)
        self._joined: list[Hyperparameter] = []
        self._used: dict[str, tuple[Hyperparameter, Value]] = {}
        self._given = dict(values or {})
        self._fixed, self._instead = dict(fixed or {}), dict(instead or {})
        self.refused: InvalidInput | None = None
        self.mistake: InvalidInput | None = None
        self._seed_was_read = False
        self._name_scopes: list[str] = []
        self._conditions: list[Condition] = []

    # -- what this build did

    @property
    def space(self) -> Space:
        """The space, grown by what this build asked for.

        Raises:
            InvalidInput: a name was asked for with several definitions, and nothing is known that
                tells them apart.
        """
        return Space(self._known)

    @property
    def known(self) -> tuple[Hyperparameter, ...]:
        """What is known to vary, grown by what this build asked for; of one name several may be
        active together.
        """
        return tuple(self._known)

    @property
    def joined(self) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that joined the space in this build, in order."""
        ids = {(h.name, h.definition_id) for h in self._joined}
        return tuple(h for h in self._known if (h.name, h.definition_id) in ids)

    @property
    def used(self) -> tuple[str, ...]:
        """Names that this build asked for where they were active, in order."""
        return tuple(self._used)

    @property
    def config(self) -> dict[str, Value]:
        """The values of those `used`."""
        return {name: value for name, (_, value) in self._used.items()}

    @property
    def asked(self) -> dict[str, str]:
        """The definition with which each of those `used` was asked for, by its
        ``definition_id``.
        """
        return {name: h.definition_id for name, (h, _) in self._used.items()}

    @property
    def values(self) -> dict[str, Value]:
        """The values of all active hyperparameters, asked for or not, and those given for names
        that are not known.
        """
        values = {name: value for name, value in self._given.items() if name not in self._of_name}
        for name in self._of_name:
            found = self._find(name)
            if found is not None:
                values[name] = found[1]
        return values

    @property
    def seed(self) -> int:
        """What a function objective may seed its training with: the study's, and another one in
        each fresh training.
        """
        self._seed_was_read = True
        return self._seed

    @property
    def seed_was_read(self) -> bool:
        """Whether `seed` has been asked for: where it has not, another seed would have changed
        nothing.
        """
        return self._seed_was_read

    def fix(self, values: Mapping[str, Any]) -> None:
        """Hyperparameters that are not to be tuned, with the values with which they are to be
        answered.
        """
        self._fixed.update(values)

    # -- asking

    def Int(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
        """A whole number, or None where it is inactive; see `paceline.space.Int`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(
                name,
                lambda full, when: Int(full, min_value, max_value, step, sampling, default, when),
            )

    def Float(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
        """A real number, or None where it is inactive; see `paceline.space.Float`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(
                name,
                lambda full, when: Float(full, min_value, max_value, step, sampling, default, when),
            )

    def Choice(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        values: Sequence[Value],
        ordered: bool | None = None,
        default: Value | None = None,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
        """One of ``values``, or None where it is inactive; see `paceline.space.Choice`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Choice(full, values, ordered, default, when))

    def Boolean(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        default: bool = False,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
        """True or False, or None where it is inactive; see `paceline.space.Boolean`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Boolean(full, default, when))

    def Fixed(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        value: Value,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
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
        if full not in self._of_name:
            if full in self._given:
                return self._given[full]
            raise KeyError(
                f"{full} does not exist. Known: {', '.join(self._of_name) or 'none yet'}."
            )
        found = self._find(full)
        if found is None:
            raise InvalidInput(
                f"{full} is inactive in this configuration", expected="a name that is active in it"
            )
        return self._used.setdefault(full, found)[1]

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        full = self._full(name)
        return full in self._given if full not in self._of_name else self._active(full) is not None

    def is_active(self, hyperparameter: str | Hyperparameter) -> bool:
        """Whether the conditions of a hyperparameter hold; False for a name that is not known."""
        name = hyperparameter.name if isinstance(hyperparameter, Hyperparameter) else hyperparameter
        return self._active(name) is not None

    def report(self, value: Any, step: int | None = None) -> bool:
        """In a function objective: tells how it is doing, and is told whether to go on.

        Args:
            value: the score so far, or a dict of metrics with the objective among them.
            step: how many steps were taken, from 1; each is reported once, in order. Left out, it
                is counted.

        Returns:
            True: go on. False: the function should return. Either the schedule has stopped this
            trial, and what the function returns then does not count; or this was the last of
            ``epochs`` steps. Steps after it do not count.

        Raises:
            InvalidInput: a value that is no number, a step out of order, or this is no function
                objective.
        """
        if self._reporter is None:
            raise InvalidInput(
                "hp.report was called in build(hp)",
                expected="it in a function objective, which is tuned without data",
                fix="The epochs of a network are measured by themselves.",
            )
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
    def conditional_scope(
        self, parent_name: str, parent_values: Value | Iterable[Value]
    ) -> Iterator[None]:
        """Hyperparameters of this scope are active only while the parent has one of the values;
        else they answer None.

        The code in the scope runs in either case.

        Raises:
            ValueError: the parent has not been asked for yet.
        """
        parent = self._full(parent_name)
        if parent not in self._of_name:
            known, passed = (
                ", ".join(self._of_name) or "none yet",
                f"conditional_scope's parent is {parent!r}",
            )
            raise self._mistaken(InvalidInput(passed, expected=f"one asked for before: {known}"))
        self._conditions.append(Condition(parent, parent_values))
        try:
            yield
        finally:
            self._conditions.pop()

    def _maybe_scope(self, parent: str | None, values: _Values) -> Any:
        if not parent:
            return nullcontext()
        if values is None:
            passed = f"parent_name is {parent!r} and parent_values is left out"
            raise self._mistaken(InvalidInput(passed, expected="both or none"))
        return self.conditional_scope(parent, values)

    def _full(self, name: str) -> str:
        return "/".join([*self._name_scopes, str(name)])

    # -- inside

    def _ask(
        self, name: str, make: Callable[[str, Sequence[Condition]], Hyperparameter]
    ) -> Value | None:
        full, conditions = self._full(name), self._conditions
        call = self._defined(full, make)
        asked = self._pinned(call) if full in self._fixed else self._instead.get(full, call)
        known = next(
            (h for h in self._of_name.get(full, ()) if h.definition_id == asked.definition_id), None
        )
        if known is None:
            self._joined.append(asked)
            self._learn(asked, None)
        elif known.conditions and not set(conditions) <= set(known.conditions):
            self._learn(known.with_conditions(_either(known.conditions, conditions)), known)
        if not self._all_hold(conditions):
            return None
        if full not in self._used:
            self._used[full] = asked, self._value(asked)
        used, value = self._used[full]
        if used.definition_id != asked.definition_id:
            self.refused = two_definitions(used, asked)
            raise self.refused
        return self._legal(call, value, f"the space gives {full!r} the value {value!r}")

    def _defined(
        self, full: str, make: Callable[[str, Sequence[Condition]], Hyperparameter]
    ) -> Hyperparameter:
        try:
            if any(condition.parent == full for condition in self._conditions):
                raise InvalidInput(
                    f"{full!r} is conditional on itself", expected="a parent of another name"
                )
            return make(full, tuple(self._conditions))
        except InvalidInput as error:
            raise self._mistaken(error) from None

    def _mistaken(self, error: InvalidInput) -> InvalidInput:
        self.mistake = self.mistake or error
        return error

    def _pinned(self, call: Hyperparameter) -> Hyperparameter:
        given = self._fixed[call.name]
        value = self._legal(call, given, f"fixed gives {call.name!r} the value {given!r}")
        return Fixed(call.name, value, call.conditions)

    def _legal(self, call: Hyperparameter, value: Any, what: str) -> Value:
        try:
            return call.legal(value)
        except InvalidInput as error:
            self.refused = InvalidInput(what, expected=error.expected)
            raise self.refused from None

    def _learn(self, h: Hyperparameter, before: Hyperparameter | None) -> None:
        """Adds a hyperparameter, or puts it in the place of what was known of it before."""
        for listed in (self._known, self._of_name.setdefault(h.name, [])):
            if before is None:
                listed.append(h)
            else:
                listed[next(at for at, one in enumerate(listed) if one is before)] = h
        if self._met is not None:
            self._met(h)

    def _value(self, h: Hyperparameter) -> Value:
        """The value that a hyperparameter has in this configuration: one that it can take."""
        if h.name in self._given and h.admits(self._given[h.name]):
            return h.legal(self._given[h.name])
        missing = None if self._missing is None else self._missing(h)
        return h.default if missing is None else missing

    def _active(self, name: str) -> Hyperparameter | None:
        """The hyperparameter of this name that is active: the one asked for, else one whose
        conditions hold.
        """
        if name in self._used:
            return self._used[name][0]
        return next((h for h in self._of_name.get(name, ()) if self._all_hold(h.conditions)), None)

    def _find(self, name: str) -> tuple[Hyperparameter, Value] | None:
        if name in self._used:
            return self._used[name]
        h = self._active(name)
        return None if h is None else (h, self._value(h))

    def _all_hold(self, conditions: Iterable[Condition]) -> bool:
        return all(self._holds(condition) for condition in conditions)

    def _holds(self, condition: Condition) -> bool:
        found = self._find(condition.parent)
        return found is not None and typed(found[1]) in found[0].admitted(condition)


def two_definitions(one: Hyperparameter, other: Hyperparameter) -> InvalidInput:
    """The error where a name is asked for in two ways that nothing tells apart."""
    fix = (
        "Give one of them another name, or ask for each under a condition that excludes the other."
    )
    if isinstance(one, Fixed) and isinstance(other, Fixed):
        fix = "A value that follows from other hyperparameters is none of its own: use it without hp.Fixed."
    return InvalidInput(
        f"{one.name!r} is asked for as {one} and as {other} under the same conditions",
        expected="one definition for each name",
        fix=fix,
    )


def _either(first: Sequence[Condition], second: Sequence[Condition]) -> tuple[Condition, ...]:
    """Conditions that hold wherever either set holds; exactly there if the two differ in one
    parent's values only.
    """
    common = [condition for condition in first if condition in second]
    left = [condition for condition in first if condition not in second]
    right = [condition for condition in second if condition not in first]
    if len(left) == len(right) == 1 and left[0].parent == right[0].parent:
        merged = {typed(value): value for value in (*left[0].values, *right[0].values)}
        return (*common, Condition(left[0].parent, list(merged.values())))
    return tuple(common)
