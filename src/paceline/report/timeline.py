"""Where a study's seconds went, and when each trial ended: read off the times at which its events were written."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paceline.core.events import (
    EpochMeasured,
    Event,
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
        deciding: seconds in which nothing of this happened, up to a word of the strategy or the schedule.
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


def timeline(stored: Iterable[Stored]) -> Timeline:
    """The timeline of a study's events, in order.

    What trained side by side was written together: its seconds, which are shares of one clock, add up to a span that
    ends when they were written. Compilations that run beside training cost no wall time and are not counted.
    """
    clock = _Clock()
    for one in stored:
        clock.take(one.time, one.event)
    clock.close()
    training, compiling, deciding = (clock.spans[kind] for kind in ("training", "compiling", "deciding"))
    trained = _length(training)
    compiled = _length(training + compiling) - trained
    decided = _length(training + compiling + deciding) - compiled - trained
    other = max(0.0, clock.total - trained - compiled - decided)
    return Timeline(trained, compiled, decided, other, clock.ended)


class _Clock:
    """Goes through the events; counts seconds of sessions only."""

    def __init__(self) -> None:
        self.total = 0.0
        self.ended: dict[int, float] = {}
        self.spans: dict[str, list[_Span]] = defaultdict(list)
        self._began: float | None = None  # of this session, by the wall clock
        self._before = 0.0  # seconds of the sessions before
        self._last = 0.0  # time of the last event
        self._programs: dict[int, str] = {}
        self._seconds: dict[int, float] = {}  # measured of each trial
        self._together: dict[str, float] = {}  # seconds of each program that are written at this very time

    def take(self, time: float, event: Event) -> None:
        if isinstance(event, SessionStarted):
            self.close()
            self._began, self._last = time, time
            return
        if self._began is None:
            return
        time = max(time, self._last)  # the clock may have been set
        if time > self._last:
            self._written()
            if isinstance(event, TrialAsked | TrialDecided):
                self.spans["deciding"].append((self._last, time))
            self._last = time
        match event:
            case TrialStarted():
                self._programs[event.number] = event.program
            case EpochMeasured():
                taken = event.seconds - self._seconds.get(event.number, 0.0)
                self._seconds[event.number] = event.seconds
                self._add(self._programs.get(event.number, ""), taken)
            case FinalMeasured():
                self._add("the final", event.seconds)
            case ProgramCompiled():
                self.spans["compiling"].append((max(self._began, time - event.seconds), time))
            case TrialEnded():
                self.ended[event.number] = self._before + time - self._began
            case SessionEnded():
                # what came before the first event, such as loading the data, is known of a session that ended well
                self._finish(max(event.seconds, time - self._began))

    def close(self) -> None:
        """Ends a session that did not say so itself: killed, or running still."""
        if self._began is not None:
            self._finish(self._last - self._began)

    def _finish(self, seconds: float) -> None:
        self._written()
        self.total += seconds
        self._before += seconds
        self._began = None

    def _add(self, program: str, seconds: float) -> None:
        self._together[program] = self._together.get(program, 0.0) + max(0.0, seconds)

    def _written(self) -> None:
        """What was written together is a span of each program."""
        if self._began is not None:
            for seconds in self._together.values():
                self.spans["training"].append((max(self._began, self._last - seconds), self._last))
        self._together.clear()


def _length(spans: Iterable[_Span]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for low, high in sorted(spans):
        total += max(0.0, high - max(low, reached))
        reached = max(reached, high)
    return total
