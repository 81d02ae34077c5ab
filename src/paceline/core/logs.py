"""Where log messages go, if a user asks for them: on the terminal or in a file.

Paceline logs to the logger ``paceline`` and its children, and sets up no handlers of its own: what
becomes of the messages is for the application to say, as with any library. The environment variable
``PACELINE_LOG`` and the options ``-v`` and ``-q`` of the command line set a handler up.
"""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paceline.core import process_state
from paceline.core.errors import InvalidInput, shown
from paceline.core.texts import on_one_line, printable

VARIABLE = "PACELINE_LOG"
"""The environment variable: a level such as ``info``, or ``debug:run.log``, a level and a file."""

LOGGER = logging.getLogger("paceline")
LOGGER.addHandler(logging.NullHandler())  # without one, Python prints warnings by itself
FORMAT = "%(asctime)s %(levelname)s %(message)s"

_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}


def logger(name: str) -> logging.Logger:
    """A child of the logger ``paceline``."""
    return LOGGER.getChild(name)


class SafeFormatter(logging.Formatter):
    """Writes a message on one line, then its traceback; nothing in them can control a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line."""
        return on_one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback."""
        return printable(super().formatException(ei))


class _ToStandardError(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error as it is at that moment: a progress bar replaces it meanwhile.

    It leaves out what another handler, such as one of the application, writes there as well.
    """

    def __init__(self, level: int) -> None:
        logging.Handler.__init__(self, level)

    @property
    def stream(self) -> object:
        """Standard error."""
        return sys.stderr

    def filter(self, record: logging.LogRecord) -> Any:
        """False for a record that another handler writes to standard error."""
        is_before = True  # of two handlers of this class (PACELINE_LOG and -v), the first writes
        for other in _handlers_of(LOGGER):
            if other is self:
                is_before = False
            elif isinstance(other, _ToStandardError) and not is_before:
                continue
            elif other.level <= record.levelno and _writes_to_standard_error(other):
                return False
        return super().filter(record)


def _handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that get the records of a logger."""
    yield from logger.handlers
    if logger.propagate and logger.parent is not None:
        yield from _handlers_of(logger.parent)


def _writes_to_standard_error(handler: logging.Handler) -> bool:
    stream = handler.stream if isinstance(handler, logging.StreamHandler) else None
    return stream is not None and stream in (sys.stderr, sys.__stderr__)


_handlers: dict[str, logging.Handler] = {}
_state = {"level": logging.NOTSET}  # the logger's, as the application left it


def log_as_environment_says() -> None:
    """Sets up the handler that ``PACELINE_LOG`` asks for, until the call of the user returns.

    Raises:
        InvalidInput: its value is not a level, or the file cannot be written.
    """
    given = os.environ.get(VARIABLE, "").strip()
    name, _, path = given.partition(":")
    level = _LEVELS.get(name.strip().lower())
    if given and level is None:
        raise InvalidInput(
            f"the environment variable {VARIABLE} is {shown(given)}",
            expected=f"a level ({', '.join(_LEVELS)}), or a level and a file: info:run.log",
        )
    _set_handler(VARIABLE, given, level, path)
    process_state.restore_at_end(VARIABLE, lambda: _set_handler(VARIABLE, "", None, ""))


def log_to_terminal(level: int | None) -> None:
    """Writes messages of at least this level to standard error; None: does so no more."""
    _set_handler("terminal", "" if level is None else str(level), level, "")


def _set_handler(key: str, given: str, level: int | None, path: str) -> None:
    known = _handlers.get(key)
    if (known.name if known is not None else "") == given:
        return
    if not _handlers:
        _state["level"] = LOGGER.level
    if known is not None:
        LOGGER.removeHandler(_handlers.pop(key))
        known.close()
    if level is not None:
        handler = _handler(level, path)
        handler.name = given
        handler.setFormatter(SafeFormatter(FORMAT))
        LOGGER.addHandler(handler)
        _handlers[key] = handler
    LOGGER.setLevel(min((one.level for one in _handlers.values()), default=_state["level"]))


def _handler(level: int, path: str) -> logging.Handler:
    if not path:
        return _ToStandardError(level)
    try:
        handler = logging.FileHandler(Path(path).expanduser(), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"the log file {shown(path)} of the environment variable {VARIABLE} cannot be written "
            f"({error.strerror})",
            expected="a file in a folder that is there",
        ) from error
    handler.setLevel(level)
    return handler
