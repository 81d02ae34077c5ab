"""The trials of an executor that have not ended, with their networks and stored states."""

from collections.abc import Mapping, Sequence

from paceline.core.events import Event, TrialEnded, TrialPaused
from paceline.execute.base import Job, SnapshotReference, TrainingConfig, TrialSnapshot
from paceline.execute.pending_network import PendingNetwork
from paceline.execute.prepare import PreparedNetwork
from paceline.execute.training_run import TrainingRun


class OpenTrials:
    """Trials that wait or train, and the networks of those that have paused.

    A network is found by the number of its leader, see `TrainingRun`.

    Attributes:
        numbers: trials that have neither ended nor paused.
    """

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self._runs: dict[int, TrainingRun] = {}
        self._pausing: dict[int, PendingNetwork] = {}  # that train until a pause
        self._paused: dict[int, PendingNetwork] = {}
        # of trials whose network has not been built
        self._snapshots: dict[int, TrialSnapshot] = {}
        self._scores: dict[int, Sequence[float]] = {}

    def add(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds trials; those with a snapshot continue from it."""
        self.numbers |= {job.trial for job in jobs}
        self._snapshots |= {number: one.load() for number, one in snapshots.items()}
        self._scores |= scores

    def begin(
        self, prepared: PreparedNetwork, program: str, options: TrainingConfig
    ) -> PendingNetwork:
        """The network of a trial that is built, in the state from which it trains."""
        run = TrainingRun.of(prepared, program, options)
        number = run.leader.trial
        self._runs[number] = run
        snapshot = self._snapshots.pop(number, None)
        if snapshot is not None:
            if prepared.traced is not None:
                prepared.traced.with_weights(snapshot.leaves)  # raises if build has changed since
            run.restore(self._scores[number], snapshot)
        network = PendingNetwork(prepared, run, snapshot)
        if run.leader.until is not None:
            self._pausing[number] = network
        return network

    def begin_again(self, network: PendingNetwork) -> None:
        """Prepares for another network of a trial, which begins in the state of this one."""
        if network.snapshot is not None:
            number = network.run.leader.trial
            self._snapshots[number] = network.snapshot
            self._scores[number] = tuple(network.run.scores)

    def is_paused(self, number: int) -> bool:
        """Whether the network of a trial has paused and is still there."""
        return number in self._paused

    def resume(self, jobs: Sequence[Job]) -> PendingNetwork:
        """The paused network of jobs that share a training, at the snapshot that they came with."""
        number = jobs[-1].trial
        paused = self._paused.pop(number)
        paused.run.resume(jobs)
        return PendingNetwork(paused.prepared, paused.run, self._snapshots.pop(number))

    def withdraw_unreported(self, numbers: Sequence[int]) -> list[list[Job]]:
        """Ends the networks of trials of which nothing was reported; returns their jobs."""
        runs = [run for number in numbers if (run := self._runs.get(number)) is not None]
        return [list(run.jobs) for run in runs if run.withdraw()]

    def forget(self, trials: Sequence[int]) -> None:
        """Frees paused networks, which will not continue."""
        for trial in trials:
            if (paused := self._paused.pop(trial, None)) is not None:
                paused.run.abandon()
            self._pausing.pop(trial, None)
            self._runs.pop(trial, None)

    def take(self, events: Sequence[Event]) -> None:
        """Follows which trials have ended or paused."""
        for event in events:
            if isinstance(event, TrialEnded):
                self.numbers.discard(event.number)
                self._pausing.pop(event.number, None)
                self._runs.pop(event.number, None)
            elif isinstance(event, TrialPaused):
                self.numbers.discard(event.number)
                self._paused[event.number] = self._pausing[event.number]
