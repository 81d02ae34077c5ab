"""What a study's events add up to: its trials, its best, its costs. Pure: events in, state out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from paceline.core import Measurement, Objective, Trial, TrialState
from paceline.core.events import (
    BestTested,
    EpochMeasured,
    Event,
    Json,
    Noted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.space import Space


@dataclass(eq=False)
class Record:
    """The state of a study, made by applying its events in order.

    Attributes:
        created: the first event; None before it.
        space: the space as it stands.
        trials: by number, in the order in which they were asked for.
        notes: sentences that a person should know.
        tested: the last test of a best model.
        seconds: wall time of the sessions that have ended.
        compilations: every program compiled for a number of lanes.
    """

    created: StudyCreated | None = None
    space: Space = field(default_factory=Space)
    trials: dict[int, Trial] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tested: BestTested | None = None
    seconds: float = 0.0
    compilations: list[ProgramCompiled] = field(default_factory=list)
    sessions: list[SessionStarted] = field(default_factory=list)
    ended: SessionEnded | None = None

    def __post_init__(self) -> None:
        self._measurements: dict[int, list[Measurement]] = {}
        self._best: int | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Record":
        """The record that these events add up to."""
        record = cls()
        for event in events:
            record.apply(event)
        return record

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        if self.created is None:
            raise ValueError("the study has no first event")
        return Objective.of(self.created.objective["metric"], self.created.objective["direction"])

    @property
    def settings(self) -> Mapping[str, Json]:
        """What was asked for."""
        return {} if self.created is None else self.created.settings

    @property
    def best(self) -> Trial | None:
        """The trial with the best score, the earliest of equals; None while there is none."""
        return None if self._best is None else self.trial(self._best)

    @property
    def programs_compiled(self) -> int:
        """XLA programs that were compiled from scratch."""
        return sum(event.from_scratch for event in self.compilations)

    def trial(self, number: int) -> Trial:
        """A trial with its measurements; those of a trial that is read off another are the other's."""
        trial = self.trials[number]
        source = number if trial.shares is None else trial.shares
        measured = self._measurements.get(source, [])
        if trial.shares is not None:
            measured = measured[: trial.epochs]
        return replace(trial, measurements=tuple(measured))

    def all_trials(self) -> list[Trial]:
        """Every trial with its measurements, in order."""
        return [self.trial(number) for number in self.trials]

    def num_ended(self, *states: TrialState) -> int:
        """Trials in one of these states; in any final state when none is named."""
        return sum(t.state in states if states else t.state.is_final for t in self.trials.values())

    def apply(self, event: Event) -> None:
        """Takes one more event."""
        match event:
            case StudyCreated():
                self.created = event
            case SessionStarted():
                self.sessions.append(event)
                self.ended = None
            case SessionEnded():
                self.seconds += event.seconds
                self.ended = event
            case SpaceChanged():
                self.space = Space.from_json(event.space)
            case TrialAsked():
                self.trials[event.number] = Trial(
                    event.number, event.config, event.seed, event.epochs, origin=event.origin
                )
            case TrialStarted():
                self._change(
                    event.number,
                    state=TrialState.RUNNING,
                    program=event.program,
                    config=event.config,
                    shares=event.shares,
                )
            case EpochMeasured():
                measurement = Measurement(event.epoch, event.metrics, event.seconds)
                self._measurements.setdefault(event.number, []).append(measurement)
            case TrialPaused():
                self._change(event.number, state=TrialState.PAUSED)
            case TrialEnded():
                self._end(event)
            case ProgramCompiled():
                self.compilations.append(event)
            case Noted():
                self.notes.append(event.text)
            case BestTested():
                self.tested = event

    def _change(self, number: int, **changes: object) -> None:
        self.trials[number] = replace(self.trials[number], **changes)  # type: ignore[arg-type]

    def _end(self, event: TrialEnded) -> None:
        error = event.reason if event.state is TrialState.FAILED else None
        self._change(event.number, state=event.state, score=event.score, best_epoch=event.best_epoch, error=error)
        if event.score is None or event.state is not TrialState.COMPLETED:
            return
        best = None if self._best is None else self.trials[self._best].score
        if self.objective.better(event.score, best):
            self._best = event.number
