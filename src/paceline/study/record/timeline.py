"""Where a study's time went, and when each trial ended, from the times of its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paceline.core.events import (
    EpochMeasured,
    FinalMeasured,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialStarted,
)
from paceline.store import Stored

_Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A study's wall time, divided; the time between two sessions is no part of it.

    Attributes:
        training: seconds in which at least one network trained.
        compiling: seconds in which a program was compiled and nothing trained.
        deciding: seconds in which nothing of this happened, up to a word of the strategy or the
            schedule.
        other: the rest: loading, saving, testing, waiting.
        ended: seconds after the beginning at which each trial ended, by number.
    """

    training: float = 0.0
    compiling: float = 0.0
    deciding: float = 0.0
    other: float = 0.0
    ended: Mapping[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.training + self.compiling + self.deciding + self.other


@dataclass(slots=True)
class _Spans:
    """What happened in a session that has not ended, as intervals of time."""

    training: list[_Span] = field(default_factory=list)
    compiling: list[_Span] = field(default_factory=list)
    deciding: list[_Span] = field(default_factory=list)

    def lengths(self) -> tuple[float, float, float]:
        """Seconds of training, of compiling beside which nothing trained, and of deciding while
        neither happened.
        """
        trained = _length(self.training)
        compiled = _length(self.training + self.compiling)
        decided = _length(self.training + self.compiling + self.deciding)
        return trained, compiled - trained, decided - compiled


@dataclass(slots=True)
class Clock:
    """Goes through a study's events, in order; counts seconds of sessions only.

    What trained side by side was written together: its seconds, which are shares of one clock, add
    up to a span that ends when they were written. Compilations that run beside training cost no
    wall time and are not counted.

    Attributes:
        ended: seconds after the beginning at which each trial ended, by number.
        spent: seconds of the sessions before this one, as they said themselves.
        before: the same, by the times at which their events were written.
        training, compiling, deciding: of these.
        began: when this session began; None between two sessions.
        last: time of the last event of this session.
        spans: what happened in this session.
        programs: the program of each trial that has not ended.
        measured: seconds measured of each trial that has not ended.
        together: seconds of each program that were written at this very time.
    """

    ended: dict[int, float] = field(default_factory=dict)
    spent: float = 0.0
    before: float = 0.0
    training: float = 0.0
    compiling: float = 0.0
    deciding: float = 0.0
    began: float | None = None
    last: float = 0.0
    spans: _Spans = field(default_factory=_Spans)
    programs: dict[int, str] = field(default_factory=dict)
    measured: dict[int, float] = field(default_factory=dict)
    together: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Wall time of all sessions; one that was killed counts until the last thing it wrote."""
        return self.spent + (0.0 if self.began is None else self.last - self.began)

    def timeline(self) -> Timeline:
        """The wall time so far, divided."""
        now = Clock(
            self.ended,
            self.spent,
            self.before,
            self.training,
            self.compiling,
            self.deciding,
            self.began,
            self.last,
            _Spans(*map(list, (self.spans.training, self.spans.compiling, self.spans.deciding))),
            together=dict(self.together),
        )
        now._close()
        other = max(0.0, now.before - now.training - now.compiling - now.deciding)
        return Timeline(now.training, now.compiling, now.deciding, other, now.ended)

    def take(self, one: Stored) -> None:
        """Takes one more event."""
        time, event = one.time, one.event
        if isinstance(event, SessionStarted):
            self._close()
            self.began, self.last = time, time
            return
        if isinstance(event, SessionEnded):
            self._end(event, time)
            return
        if self.began is None:
            return
        time, before = max(time, self.last), self.last  # the clock may have been set
        self._go_to(time)
        if time > before and isinstance(event, TrialAsked | TrialDecided):
            self.spans.deciding.append((before, time))
        match event:
            case TrialStarted():
                self.programs[event.number] = event.program
            case EpochMeasured():
                taken = event.seconds - self.measured.get(event.number, 0.0)
                self.measured[event.number] = event.seconds
                self._add(self.programs.get(event.number, ""), taken)
            case FinalMeasured():
                self._add("the final", event.seconds)
            case ProgramCompiled():
                self.spans.compiling.append((max(self.began, time - event.seconds), time))
            case TrialEnded():
                self.ended[event.number] = self.before + time - self.began
                self.programs.pop(event.number, None)
                self.measured.pop(event.number, None)

    def _go_to(self, time: float) -> None:
        if time > self.last:
            self._write_together()
            self.last = time

    def _close(self) -> None:
        """Ends a session that did not say so itself: killed, or running still."""
        if self.began is not None:
            self.spent += self.last - self.began
            self._finish(self.last - self.began)

    def _end(self, event: SessionEnded, time: float) -> None:
        self.spent += event.seconds
        if self.began is not None:
            self._go_to(time := max(time, self.last))
            # what came before the first event, such as loading the data, is known of a session that
            # ended well
            self._finish(max(event.seconds, time - self.began))

    def _finish(self, seconds: float) -> None:
        """A session has ended: of its spans no more than their lengths matter from now on."""
        self._write_together()
        trained, compiled, decided = self.spans.lengths()
        self.training, self.compiling = self.training + trained, self.compiling + compiled
        self.deciding += decided
        self.before += seconds
        self.spans, self.began = _Spans(), None

    def _add(self, program: str, seconds: float) -> None:
        self.together[program] = self.together.get(program, 0.0) + max(0.0, seconds)

    def _write_together(self) -> None:
        """What was written together is one span, as long as the program that took longest."""
        longest = max(self.together.values(), default=0.0)
        if self.began is not None and longest > 0:
            self.spans.training.append((max(self.began, self.last - longest), self.last))
        self.together.clear()


def timeline(stored: Iterable[Stored]) -> Timeline:
    """The timeline of a study's events, in order."""
    clock = Clock()
    for one in stored:
        clock.take(one)
    return clock.timeline()


def _length(spans: Iterable[_Span]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for low, high in sorted(spans):
        total += max(0.0, high - max(low, reached))
        reached = max(reached, high)
    return total
