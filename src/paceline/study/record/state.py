"""Applies events to the record of a study."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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
from paceline.study.record.membership import Membership, without
from paceline.study.record.reuse import ablation_of, final_of, with_measurement


@dataclass
class OutcomeStatus:
    """Whether a study's final and test are up to date with its trials.

    Attributes:
        notes: the study's notes about the result of the final, or why there is none.
        has_newer_trials: whether trials were asked for or ended since the last final began.
        is_tested: whether the best model was tested since the last change that may affect it.
    """

    notes: list[str] = field(default_factory=list)
    has_newer_trials: bool = False
    is_tested: bool = False

    def outdate(self) -> None:
        """Marks the final and the test as outdated, since trials have changed."""
        self.notes, self.has_newer_trials, self.is_tested = [], True, False


@dataclass(eq=False)
class RecordState:
    """The state of a study, made by applying its events in order.

    Attributes:
        created: the first event; None before it.
        trials: by number, in the order in which they were proposed; one measured as part of another
            has no measurements of its own here, see `trial`.
        notes: sentences for the user.
        tested: the last test of a best model.
        seconds: wall time of the sessions that have ended.
        compilations: compiled programs, each for a number of lanes.
        spaces: the initial space, and the space after each change.
        decisions: decisions of the schedule, by number of the trial.
        early_ends: why trials completed before their last epoch, by number, such as early stopping.
        final: the final evaluation, once it has begun.
        ablation: the measured ablation between default configuration and winner, once it has begun.
        outcome_status: whether final and test are up to date.
        changes: settings that were changed when the study was resumed.
        membership: which trials belong to the current space.

    These fields are the whole state, and are stored by their types
    (`paceline.study.record.snapshot`). Derived values are computed when a record is made:
    ``space``, the current space, is the last of ``spaces``.
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
    early_ends: dict[int, str] = field(default_factory=dict)
    final: Final | None = None
    ablation: Ablation | None = None
    outcome_status: OutcomeStatus = field(default_factory=OutcomeStatus)
    changes: list[SettingsChanged] = field(default_factory=list)
    membership: Membership = field(default_factory=Membership)

    def __post_init__(self) -> None:
        self.space = Space.from_json(self.spaces[-1].space) if self.spaces else Space()
        self._stored_settings: Mapping[str, Json] = {}
        self._settings: Settings | None = None  # computed at first use
        if self.created is not None:
            self._set_settings(self.created)
        for event in self.changes:
            self._stored_settings = with_changes(self._stored_settings, event.changed)
        self._remembered: dict[str, tuple[Any, Any]] = {}
        self._counts = Counter(trial.state for trial in self.trials.values())
        self._best = self._find_best()
        self._longest: dict[object, int] | None = None  # computed at first use

    @property
    def moved(self) -> Mapping[int, Configuration | None]:
        """Trials that do not belong to the current space; see `Membership`."""
        return self.membership.moved

    @property
    def objective(self) -> Objective:
        """The objective."""
        if self.created is None:
            raise ValueError("the study has no first event")
        return Objective.of(self.created.objective["metric"], self.created.objective["direction"])

    def _set_settings(self, created: StudyCreated) -> None:
        self._stored_settings = stored(created.settings, created.data.get("kind"))
        self._settings = None

    def apply(self, event: Event) -> None:
        """Applies one more event."""
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
                self.ended, self.membership.begun = None, set()
            case SessionEnded():
                self.seconds += event.seconds
                self.ended = event
            case SpaceChanged():
                before, self.space = self.space, Space.from_json(event.space)
                self.spaces.append(event)
                now = self.membership.after_growth(self.trials, before, self.space)
                if now != self.moved:
                    self._move(now)
            case SpaceReplaced():
                self._replace_space(event)
            case ProgramCompiled():
                self.compilations.append(event)
            case Noted():
                self._note(event)
            case BestTested():
                self.tested = event
                self.outcome_status.is_tested = True
            case _:
                self._apply_to_trial(event)

    def _apply_to_trial(self, event: Event) -> None:
        match event:
            case TrialAsked():
                self.trials[event.number] = Trial(
                    event.number, event.config, event.seed, event.epochs, origin=event.origin
                )
                self._counts[TrialState.WAITING] += 1
                self.outcome_status.has_newer_trials, self.outcome_status.notes = True, []
            case TrialStarted():
                self.membership.begin(event.number)
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
            case _:
                self._apply_to_final(event)

    def _apply_to_final(self, event: Event) -> None:
        match event:
            case FinalStarted():
                self.final = final_of(event, self.final)
                self.outcome_status.has_newer_trials = False
            case FinalMeasured() if self.final is not None:
                self.final = with_measurement(self.final, event)
            case FinalEnded() if self.final is not None:
                self.final = replace(self.final, winner=event.winner)
                self.outcome_status.is_tested = False
            case AblationStarted():
                self.ablation = ablation_of(event, self.ablation)
            case AblationMeasured() if self.ablation is not None:
                place = (Side(event.side), event.name, event.pair)
                score = math.nan if event.score is None else event.score
                self.ablation = replace(
                    self.ablation, scores={**self.ablation.scores, place: score}
                )

    def _replace_space(self, event: SpaceReplaced) -> None:
        before, self.space = self.space, Space.from_json(event.space)
        self.spaces.append(SpaceChanged(event.space, event.trial))
        by_call = event.trial is not None
        self._move(self.membership.after_change(self.trials, before, self.space, by_call=by_call))
        self.outcome_status.outdate()

    def _move(self, now: dict[int, Configuration | None]) -> None:
        """Other trials are outside of the space now; results based on them are dropped."""
        self.membership.moved = now
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
        if event.about == "final" and event.text not in self.outcome_status.notes:
            self.outcome_status.notes.append(event.text)

    def _measured(self, event: EpochMeasured) -> None:
        one = Measurement(event.epoch, event.metrics, event.seconds, event.spread)
        trial = self.trials[event.number]
        self.trials[event.number] = replace(trial, measurements=(*trial.measurements, one))

    def _change(self, number: int, **changes: object) -> None:
        self._counts[self.trials[number].state] -= 1
        self.trials[number] = replace(self.trials[number], **changes)  # type: ignore[arg-type]
        self._counts[self.trials[number].state] += 1

    def _end(self, event: TrialEnded) -> None:
        self.outcome_status.outdate()
        error = event.reason if event.state is TrialState.FAILED else None
        self._change(
            event.number,
            state=event.state,
            score=event.score,
            best_epoch=event.best_epoch,
            error=error,
            scores=event.scores,
        )
        if event.state is TrialState.COMPLETED and event.reason:
            self.early_ends[event.number] = event.reason
        self._compare(event.number)
        if self._longest is not None:
            self.note_length(event.number)

    def _find_best(self) -> int | None:
        """The trial that `_compare` selects when it is applied to all trials."""
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
        """Updates the best trial with this one; among equals the lowest number wins."""
        trial = self.trials[number]
        if trial.score is None or trial.state is not TrialState.COMPLETED or number in self.moved:
            return
        best = None if self._best is None else self.trials[self._best]
        earlier = best is not None and trial.score == best.score and number < best.number
        if earlier or self.objective.better(trial.score, None if best is None else best.score):
            self._best = number

    def note_length(self, number: int) -> None:
        """Registers a trial as a possible longer run of trials that differ in fewer epochs."""
        trial = self.trials[number]
        scored = trial.state is TrialState.COMPLETED and trial.score is not None
        if self._longest is None or trial.prefix_of is not None or not scored:
            return
        key = but_for_epochs(trial.config, trial.seed)
        known = self._longest.get(key)
        if known is None or trial.epochs >= self.trials[known].epochs:
            self._longest[key] = number


def but_for_epochs(config: Configuration, seed: int) -> object:
    """Equal for trainings that differ only in their ``epochs``."""
    return seed, frozenset((k, type(v), v) for k, v in config.items() if k != "epochs")
