"""Scopes of names and of conditions in a ``build(hp)``, for any kind of ``hp``."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Generic, TypeVar

from paceline.core import InvalidInput

C = TypeVar("C")


class Scopes(ABC, Generic[C]):
    """The scopes that a build has entered, and the errors that are the same in any ``hp``.

    Subclasses keep the hyperparameters and the conditions, ``C``.
    """

    def __init__(self) -> None:
        self._name_scopes: list[str] = []
        self._conditions: list[C] = []

    @abstractmethod
    def _known_names(self) -> Iterable[str]:
        """The names of all hyperparameters that were defined."""

    @abstractmethod
    def _condition(self, parent: str, values: Any) -> C:
        """The condition that a parent has one of some values."""

    def _mistaken(self, error: InvalidInput) -> InvalidInput:
        """Called with an error of a definition, before it is raised."""
        return error

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prefixes names in this scope with ``name/``."""
        self._name_scopes.append(str(name))
        try:
            yield
        finally:
            self._name_scopes.pop()

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Hyperparameters in this scope are active only if the parent has one of the values.

        The code in the scope always runs; inactive hyperparameters are None in it.

        Raises:
            ValueError: the parent has not been defined before.
        """
        parent = self._full(parent_name)
        if parent not in self._known_names():
            raise self._mistaken(
                InvalidInput(
                    f"conditional_scope's parent is {parent!r}, which is not defined",
                    expected=f"one that was defined before: {self._listed}",
                )
            )
        self._conditions.append(self._condition(parent, parent_values))
        try:
            yield
        finally:
            self._conditions.pop()

    def _maybe_scope(self, parent: str | None, values: Any) -> AbstractContextManager[None]:
        """The scope of the arguments ``parent_name`` and ``parent_values`` of a definition."""
        if not parent:
            return nullcontext()
        if values is None:
            passed = f"parent_name is {parent!r} and parent_values is missing"
            raise self._mistaken(InvalidInput(passed, expected="both or none"))
        return self.conditional_scope(parent, values)

    def _full(self, name: str) -> str:
        return "/".join([*self._name_scopes, str(name)])

    @property
    def _listed(self) -> str:
        return ", ".join(self._known_names()) or "none"

    def _without_value(self, full: str) -> Exception:
        """The error of a look-up of a name that has no value: `KeyError` if it is unknown."""
        if full not in self._known_names():
            return KeyError(f"{full} does not exist. Known: {self._listed}.")
        return InvalidInput(f"{full} is currently inactive", expected="a name that is active")


def of_itself(name: str) -> InvalidInput:
    """The error of a hyperparameter that is its own parent."""
    return InvalidInput(
        f"{name!r} is conditional on itself, and the two cannot have the same name",
        expected="a parent of another name",
    )
