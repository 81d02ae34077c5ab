"""Ends a study of which every trial fails."""

from pathlib import Path

from paceline.core import AllTrialsFailed, TrialState, command_line, last_line
from paceline.study.record.record import Record

_FIRST_FAILURES = 10


def only_failures(record: Record, at_end: bool) -> bool:
    """Whether the first ten trials all failed or, at the end of the search, all that there are."""
    ended, failed = record.num_ended(), record.num_ended(TrialState.FAILED)
    return 0 < failed == ended and (ended >= _FIRST_FAILURES or at_end)


def all_failed(record: Record, directory: Path) -> AllTrialsFailed:
    """The error, with the cause of the last failure."""
    ended = record.num_ended()
    last = last_line(next(t.error for t in reversed(record.trials.values()) if t.error))
    is_one = ended == 1
    failed = (
        "the first trial failed" if is_one else f"the first {ended} trials all failed; the last one"
    )
    return AllTrialsFailed(
        f"{failed}: {last.removesuffix('.')}. The {'traceback' if is_one else 'tracebacks'}: "
        f"{command_line('show', directory)}"
    )
