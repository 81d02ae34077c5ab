"""Fresh trainings: jobs outside the search, each with a seed and a split of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from paceline.core import Splits, Trial, TrialState
from paceline.core.events import EpochMeasured, Event, Noted, ProgramCompiled, TrialEnded
from paceline.execute.base import Executor, ExecutorUpdate, Job
from paceline.study.record.recorder import Recorder

SecondsLeft = Callable[[], float | None]
"""Returns the time left in the session; None for no limit."""

REPEATS, FOLDS, FINAL = 11, 12, 13
"""Purposes of `seeds_of`."""


def seeds_of(seed: int, purpose: int, count: int) -> tuple[int, ...]:
    """Seeds for one purpose, independent of those for others.

    More seeds begin with the same ones as fewer.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(purpose,))
    return tuple(int(child.generate_state(1)[0] >> 1) for child in sequence.spawn(count))


def epochs_of(trial: Trial) -> int:
    """Epochs of a fresh training: up to the epoch whose weights were kept, or all epochs.

    The latter where the trial has not completed.
    """
    return (trial.best_epoch if trial.state is TrialState.COMPLETED else None) or trial.epochs


@dataclass(frozen=True, slots=True)
class FreshSplits:
    """The kind of the pairs of fresh trainings.

    Attributes:
        kind: what they differ in besides their seed.
        share: rows of the validation part over rows of the training part, on average.
        note: why no new splits are drawn, as a sentence; empty where they are, or where that was
            asked for.
        sizes: number of different sizes of these splits, each of which needs its own program.
        sizes_of_search: the same for the search.
    """

    kind: Splits
    share: float = 0.0
    note: str = ""
    sizes: int = 1
    sizes_of_search: int = 1


@dataclass(frozen=True, slots=True)
class Fresh:
    """Executor and seeds for fresh trainings.

    Attributes:
        executor: trains them; a job's ``split`` is the number of its pair.
        seeds: of each pair.
    """

    executor: Executor
    seeds: tuple[int, ...]


def no_limit() -> None:
    """No limit of time."""


def train_all(
    executor: Executor,
    jobs: Sequence[Job],
    take: Callable[[ExecutorUpdate], None],
    seconds_left: SecondsLeft = no_limit,
) -> None:
    """Trains jobs until all have ended or the time is over.

    Passes on the updates, and closes the executor.
    """
    try:
        executor.submit(jobs, {}, {})
        while not executor.is_idle:
            left = seconds_left()
            if left is not None and left <= 0:
                break
            for progress in executor.progress(left):
                take(progress)
                if progress.error is not None:
                    raise progress.error
    finally:
        executor.close()


def record_all(
    fresh: Fresh,
    jobs: Sequence[Job],
    recorder: Recorder,
    measured: Callable[[TrialEnded, EpochMeasured | None], Event],
    seconds_left: SecondsLeft = no_limit,
) -> None:
    """Trains jobs as `train_all` does, and records each training as it ends.

    ``measured`` makes its event from the end of the training and its last epoch.
    """
    last: dict[int, EpochMeasured] = {}

    def take(progress: ExecutorUpdate) -> None:
        events: list[Event] = []
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                last[event.number] = event
            elif isinstance(event, TrialEnded):
                events.append(measured(event, last.pop(event.number, None)))
            elif isinstance(event, ProgramCompiled | Noted):
                events.append(event)
        if events:
            recorder.tell(events)
        if progress.nodes is not None:
            recorder.show_nodes(progress.nodes, has_trials=False)

    train_all(fresh.executor, jobs, take, seconds_left)
