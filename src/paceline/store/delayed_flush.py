"""Flushes files to the disk a little later and in groups, so that nobody waits for the disk.

What a process has written survives its end, also by SIGKILL; only after a failure of the power or
of the system do files count that were flushed. A flush takes milliseconds, whatever the size.
"""

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from paceline.store.files import flush

_NOT_THERE = (FileNotFoundError, PermissionError, NotADirectoryError)
_SECONDS = 1.0  # from the beginning of one group to that of the next, at least


class DelayedFlush:
    """Flushes files of one directory in a thread, which runs only while there are any."""

    def __init__(self, directory: Path) -> None:
        """``directory`` need not exist yet."""
        self._directory = directory
        self._changed = threading.Condition()
        self._waiting: set[str] = set()
        self._group: set[str] = set()
        self._failed: set[str] = set()
        self._error: OSError | None = None
        self._began = -_SECONDS
        self._is_running = self._is_urgent = False
        self.num_groups = 0

    def add(self, names: Iterable[str]) -> None:
        """Adds files that have been written."""
        with self._changed:
            self._waiting.update(names)
            if self._waiting and not self._is_running:
                thread = threading.Thread(target=self._run, name="paceline-flush", daemon=True)
                with suppress(RuntimeError):  # the interpreter is about to end
                    thread.start()
                    self._is_running = True

    def discard(self, name: str) -> None:
        """Gives up a file, which was removed."""
        with self._changed:
            self._waiting.discard(name)
            self._failed.discard(name)

    def is_flushed(self, name: str) -> bool:
        """Whether a file does not wait to be flushed, and its flush has not failed."""
        with self._changed:
            return not any(name in names for names in (self._waiting, self._group, self._failed))

    def wait(self) -> None:
        """Waits until all files are flushed.

        Raises:
            OSError: as `check`.
        """
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_running)
            starts_none = bool(self._waiting)  # since no thread could be started
            self._is_running = starts_none
        if starts_none:
            self._run()
        with self._changed:
            self._is_urgent = False
        self.check()

    def check(self) -> None:
        """Reports a failure.

        Raises:
            OSError: files could not be flushed; raised once for each time that this happened.
        """
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        while self._next_group():
            error = None
            try:
                self._flush()
            except OSError as caught:
                error = caught
            with self._changed:
                if error is not None:
                    self._error = error
                    self._failed |= self._group
                self._group = set()
                self.num_groups += 1

    def _next_group(self) -> bool:
        """Waits until the next group is due and begins it; False, and the end, if there is none."""
        with self._changed:
            left = self._began + _SECONDS - time.monotonic()
            self._changed.wait_for(lambda: self._is_urgent or not self._waiting, max(0.0, left))
            self._group, self._waiting = self._waiting, set()
            self._began = time.monotonic()
            self._is_running = bool(self._group)
            self._changed.notify_all()
            return self._is_running

    def _flush(self) -> None:
        for name in sorted(self._group):
            with suppress(*_NOT_THERE):  # this is noticed when it is read
                flush(self._directory / name)
        with suppress(*_NOT_THERE):
            flush(self._directory)
