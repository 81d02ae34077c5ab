"""Registries: extensions of one kind by their names, registered or installed.

Each kind of extension (search strategies, schedules, executors, ...) has one `Registry`. An
extension becomes known in one of two ways:

- by ``register``, in a process that has imported it;
- by an entry point of an installed package, in every process::

      [project.entry-points."paceline.strategies"]
      mine = "my_package:MyStrategy"

Entry points are looked up only when a name is not registered, and only the one that is asked for
is imported. What Paceline itself provides is registered the same way.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from paceline.core.errors import InvalidInput, PacelineError, UnreadableStudy, shown
from paceline.core.names import did_you_mean

T = TypeVar("T")
R = TypeVar("R")

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@contextmanager
def reading_state(what: str) -> Iterator[None]:
    """A block that reads what a study stored.

    Args:
        what: whose state it is: ``"strategy"``.

    Raises:
        UnreadableStudy: the state has another form.
    """
    try:
        yield
    except PacelineError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = f"what the study stored of its {what} cannot be used ({shown(error)})"
        raise UnreadableStudy(f"{reason}; restore it from a copy.", reason) from error


def _anything(item: object) -> bool:  # noqa: ARG001
    return True


def subclass_of(base: type) -> Callable[[object], bool]:
    """Whether an object is a class that derives from a base."""
    return lambda item: isinstance(item, type) and issubclass(item, base)


class Registry(Generic[T]):
    """Extensions of one kind by their names.

    Args:
        what: what an extension is: ``"strategy"``.
        argument: the argument with which a user names one: ``"search"``.
        group: the entry point group: ``"paceline.strategies"``.
        module: where users find ``register``, for messages.
        expected: what can be registered, in words, for messages.
        is_valid: whether an object can be registered.
        pattern: what names have to match.
    """

    def __init__(
        self,
        what: str,
        argument: str,
        group: str,
        module: str,
        expected: str,
        is_valid: Callable[[object], bool] = _anything,
        pattern: re.Pattern[str] = _NAME,
    ) -> None:
        self._pattern = pattern
        self.what, self.argument, self.group = what, argument, group
        self._module, self._expected, self._is_valid = module, expected, is_valid
        self._items: dict[str, T] = {}

    def register(self, item: R, name: str | None = None) -> R:
        """Adds an extension.

        An item of the same module and name replaces the earlier one: its module was reloaded.

        Args:
            item: the extension, usually a class or a function.
            name: how users name it; None for its attribute ``name``.

        Returns:
            The item, so that this can be used as a decorator.

        Raises:
            InvalidInput: it is not such an extension, its name is not a lower-case word, or another
                one has the name.
        """
        name = self._checked(item, name)
        known = self._items.get(name)
        if known is not None and place_of(known) != place_of(item):
            raise InvalidInput(
                f"{self.what} name {name!r} is that of {place_of(known)} and {place_of(item)}",
                expected="a name of its own for each",
            )
        self._items[name] = item  # type: ignore[assignment]  # checked by is_valid
        return item

    def get(self, name: object, names: Callable[[], Iterable[str]] | None = None) -> T:
        """The extension of a name that a user passed, whatever its case and surrounding spaces.

        Args:
            name: as it was passed.
            names: gives those that the message lists; None for all.

        Raises:
            InvalidInput: none has this name, or the one that has cannot be imported.
        """
        cleaned = name.strip().lower() if isinstance(name, str) else ""
        found = self.find(cleaned)
        if found is None:
            known = tuple((names or self.names)())
            raise InvalidInput(
                f"{self.argument} is {shown(name)}",
                expected=f"one of {', '.join(map(repr, known))}",
                fix=did_you_mean(cleaned, known),
            )
        return found

    def find(self, name: str) -> T | None:
        """The extension of exactly this name, imported if need be; None where there is none.

        Raises:
            InvalidInput: an installed package provides it, and it cannot be used; says which
                package and why.
        """
        if name not in self._items:
            points = [point for point in entry_points(group=self.group) if point.name == name]
            if points:
                self._install(name, points)
        return self._items.get(name)

    def stored(self, state: Mapping[str, Any]) -> T:
        """The extension that wrote a state, which has its name under the key `what`.

        Raises:
            InvalidInput: it is not known here.
        """
        name = state.get(self.what)
        found = self.find(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidInput(
                f"the {self.what} is {shown(name)}, which is not known here",
                expected=f"one of {', '.join(map(repr, self.names()))}, or one that was registered",
                fix=f"Pass it again, as {self.argument}=..., register it with "
                f"{self._module}.register, or install the package that provides it.",
            )
        return found

    def names(self) -> tuple[str, ...]:
        """The names of all extensions, registered or installed, in order; imports none."""
        return tuple(sorted({*self._items, *(one.name for one in entry_points(group=self.group))}))

    @property
    def registered(self) -> Mapping[str, T]:
        """The registered extensions by name, in the order in which they were registered."""
        return self._items

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A block at whose end the registry is as it was before; for tests."""
        before = dict(self._items)
        try:
            yield
        finally:
            self._items = before

    def _install(self, name: str, points: list[EntryPoint]) -> None:
        """Imports the extension of an entry point; its module may have registered it itself."""
        packages = {point.value: _package_of(point) for point in points}
        if len(packages) > 1:
            every = " and ".join(sorted(f"{one} ({value})" for value, one in packages.items()))
            raise InvalidInput(
                f"{self.argument} {name!r} is provided by {every}",
                expected="one of these packages to be installed",
            )
        point = points[0]
        said = f"{self.argument} {name!r} of the package {packages[point.value]} ({point.value})"
        try:
            item = point.load()
        except Exception as error:  # a module of somebody else may raise anything
            raise InvalidInput(
                f"{said} cannot be imported ({type(error).__name__}: {error})",
                expected=f"a package that provides {self._expected}",
                fix="Update or reinstall that package, or uninstall it.",
            ) from error
        own = getattr(item, "name", name)
        if own != name and isinstance(own, str):
            raise InvalidInput(
                f"{said} calls itself {own!r}", expected="an entry point of its own name"
            )
        if self._items.get(name) is not item:
            self.register(item, name)

    def _checked(self, item: object, name: str | None) -> str:
        name = getattr(item, "name", None) if name is None else name
        if not isinstance(name, str) or not self._pattern.fullmatch(name):
            raise InvalidInput(
                f"the name of {place_of(item)} is {shown(name)}",
                expected="lower-case letters, digits and any of '_', '-' and '.'",
                fix=f"Give it an attribute such as name = 'my_{self.what.replace(' ', '_')}'.",
            )
        if not self._is_valid(item):
            raise InvalidInput(f"{self.what} {name!r} is {shown(item)}", expected=self._expected)
        return name


def place_of(item: object) -> str:
    """Where a class or a function is defined, or the class of another object."""
    item = getattr(item, "func", item)  # of a functools.partial
    of = item if hasattr(item, "__qualname__") else type(item)
    return f"{of.__module__}.{of.__qualname__}"


def _package_of(point: EntryPoint) -> str:
    found = point.dist
    return "?" if found is None else f"{found.name} {found.version}"
