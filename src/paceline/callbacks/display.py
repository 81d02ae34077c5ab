"""The progress display: a bar on a terminal and in a notebook, plain lines everywhere else."""

import sys
import time
from typing import TYPE_CHECKING, Literal, TextIO

from paceline.callbacks.lines import activity, best, remaining, status, trials_done
from paceline.callbacks.notebook import NotebookDisplay, in_notebook
from paceline.callbacks.progress import StudyProgress
from paceline.core import Measurement, Trial
from paceline.core.logs import logger
from paceline.core.texts import printable
from paceline.report import words
from paceline.study.hooks.callback import Callback
from paceline.study.hooks.view import StudyView

if TYPE_CHECKING:
    from rich.console import RenderableType

_FRAMES = 4  # per second
_LINE_SECONDS = 5.0  # between plain lines ...
_NEWS_SECONDS = 1.0  # ... unless the best has changed
_LOG_SECONDS = 10.0  # between lines in the log
_BAR_WIDTH = 40

_LOG = logger("study")

LOADING = "Loading data and trying build(hp) ..."
"""The text that is shown before a study of models begins."""


def display_callbacks(
    display: Literal["auto"] | bool = "auto",
    *,
    opening: str = LOADING,
    stream: TextIO | None = None,
) -> list[Callback]:
    """The callbacks that show the progress of a study, on standard error; maybe none.

    Args:
        display: True: a bar on a terminal or in a notebook, plain lines elsewhere; ``"auto"``: a
            bar on a terminal or in a notebook, lines in the log elsewhere; False: nothing.
        opening: what is shown before the study begins.
        stream: where to show it, instead of standard error.
    """
    if display and stream is None and in_notebook():
        progress = StudyProgress()
        return [progress, NotebookDisplay(progress, opening)]
    out = sys.stderr if stream is None else stream
    is_terminal = out.isatty()
    if not display:
        return []
    progress = StudyProgress()
    if display == "auto" and not is_terminal:
        return [progress, LoggedProgress(progress)]
    shown = LiveDisplay if is_terminal else PlainLines
    return [progress, shown(progress, out, opening)]


class LoggedProgress(Callback):
    """Logs how far a study is, every ten seconds: the display of ``"auto"`` off a terminal.

    Args:
        progress: a callback that is called before this one.
    """

    def __init__(self, progress: StudyProgress) -> None:
        self._progress, self._last = progress, time.monotonic()

    def on_epoch_end(self, study: StudyView, trial: Trial, measurement: Measurement) -> None:
        """Logs a line if one is due."""
        self._log_sometimes()

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Logs a line if one is due."""
        self._log_sometimes()

    def on_final_score(self, study: StudyView, trial: Trial, pair: int, score: float) -> None:
        """Logs a line if one is due."""
        self._log_sometimes()

    def _log_sometimes(self) -> None:
        now = time.monotonic()
        if now - self._last >= _LOG_SECONDS:
            self._last = now
            _LOG.info("%s", status(self._progress))


class PlainLines(Callback):
    """A line every few seconds, and one for each note.

    Args:
        progress: a callback that is called before this one.
        stream: where the lines are written.
        opening: the first line.
    """

    def __init__(self, progress: StudyProgress, stream: TextIO, opening: str) -> None:
        self._progress, self._stream, self._opening = progress, stream, opening
        self._last = time.monotonic()
        self._said = ""
        self._best: int | None = None
        self._ended = 0

    def on_setup(self) -> None:
        """Writes the first line."""
        self._say(self._opening)

    def on_epoch_end(self, study: StudyView, trial: Trial, measurement: Measurement) -> None:
        """Writes a line if one is due."""
        self._say_sometimes()

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Writes a line if one is due."""
        self._say_sometimes()

    def on_final_score(self, study: StudyView, trial: Trial, pair: int, score: float) -> None:
        """Writes a line if one is due."""
        self._say_sometimes()

    def on_note(self, study: StudyView, text: str) -> None:
        """Writes the note."""
        self._say(f"Note: {text}")

    def on_teardown(self) -> None:
        """Writes the last line."""
        if self._progress.ended != self._ended:
            self._say(status(self._progress))

    def _say_sometimes(self) -> None:
        progress, now = self._progress, time.monotonic()
        best = None if progress.best is None else progress.best.number
        is_news = best != self._best and progress.ended > 0
        if now - self._last >= (_NEWS_SECONDS if is_news else _LINE_SECONDS):
            self._best, self._ended, self._last = best, progress.ended, now
            self._say(status(progress))

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            print(printable(line), file=self._stream, flush=True)


class LiveDisplay(Callback):
    """A few lines that a thread draws again, a few times a second.

    Args:
        progress: what they show.
        stream: a terminal.
        opening: what is shown before the study begins.
    """

    def __init__(self, progress: StudyProgress, stream: TextIO, opening: str) -> None:
        from rich.live import Live

        from paceline.report.terminal import console

        self._progress, self._opening = progress, opening
        self._console = console(stream)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_FRAMES,
            vertical_overflow="crop",
        )

    def on_setup(self) -> None:
        """Begins to draw."""
        self._live.start(refresh=True)

    def on_note(self, study: StudyView, text: str) -> None:
        """Writes the note above what is drawn."""
        self._console.print(f"Note: {text}", markup=False, style="dim")

    def on_teardown(self) -> None:
        """Draws a last time."""
        self._live.stop()

    def _draw(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        progress = self._progress
        if progress.study is None:
            return Text(f"{self._opening} {words.duration(progress.elapsed)}")
        part = progress.fraction()
        bar = ProgressBar(total=1.0, completed=part or 0.0, width=_BAR_WIDTH, pulse=part is None)
        first = Table.grid(padding=(0, 2))
        said = [trials_done(progress), words.duration(progress.elapsed), *remaining(progress)]
        first.add_row(bar, Text(", ".join(said)))
        lines: list[RenderableType] = [
            first,
            Text(activity(progress), overflow="ellipsis", no_wrap=True),
        ]
        if progress.best is not None:
            said_best = Text(
                printable(best(progress)), style="bold", overflow="ellipsis", no_wrap=True
            )
            lines.append(said_best)
        return Group(*lines)
