"""Errors that help: each says what was passed, what was expected and what to do.

    PacelineError
    ├── InvalidInput (also a ValueError)   what the user passed cannot be used
    │   ├── MissingData                    a data set or file is not there
    │   └── StudyMismatch                  the study directory belongs to another space, data set or objective
    ├── StudyLocked                        another process writes this study
    └── AllTrialsFailed                    the first trials all failed: the model, not the search, needs care

The terminal prints the message alone and exits with code 2.
"""


class PacelineError(Exception):
    """Base of every error that Paceline raises on purpose."""


class InvalidInput(PacelineError, ValueError):
    """Something passed by the user cannot be used.

    Args:
        passed: what was passed, as a sentence without its full stop: ``"epochs is -3"``.
        expected: what would have been right: ``"a whole number of at least 1"``.
        fix: what to do about it, when that is not obvious from the expectation.
    """

    def __init__(self, passed: str, *, expected: str, fix: str = "") -> None:
        self.passed, self.expected, self.fix = passed, expected, fix
        super().__init__(f"{passed}; expected {expected}." + (f" {fix}" if fix else ""))


class MissingData(InvalidInput):
    """A data set or file is not where it was looked for."""


class StudyMismatch(InvalidInput):
    """The study directory was made for another space, data set or objective."""


class StudyLocked(PacelineError):
    """Another process is writing this study."""


class AllTrialsFailed(PacelineError):
    """The first trials all failed, so the search was stopped."""
