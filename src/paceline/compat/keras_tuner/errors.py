"""Errors that a trial may raise, to say what the search should do."""

from paceline.core import AllTrialsFailed


class FailedTrialError(Exception):
    """The trial has failed, and is not to be repeated."""


class FatalError(Exception):
    """The search is to end; the error is raised again."""


class FatalValueError(FatalError, ValueError):
    """A `FatalError` about a value."""


class FatalTypeError(FatalError, TypeError):
    """A `FatalError` about a type."""


class FatalRuntimeError(FatalError, RuntimeError):
    """A `FatalError` that is also a RuntimeError."""


class TooManyFailures(AllTrialsFailed, RuntimeError):
    """So many trials have failed that the search has ended."""
