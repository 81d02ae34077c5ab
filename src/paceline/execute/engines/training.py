"""A training in the driver: trials that share it, and what is needed to start it elsewhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    TrialEnded,
    TrialStarted,
)
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference

_MAX_LOSSES = 3  # of engines, one after the other, while a training makes no progress
_ALONE_AFTER = 2  # losses: then no other training shares its engine, which it may have ended


@dataclass(eq=False)
class SharedTraining:
    """Trials that differ at most in their number of epochs and are trained once.

    Attributes:
        jobs: the open trials, shortest first.
        hint: equal for those that are expected to share a program.
        snapshot: the last known state; None before the first.
        scores: the objective of the longest after each epoch that was reported.
        losses: engines that were lost with it since it last made progress.
    """

    jobs: list[Job]
    hint: object
    snapshot: SnapshotReference | None = None
    scores: list[float] = field(default_factory=list)
    losses: int = 0

    @property
    def leader(self) -> Job:
        """The longest of the jobs."""
        return self.jobs[-1]

    @property
    def is_alone(self) -> bool:
        """Whether it has to be the only one of its engine."""
        return self.losses >= _ALONE_AFTER

    def known_scores(self) -> Sequence[float]:
        """The objective after each epoch up to the snapshot."""
        return self.scores[: self.snapshot.epoch] if self.snapshot is not None else ()

    def take_snapshot(self, snapshot: SnapshotReference) -> None:
        """Notes a state, from which it will continue if its engine is lost."""
        if self.snapshot is None or snapshot.epoch > self.snapshot.epoch:
            self.snapshot = snapshot

    def take_score(self, score: float) -> None:
        """Notes the objective of an epoch that was not trained before."""
        self.scores.append(score)
        self.losses = 0

    def lose(self, reason: str) -> list[Event]:
        """Notes that its engine was lost; the events if that was once too often."""
        self.losses += 1
        if self.losses < _MAX_LOSSES:
            self.jobs = [replace(job, attempt=job.attempt + 1) for job in self.jobs]
            return []
        text = f"its engine was lost {_MAX_LOSSES} times in a row; the last time: {reason}"
        return [TrialEnded(job.trial, TrialState.FAILED, None, None, text) for job in self.jobs]


class ReportedEpochs:
    """What has been reported to the study of each trial, so that nothing is reported twice."""

    def __init__(self) -> None:
        """Nothing was reported."""
        self._started: set[int] = set()
        self._last: dict[int, tuple[int, float]] = {}  # epoch and seconds

    def submit(self, trial: int, snapshot: SnapshotReference | None) -> None:
        """Notes that the study submits a trial; without a snapshot it starts from scratch."""
        if snapshot is None:
            self._started.discard(trial)
            self._last[trial] = 0, 0.0
        else:
            self._started.add(trial)
            self._last[trial] = snapshot.epoch, snapshot.seconds

    def epoch(self, trial: int) -> int:
        """The last epoch that was reported of a trial."""
        return self._last.get(trial, (0, 0.0))[0]

    def new(self, update: ExecutorUpdate) -> ExecutorUpdate:
        """An update without what was reported before, after which its events are reported.

        Snapshots of earlier epochs than those reported are left out: they do not cover these.
        """
        events = tuple(found for one in update.events if (found := self._new(one)) is not None)
        snapshots = {
            trial: one for trial, one in update.snapshots.items() if one.epoch >= self.epoch(trial)
        }
        return replace(update, events=events, snapshots=snapshots)

    def _new(self, event: Event) -> Event | None:
        if isinstance(event, TrialStarted):
            if event.number in self._started:
                return None
            self._started.add(event.number)
        elif isinstance(event, EpochMeasured):
            epoch, seconds = self._last.get(event.number, (0, 0.0))
            if event.epoch <= epoch:
                return None
            event = replace(event, seconds=max(seconds, event.seconds))
            self._last[event.number] = event.epoch, event.seconds
        return event


def score_of(event: EpochMeasured, metric: str) -> float:
    """The objective of an epoch."""
    return event.metrics.get(metric, math.nan)
