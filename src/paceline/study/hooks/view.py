"""A callback's view of a study: everything that was recorded, in immutable copies."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paceline.core import (
    Budget,
    Configuration,
    Final,
    Measurement,
    Objective,
    Trial,
    TrialState,
)
from paceline.core.frozen_dict import FrozenDict
from paceline.settings.description import Settings
from paceline.space import Space
from paceline.study.record.record import Record
from paceline.study.record.timeline import Clock, Timeline


@dataclass(eq=False)
class RunningStudy:
    """The state that all views of a running study share.

    Attributes:
        directory: that of the study.
        source: its record, which changes while the study runs.
        clock: the times of its events.
        budget: the limits of this session.
        kept: returns the trials whose models are kept and their bytes.
        size: returns the number of configurations in total, or None.
        error: the exception that ends this session, or None.
        begun: trials that began in this session.
        trials: copies of its trials for callbacks, with the originals.
    """

    directory: Path
    source: Record
    clock: Clock
    budget: Budget
    kept: Callable[[], tuple[tuple[int, ...], int]] = lambda: ((), 0)
    size: Callable[[], int | None] = lambda: None
    error: BaseException | None = None
    begun: set[int] = field(default_factory=set)
    trials: dict[int, tuple[Trial, Trial]] = field(default_factory=dict)

    def trial(self, number: int) -> Trial:
        """An immutable copy of a trial; each measurement is copied only once."""
        trial = self.source.trials[number]
        known = self.trials.get(number)
        if known is not None and known[0] is trial:
            return known[1]
        copied = () if known is None else known[1].measurements
        copied = copied[: len(trial.measurements)]
        new = map(_measurement, trial.measurements[len(copied) :])
        frozen = replace(
            trial,
            config=FrozenDict(trial.config),
            measurements=(*copied, *new),
            tests=tuple(map(FrozenDict, trial.tests)),
        )
        self.trials[number] = trial, frozen
        return frozen

    def composed(self, number: int) -> Trial:
        """As `trial`, but a trial measured as part of a longer one has the measurements of that."""
        trial = self.trial(number)
        if trial.prefix_of is None:
            return trial
        longer = self.trial(trial.prefix_of)
        return replace(trial, measurements=longer.measurements[: trial.epochs])


class StudyView:
    """A running study, as its callbacks see it.

    Everything is as it was recorded last; trials, measurements and mappings are immutable copies.
    """

    def __init__(
        self,
        running: RunningStudy,
        stop: Callable[[str], None],
        report: Callable[[Path], None],
    ) -> None:
        self._running, self._stop, self._report = running, stop, report

    def __repr__(self) -> str:
        return f"<StudyView {self.directory}: {self._record.outcome}>"

    @property
    def directory(self) -> Path:
        """The study's directory."""
        return self._running.directory

    @property
    def objective(self) -> Objective:
        """The objective: a metric and its direction."""
        return self._record.objective

    @property
    def space(self) -> Space:
        """The search space, as far as it is known."""
        return self._record.space

    @property
    def settings(self) -> Settings:
        """The settings of the study."""
        return self._record.settings

    @property
    def id(self) -> str | None:
        """Identifies the study wherever its directory is; None in studies of earlier versions."""
        created = self._record.created
        return None if created is None else created.id

    @property
    def data(self) -> Mapping[str, Any]:
        """Description of the data: name, fingerprint, rows of each part; ``kind`` of a function."""
        created = self._record.created
        return {} if created is None else copy.deepcopy(dict(created.data))

    @property
    def budget(self) -> Budget:
        """The limits of this session."""
        return self._running.budget

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        return list(map(self.trial, self._record.trials))

    @property
    def num_trials(self) -> int:
        """Number of trials that were proposed so far."""
        return len(self._record.trials)

    @property
    def num_planned(self) -> int | None:
        """Number of trials that are planned in total; None if unknown."""
        known = [n for n in (self.budget.trials, self._running.size()) if n is not None]
        return max(min(known), self.num_trials) if known else None

    def num_ended(self, *states: TrialState) -> int:
        """Number of trials in one of these states; in any final state if none is given."""
        return self._record.num_ended(*states)

    def trial(self, number: int) -> Trial:
        """A trial by its number.

        Raises:
            KeyError: there is none.
        """
        return self._running.composed(number)

    @property
    def best(self) -> Trial | None:
        """The winner of the final evaluation or, before it, the trial with the best score."""
        best = self._record.best
        return None if best is None else self.trial(best.number)

    @property
    def final(self) -> Final | None:
        """The final evaluation, once it has begun."""
        final = self._record.final
        return None if final is None else frozen_final(final)

    @property
    def notes(self) -> list[str]:
        """Notes of the study for its user, a sentence each."""
        return list(self._record.notes)

    @property
    def error(self) -> BaseException | None:
        """In `Callback.on_study_end`, the exception that ended the session; None without an error.

        After Ctrl+C it is ``KeyboardInterrupt``.
        """
        return self._running.error

    @property
    def seconds(self) -> float:
        """Wall time of all sessions so far."""
        return self._running.clock.seconds

    @property
    def kept_models(self) -> tuple[tuple[int, ...], int]:
        """The trials whose trained models are kept, and their size on disk in bytes."""
        return self._running.kept()

    @property
    def timeline(self) -> Timeline:
        """The wall time so far, by kind of work."""
        return self._running.clock.timeline()

    def record(self) -> Record:
        """A copy of everything that was recorded, as `paceline.load_study` would read it.

        It takes time in proportion to the size of the study: meant for the end of a study.
        """
        source = self._record
        return source.copied(
            created=copy.deepcopy(source.created),
            trials={number: self._running.trial(number) for number in source.trials},
            notes=list(source.notes),
            tested=copy.deepcopy(source.tested),
            compilations=list(source.compilations),
            sessions=copy.deepcopy(source.sessions),
            spaces=copy.deepcopy(source.spaces),
            early_ends=dict(source.early_ends),
            decisions={number: list(of) for number, of in source.decisions.items()},
            final=self.final,
            ablation=copy.deepcopy(source.ablation),
            outcome_status=copy.deepcopy(source.outcome_status),
            changes=copy.deepcopy(source.changes),
            membership=copy.deepcopy(source.membership),
        )

    def stop(self, reason: str = "") -> None:
        """Ends the study as soon as the current events are recorded, as a time limit does.

        Running trials are paused, the final evaluation (if the study has one) is carried out on
        what was measured, and the best model is saved. A final evaluation that is running ends as
        well. The reason is recorded. The study can be resumed.

        Args:
            reason: the reason, as a part of a sentence: ``"the accuracy is good enough"``.
        """
        self._stop(reason)

    def announce_report(self, path: Path) -> None:
        """Calls `Callback.on_report` of all callbacks; for callbacks that have written a report."""
        self._report(path)

    @property
    def _record(self) -> Record:
        return self._running.source


def frozen_final(final: Final) -> Final:
    """An immutable copy of a final evaluation."""
    return replace(final, scores=FrozenDict(final.scores), seconds=FrozenDict(final.seconds))


def _config(config: Configuration) -> Configuration:
    return FrozenDict(config)


def _measurement(one: Measurement) -> Measurement:
    return replace(one, metrics=FrozenDict(one.metrics), spread=FrozenDict(one.spread))
