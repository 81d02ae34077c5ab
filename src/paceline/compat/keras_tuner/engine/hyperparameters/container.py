"""``hp``: hyperparameters and their values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from paceline.compat.keras_tuner.engine.conditions import Condition, Parent
from paceline.compat.keras_tuner.engine.hyperparameters import hp_types
from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import HyperParameter
from paceline.space.scopes import Scopes, of_itself


class HyperParameters(Scopes[Condition]):
    """Hyperparameters and their values: the ``hp`` of ``build(hp)``, and a tuner's results.

    ``hp.Int("units", 32, 512, step=32)`` adds ``units`` to the space, and returns its value: that
    in ``values``, else its default. Asked again for the same name under the same conditions, it
    returns the value, whatever the other arguments. A default may be outside of the range.

    Attributes:
        values: those of active hyperparameters, by name; may be changed.
        active_scopes, inactive_scopes: the conditions of each ``conditional_scope`` that was
            entered, by whether they held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self.active_scopes: list[list[Condition]] = []
        self.inactive_scopes: list[list[Condition]] = []
        self._space: list[HyperParameter] = []
        self._hps: dict[str, list[HyperParameter]] = {}

    @classmethod
    def with_values(cls, space: Sequence[HyperParameter], values: Mapping[str, Any]) -> Self:
        """Those of a known space, with these values."""
        found = cls()
        for one in space:
            found._add(one)
        found.values = dict(values)
        return found

    # -- values

    @property
    def space(self) -> list[HyperParameter]:
        """The hyperparameters, in the order in which they were defined."""
        return self._space

    def get(self, name: str) -> Any:
        """The value of a hyperparameter.

        Raises:
            KeyError: unknown name.
            ValueError: it is inactive.
        """
        full = self._full(name)
        if full in self.values:
            return self.values[full]
        raise self._without_value(full)

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._full(name) in self.values

    def is_active(self, hyperparameter: str | HyperParameter) -> bool:
        """Whether the conditions of a hyperparameter hold; of a name, those of any that has it."""
        if isinstance(hyperparameter, HyperParameter):
            return all(one.is_active(self.values) for one in hyperparameter.conditions)
        return any(map(self.is_active, self._hps.get(str(hyperparameter), ())))

    def ensure_active_values(self) -> None:
        """Removes values of inactive hyperparameters, and draws those that active ones lack."""
        for name, each in self._hps.items():
            active = next(filter(self.is_active, each), None)
            if active is None:
                self.values.pop(name, None)
            elif name not in self.values:
                self.values[name] = active.random_sample()

    # -- as a whole

    def copy(self) -> "HyperParameters":
        """The same definitions and values, independent of these."""
        return HyperParameters.from_config(self.get_config())

    def get_config(self) -> dict[str, Any]:
        """Definitions and values as JSON types."""
        return {
            "space": [hp_types.serialize(one) for one in self._space],
            "values": dict(self.values),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `get_config`."""
        return cls.with_values(
            [hp_types.deserialize(one) for one in config["space"]], config["values"]
        )

    def merge(
        self, hps: "HyperParameters | Sequence[HyperParameter]", overwrite: bool = True
    ) -> None:
        """Adds hyperparameters of others.

        Args:
            hps: the others.
            overwrite: whether those that are known here are replaced, and take the default of the
                others; otherwise they are left as they are.
        """
        for one in list(hps.space if isinstance(hps, HyperParameters) else hps):
            if overwrite or not self._exists(one.name, one.conditions):
                self._register(one, overwrite)

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
        parent_values: Any = None,
    ) -> Any:
        """A whole number, or None if inactive; see `.numerical.Int`."""
        given = (min_value, max_value, step, sampling, default)
        return self._asked(hp_types.Int, name, given, parent_name, parent_values)

    def Float(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A real number, or None if inactive; see `.numerical.Float`."""
        given = (min_value, max_value, step, sampling, default)
        return self._asked(hp_types.Float, name, given, parent_name, parent_values)

    def Choice(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of ``values``, or None if inactive; see `.categorical.Choice`."""
        given = (values, ordered, default)
        return self._asked(hp_types.Choice, name, given, parent_name, parent_values)

    def Boolean(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        default: bool = False,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """True or False, or None if inactive."""
        return self._asked(hp_types.Boolean, name, (default,), parent_name, parent_values)

    def Fixed(  # noqa: N802 - KerasTuner's name
        self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """``value``, or None if inactive."""
        return self._asked(hp_types.Fixed, name, (value,), parent_name, parent_values)

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Hyperparameters in this scope are active only if the parent has one of the values.

        The code in the scope runs in any case; inactive hyperparameters are None in it.

        Raises:
            ValueError: the parent was not defined before.
        """
        with super().conditional_scope(parent_name, parent_values):
            holds = all(one.is_active(self.values) for one in self._conditions)
            scopes = self.active_scopes if holds else self.inactive_scopes
            scopes.append(list(self._conditions))
            yield

    # -- internals

    def _known_names(self) -> Iterable[str]:
        return self._hps

    def _condition(self, parent: str, values: Any) -> Condition:
        return Parent(parent, values)

    def _exists(self, name: str, conditions: Sequence[Condition] | None = None) -> bool:
        """Whether there is a hyperparameter of this name and these conditions."""
        known = self._conditions if conditions is None else list(conditions)
        return any(one.conditions == known for one in self._hps.get(name, ()))

    def _asked(
        self,
        kind: type[HyperParameter],
        name: str,
        given: tuple[Any, ...],
        parent_name: str | None,
        parent_values: Any,
    ) -> Any:
        """The value of a hyperparameter that is defined by a call."""
        make: Any = kind
        with self._maybe_scope(parent_name, parent_values):
            return self._retrieve(make(self._full(name), *given, conditions=self._conditions))

    def _retrieve(self, one: HyperParameter) -> Any:
        """The value of a hyperparameter, which is added if it is new; None if it is inactive."""
        if not self._exists(one.name, one.conditions):
            return self._register(one)
        if not self.is_active(one):
            return None
        return self.values.setdefault(one.name, one.default)

    def _register(self, one: HyperParameter, overwrite: bool = False) -> Any:
        self._check_name(one)
        own = type(one).from_config(one.get_config())
        self._add(own)
        if not self.is_active(own):
            return None
        if overwrite or own.name not in self.values:
            self.values[own.name] = own.default
        return self.values[own.name]

    def _add(self, one: HyperParameter) -> None:
        """Adds a definition, in place of one of the same name and conditions."""
        for each in (self._hps.setdefault(one.name, []), self._space):
            same = (
                place
                for place, known in enumerate(each)
                if known.name == one.name and known.conditions == one.conditions
            )
            place = next(same, len(each))
            each[place : place + 1] = [one]

    def _check_name(self, one: HyperParameter) -> None:
        if any(condition.name == one.name for condition in one.conditions):
            raise of_itself(one.name)


def serialize(given: Any) -> dict[str, Any]:
    """A hyperparameter, or several with their values, as JSON types."""
    if isinstance(given, HyperParameters):
        return {"class_name": "HyperParameters", "config": given.get_config()}
    return hp_types.serialize(given)


def deserialize(config: Mapping[str, Any]) -> Any:
    """The inverse of `serialize`.

    Raises:
        KeyError: of no kind that is known here.
    """
    if config["class_name"] == "HyperParameters":
        return HyperParameters.from_config(config["config"])
    return hp_types.deserialize(config)
