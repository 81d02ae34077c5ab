"""Handling of Ctrl+C: no interrupt is lost, and none leaves a write half done.

Python raises ``KeyboardInterrupt`` at any point of the main thread. Inside a callback of the
garbage collector (JAX installs one) the exception is dropped, and between two writes it leaves
memory and disk inconsistent. Therefore the handler only sets a flag, and `check` raises at safe
points. A second Ctrl+C does not wait.
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
"""The exit code of a process that was ended by Ctrl+C, as shells expect."""


@dataclass(slots=True)
class _SignalState:
    """State of the signal handler; signals belong to the process, so there is one instance.

    Attributes:
        depth: number of open `handled` blocks.
        deferred: number of open `deferred` blocks.
        pressed: number of interrupts since the outermost block began.
        waiting: whether one of them has not been raised yet.
        at_once: what a second Ctrl+C does.
        before: the previous handler, which is called, at a safe point.
        unraisable: the previous ``sys.unraisablehook``.
    """

    depth: int = 0
    deferred: int = 0
    pressed: int = 0
    waiting: bool = False
    at_once: Callable[[], Any] | None = None
    before: Callable[[int, FrameType | None], Any] = signal.default_int_handler
    unraisable: Callable[["sys.UnraisableHookArgs"], Any] = sys.__unraisablehook__


_state = _SignalState()


@contextmanager
def handled(at_once: Callable[[], Any] | None = None) -> Iterator[None]:
    """While the block runs, Ctrl+C is never lost; what cannot be raised at once, `check` raises.

    Does nothing outside the main thread, where signals never arrive, and where Python does not
    handle them (a process in the background ignores Ctrl+C).

    Args:
        at_once: what a second Ctrl+C calls, such as `exit_now`; None to raise
            ``KeyboardInterrupt`` immediately.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    if not callable(before):
        yield
        return
    if _state.depth == 0:
        _state.pressed, _state.waiting, _state.before = 0, False, before
        signal.signal(signal.SIGINT, _handle)
        _state.unraisable, sys.unraisablehook = sys.unraisablehook, _print_others
    outer, _state.at_once = _state.at_once, at_once or _state.at_once
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1
        _state.at_once = outer
        if _state.depth == 0:
            signal.signal(signal.SIGINT, before)
            sys.unraisablehook = _state.unraisable
            _state.waiting = False


@contextmanager
def deferred() -> Iterator[None]:
    """As `handled`, and the first Ctrl+C inside the block is raised by the next `check`."""
    with handled():
        _state.deferred += 1
        try:
            yield
        finally:
            _state.deferred -= 1


def check() -> None:
    """Raises ``KeyboardInterrupt`` if one is pending; called where no write is half done."""
    if _state.waiting and threading.current_thread() is threading.main_thread():
        _state.waiting = False
        _state.before(signal.SIGINT, None)


@contextmanager
def blocked_in_children() -> Iterator[None]:
    """Processes started in the block do not receive Ctrl+C, not even while they start.

    The signal is blocked, which children inherit, and not ignored: this process still receives it
    after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it unblocks the signal: start it before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock() -> None:
    """Restores Ctrl+C in a child of `blocked_in_children`; drops pending interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_forced() -> bool:
    """Whether Ctrl+C came a second time: stop without further work."""
    return _state.pressed > 1


def exit_now() -> None:
    """Ends the process immediately; everything measured is on disk."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # a live display hides the cursor
    sys.stderr.write("\nStopped immediately; everything that was stored is kept.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _handle(number: int, frame: FrameType | None) -> None:
    _state.pressed += 1
    # also if it is raised now: that may happen in the garbage collector, which drops it
    _state.waiting = True
    if is_forced() and _state.at_once is not None:
        _state.at_once()
    if is_forced() or not _state.deferred:
        _state.before(number, frame)


def _print_others(dropped: "sys.UnraisableHookArgs") -> None:
    """Prints an exception that Python drops, unless it is an interrupt, which `check` raises."""
    if not (_state.waiting and issubclass(dropped.exc_type, KeyboardInterrupt)):
        _state.unraisable(dropped)
