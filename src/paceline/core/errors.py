"""Exceptions; each message says what was passed, what was expected and what to do.

    PacelineError
    ├── InvalidInput (also a ValueError)   what the user passed cannot be used
    │   ├── MissingData                    a data set or file does not exist
    │   └── StudyMismatch                  the study directory belongs to another study
    ├── StudyLocked                        another process is writing this study
    ├── UnreadableStudy                    files are damaged, of a newer version, or not a study
    └── AllTrialsFailed                    the first trials all failed
    StudyInterrupted (a KeyboardInterrupt) Ctrl+C stopped a study; the message says how to resume

The terminal prints the message alone and exits with code 2.
"""

import reprlib

from paceline.core.texts import printable

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 8


def last_line(traceback: str | None) -> str:
    """The line of a traceback that names the exception; the last line of a plain reason."""
    lines = [line for line in (traceback or "").strip().splitlines() if line.strip()]
    frames = [index for index, line in enumerate(lines) if line.startswith("  File ")]
    after = (
        [line.strip() for line in lines[frames[-1] :] if not line.startswith(" ")]
        if frames
        else lines[-1:]
    )
    return after[0].strip() if after else "no reason was recorded"


def shown(value: object) -> str:
    """The ``repr`` of a value on one line, shortened if it is long."""
    return " ".join(_REPR.repr(value).split())


class PacelineError(Exception):
    """Base of every error that Paceline raises on purpose."""

    def __str__(self) -> str:
        """The message, with control characters escaped: it may contain names from data files."""
        return printable(super().__str__())


class InvalidInput(PacelineError, ValueError):
    """Something passed by the user cannot be used.

    Args:
        passed: what was passed, as a sentence without its full stop: ``"epochs is -3"``.
        expected: what would have been right: ``"a whole number of at least 1"``.
        fix: what to do about it, when that is not obvious from the expectation.
    """

    def __init__(self, passed: str, *, expected: str, fix: str = "") -> None:
        # messages of other libraries may end with a full stop of their own
        passed, expected = (
            text if text.endswith("...") else text.removesuffix(".") for text in (passed, expected)
        )
        self.passed, self.expected, self.fix = passed, expected, fix
        super().__init__(f"{passed}; expected {expected}." + (f" {fix}" if fix else ""))


class MissingData(InvalidInput):
    """A data set or file does not exist."""


class StudyMismatch(InvalidInput):
    """The study directory was made for another space, data set or objective."""


class StudyLocked(PacelineError):
    """Another process is writing this study."""


class UnreadableStudy(PacelineError):
    """A study's files are damaged, were written by a newer Paceline, or are not a study.

    Args:
        message: what is wrong, and what to do about it.
        reason: only what is wrong; by default the message.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason or message
        super().__init__(message)


class AllTrialsFailed(PacelineError):
    """The first trials all failed, so the search was stopped."""


class StudyInterrupted(KeyboardInterrupt):
    """Ctrl+C stopped a study; everything measured is stored, and the message says how to resume."""


class StudyWarning(UserWarning):
    """Something about a study that its user should change; the study has a note of it, too."""
