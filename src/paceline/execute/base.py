"""The executor protocol: the study submits jobs; the executor returns events and weights.

    executor.submit(jobs, snapshots, scores)
    while not executor.is_idle:
        for update in executor.progress():   # waits until something happened
            ...                              # store update.events, keep update.results
    executor.close()

Events of a trial come in the order of its epochs. A job trains up to its ``until``: there the trial
is paused (`TrialPaused`, with a snapshot in the same update), and continues when a job with a later
``until`` is submitted for it. A job whose ``until`` is its ``epochs`` ends the trial
(`TrialEnded`). There are no events of a trial after its end, nor of a paused one before it is
submitted again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, Objective
from paceline.core.events import Event, Json

Leaves = Sequence[npt.NDArray[np.generic]]
"""A network's variables on the host, flat: weights first, then the optimizer's."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources that a job needs.

    The executors of Paceline, which have one machine, run any job; executors with several machines
    place jobs by it.

    Attributes:
        cpus: processor cores.
        gpus: graphics processors; parts of one are possible.
        memory: bytes; None if unknown.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A trial to train.

    Attributes:
        trial: its number in the study.
        config: a value for each active hyperparameter.
        seed: seeds the initial weights, dropout and the order of batches.
        epochs: epochs of its full training.
        until: the epoch after which it pauses for the schedule to decide; None for no pause.
        split: number of the split of the data that it trains on, if there are several.
        resources: what it needs.
        attempt: 0 for the first attempt; an executor that lost a worker submits the worker's jobs
            again with one more.
        together: how many trainings that may share its program were submitted with it, of which
            some may be elsewhere; 0 for those that the executor is given.
    """

    trial: int
    config: Configuration
    seed: int
    epochs: int
    until: int | None = None
    split: int = 0
    resources: Resources = Resources()
    attempt: int = 0
    together: int = 0

    @property
    def stops_at(self) -> int:
        """The epoch after which it pauses or, if that is the last one, ends."""
        return self.epochs if self.until is None else min(self.until, self.epochs)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Training options shared by all trials of a study.

    Attributes:
        objective: decides early stopping and which epoch is best.
        batch_size: rows per batch, unless the configuration has a ``batch_size``.
        patience: epochs without improvement after which a trial is complete; None for no limit.
        keep: the epoch whose weights give a trial's score and model, ``"last"`` or ``"best"``.
        memory: bytes that a cohort may use; None for a share of the free memory.
        validation_batch_size: rows per validation batch; None for the size of a training batch.
        min_delta: by how much the objective has to improve for ``patience``, in its own unit.
        merge: whether networks that differ only in sizes may share a program.
        steps_per_epoch: training batches in an epoch; None for all.
        validation_steps: validation batches that are used; None for all.
    """

    objective: Objective
    batch_size: int = 32
    patience: int | None = None
    keep: Literal["last", "best"] = "last"
    memory: int | None = None
    validation_batch_size: int | None = None
    min_delta: float = 0.0
    merge: bool = True
    steps_per_epoch: int | None = None
    validation_steps: int | None = None

    @property
    def steps(self) -> tuple[int | None, int | None]:
        """Batches in an epoch of training and of validation."""
        return self.steps_per_epoch, self.validation_steps


class SnapshotReference(Protocol):
    """Stands for a `TrialSnapshot` that may be somewhere else, such as on another machine's disk.

    An executor may return references in place of snapshots, and gets its own references back when a
    trial continues. The study loads a snapshot only to write its checkpoint. A snapshot in memory
    is a reference to itself.
    """

    @property
    def key(self) -> str:
        """Where the snapshot is, such as a URL; empty for one in memory."""

    @property
    def epoch(self) -> int:
        """Epochs trained."""

    @property
    def seconds(self) -> float:
        """Training time so far."""

    def load(self) -> "TrialSnapshot":
        """Returns the snapshot.

        Raises:
            PacelineError: it is not there any more.
        """


@dataclass(frozen=True, slots=True)
class TrialSnapshot:
    """The state of a trial after an epoch, from which its training continues exactly.

    Attributes:
        epoch: epochs trained.
        seconds: training time so far.
        leaves: all variables.
        best: all variables at the best epoch so far, if those are kept; else None.
        callbacks: the counters of Keras callbacks, as text; empty if there are none.
    """

    epoch: int
    seconds: float
    leaves: Leaves
    best: Leaves | None = None
    callbacks: str = ""

    @property
    def key(self) -> str:
        """Empty: it is in memory."""
        return ""

    def load(self) -> "TrialSnapshot":
        """Returns itself, see `SnapshotReference`."""
        return self


@dataclass(frozen=True, slots=True)
class ExecutorUpdate:
    """Events and results since the last update.

    Attributes:
        events: in order.
        results: the kept variables of trials that completed, by number.
        snapshots: states of running trials after these events, by the number of the trial that
            leads the run. Given from time to time: epochs after the last one are trained again
            after a crash. They may be references.
        error: the study stores the events, then raises this; nothing more can be trained.
        trained: if a trial is trained several times, the kept variables of each of its trainings.
        worker: names the process or machine that made the update, such as ``"host-2:4711"``; None
            for the study's own. The study records it with each trial that starts.
        wrong: trials that have ended and whose results are now known to be wrong. The study notes
            them.
        nodes: the machines of a cluster and what works on them, for the live page; None if nobody
            has looked. Each has a ``name`` and ``workers``; a worker has a ``name`` (empty while it
            starts), the numbers of its ``trials``, ``lanes``, the ``seconds`` since it began them
            or ended the last one, and ``memory`` in bytes.
    """

    events: tuple[Event, ...] = ()
    results: Mapping[int, Leaves] = field(default_factory=dict)
    snapshots: Mapping[int, SnapshotReference] = field(default_factory=dict)
    error: BaseException | None = None
    trained: Mapping[int, Sequence[Leaves]] = field(default_factory=dict)
    worker: str | None = None
    wrong: tuple[int, ...] = ()
    nodes: Sequence[Mapping[str, Json]] | None = None


class Executor(Protocol):
    """Trains jobs; see the module for the order of calls."""

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs.

        Args:
            jobs: the jobs, in the order in which to start them.
            snapshots: states from which trials continue, by number; some may be references.
            scores: the objective after each epoch so far of those trials, by number.
        """

    def forget(self, trials: Sequence[int]) -> None:
        """Frees what is kept of paused trials, which will not continue."""

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Returns what happened since the last call; waits until something has.

        Args:
            seconds: how long to wait at most; None for no limit.
        """

    @property
    def num_waiting(self) -> int:
        """Number of jobs that have not started to train."""

    @property
    def is_idle(self) -> bool:
        """Whether all submitted jobs have ended or paused, and their events were returned."""

    def stop(self) -> list[ExecutorUpdate]:
        """Stops as soon as possible; returns the last updates, with snapshots of running trials."""

    def close(self) -> None:
        """Frees threads and memory."""
