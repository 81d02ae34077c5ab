"""Trains each trial several times, with different seeds and splits, and reports the means.

The trainings are jobs of another executor: training ``k`` of ``K`` of trial ``n`` is its job
``n K + k``. An epoch of a trial is reported once all its trainings have reached it; a trial pauses
or ends when all of them have.
"""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SpaceChanged,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import (
    Executor,
    ExecutorUpdate,
    Job,
    Leaves,
    SnapshotReference,
    TrainingConfig,
    TrialSnapshot,
)
from paceline.execute.withdrawn import REASON


class RepeatedExecutor:
    """Trains each job once per seed; training ``k`` on split ``k``."""

    def __init__(self, executor: Executor, seeds: Sequence[int], options: TrainingConfig) -> None:
        """``executor`` does the training; it is closed with this one."""
        self._inner, self._seeds, self._metric = executor, seeds, options.objective.metric
        self._trials: dict[int, _Trainings] = {}

    @property
    def _count(self) -> int:
        return len(self._seeds)

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],  # noqa: ARG002 - snapshots hold the scores of each training
    ) -> None:
        """Adds jobs; those with a snapshot continue from it."""
        inner: list[Job] = []
        split_snapshots: dict[int, TrialSnapshot] = {}
        split_scores: dict[int, Sequence[float]] = {}
        for job in jobs:
            trainings = self._trials.setdefault(job.trial, _Trainings(self._count, self._metric))
            trainings.open = set(range(self._count))
            if job.trial in snapshots:
                for k, (snapshot, before) in enumerate(
                    trainings.split(snapshots[job.trial].load())
                ):
                    split_snapshots[job.trial * self._count + k] = snapshot
                    split_scores[job.trial * self._count + k] = before
            inner += [
                replace(job, trial=job.trial * self._count + k, seed=seed, split=k)
                for k, seed in enumerate(self._seeds)
            ]
        self._inner.submit(inner, split_snapshots, split_scores)

    def forget(self, trials: Sequence[int]) -> None:
        """Frees paused trials."""
        for trial in trials:
            self._trials.pop(trial, None)
        self._inner.forget(
            [trial * self._count + k for trial in trials for k in range(self._count)]
        )

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Returns what happened to whole trials since the last call."""
        return [
            merged
            for update in self._inner.progress(seconds)
            if (merged := self._merge(update)) is not None
        ]

    @property
    def num_waiting(self) -> int:
        """Trials with a training that has not started."""
        return math.ceil(self._inner.num_waiting / self._count)

    @property
    def is_idle(self) -> bool:
        """Whether all submitted jobs have ended or paused, and their events were returned."""
        return self._inner.is_idle

    def stop(self) -> list[ExecutorUpdate]:
        """Stops as soon as possible; see `Executor.stop`."""
        updates = map(self._merge, self._inner.stop())
        return [update for update in updates if update is not None]

    def close(self) -> None:
        """Frees threads and memory."""
        self._inner.close()

    def _merge(self, update: ExecutorUpdate) -> ExecutorUpdate | None:
        """The update of trials from one of their trainings; None while it says nothing of them."""
        events: list[Event] = []
        results: dict[int, Leaves] = {}
        trained: dict[int, Sequence[Leaves]] = {}
        touched: dict[int, None] = {}
        wrong = dict.fromkeys(n // self._count for n in update.wrong if not self._fail_late(n))
        for number, leaves in update.results.items():
            self._of(number).results[number % self._count] = leaves
        for number, snapshot in update.snapshots.items():
            self._of(number).snapshots[number % self._count] = snapshot.load()
            touched[number // self._count] = None
        for event in update.events:
            if not isinstance(event, TrialStarted | EpochMeasured | TrialPaused | TrialEnded):
                events.append(self._renumbered(event))
                continue
            trial, k = divmod(event.number, self._count)
            merged = list(self._of(event.number).process(trial, k, event, self._count))
            events += merged
            if any(isinstance(event, TrialEnded) for event in merged):
                ended = self._trials.pop(trial)
                touched.pop(trial, None)
                if ended.is_complete:
                    results[trial] = ended.results[0]
                    trained[trial] = [ended.results[k] for k in range(self._count)]
        snapshots = {
            trial: whole
            for trial in touched
            if (whole := self._trials[trial].snapshot()) is not None
        }
        if not (events or snapshots or wrong or update.error or update.nodes is not None):
            return None
        return ExecutorUpdate(
            tuple(events),
            results,
            snapshots,
            update.error,
            trained,
            update.worker,
            tuple(wrong),
            None if update.nodes is None else [self._whole(node) for node in update.nodes],
        )

    def _whole(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """A node whose workers have trials in place of their trainings."""
        workers = [
            {**one, "trials": sorted({number // self._count for number in one["trials"]})}
            for one in node["workers"]
        ]
        return {**node, "workers": workers}

    def _fail_late(self, number: int) -> bool:
        """Marks a training that has ended as failed; returns False if its trial has ended, too."""
        trial, k = divmod(number, self._count)
        trainings = self._trials.get(trial)
        if trainings is None or k not in trainings.ended:
            return False
        trainings.ended[k] = replace(
            trainings.ended[k], state=TrialState.FAILED, score=None, reason=REASON
        )
        return True

    def _of(self, number: int) -> "_Trainings":
        return self._trials[number // self._count]

    def _renumbered(self, event: Event) -> Event:
        if isinstance(event, SpaceChanged) and event.trial is not None:
            return replace(event, trial=event.trial // self._count)
        return event


def network_of(snapshot: TrialSnapshot, is_single: bool) -> Leaves:
    """The variables to keep of a trial that ends at a snapshot of its training.

    Args:
        snapshot: of the trial.
        is_single: whether each trial is trained once; otherwise those of its first training.
    """
    if is_single:
        return snapshot.best or snapshot.leaves
    *leaves, scores = snapshot.leaves  # as `_Trainings.snapshot` joins them
    return (snapshot.best or leaves)[: len(leaves) // len(scores)]


@dataclass(eq=False)
class _Trainings:
    """The trainings of one trial.

    Attributes:
        count: how many there are.
        metric: the objective's.
        open: those that have neither paused nor ended.
        measured: the epochs of each.
        ended: the end of each.
        results: the kept variables of each.
        snapshots: the last snapshot of each.
        reported: epochs of the trial reported so far.
        before: scores of each up to the snapshot from which it continued.
        is_started: whether the trial's start was reported.
    """

    count: int
    metric: str
    open: set[int] = field(default_factory=set)
    measured: dict[int, list[EpochMeasured]] = field(default_factory=dict)
    ended: dict[int, TrialEnded] = field(default_factory=dict)
    results: dict[int, Leaves] = field(default_factory=dict)
    snapshots: dict[int, TrialSnapshot] = field(default_factory=dict)
    reported: int = 0
    before: list[list[float]] = field(default_factory=list)
    is_started: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all trainings completed."""
        return len(self.results) == self.count and all(
            e.state is TrialState.COMPLETED for e in self.ended.values()
        )

    def split(self, whole: TrialSnapshot) -> list[tuple[TrialSnapshot, list[float]]]:
        """Splits a snapshot of the trial into those of its trainings, each with its scores."""
        self.reported, self.is_started = whole.epoch, True
        *leaves, scores = whole.leaves
        size = len(leaves) // self.count
        self.before = [[float(score) for score in row] for row in scores]
        self.measured, self.snapshots = {}, {}
        found = []
        for k in range(self.count):
            best = None if whole.best is None else whole.best[k * size : (k + 1) * size]
            own = TrialSnapshot(
                whole.epoch,
                whole.seconds / self.count,
                leaves[k * size : (k + 1) * size],
                best,
                json.loads(whole.callbacks)[k] if whole.callbacks else "",
            )
            found.append((own, self.before[k]))
        return found

    def snapshot(self) -> TrialSnapshot | None:
        """Joins the snapshots; returns None unless all are at the last reported epoch."""
        if len(self.snapshots) < self.count or any(
            s.epoch != self.reported for s in self.snapshots.values()
        ):
            return None
        parts = [self.snapshots[k] for k in range(self.count)]
        leaves = [leaf for part in parts for leaf in part.leaves]
        best = None
        if all(part.best is not None for part in parts):
            best = [leaf for part in parts for leaf in part.best or ()]
        scores = np.array([self._scores(k)[: self.reported] for k in range(self.count)], np.float64)
        each = [part.callbacks for part in parts]
        return TrialSnapshot(
            self.reported,
            sum(part.seconds for part in parts),
            [*leaves, scores],
            best,
            json.dumps(each) if any(each) else "",
        )

    def process(self, trial: int, k: int, event: Event, count: int) -> Iterable[Event]:
        """Yields the events of the trial that follow from an event of one of its trainings."""
        if isinstance(event, TrialStarted):
            if not self.is_started:
                self.is_started = True
                prefix_of = None if event.prefix_of is None else event.prefix_of // count
                yield replace(event, number=trial, prefix_of=prefix_of)
        elif isinstance(event, EpochMeasured):
            self.measured.setdefault(k, []).append(event)
            yield from self._epochs(trial)
        elif isinstance(event, TrialPaused):
            self.open.discard(k)
            if not self.open:
                yield replace(event, number=trial)
        elif isinstance(event, TrialEnded):
            self.open.discard(k)
            self.ended[k] = event
            yield from self._epochs(trial)
            if not self.open:
                yield self._end(trial)

    def _scores(self, k: int) -> list[float]:
        before = self.before[k] if self.before else []
        return [*before, *(m.metrics.get(self.metric, math.nan) for m in self.measured.get(k, ()))]

    def _epochs(self, trial: int) -> Iterable[Event]:
        """Yields epochs that all trainings have reached; one that ended early keeps its last."""
        start = len(self.before[0]) if self.before else 0
        while True:
            index = self.reported - start
            of_each = [self.measured.get(k, []) for k in range(self.count)]
            reached = [len(own) > index for own in of_each]
            if not any(reached) or any(
                not r and k not in self.ended for k, r in enumerate(reached)
            ):
                return
            rows = [own[min(index, len(own) - 1)] for own in of_each if own]
            self.reported += 1
            yield _mean(trial, self.reported, rows)

    def _end(self, trial: int) -> TrialEnded:
        ended = [self.ended[k] for k in sorted(self.ended)]
        failed = next(
            (end for end in ended if end.state is not TrialState.COMPLETED or end.score is None),
            None,
        )
        if failed is not None:
            return replace(failed, number=trial)
        scores = tuple(end.score for end in ended if end.score is not None)
        epoch = round(statistics.fmean(end.best_epoch or 0 for end in ended))
        reason = "; ".join(dict.fromkeys(end.reason for end in ended if end.reason))
        return TrialEnded(
            trial, TrialState.COMPLETED, statistics.fmean(scores), epoch, reason, scores
        )


def _mean(trial: int, epoch: int, rows: Sequence[EpochMeasured]) -> EpochMeasured:
    """Averages an epoch of several trainings; with standard deviations of the metrics."""
    names = [name for name in rows[0].metrics if all(name in row.metrics for row in rows)]
    values = {name: [row.metrics[name] for row in rows] for name in names}
    mean = {name: statistics.fmean(own) for name, own in values.items()}
    spread = {
        name: statistics.stdev(own)
        for name, own in values.items()
        if len(own) > 1 and all(map(math.isfinite, own))
    }
    return EpochMeasured(trial, epoch, mean, sum(row.seconds for row in rows), spread)
