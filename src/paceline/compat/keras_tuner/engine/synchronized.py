"""Locks around the methods of an oracle that several threads may call."""

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

_locks: "weakref.WeakKeyDictionary[Any, threading.RLock]" = weakref.WeakKeyDictionary()
_making = threading.Lock()


def synchronized(method: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of methods of an oracle: one thread at a time is in any of them.

    A method may call others of the same oracle.
    """

    @functools.wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _making:
            lock = _locks.setdefault(self, threading.RLock())
        with lock:
            return method(self, *args, **kwargs)

    return locked
