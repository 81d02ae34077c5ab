"""Submits trials to the executor, with what they continue from."""

from collections.abc import Sequence

from paceline.core import TrialState
from paceline.core.events import TrialEnded, TrialStarted
from paceline.execute.base import Executor, Job, SnapshotReference
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.loop.known import KnownStandings
from paceline.study.planned.kept import kept_score
from paceline.study.planned.protocol import Plan
from paceline.study.record.network_files import Unusable
from paceline.study.record.recorder import Recorder


class Submission:
    """Makes jobs of trials, and completes those that a longer trial contains."""

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        executor: Executor,
        queue: ArrivalQueue,
        standings: KnownStandings,
    ) -> None:
        self._plan, self._recorder, self._executor = plan, recorder, executor
        self._record, self._queue, self._standings = recorder.record, queue, standings

    def submit(self, numbers: Sequence[int]) -> None:
        """Submits trials; each trains until its next decision, from its snapshot if it has one."""
        jobs, snapshots = [], {}
        for number in numbers:
            job = self._job(number)
            if self._complete_as_prefix(job):
                continue
            jobs.append(job)
            snapshot = self._snapshot(number)
            if snapshot is not None:
                snapshots[number] = snapshot
        if jobs:
            scores = {
                number: self._standings.scores(number)[: snapshot.epoch]
                for number, snapshot in snapshots.items()
            }
            self._executor.submit(jobs, snapshots, scores)

    def _job(self, number: int) -> Job:
        trial = self._record.trials[number]
        is_in_flight = number in self._queue
        until = self._standings.next_decision(number) if is_in_flight else trial.epochs
        pause = None if until >= trial.epochs else until
        return Job(number, trial.config, trial.seed, trial.epochs, pause)

    def _snapshot(self, number: int) -> SnapshotReference | None:
        """Where a trial continues; None if it starts."""
        if not self._record.num_measured(number):
            return None
        try:
            return self._recorder.snapshot(number)
        except Unusable:
            self._executor.forget([number])  # it starts again from scratch
            return None

    def _complete_as_prefix(self, job: Job) -> bool:
        """Completes a trial from a longer one that differs only in ``epochs``."""
        if not self._plan.epochs_are_prefix or "epochs" not in job.config:
            return False
        longer = self._record.longest(job.config, job.seed)
        if longer is None or longer.epochs <= job.epochs:
            return False
        measured = self._record.trial(longer.number).measurements
        score, epoch = kept_score(self._plan, measured[: job.epochs])
        started = TrialStarted(job.trial, longer.program or "", job.config, prefix_of=longer.number)
        reason = "measured by a longer trial"
        ended = TrialEnded(job.trial, TrialState.COMPLETED, score, epoch, reason)
        self._recorder.tell([started, ended])
        self._queue.arrive(job.trial)
        return True
