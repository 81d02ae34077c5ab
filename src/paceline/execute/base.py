"""The protocol between the study and whatever trains: jobs go in, events and weights come out.

    executor.submit(jobs)
    while not executor.is_idle:
        for progress in executor.progress():   # waits until something happened
            ...                                # append progress.events, keep progress.results
    executor.close()

Events of one trial come in the order of its epochs. A job trains to its ``until``: there the trial
is paused (`TrialPaused`, with a snapshot in the same progress), and goes on when a job with a later
``until`` is submitted for it; a job whose ``until`` is its ``epochs`` ends the trial
(`TrialEnded`). A trial that has ended is never mentioned again, and a paused one not before it is
submitted again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from paceline.core import Configuration, Objective
from paceline.core.events import Event

Leaves = Sequence[npt.NDArray[np.generic]]
"""A network's variables, flat, on the host: weights first, then the optimizer's."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trial to be trained.

    Attributes:
        trial: its number in the study.
        config: one value for each active hyperparameter.
        seed: seeds the initial weights, dropout and the order of batches.
        epochs: how many epochs its full training takes.
        until: the epoch after which it is paused, for the schedule to decide; None for ``epochs``:
            not at all.
        split: the split of the data that it trains on, where there are several.
    """

    trial: int
    config: Configuration
    seed: int
    epochs: int
    until: int | None = None
    split: int = 0

    @property
    def stops_at(self) -> int:
        """The epoch after which it is paused or, where that is the last, ends."""
        return self.epochs if self.until is None else min(self.until, self.epochs)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How every trial of a study is trained.

    Attributes:
        objective: what decides early stopping and which epoch is best.
        batch_size: rows in a batch, where the configuration has no ``batch_size``.
        patience: epochs without improvement after which a trial is complete; None for never.
        keep: which weights a trial's score and model are of: those of its ``"last"`` or its
            ``"best"`` epoch.
        memory: bytes that a cohort may take; None for a share of what is free.
        validation_batch_size: rows in a validation batch; None for as many as in a training batch.
    """

    objective: Objective
    batch_size: int = 32
    patience: int | None = None
    keep: Literal["last", "best"] = "last"
    memory: int | None = None
    validation_batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class TrialSnapshot:
    """A network in the middle of its training, from which it can go on exactly.

    Attributes:
        epoch: epochs trained.
        seconds: training time so far.
        leaves: every variable.
        best: every variable at the best epoch so far, where that is what is kept.
    """

    epoch: int
    seconds: float
    leaves: Leaves
    best: Leaves | None = None


@dataclass(frozen=True, slots=True)
class ExecutorUpdate:
    """What happened.

    Attributes:
        events: in order.
        results: the kept variables of trials that ended well, by number.
        snapshots: where running trials stand after these events, by number of the trial that leads
            the run; given now and then. A trial's epochs that no snapshot covers yet would be
            trained again after a crash.
        error: raised by the study after the events are stored: nothing more can be trained.
        trained: the kept variables of each training of a trial that ended well, where there were
            several.
    """

    events: tuple[Event, ...] = ()
    results: Mapping[int, Leaves] = field(default_factory=dict)
    snapshots: Mapping[int, TrialSnapshot] = field(default_factory=dict)
    error: BaseException | None = None
    trained: Mapping[int, Sequence[Leaves]] = field(default_factory=dict)


class Executor(Protocol):
    """Trains jobs."""

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, TrialSnapshot],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Takes jobs; those with a snapshot go on from it, having had these scores after each epoch
        so far.
        """

    def forget(self, trials: Sequence[int]) -> None:
        """Lets go of what is kept of paused trials: they will not go on."""

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """What happened since the last call; waits until something has, at most so many seconds."""

    @property
    def num_waiting(self) -> int:
        """Jobs that have not begun to train."""

    @property
    def is_idle(self) -> bool:
        """Whether everything submitted has ended or been paused, and been told."""

    def stop(self) -> list[ExecutorUpdate]:
        """Stops at the next moment possible; gives the last progress, with a snapshot of every
        running trial.
        """

    def close(self) -> None:
        """Lets go of threads and memory."""
