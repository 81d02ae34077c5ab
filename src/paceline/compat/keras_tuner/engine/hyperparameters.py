"""``hp``, with KerasTuner's rules for definitions and values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.core import shown
from paceline.space import Float as FloatRange
from paceline.space import Hyperparameter
from paceline.space import HyperParameters as Definitions
from paceline.space import Int as IntRange


class HyperParameters:
    """Hyperparameters and their values: the ``hp`` of ``build(hp)``, and a tuner's results.

    ``hp.Int("units", 32, 512, step=32)`` returns the value of ``units``: that in ``values``, else
    its default. Definitions are those of `paceline.HyperParameters`, and more lenient, as in
    KerasTuner: a default that is no value of the range is moved to the nearest one, with a warning,
    and repeated values of a choice count once.

    Attributes:
        values: the values by name; may be changed, except during a search.
    """

    def __init__(self) -> None:
        self._definitions = Definitions()
        self._is_searched = False
        self._values: dict[str, Any] = {}
        self._last: dict[str, Any] = {}  # the values that the definitions know
        self._scopes: list[str] = []
        self._num_conditions = 0

    @classmethod
    def of_search(cls, definitions: Definitions) -> "HyperParameters":
        """Those of one build in a search: values come from it, and are read only."""
        found = cls()
        found._definitions, found._is_searched = definitions, True
        return found

    @classmethod
    def with_values(
        cls, space: Sequence[Hyperparameter], values: Mapping[str, Any]
    ) -> "HyperParameters":
        """Those of a trial: a known space, and the values of its active hyperparameters."""
        found = cls()
        found._definitions = Definitions(space, values)
        found._values, found._last = dict(values), dict(values)
        return found

    # -- values

    @property
    def values(self) -> dict[str, Any]:
        """The values by name; a copy during a search."""
        return self._definitions.values if self._is_searched else self._values

    @values.setter
    def values(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @property
    def space(self) -> list[Hyperparameter]:
        """The hyperparameters that were defined, in order."""
        return list(self._definitions.known)

    def get(self, name: str) -> Any:
        """The value of a hyperparameter.

        Raises:
            KeyError: unknown name.
            ValueError: it is inactive.
        """
        full = self._full(name)
        if not self._is_searched and full in self._values:
            return self._values[full]
        return self._current().get(name)

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        if not self._is_searched and self._full(name) in self._values:
            return True
        return name in self._current()

    def is_active(self, hyperparameter: str | Hyperparameter) -> bool:
        """Whether a hyperparameter's conditions hold; False for an unknown name."""
        return self._current().is_active(hyperparameter)

    def copy(self) -> "HyperParameters":
        """The same definitions and values, independent of these."""
        return HyperParameters.with_values(self.space, self.values)

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
        """A whole number, or None if inactive; see `paceline.space.Int`."""
        step = step or None
        default = _nearest(
            name, default, lambda: IntRange(name, min_value, max_value, step, sampling)
        )
        found = self._current().Int(
            name, min_value, max_value, step, sampling, default, parent_name, parent_values
        )
        return self._kept(name, found)

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
        """A real number, or None if inactive; see `paceline.space.Float`."""
        step = step or None
        default = _nearest(
            name, default, lambda: FloatRange(name, min_value, max_value, step, sampling)
        )
        found = self._current().Float(
            name, min_value, max_value, step, sampling, default, parent_name, parent_values
        )
        return self._kept(name, found)

    def Choice(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of ``values``, or None if inactive; see `paceline.space.Choice`."""
        each = list({(type(value), value): value for value in values}.values())
        found = self._current().Choice(name, each, ordered, default, parent_name, parent_values)
        return self._kept(name, found)

    def Boolean(  # noqa: N802 - KerasTuner's name
        self,
        name: str,
        default: bool = False,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """True or False, or None if inactive."""
        found = self._current().Boolean(name, default, parent_name, parent_values)
        return self._kept(name, found)

    def Fixed(  # noqa: N802 - KerasTuner's name
        self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """``value``, or None if inactive."""
        return self._kept(name, self._current().Fixed(name, value, parent_name, parent_values))

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prefixes names in this scope with ``name/``."""
        current = self._current()
        self._scopes.append(str(name))
        try:
            with current.name_scope(name):
                yield
        finally:
            self._scopes.pop()

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Hyperparameters in this scope are active only if the parent has one of the values."""
        current = self._current()
        self._num_conditions += 1
        try:
            with current.conditional_scope(parent_name, parent_values):
                yield
        finally:
            self._num_conditions -= 1

    # -- internals

    def _full(self, name: str) -> str:
        return "/".join([*self._scopes, str(name)])

    def _current(self) -> Definitions:
        """The definitions, with the values as they are now."""
        is_open = bool(self._scopes) or self._num_conditions > 0
        if not self._is_searched and not is_open and self._values != self._last:
            self._definitions = Definitions(self._definitions.known, self._values)
            self._last = dict(self._values)
        return self._definitions

    def _kept(self, name: str, value: Any) -> Any:
        """The value that a definition has found; outside a search it may be one that was set."""
        if self._is_searched or value is None:
            return value
        full = self._full(name)
        self._last.setdefault(full, value)
        return self._values.setdefault(full, value)


def _nearest(name: str, default: Any, make: Callable[[], IntRange | FloatRange]) -> Any:
    """A default that is a value of its range: the nearest one, with a warning if it is another."""
    if default is None:
        return None
    made = make()
    if made.admits(default) or not isinstance(default, int | float):
        return default
    number = min(max(default, made.min_value), made.max_value)
    if made.num_values is not None:
        low, high = 0, made.num_values - 1
        while high - low > 1:  # the values ascend
            middle = (low + high) // 2
            low, high = (middle, high) if made.value_at(middle) <= number else (low, middle)
        number = min(map(made.value_at, (low, high)), key=lambda value: abs(value - number))
    warn_once(
        f"the default of {name}",
        f"The default of {name} is {shown(default)}, which is none of its values; {number} is "
        "used.",
    )
    return number
