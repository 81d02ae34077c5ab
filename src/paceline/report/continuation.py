"""How to resume a study that was stopped: the commands, and the message after Ctrl+C."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paceline.core import PacelineError, StudyInterrupted, command_line, interrupts
from paceline.core.commands import study_name
from paceline.report import words
from paceline.report.show import Summary, read
from paceline.settings.function import ASKED
from paceline.store import has_study
from paceline.store.paths import REPORT
from paceline.study.resume.how_to_resume import how_to_resume


@contextmanager
def interruptible(directory: Path) -> Iterator[None]:
    """Ctrl+C in the block becomes an error that says how to resume.

    Raises:
        StudyInterrupted: in place of ``KeyboardInterrupt``.
    """
    with _interruptible(lambda: (_short if interrupts.is_forced() else _message)(directory)):
        yield


@contextmanager
def interruptible_runs(directory: Path) -> Iterator[None]:
    """As `interruptible`, for several studies in one directory that the same call resumes.

    Raises:
        StudyInterrupted: in place of ``KeyboardInterrupt``.
    """
    with _interruptible(
        lambda: (
            f"Stopped; everything measured is kept in {directory}.\n"
            "Continue with the same command or call, and the same directory."
        )
    ):
        yield


@contextmanager
def _interruptible(message: Callable[[], str]) -> Iterator[None]:
    try:
        with interrupts.handled():
            yield
    except KeyboardInterrupt:
        raise StudyInterrupted(message()) from None


def ways_to_continue(summary: Summary) -> Iterator[str]:
    """Ways to continue a study that was stopped before its end, a line each."""
    directory = summary.directory
    if summary.record.created is None:
        yield "Run the same command or call again."
        return
    yield f"Continue {how_to_resume(summary.record, directory)}"
    if summary.record.settings.function.kind == ASKED:
        return
    if summary.record.best is not None or any(t.measurements for t in summary.record.all_trials()):
        yield (
            f"Or end the search here and choose the best model now: "
            f"{command_line('finish', directory)}"
        )


def _message(directory: Path) -> str:
    try:
        return _with_the_best(directory)
    except PacelineError as error:  # such as a server that is gone
        return f"Stopped; {study_name(directory)} cannot be read now: {error}"


def _short(directory: Path) -> str:
    with suppress(PacelineError):
        if not has_study(directory):
            return "Stopped before anything was written."
    return f"Stopped; everything that was stored is kept in {study_name(directory)}."


def _with_the_best(directory: Path) -> str:
    if not has_study(directory):
        return _short(directory)
    summary = read(directory)
    record, ended = summary.record, summary.record.num_ended()
    have = "has" if ended == 1 else "have"
    lines = [
        f"Stopped. {words.count(ended, 'trial')} {have} ended; everything measured is kept in "
        f"{study_name(directory)}."
    ]
    best = record.best
    if best is not None and best.score is not None:
        score = f"{record.objective.metric} {words.number(best.score)} (trial {best.number})"
        lines.append(f"Best so far: {score}. Report: {directory / REPORT}")
    return "\n".join([*lines, *ways_to_continue(summary)])
