"""What a cluster needs of the protocol: a lost worker's jobs go to another one, from snapshots that
stay where they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from paceline.core import Objective, TrialState
from paceline.core.events import EpochMeasured, TrialEnded
from paceline.execute import (
    ExecutorUpdate,
    Job,
    Resources,
    SnapshotReference,
    TrainingConfig,
    TrialSnapshot,
)
from paceline.execute.simulated import SimulatedExecutor


def curve(config: object) -> list[tuple[dict[str, float], float]]:
    return [({"loss": 1.0 / epoch}, float(epoch)) for epoch in range(1, 7)]


@dataclass
class OnNode:
    """A snapshot on the disk of a node: the study gets its key."""

    key: str
    epoch: int
    seconds: float
    disk: dict[str, TrialSnapshot] = field(repr=False)

    def load(self) -> TrialSnapshot:
        return self.disk[self.key]


class Cluster:
    """Two nodes, each with one processor and an executor of its own, and a disk that both have."""

    def __init__(self) -> None:
        self.disk: dict[str, TrialSnapshot] = {}
        self.nodes = {name: self._node() for name in ("node-0", "node-1")}
        self.jobs: dict[int, tuple[str, Job]] = {}
        self.scores: dict[int, list[float]] = {}

    def _node(self) -> SimulatedExecutor:
        return SimulatedExecutor(curve, TrainingConfig(Objective("loss", "minimize")))

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        for job in jobs:
            name = min(self.nodes, key=self._load)
            self.jobs[job.trial] = name, job
            kept = {n: one for n, one in snapshots.items() if n == job.trial}
            self.scores.setdefault(job.trial, [])
            self.nodes[name].submit([job], kept, {n: scores[n] for n in kept})

    def _load(self, name: str) -> float:
        return sum(job.resources.cpus for place, job in self.jobs.values() if place == name)

    def progress(self) -> list[ExecutorUpdate]:
        return [
            self._of(name, update)
            for name, node in self.nodes.items()
            for update in node.progress()
        ]

    def _of(self, name: str, update: ExecutorUpdate) -> ExecutorUpdate:
        for event in update.events:
            if isinstance(event, EpochMeasured):
                self.scores[event.number].append(event.metrics["loss"])
            elif isinstance(event, TrialEnded):
                del self.jobs[event.number]
        references = {}
        for number, one in update.snapshots.items():
            reference = OnNode(f"{name}/{number}", one.epoch, one.seconds, self.disk)
            self.disk[reference.key] = one.load()
            references[number] = reference
        return replace(update, snapshots=references, worker=name)

    def lose(self, name: str, snapshots: Mapping[int, SnapshotReference]) -> list[Job]:
        """A node is gone: its jobs are submitted again, to what is left."""
        del self.nodes[name]
        lost = [
            replace(job, attempt=job.attempt + 1)
            for place, job in self.jobs.values()
            if place == name
        ]
        for job in lost:
            del self.jobs[job.trial]
            known = snapshots[job.trial].epoch if job.trial in snapshots else 0
            self.scores[job.trial] = self.scores[job.trial][:known]
        self.submit(lost, snapshots, self.scores)
        return lost


def test_the_jobs_of_a_lost_worker_go_to_another_one() -> None:
    cluster = Cluster()
    jobs = [Job(n, {}, 1, 6, until=2, resources=Resources(cpus=1 + n % 2)) for n in range(3)]
    cluster.submit(jobs, {}, {})
    snapshots: dict[int, SnapshotReference] = {}
    while not all(node.is_idle for node in cluster.nodes.values()):
        for update in cluster.progress():
            snapshots |= update.snapshots
    assert {one.key for one in snapshots.values()} == {"node-0/0", "node-1/1", "node-0/2"}
    going = [replace(job, until=None) for job in jobs]
    cluster.jobs.clear()
    cluster.submit(going, snapshots, cluster.scores)
    cluster.progress()
    lost = cluster.lose("node-1", snapshots)
    assert [(job.trial, job.attempt) for job in lost] == [(1, 1)]
    ended: dict[int, tuple[str | None, TrialEnded]] = {}
    while not cluster.nodes["node-0"].is_idle:
        for update in cluster.progress():
            ended |= {
                event.number: (update.worker, event)
                for event in update.events
                if isinstance(event, TrialEnded)
            }
    assert {worker for worker, _ in ended.values()} == {"node-0"}
    assert all(end.state is TrialState.COMPLETED for _, end in ended.values())
    assert cluster.scores == {n: [1.0 / epoch for epoch in range(1, 7)] for n in range(3)}
