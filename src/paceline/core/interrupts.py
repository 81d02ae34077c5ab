"""Ctrl+C that is never lost and leaves nothing half done.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. Inside a callback of the
garbage collector (JAX installs one) the exception is printed and forgotten, and between two writes
it leaves memory and disk apart. So the handler only takes a note, and `check` raises where nothing
is half done. A second Ctrl+C does not wait.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

INTERRUPTED = 130
"""The exit code of a process that was ended by Ctrl+C, as shells expect it."""


@dataclass(slots=True)
class _State:
    """What is known about Ctrl+C in this process; signals are the process's, so there is one.

    Attributes:
        depth: how many blocks of `handled` are open.
        deferred: how many blocks of `deferred` are open.
        pressed: how often Ctrl+C came since the outermost block began.
        waiting: whether one of them has not been raised yet.
        at_once: what a second Ctrl+C does.
        before: the handler that was there: what it does on Ctrl+C is still what happens, only
            later.
    """

    depth: int = 0
    deferred: int = 0
    pressed: int = 0
    waiting: bool = False
    at_once: Callable[[], Any] | None = None
    before: Callable[[int, FrameType | None], Any] = signal.default_int_handler


_state = _State()


@contextmanager
def handled(at_once: Callable[[], Any] | None = None) -> Iterator[None]:
    """While the block runs, Ctrl+C is never lost: what could not be raised at once is raised by
    `check`.

    Does nothing outside the main thread, where signals never arrive, and where Python does not
    handle them (a process in the background ignores Ctrl+C).

    Args:
        at_once: what a second Ctrl+C does, such as `exit_now`; None: it raises
            ``KeyboardInterrupt`` where it comes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    if not callable(before):
        yield
        return
    if _state.depth == 0:
        _state.pressed, _state.waiting, _state.before = 0, False, before
        signal.signal(signal.SIGINT, _handle)
    outer, _state.at_once = _state.at_once, at_once or _state.at_once
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1
        _state.at_once = outer
        if _state.depth == 0:
            signal.signal(signal.SIGINT, before)
            _state.waiting = False


@contextmanager
def deferred() -> Iterator[None]:
    """As `handled`; and while the block runs, the first Ctrl+C waits for `check`."""
    with handled():
        _state.deferred += 1
        try:
            yield
        finally:
            _state.deferred -= 1


def check() -> None:
    """Raises ``KeyboardInterrupt`` if Ctrl+C came and has not been raised yet; called where nothing
    is half done.
    """
    if _state.waiting and threading.current_thread() is threading.main_thread():
        _state.waiting = False
        _state.before(signal.SIGINT, None)


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Processes that are started in the block do not hear Ctrl+C, not even while they start.

    It is blocked, which is inherited, and not ignored: if it comes meanwhile, this process hears it
    all the same.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # before, since starting it unblocks the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_again() -> None:
    """In a process started under `kept_from_children`: SIGINT works from now on; what came before
    is dropped.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_forced() -> bool:
    """Whether Ctrl+C came a second time: nothing more is to be done."""
    return _state.pressed > 1


def exit_now() -> None:
    """Ends the process at once, as a kill would; what was measured is on disk."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # a live display hides the cursor
    sys.stderr.write("\nStopped at once; everything that was stored is kept.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _handle(number: int, frame: FrameType | None) -> None:
    _state.pressed += 1
    _state.waiting = (
        True  # also where it is raised now: that may be in the garbage collector, which loses it
    )
    if is_forced() and _state.at_once is not None:
        _state.at_once()
    if is_forced() or not _state.deferred:
        _state.before(number, frame)
