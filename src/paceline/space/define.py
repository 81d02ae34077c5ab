"""The ``hp`` argument of ``build(hp)``: define-by-run with KerasTuner's methods."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from paceline.core import InvalidInput, Value
from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.floats import Float
from paceline.space.hyperparameter import Condition, Hyperparameter, typed
from paceline.space.integers import Int
from paceline.space.known import KnownHyperparameters, two_definitions
from paceline.space.scopes import Scopes, of_itself
from paceline.space.space import Space

_Values = Value | Sequence[Value] | None


class HyperParameters(Scopes[Condition]):
    """The hyperparameters, during one call of ``build(hp)``.

    ``hp.Int("units", 32, 512, step=32)`` returns the value of ``units`` in this configuration (its
    default if it has none), and adds ``units`` to the space if it is new. The returned value is
    always legal for the call. If a name is defined differently in another call of ``build``, that
    is another hyperparameter, a *variant*; within one call a name has one definition.

    Args:
        space: the hyperparameters known so far.
        values: the configuration; missing names have their default.
        reporter: called by `report`; only for a function objective.
        on_change: called with each hyperparameter that is added to the space, or loses conditions.
        missing: returns the value of a hyperparameter that has no legal value in the configuration,
            or None for its default.
        fixed: values of hyperparameters that are not tuned.
        overrides: hyperparameters to use in place of the defined ones, by name, such as a
            narrower range; their values must be legal for the call, too.
        seed: the value of `seed`.
        trial: the number of the trial.

    Attributes:
        trial: the number of the trial; None where there is none, as while the space is found.
        refused: the error if the build asked for something that cannot be searched, even if the
            build caught it; None otherwise.
        mistake: the first invalid definition, such as contradictory bounds; None if there is none.
            It may depend on the configuration, as bounds may depend on other hyperparameters.
    """

    def __init__(
        self,
        space: Iterable[Hyperparameter] | None = None,
        values: Mapping[str, Any] | None = None,
        reporter: Callable[[Any, int | None], bool] | None = None,
        on_change: Callable[[Hyperparameter], None] | None = None,
        seed: int = 0,
        *,
        missing: Callable[[Hyperparameter], Value | None] | None = None,
        fixed: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Hyperparameter] | None = None,
        trial: int | None = None,
    ) -> None:
        super().__init__()
        self.trial = trial
        self._reporter, self._missing, self._seed = reporter, missing, seed
        self._known = KnownHyperparameters(space or (), on_change)
        self._used: dict[str, tuple[Hyperparameter, Value]] = {}
        self._given = dict(values or {})
        self._fixed, self._overrides = dict(fixed or {}), dict(overrides or {})
        self.refused: InvalidInput | None = None
        self.mistake: InvalidInput | None = None
        self._seed_was_read = False

    # -- results of this build

    @property
    def space(self) -> Space:
        """The space, including what this build added.

        Raises:
            InvalidInput: a name has several definitions, and no known condition distinguishes them.
        """
        return Space(self._known.all)

    @property
    def known(self) -> tuple[Hyperparameter, ...]:
        """The known hyperparameters, including what this build added; variants may overlap."""
        return tuple(self._known.all)

    @property
    def joined(self) -> tuple[Hyperparameter, ...]:
        """The hyperparameters that this build added to the space, in order."""
        return self._known.joined

    @property
    def used(self) -> tuple[str, ...]:
        """Names that this build used while they were active, in order."""
        return tuple(self._used)

    @property
    def config(self) -> dict[str, Value]:
        """The values of the names in `used`."""
        return {name: value for name, (_, value) in self._used.items()}

    @property
    def asked(self) -> dict[str, str]:
        """The ``definition_id`` of each name in `used`."""
        return {name: h.definition_id for name, (h, _) in self._used.items()}

    @property
    def values(self) -> dict[str, Value]:
        """Values of all active hyperparameters, used or not, and given values of unknown names."""
        values = {name: value for name, value in self._given.items() if name not in self._known}
        for name in self._known.names:
            found = self._find(name)
            if found is not None:
                values[name] = found[1]
        return values

    @property
    def seed(self) -> int:
        """A seed for a function objective: the study's, or another one in a fresh training."""
        self._seed_was_read = True
        return self._seed

    @property
    def seed_was_read(self) -> bool:
        """Whether `seed` was used; if not, another seed changes nothing."""
        return self._seed_was_read

    def fix(self, values: Mapping[str, Any]) -> None:
        """Sets values of hyperparameters that are not tuned."""
        self._fixed.update(values)

    # -- definitions

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
        """A whole number, or None if inactive; see `paceline.space.Int`."""
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
        """A real number, or None if inactive; see `paceline.space.Float`."""
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
        """One of ``values``, or None if inactive; see `paceline.space.Choice`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Choice(full, values, ordered, default, when))

    def Boolean(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        default: bool = False,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
        """True or False, or None if inactive; see `paceline.space.Boolean`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Boolean(full, default, when))

    def Fixed(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        value: Value,
        parent_name: str | None = None,
        parent_values: _Values = None,
    ) -> Any:
        """``value``, or None if inactive; see `paceline.space.Fixed`."""
        with self._maybe_scope(parent_name, parent_values):
            return self._ask(name, lambda full, when: Fixed(full, value, when))

    def get(self, name: str) -> Any:
        """The value of a hyperparameter.

        Raises:
            KeyError: unknown name.
            ValueError: it is inactive.
        """
        full = self._full(name)
        if full not in self._known:
            if full in self._given:
                return self._given[full]
            raise self._without_value(full)
        found = self._find(full)
        if found is None:
            raise self._without_value(full)
        return self._used.setdefault(full, found)[1]

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        full = self._full(name)
        return full in self._given if full not in self._known else self._active(full) is not None

    def is_active(self, hyperparameter: str | Hyperparameter) -> bool:
        """Whether a hyperparameter's conditions hold; False for an unknown name."""
        name = hyperparameter.name if isinstance(hyperparameter, Hyperparameter) else hyperparameter
        return self._active(name) is not None

    def report(self, value: Any, step: int | None = None) -> bool:
        """Reports an intermediate score of a function objective.

        Args:
            value: the score so far, or a dict of metrics that contains the objective.
            step: number of steps so far, from 1; each is reported once, in order. By default they
                are counted.

        Returns:
            True if the function should continue. False if it should return: either the schedule has
            stopped this trial, and the returned value is ignored; or this was the last of
            ``epochs`` steps, and later steps are ignored.

        Raises:
            InvalidInput: not a number, a step out of order, or not a function objective.
        """
        if self._reporter is None:
            raise InvalidInput(
                "hp.report was called in build(hp)",
                expected="a call in a function objective, which is tuned without data",
                fix="The epochs of a network are measured automatically.",
            )
        return self._reporter(value, step)

    # -- internals

    def _known_names(self) -> Sequence[str]:
        return self._known.names

    def _condition(self, parent: str, values: Value | Iterable[Value]) -> Condition:
        return Condition(parent, values)

    def _ask(
        self, name: str, make: Callable[[str, Sequence[Condition]], Hyperparameter]
    ) -> Value | None:
        full, conditions = self._full(name), self._conditions
        call = self._defined(full, make)
        asked = self._pinned(call) if full in self._fixed else self._overrides.get(full, call)
        self._known.add(asked, conditions)
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
                raise of_itself(full)
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

    def _value(self, h: Hyperparameter) -> Value:
        """The value of a hyperparameter in this configuration; always legal."""
        if h.name in self._given and h.admits(self._given[h.name]):
            return h.legal(self._given[h.name])
        missing = None if self._missing is None else self._missing(h)
        return h.default if missing is None else missing

    def _active(self, name: str) -> Hyperparameter | None:
        """The active hyperparameter of this name: the one used, else one whose conditions hold."""
        if name in self._used:
            return self._used[name][0]
        return next((h for h in self._known.of(name) if self._all_hold(h.conditions)), None)

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
