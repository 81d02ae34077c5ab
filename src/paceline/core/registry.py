"""Classes that are found again by their name: how what a study stored of itself becomes an object
again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from paceline.core.errors import InvalidInput, PacelineError, UnreadableStudy, shown


@contextmanager
def reading_state(what: str) -> Iterator[None]:
    """A block that makes something of what a study stored of itself.

    Args:
        what: whose state it is: ``"strategy"``.

    Raises:
        UnreadableStudy: that has another form.
    """
    try:
        yield
    except PacelineError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        told = f"what the study stored of its {what} cannot be used ({shown(error)})"
        raise UnreadableStudy(f"{told}; restore it from a copy.", told) from error


class Named(Protocol):
    """A class with a name of its own."""

    name: ClassVar[str]


Kind = TypeVar("Kind", bound=Named)


class Registry(Generic[Kind]):
    """Classes of one family by their names.

    Args:
        what: the key under which a stored state holds the name: ``"strategy"``.
        argument: with which a user passes one: ``"search"``.
        module: where users find `add`, for messages.
    """

    def __init__(self, what: str, argument: str, module: str) -> None:
        self._what, self._argument, self._module = what, argument, module
        self._kinds: dict[str, type[Kind]] = {}

    def add(self, kind: type[Kind]) -> None:
        """Makes a class known. One of the same module and name takes the place of an earlier one:
        it was reloaded.

        Raises:
            InvalidInput: another class has this name.
        """
        known = self._kinds.setdefault(kind.name, kind)
        if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
            places = " and ".join(f"{one.__module__}.{one.__qualname__}" for one in (known, kind))
            raise InvalidInput(
                f"name {kind.name!r} is that of {places}", expected="a name for each class"
            )
        self._kinds[kind.name] = kind

    def of(self, state: Mapping[str, Any]) -> type[Kind]:
        """The class that wrote a state.

        Raises:
            InvalidInput: it is not known here.
        """
        name = state.get(self._what)
        kind = self._kinds.get(str(name))
        if kind is None:
            raise InvalidInput(
                f"the {self._what} is {shown(name)}, which is not known here",
                expected=f"one of {', '.join(map(repr, sorted(self._kinds)))}, or one that was "
                f"registered",
                fix=f"Pass it again, as {self._argument}=..., or register its class with "
                f"{self._module}.register.",
            )
        return kind
