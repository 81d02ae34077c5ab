"""What a ``fit`` or ``run_trial`` of the user reads besides its arguments.

These are names of its module, variables of enclosing functions, and attributes of its object. Where
trials train together such a method is not called for each of them, so none of these may be changed
by ``build`` or by the method itself.
"""

import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from paceline.compat.keras_tuner.engine.alone import RunsAlone

_DEPTH = 4  # of containers and attributes that are compared
_MOST_ITEMS = 10_000  # of a container that are compared; of a larger one only its length
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_MISSING = object()
_CHANGES = "which build(hp) changes"


class StateRead:
    """What a method reads, to be compared between two moments.

    Numbers and texts are compared by value, lists, dicts, sets and arrays by their content, other
    objects by identity, and by those of their attributes that the method mentions.

    Args:
        method: of the user, bound or not.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._owner = getattr(method, "__self__", None)
        self._function: Any = inspect.unwrap(getattr(method, "__func__", method))
        self._names = self._mentioned()

    def _mentioned(self) -> frozenset[str]:
        """The names that the method mentions, or a function or property of its module in it."""
        found: set[str] = set()
        functions = [self._function]
        while functions:
            function = functions.pop()
            code = getattr(function, "__code__", None)
            names = set() if code is None else set(_names(code))
            new = names - found
            found |= new
            for name in new:
                own = [inspect.getattr_static(self._owner, name, None)]
                if "super" in names:
                    own += [vars(kind).get(name) for kind in type(self._owner).__mro__]
                for one in (*own, getattr(function, "__globals__", {}).get(name)):
                    inner = _function_of(one)
                    is_own = isinstance(inner, FunctionType)
                    if is_own and inner.__module__ == self._function.__module__:
                        functions.append(inner)
        return frozenset(found)

    def now(self) -> dict[str, Any]:
        """The state, by the name that each part has in the method."""
        return {name: self._frozen(value, _DEPTH) for name, value in self._values()}

    def _values(self) -> Iterator[tuple[str, Any]]:
        known = getattr(self._function, "__globals__", {})
        for name in sorted(self._names & known.keys()):
            yield name, known[name]
        free = getattr(getattr(self._function, "__code__", None), "co_freevars", ())
        for name, cell in zip(
            free, getattr(self._function, "__closure__", None) or (), strict=False
        ):
            if name != "__class__" and cell != type(cell)():  # not yet assigned
                yield name, cell.cell_contents
        if self._owner is not None:
            for name, value in self._attributes(self._owner):
                yield f"self.{name}", value

    def _attributes(self, value: Any) -> Iterator[tuple[str, Any]]:
        """The attributes that the method mentions, without calling code such as properties."""
        for name in sorted(self._names):
            found = inspect.getattr_static(value, name, _MISSING)
            if found is not _MISSING and not hasattr(type(found), "__get__"):
                yield name, found

    def _frozen(self, value: Any, depth: int) -> Any:
        if isinstance(value, _PLAIN):
            return type(value), repr(value)
        if depth == 0:
            return _Same(value)
        if isinstance(value, np.ndarray):
            return value.shape, value.tobytes() if value.size <= _MOST_ITEMS else _Same(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if len(value) > _MOST_ITEMS:
                return _Same(value), len(value)
            if isinstance(value, set | frozenset):
                return set(value)
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            return [(key, self._frozen(one, depth - 1)) for key, one in pairs]
        own = ((name, self._frozen(one, depth - 1)) for name, one in self._attributes(value))
        return _Same(value), dict(own)


class UnchangedState:
    """What methods of the user read is compared after each build of a search.

    Attributes:
        difference: why the trials that are left cannot train together; None while nothing differs.
        has_stopped: whether the search was interrupted for that reason.
    """

    def __init__(self) -> None:
        self._states: dict[str, StateRead] = {}
        self._before: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()
        self.difference: RunsAlone | None = None
        self.has_stopped = False

    @property
    def has_states(self) -> bool:
        """Whether there is such a method."""
        return bool(self._states)

    def add(self, what: str, state: StateRead) -> None:
        """Adds a method of this name, of which ``build`` was called before."""
        self._states[what] = state

    @contextmanager
    def compared(self) -> Iterator[None]:
        """Builds in this block are compared with what is there when it begins."""
        self._before = {what: state.now() for what, state in self._states.items()}
        try:
            yield
        finally:
            self._before = {}

    @contextmanager
    def of_build(self) -> Iterator[None]:
        """One build, and no other one meanwhile, since each may leave another state.

        Raises:
            RunsAlone: it has left another state than the builds before the search.
        """
        if not self._before:
            yield
            return
        with self._lock:
            yield
            for what, before in self._before.items():
                if name := changed(before, self._states[what].now()):
                    found = RunsAlone(reads_changed(what, name))
                    self.difference = self.difference or found
                    raise found


def reads_changed(what: str, name: str) -> str:
    """Why trials do not train together whose ``build`` changes what a method reads."""
    return f"{what} reads {name}, {_CHANGES}"


def difference_in(message: object) -> RunsAlone | None:
    """Why a trial has failed, if its build has left another state; None for another reason.

    Args:
        message: of the trial: the traceback of its build.
    """
    found = re.search(rf"{RunsAlone.__name__}: (.+ reads .+, {re.escape(_CHANGES)})", str(message))
    return None if found is None else RunsAlone(found[1])


@dataclass(frozen=True, eq=False)
class _Same:
    """An object that is equal to itself alone."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The first name whose state differs; empty if none does."""
    names = sorted(before.keys() | after.keys())
    return next((one for one in names if before.get(one) != after.get(one)), "")


def _function_of(found: Any) -> Any:
    """The function behind a method or a property; anything else unchanged."""
    if isinstance(found, property):
        return found.fget
    if isinstance(found, cached_property):
        return found.func
    return found.__func__ if isinstance(found, staticmethod | classmethod) else found


def _names(code: CodeType) -> Iterator[str]:
    """All names that code mentions, with those of functions within it."""
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)
