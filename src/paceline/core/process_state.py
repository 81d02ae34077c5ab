"""The state of the user's process: what a call of Paceline changes of it is undone at its end.

A study needs some global state of its own: JAX's cache of compiled programs, a folder on
``sys.path``, fewer garbage collections. Each place that changes such a thing says with
`restore_at_end` how to undo it. The public functions are decorated with `preserved`, which undoes
all of it when they return, fail or are interrupted. docs/design has the list of what is restored.
"""

import gc
import os
import random
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager, suppress


class _ProcessState:
    """There is one, for the whole process.

    Attributes:
        depth: how many blocks of `preserved` are open, in all threads.
        undo: what is to be undone when the last of them ends.
        keys: of what is undone only once.
        num_freezing: how many blocks of `fewer_collections` are open.
        has_frozen: whether they have frozen the objects of this process.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.undo = ExitStack()
        self.keys: set[Hashable] = set()
        self.num_freezing = 0
        self.has_frozen = False


_state = _ProcessState()
_lock = threading.RLock()
_FROZEN_BY_PYTHON = 2_000  # objects, at most: 375 in Python 3.12, which stay frozen


@contextmanager
def preserved() -> Iterator[None]:
    """While the block runs, global state may be changed; at its end it is as it was before.

    That is: the generators of `random` and ``numpy.random``, the filters of `warnings`, the
    current directory, and whatever was passed to `restore_at_end`. Of nested blocks, and of blocks
    in several threads at once, the one that ends last restores.
    """
    with _lock:
        _state.depth += 1
        if _state.depth == 1:
            _save()
    try:
        yield
    finally:
        with _lock:
            _state.depth -= 1
            if _state.depth == 0:
                undo, _state.undo, _state.keys = _state.undo, ExitStack(), set()
                undo.close()


def is_preserving() -> bool:
    """Whether a block of `preserved` is open, in any thread."""
    return _state.depth > 0


def restore_at_end(key: Hashable, undo: Callable[[], object]) -> bool:
    """Calls ``undo`` when the outermost block of `preserved` ends, the latest one first.

    Args:
        key: of several calls with an equal key in one block, only the first counts.
        undo: restores what is about to be changed.

    Returns:
        Whether ``undo`` was taken: False outside of a block, where nobody asked for it, and for a
        key that has been there already.
    """
    with _lock:
        if _state.depth == 0 or key in _state.keys:
            return False
        _state.keys.add(key)
        _state.undo.callback(undo)
        return True


def _save() -> None:
    import numpy as np

    with suppress(OSError):  # the current directory may have been removed
        _state.undo.callback(_change_directory, os.getcwd())
    _state.undo.callback(random.setstate, random.getstate())
    # legacy=False: the user may have put another bit generator there
    _state.undo.callback(np.random.set_state, np.random.get_state(legacy=False))
    _state.undo.enter_context(warnings.catch_warnings())


def _change_directory(path: str) -> None:
    with suppress(OSError):
        os.chdir(path)


@contextmanager
def fewer_collections() -> Iterator[None]:
    """While the block runs, garbage collections skip the objects that existed at its beginning.

    Keras and JAX are 300,000 objects, and each trace of a network makes several full collections.
    Where objects are frozen already, nothing is frozen: either Keras and JAX are frozen since they
    were imported (`paceline.large_imports`), or the user has frozen objects, which stay frozen, as
    ``gc.unfreeze`` knows only all or nothing.
    """
    with _lock:
        _state.num_freezing += 1
        if _state.num_freezing == 1 and gc.get_freeze_count() <= _FROZEN_BY_PYTHON:
            gc.collect()
            gc.freeze()
            _state.has_frozen = True
            # with nothing to walk: the next full collection comes when the new objects, not all
            # objects, have grown by a quarter
            gc.collect()
    try:
        yield
    finally:
        with _lock:
            _state.num_freezing -= 1
            if _state.num_freezing == 0 and _state.has_frozen:
                gc.unfreeze()
                _state.has_frozen = False


def return_memory_at_end() -> None:
    """Returns free memory to the system at the end of the outermost block of `preserved`.

    Not before, where networks and programs are still in use. Outside of a block it is done at once.
    """
    key = "free memory"
    if not restore_at_end(key, _return_free_memory) and key not in _state.keys:
        _return_free_memory()


def _return_free_memory() -> None:
    """Returns memory that is free to the system, where the C library can do that.

    Compiling takes tens of MiB for a moment, in several threads, and glibc keeps them: after a
    study of the smallest network 39 of 513 MiB.
    """
    import ctypes  # here, as only studies need it

    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    trim(0)
