"""What a study's events add up to: its trials, its best, its costs. Pure: events in, state out."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from paceline.core import (
    Ablation,
    Action,
    Configuration,
    Final,
    Measurement,
    Objective,
    Side,
    Trial,
    TrialState,
)
from paceline.core.events import (
    AblationMeasured,
    AblationStarted,
    BestTested,
    EpochMeasured,
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Json,
    Noted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
    SpaceChanged,
    SpaceReplaced,
    StudyCreated,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
    TrialTested,
)
from paceline.settings.description import Settings, stored, with_changes
from paceline.space import Space
from paceline.study.record.moved import moved, without
from paceline.study.record.reuse import ablation_of, final_of

T = TypeVar("T")

REPAIRED = "repaired"
"""The reason of the end of a session whose last events could not be read."""


@dataclass(eq=False)
class Record:
    """The state of a study, made by applying its events in order.

    Attributes:
        created: the first event; None before it.
        trials: by number, in the order in which they were asked for; one that is read off another
            has no measurements of its own here, see `trial`.
        notes: sentences that a person should know.
        tested: the last test of a best model.
        seconds: wall time of the sessions that have ended.
        compilations: every program compiled for a number of lanes.
        spaces: the space as it was first, and each time that a build made it grow.
        decisions: what the schedule said of each trial, by number.
        final: the closing cohort, once it has begun.
        ablation: the way from the default configuration to the winner, once it is measured.
        notes_of_final: of the notes, those that belong to the result of the final, or say why there
            is none.
        trials_since_final: whether trials were asked for or ended since the last final began.
        changes: what of the settings was changed when the study went on.
        moved: trials of an earlier space that are none of the space as it stands, by number: the
            configuration of it as which a search learns from them, or None where they lie outside.
        begun: trials that began in the last session.
        earlier: trials that began before the space was changed last. One that lacks a value for a
            hyperparameter that joins later is none of the space: what was changed may have brought
            it.
        test_is_current: whether the best model was tested since anything changed that may have
            changed it.

    All that the events add up to is in these fields: it is stored by their types
    (`paceline.study.record.snapshot`). What follows from them is worked out when a record is made:
    ``space``, the space as it stands, is the last of ``spaces``.
    """

    created: StudyCreated | None = None
    trials: dict[int, Trial] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tested: BestTested | None = None
    seconds: float = 0.0
    compilations: list[ProgramCompiled] = field(default_factory=list)
    sessions: list[SessionStarted] = field(default_factory=list)
    ended: SessionEnded | None = None
    spaces: list[SpaceChanged] = field(default_factory=list)
    decisions: dict[int, list[TrialDecided]] = field(default_factory=dict)
    final: Final | None = None
    ablation: Ablation | None = None
    notes_of_final: list[str] = field(default_factory=list)
    trials_since_final: bool = False
    test_is_current: bool = False
    changes: list[SettingsChanged] = field(default_factory=list)
    moved: dict[int, Configuration | None] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    earlier: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.space = Space.from_json(self.spaces[-1].space) if self.spaces else Space()
        self._stored_settings: Mapping[str, Json] = {}
        self._settings: Settings | None = None  # made when they are first asked for
        if self.created is not None:
            self._set_settings(self.created)
        for event in self.changes:
            self._stored_settings = with_changes(self._stored_settings, event.changed)
        self._remembered: dict[str, tuple[Any, Any]] = {}
        self._counts = Counter(trial.state for trial in self.trials.values())
        self._best = self._find_best()
        self._longest: dict[object, int] | None = None  # made when it is first asked for

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Record":
        """The record that these events add up to."""
        record = cls()
        for event in events:
            record.apply(event)
        return record

    @property
    def settings(self) -> Settings:
        """What was asked for, as it stands: that of the first event with its changes."""
        if self._settings is None:
            goal = None if self.created is None else self.objective
            self._settings = Settings.from_json(self._stored_settings, goal)
        return self._settings

    def remembered(self, name: str, key: Any, compute: Callable[[], T]) -> T:
        """What was computed from this record under a name, unless its key has changed since."""
        known = self._remembered.get(name)
        if known is None or known[0] != key:
            known = self._remembered[name] = (key, compute())
        return known[1]

    def _set_settings(self, created: StudyCreated) -> None:
        self._stored_settings = stored(created.settings, created.data.get("kind"))
        self._settings = None

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        if self.created is None:
            raise ValueError("the study has no first event")
        return Objective.of(self.created.objective["metric"], self.created.objective["direction"])

    @property
    def best(self) -> Trial | None:
        """The winner of the final; without one the luckiest trial; None while there is none."""
        if self.final is not None and self.final.winner is not None:
            return self.trial(self.final.winner)
        return self.luckiest

    @property
    def luckiest(self) -> Trial | None:
        """The trial with the best score of the search, the earliest of equals; None while there is
        none.
        """
        return None if self._best is None else self.trial(self._best)

    @property
    def default(self) -> Trial | None:
        """The trial of the user's default configuration, however far it came; None where there is
        none that works.
        """
        values = self.space.complete({})
        key = self.space.key(values)
        for number, trial in self.trials.items():
            # the values first: the key of each of many trials would take seconds
            alike = all(trial.config.get(name, value) == value for name, value in values.items())
            works = number not in self.moved and trial.state is not TrialState.FAILED
            if alike and works and self.space.key(trial.config) == key:
                return trial
        return None

    @property
    def final_is_current(self) -> bool:
        """Whether a final has named its winner, and no trial came after it."""
        return (
            self.final is not None and self.final.winner is not None and not self.trials_since_final
        )

    @property
    def outcome(self) -> str:
        """How many trials there are and what the best one scored, in a few words."""
        best = self.best
        told = "no score yet" if best is None else f"best {self.objective.metric} {best.score:.6g}"
        return f"{len(self.trials)} trials, {told}"

    @property
    def programs_compiled(self) -> int:
        """XLA programs that were compiled from scratch."""
        return sum(event.from_scratch for event in self.compilations)

    def trial(self, number: int) -> Trial:
        """A trial with its measurements; those of a trial that is read off another are the
        other's.
        """
        trial = self.trials[number]
        if trial.prefix_of is None:
            return trial
        return replace(
            trial, measurements=self.trials[trial.prefix_of].measurements[: trial.epochs]
        )

    def all_trials(self) -> list[Trial]:
        """Every trial with its measurements, in order."""
        return [self.trial(number) for number in self.trials]

    @property
    def found_space(self) -> Space:
        """The space as it was given or found when it was last asked for, without what trials have
        added to it.
        """
        asked_for = [one.space for one in self.spaces if one.trial is None]
        return Space.from_json(asked_for[-1]) if asked_for else Space()

    def members(self) -> list[Trial]:
        """Every trial of the space as it stands: those that can be the best, and need not be run
        again.
        """
        return [self.trial(number) for number in self.trials if number not in self.moved]

    def observed(self) -> list[Trial]:
        """Every trial that says something of the space as it stands, with its configuration
        there.
        """
        return [trial for number in self.trials if (trial := self.observation(number)) is not None]

    def observation(self, number: int) -> Trial | None:
        """A trial with its configuration in the space as it stands; None where it lies outside."""
        if number not in self.moved:
            return self.trial(number)
        config = self.moved[number]
        return None if config is None else replace(self.trial(number), config=config)

    def num_measured(self, number: int) -> int:
        """Epochs measured of a trial that trains itself."""
        return len(self.trials[number].measurements)

    @property
    def num_by_state(self) -> dict[TrialState, int]:
        """How many trials are in each state that any is in."""
        return {state: self._counts[state] for state in TrialState if self._counts[state]}

    def num_ended(self, *states: TrialState) -> int:
        """Trials in one of these states; in any final state when none is named."""
        return sum(
            self._counts[state] for state in states or TrialState if states or state.is_final
        )

    def longest(self, config: Configuration, seed: int) -> Trial | None:
        """The completed trial that differs from a configuration in nothing but more ``epochs``, or
        in nothing.
        """
        if self._longest is None:
            self._longest = {}
            for known in self.trials:
                self._note_length(known)
        number = self._longest.get(_but_for_epochs(config, seed))
        return None if number is None else self.trials[number]

    def apply(self, event: Event) -> None:
        """Takes one more event."""
        match event:
            case StudyCreated():
                self.created = event
                self._set_settings(event)
            case SettingsChanged():
                self.changes.append(event)
                self._stored_settings = with_changes(self._stored_settings, event.changed)
                self._settings = None
            case SessionStarted():
                self.sessions.append(event)
                self.ended, self.begun = None, set()
            case SessionEnded():
                self.seconds += event.seconds
                self.ended = event
            case SpaceChanged():
                before, self.space = self.space, Space.from_json(event.space)
                self.spaces.append(event)
                self._look_again(before)
            case SpaceReplaced():
                self._replace_space(event)
            case TrialAsked():
                self.trials[event.number] = Trial(
                    event.number, event.config, event.seed, event.epochs, origin=event.origin
                )
                self._counts[TrialState.WAITING] += 1
                self.trials_since_final, self.notes_of_final = True, []
            case TrialStarted():
                self.moved.pop(
                    event.number, None
                )  # it has begun in this space, whatever it was proposed in
                self.earlier.discard(event.number)
                self.begun.add(event.number)
                self._change(
                    event.number,
                    state=TrialState.RUNNING,
                    program=event.program,
                    config=event.config,
                    prefix_of=event.prefix_of,
                    parameters=event.parameters,
                    worker=event.worker,
                )
            case EpochMeasured():
                self._measured(event)
            case TrialPaused():
                self._change(event.number, state=TrialState.PAUSED)
            case TrialDecided():
                self.decisions.setdefault(event.number, []).append(event)
                if event.action is Action.CONTINUE:
                    self._change(event.number, state=TrialState.RUNNING)
            case TrialEnded():
                self._end(event)
            case TrialTested():
                self._change(event.number, tests=event.tests)
            case ProgramCompiled():
                self.compilations.append(event)
            case Noted():
                self._note(event)
            case FinalStarted():
                self.final, self.trials_since_final = final_of(event, self.final), False
            case FinalMeasured() if self.final is not None:
                key = (event.number, event.pair)
                score = math.nan if event.score is None else event.score
                self.final = replace(
                    self.final,
                    scores={**self.final.scores, key: score},
                    seconds={**self.final.seconds, key: event.seconds},
                    seeded=self.final.seeded or event.seeded,
                )
            case FinalEnded() if self.final is not None:
                self.final = replace(self.final, winner=event.winner)
                self.test_is_current = False
            case AblationStarted():
                self.ablation = ablation_of(event, self.ablation)
            case AblationMeasured() if self.ablation is not None:
                place = (Side(event.side), event.name, event.pair)
                score = math.nan if event.score is None else event.score
                self.ablation = replace(
                    self.ablation, scores={**self.ablation.scores, place: score}
                )
            case BestTested():
                self.tested = event
                self.test_is_current = True

    def _look_again(self, before: Space) -> None:
        """More is known of the space since it was changed: which earlier trials are of it may
        change.
        """
        now = moved(self.trials, self.moved, before, self.space, only=self.moved)
        members = moved(self.trials, {}, before, self.space, only=self.earlier - self.moved.keys())
        now |= {number: None for number, config in members.items() if config is None}
        if now != self.moved:
            self._move(now)

    def _replace_space(self, event: SpaceReplaced) -> None:
        """From here on there is another space; where a call showed it, the trials of this session
        are of it.
        """
        before, self.space = self.space, Space.from_json(event.space)
        self.spaces.append(SpaceChanged(event.space, event.trial))
        self.earlier = self.trials.keys() - (set() if event.trial is None else self.begun)
        self._move(moved(self.trials, self.moved, before, self.space, only=self.earlier))
        self.trials_since_final, self.test_is_current, self.notes_of_final = True, False, []

    def _move(self, now: dict[int, Configuration | None]) -> None:
        """Other trials are none of the space, and no result rests on one of them."""
        self.moved = now
        self._best, self._longest = self._find_best(), None
        if self.final is not None:
            self.final = without(self.final, self.moved)
        if (
            self.ablation is not None
            and {self.ablation.default, self.ablation.winner} & self.moved.keys()
        ):
            self.ablation = None

    def _note(self, event: Noted) -> None:
        if event.text not in self.notes:
            self.notes.append(event.text)
        if event.about == "final" and event.text not in self.notes_of_final:
            self.notes_of_final.append(event.text)

    def _measured(self, event: EpochMeasured) -> None:
        one = Measurement(event.epoch, event.metrics, event.seconds, event.spread)
        trial = self.trials[event.number]
        self.trials[event.number] = replace(trial, measurements=(*trial.measurements, one))

    def _change(self, number: int, **changes: object) -> None:
        self._counts[self.trials[number].state] -= 1
        self.trials[number] = replace(self.trials[number], **changes)  # type: ignore[arg-type]
        self._counts[self.trials[number].state] += 1

    def _end(self, event: TrialEnded) -> None:
        self.trials_since_final, self.test_is_current, self.notes_of_final = True, False, []
        error = event.reason if event.state is TrialState.FAILED else None
        self._change(
            event.number,
            state=event.state,
            score=event.score,
            best_epoch=event.best_epoch,
            error=error,
            scores=event.scores,
        )
        self._compare(event.number)
        if self._longest is not None:
            self._note_length(event.number)

    def _find_best(self) -> int | None:
        """The trial that `_compare` finds when it looks at them one by one."""
        if self.created is None:
            return None
        loss = self.objective.loss
        members = ((n, t) for n, t in self.trials.items() if n not in self.moved)
        scores = ((t.score, n) for n, t in members if t.state is TrialState.COMPLETED)
        known = (
            (loss(score), n) for score, n in scores if score is not None and math.isfinite(score)
        )
        return min(known, default=(0.0, None))[1]

    def _compare(self, number: int) -> None:
        """Takes notice of a trial that may be the best; of equals the first by number is, whichever
        ended first.
        """
        trial = self.trials[number]
        if trial.score is None or trial.state is not TrialState.COMPLETED or number in self.moved:
            return
        best = None if self._best is None else self.trials[self._best]
        earlier = best is not None and trial.score == best.score and number < best.number
        if earlier or self.objective.better(trial.score, None if best is None else best.score):
            self._best = number

    def _note_length(self, number: int) -> None:
        """Takes notice of a trial that others, which differ from it in fewer epochs, may be read
        off.
        """
        trial = self.trials[number]
        scored = trial.state is TrialState.COMPLETED and trial.score is not None
        if self._longest is None or trial.prefix_of is not None or not scored:
            return
        key = _but_for_epochs(trial.config, trial.seed)
        known = self._longest.get(key)
        if known is None or trial.epochs >= self.trials[known].epochs:
            self._longest[key] = number


def _but_for_epochs(config: Configuration, seed: int) -> object:
    return seed, frozenset((k, type(v), v) for k, v in config.items() if k != "epochs")
