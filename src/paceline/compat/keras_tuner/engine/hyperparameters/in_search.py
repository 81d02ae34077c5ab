"""The ``hp`` of one build in a search whose trials train together."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters.container import HyperParameters
from paceline.compat.keras_tuner.engine.hyperparameters.conversion import paceline_arguments
from paceline.compat.keras_tuner.engine.hyperparameters.hyperparameter import HyperParameter
from paceline.core import InvalidInput, shown
from paceline.space import HyperParameters as Definitions


@dataclass(frozen=True)
class Entries:
    """The hyperparameters that a tuner was given.

    Attributes:
        given: those of its argument ``hyperparameters``, which replace those of ``build``.
        allow_new, tune_new: whether ``build`` may define others, and whether these are tuned.
        on_found: is called with each hyperparameter that a build asks for.
    """

    given: HyperParameters | None = None
    allow_new: bool = True
    tune_new: bool = True
    on_found: Callable[[HyperParameter], None] | None = None


class SearchedHyperParameters(HyperParameters):
    """Values come from Paceline's search, and definitions go to it."""

    def __init__(self, definitions: Definitions, entries: Entries) -> None:
        super().__init__()
        self._definitions, self._entries = definitions, entries
        self._from_search: dict[str, Any] = {}
        if entries.given is not None:
            for one in entries.given.space:
                self._retrieve(one)

    def get(self, name: str) -> Any:
        """The value of a hyperparameter; it may be defined by an earlier build alone."""
        full = self._full(name)
        if full not in self.values and full not in self._hps:
            return self._definitions.get(full)
        return super().get(name)

    def __contains__(self, name: str) -> bool:
        return super().__contains__(name) or self._full(name) in self._definitions

    def _known_names(self) -> Iterable[str]:
        return [*super()._known_names(), *(one.name for one in self._definitions.known)]

    def _retrieve(self, one: HyperParameter) -> Any:
        if self._exists(one.name, one.conditions):
            self._check_unchanged(one.name)
            return self.values[one.name] if self.is_active(one) else None
        self._check_name(one)
        value = self._found(one)
        self._add(one)
        if self._entries.on_found is not None:
            self._entries.on_found(one)
        if value is not None:
            self.values[one.name] = self._from_search[one.name] = value
        return value

    def _found(self, one: HyperParameter) -> Any:
        """The value of a hyperparameter that this build has not asked for before."""
        entries = self._entries
        if entries.given is not None and not entries.given._exists(one.name, one.conditions):
            if not entries.allow_new:
                raise RuntimeError(
                    f"`allow_new_entries` is `False`, but build(hp) defines {one.name!r}, which is "
                    "not in `hyperparameters`."
                )
            if not entries.tune_new:
                return one.default if self.is_active(one) else None
        self._check_unchanged(one.name)
        with ExitStack() as scopes:
            for condition in one.conditions:
                if any(known.name == condition.name for known in self._definitions.known):
                    scope = self._definitions.conditional_scope(condition.name, condition.values)
                    scopes.enter_context(scope)
                elif not condition.is_active(self.values):
                    return None
            kind, given = paceline_arguments(one)
            return getattr(self._definitions, kind)(*given)

    def _check_unchanged(self, name: str) -> None:
        if name in self.values and self.values[name] != self._from_search.get(
            name, self.values[name]
        ):
            self._refuse(name)
        if name in self.values and name not in self._hps:
            self._refuse(name)

    def _refuse(self, name: str) -> None:
        raise InvalidInput(
            f"build(hp) sets hp.values[{name!r}] to {shown(self.values[name])}",
            expected="values that the search chooses",
            fix="Use hp.Fixed for a value that is not tuned.",
        )
