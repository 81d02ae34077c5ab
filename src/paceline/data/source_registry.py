"""Data sources, registered by name or by the type of an object.

A data source by name is a function that gets a `DataRequest` and returns data; a source by type is
a function that gets an object of that type. Both return anything that ``data=`` takes: arrays as
``(x, y)`` or ``(x, y, x_test, y_test)``, a data frame, a path, a `Dataset`, a
``keras.utils.PyDataset`` for data that arrive in batches, or `Raw` for arrays with names of their
classes.

Packages provide them by entry points of the groups ``paceline.data_sources`` and
``paceline.data_types``. The named data sets of Paceline are sources like any other.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from paceline.core import InvalidInput, PacelineError, Registry
from paceline.data.iterables import iterable_source

_READ_AS_THEY_ARE = ("builtins", "numpy", "pathlib", "paceline")
_MOST_STEPS = 5  # of sources that return data for another source

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class DataRequest:
    """The request to a data source by name.

    Attributes:
        argument: what follows the name and a colon in ``data="name:argument"``; "" if nothing does.
        data_dir: the user's folder for data sets, or None.
    """

    argument: str = ""
    data_dir: str | os.PathLike[str] | None = None


DataSource = Callable[[DataRequest], Any]
"""Returns data for a request."""

TypeLoader = Callable[[Any], Any]
"""Returns data for an object of some type."""

sources: Registry[DataSource] = Registry(
    "data source",
    "data",
    "paceline.data_sources",
    "paceline.data",
    "a function of a paceline.data.DataRequest",
    callable,
)
"""The data sources by name."""

types: Registry[TypeLoader] = Registry(
    "data type",
    "data",
    "paceline.data_types",
    "paceline.data",
    "a function of an object of that type",
    callable,
    pattern=re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+"),
)
"""The sources by type, under the name of the type; see `register_type`."""


def register_source(name: str) -> Callable[[F], F]:
    """A decorator that registers a function as the data source of a name.

    Users pass ``data="name"`` or ``data="name:argument"``; a study stores that text and calls the
    source again when it is resumed.

    Raises:
        InvalidInput: not a lower-case word, or the name of another function.
    """
    return lambda function: sources.register(function, name)


def source_names() -> tuple[str, ...]:
    """The names of all data sources, registered or installed; imports none."""
    return sources.names()


def register_type(name: str) -> Callable[[F], F]:
    """A decorator that registers a function as the reader of a type.

    Args:
        name: a package or module and the name of a class, such as ``"torch.DataLoader"``: every
            class of that name that is defined in that package, and their subclasses. The package
            need not be imported.

    Raises:
        InvalidInput: the name has another form, or is that of another function.
    """
    return lambda function: types.register(function, name)


def provided(data: Any, data_dir: str | os.PathLike[str] | None = None) -> tuple[Any, str | None]:
    """Reads data from a registered source; returns them, and the source's name.

    Args:
        data: as the user passed it.
        data_dir: as the user passed it.

    Returns:
        The data unchanged, and None, if no source is registered or installed for them.

    Raises:
        InvalidInput: a package that provides the source cannot be imported, or sources refer to
            each other endlessly.
        PacelineError: the source raised an exception; its own errors of Paceline pass unchanged.
    """
    given, found = data, None
    for _ in range(_MOST_STEPS):
        if isinstance(data, str):
            name, _, argument = data.partition(":")
            source = sources.find(name)
            if source is None:
                return data, found
            found = found or data
            with explained(f"data source {data!r}"):
                data = source(DataRequest(argument, data_dir))
        else:
            reader = _reader_of(type(data))
            if reader is None:
                return iterable_source(data) or data, found
            with explained(f"what reads data of the type {type(data).__qualname__!r}"):
                data = reader(data)
    raise InvalidInput(
        f"data is {type(given).__name__ if found is None else repr(found)}, whose source returns "
        f"data that need yet another source",
        expected="a source that returns arrays, a data frame, a path or a PyDataset",
    )


@contextmanager
def explained(what: str) -> Iterator[None]:
    """A block in which code of a source runs: its exceptions are raised with the source's name."""
    try:
        yield
    except PacelineError:
        raise
    except Exception as error:
        raise PacelineError(f"The {what} failed ({type(error).__name__}: {error}).") from error


def _reader_of(kind: type) -> TypeLoader | None:
    """The reader for a type: that of its class or the first of its bases that has one."""
    if kind.__module__.partition(".")[0] in _READ_AS_THEY_ARE:
        return None
    known = set(types.names())
    for base in kind.__mro__:
        for name in _names_of(base):
            if name in known:
                return types.find(name)
    return None


def _names_of(kind: type) -> Iterator[str]:
    """``a.b.C``, ``a.C`` for a class C of the module a.b: the names to look up."""
    parts = kind.__module__.split(".")
    for length in range(len(parts), 0, -1):
        yield ".".join([*parts[:length], kind.__qualname__])
