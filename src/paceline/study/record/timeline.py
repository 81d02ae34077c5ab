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
    """A study's wall time by kind of work; time between sessions is not included.

    Attributes:
        training: seconds with at least one network training.
        compiling: seconds with a compilation and nothing training.
        deciding: seconds with neither, up to a proposal or a decision.
        other: all other seconds: loading, saving, testing, waiting.
        ended: time of each trial's end in seconds after the study's beginning, by number.
    """

    training: float = 0.0
    compiling: float = 0.0
    deciding: float = 0.0
    other: float = 0.0
    ended: Mapping[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The total."""
        return self.training + self.compiling + self.deciding + self.other


@dataclass(slots=True)
class _Spans:
    """Intervals of time of what happened in a session that has not ended."""

    training: list[_Span] = field(default_factory=list)
    compiling: list[_Span] = field(default_factory=list)
    deciding: list[_Span] = field(default_factory=list)

    def lengths(self) -> tuple[float, float, float]:
        """Seconds of training, of compilation without training, and of decisions with neither."""
        trained = _length(self.training)
        compiled = _length(self.training + self.compiling)
        decided = _length(self.training + self.compiling + self.deciding)
        return trained, compiled - trained, decided - compiled


@dataclass(slots=True)
class Clock:
    """Accumulates the time of a study's events, in order; counts seconds of sessions only.

    Epochs of networks that trained together were written together: their seconds, which are shares
    of one clock, add up to a span that ends when they were written. Compilations beside training
    cost no wall time and are not counted.

    Attributes:
        ended: time of each trial's end in seconds after the study's beginning, by number.
        spent: seconds of the sessions before this one, as recorded at their end.
        before: the same, from the times of their events.
        training, compiling, deciding: seconds of each kind in these sessions.
        began: time at which this session began; None between two sessions.
        last: time of this session's last event.
        spans: intervals of this session.
        programs: the program of each trial that has not ended.
        measured: seconds measured of each trial that has not ended.
        together: seconds of each program written at the same time.
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
        """Wall time of all sessions; a killed session counts until its last event."""
        return self.spent + (0.0 if self.began is None else self.last - self.began)

    def timeline(self) -> Timeline:
        """The wall time so far, by kind of work."""
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
        """Accounts for one more event."""
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
        time, before = max(time, self.last), self.last  # the clock may have been changed
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
        """Ends a session without an end of its own: it was killed, or is still running."""
        if self.began is not None:
            self.spent += self.last - self.began
            self._finish(self.last - self.began)

    def _end(self, event: SessionEnded, time: float) -> None:
        self.spent += event.seconds
        if self.began is not None:
            self._go_to(time := max(time, self.last))
            # the time before the first event, such as loading the data, is known only for a session
            # that ended normally
            self._finish(max(event.seconds, time - self.began))

    def _finish(self, seconds: float) -> None:
        """Ends a session: only the lengths of its spans are kept."""
        self._write_together()
        trained, compiled, decided = self.spans.lengths()
        self.training, self.compiling = self.training + trained, self.compiling + compiled
        self.deciding += decided
        self.before += seconds
        self.spans, self.began = _Spans(), None

    def _add(self, program: str, seconds: float) -> None:
        self.together[program] = self.together.get(program, 0.0) + max(0.0, seconds)

    def _write_together(self) -> None:
        """Adds what was written together as one span, as long as its slowest program."""
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
