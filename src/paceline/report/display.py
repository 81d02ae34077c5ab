"""The live display of a search: a progress bar on a terminal, plain lines everywhere else."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol, Self, TextIO

from paceline.core.events import Event, Noted
from paceline.core.texts import printable
from paceline.report import words
from paceline.report.tally import Tally
from paceline.study import Record

if TYPE_CHECKING:
    from rich.console import RenderableType

_FRAMES = 4  # per second
_LINE_SECONDS = 5.0  # between plain lines ...
_NEWS_SECONDS = 1.0  # ... unless the best has changed
_BAR_WIDTH = 40


class Display(Protocol):
    """An observer of a session with a beginning and an end."""

    def __enter__(self) -> Self:
        """Begins to show."""

    def __exit__(self, *_: object) -> None:
        """Stops showing; what was shown last stays."""

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Takes what is new."""


@contextmanager
def watch(
    display: Literal["auto"] | bool = "auto",
    *,
    trials: int | None = None,
    seconds: float | None = None,
    opening: str = "Loading data and trying build(hp) ...",
    stream: TextIO | None = None,
) -> Iterator[Display | None]:
    """An observer that shows how a search goes on, on standard error.

    Args:
        display: True: a live display on a terminal, plain lines elsewhere; ``"auto"``: the live
            display on a terminal, nothing elsewhere; False: nothing.
        trials: the session's limit, as in `paceline.tune`.
        seconds: the same.
        opening: what is said before the first event.
        stream: where to show it, instead of standard error.
    """
    out = sys.stderr if stream is None else stream
    is_terminal = out.isatty()
    if not display or (display == "auto" and not is_terminal):
        yield None
        return
    tally = Tally(trials, seconds)
    with (
        LiveDisplay(tally, out, opening)
        if is_terminal
        else PlainLines(tally, out, opening) as shown
    ):
        yield shown


class PlainLines:
    """A line every few seconds, and at notable events."""

    def __init__(self, tally: Tally, stream: TextIO, opening: str) -> None:
        self._tally, self._stream, self._opening = tally, stream, opening
        self._last = time.monotonic()
        self._told = ""
        self._best: tuple[int, float] | None = None
        self._ended = 0

    def __enter__(self) -> Self:
        """Says that it begins."""
        self._say(self._opening)
        return self

    def __exit__(self, *_: object) -> None:
        """Says how far it came."""
        if self._tally.ended != self._ended:
            self._say(status(self._tally))

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Takes what is new."""
        self._tally.take(record, events)
        for event in events:
            if isinstance(event, Noted):
                self._say(f"Note: {event.text}")
        waited = time.monotonic() - self._last
        news = self._tally.best != self._best and self._tally.ended > 0
        if waited >= (_NEWS_SECONDS if news else _LINE_SECONDS):
            self._best, self._ended = self._tally.best, self._tally.ended
            self._last = time.monotonic()
            self._say(status(self._tally))

    def _say(self, line: str) -> None:
        if line != self._told:
            self._told = line
            print(printable(line), file=self._stream, flush=True)


class LiveDisplay:
    """A few lines that are drawn again by a thread, a few times a second; events are only
    counted.
    """

    def __init__(self, tally: Tally, stream: TextIO, opening: str) -> None:
        from rich.live import Live

        from paceline.report.terminal import console

        self._tally, self._opening = tally, opening
        self._console = console(stream)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_FRAMES,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Begins to draw."""
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Draws a last time."""
        self._live.stop()

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Takes what is new."""
        self._tally.take(record, events)
        for event in events:
            if isinstance(event, Noted):
                self._console.print(f"Note: {event.text}", markup=False, style="dim")

    def _draw(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        tally = self._tally
        if tally.record is None:
            return Text(f"{self._opening} {words.duration(tally.elapsed)}")
        part = tally.fraction()
        bar = ProgressBar(total=1.0, completed=part or 0.0, width=_BAR_WIDTH, pulse=part is None)
        first = Table.grid(padding=(0, 2))
        first.add_row(
            bar, Text(", ".join([_trials(tally), words.duration(tally.elapsed), *_left(tally)]))
        )
        lines: list[RenderableType] = [
            first,
            Text(_activity(tally), overflow="ellipsis", no_wrap=True),
        ]
        if tally.best is not None:
            lines.append(
                Text(printable(best(tally)), style="bold", overflow="ellipsis", no_wrap=True)
            )
        return Group(*lines)


def status(tally: Tally) -> str:
    """How far the search is, in one line."""
    told = [_trials(tally), _activity(tally), *_left(tally)]
    score = tally.best
    if score is not None and tally.record is not None:
        told.append(
            f"best {tally.record.objective.metric} {words.number(score[1])} (trial {score[0]})"
        )
    return f"{words.duration(tally.elapsed)}: {', '.join(told)}."


def best(tally: Tally) -> str:
    """The best trial so far, in one line; empty while there is none."""
    if tally.best is None or tally.record is None:
        return ""
    number, score = tally.best
    config = words.configuration(tally.best_config(), words.varying(tally.record.space))
    return f"Best so far: {tally.record.objective.metric} {words.number(score)}, trial {number}: {config}"


def _trials(tally: Tally) -> str:
    if tally.total is None:
        return f"{words.count(tally.ended, 'trial')} done"
    return f"{tally.ended:,} of {words.count(tally.total, 'trial')} done"


def _left(tally: Tally) -> list[str]:
    seconds = tally.seconds_left()
    if not seconds or (tally.total is not None and tally.ended >= tally.total):
        return []
    return [
        f"about {words.duration(seconds) if seconds >= 10 else f'{max(1, round(seconds))} s'} left"
    ]


def _activity(tally: Tally) -> str:
    if tally.final is not None:
        done, total = tally.final
        told = [f"final: {done} of {total} fresh trainings of the finalists done"]
    elif tally.total is not None and tally.ended >= tally.total:
        told = ["saving and testing the best model" if tally.has_model else "finishing"]
    else:
        told = [
            f"{words.count(tally.running, 'lane')} running"
            if tally.running
            else "preparing the next networks"
        ]
        rate = tally.steps_per_second()
        if rate:
            told.append(f"{words.number(rate)} model-steps per second")
    if tally.compiled:
        told.append(f"{words.count(tally.compiled, 'program')} compiled")
    if tally.failed:
        told.append(f"{words.count(tally.failed, 'trial')} failed")
    return ", ".join(told)
