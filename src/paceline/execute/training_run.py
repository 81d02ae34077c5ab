"""A training run, shared by trials that differ only in their number of epochs."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.core import Configuration, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import Job, Leaves, TrainingConfig, TrialSnapshot

if TYPE_CHECKING:
    from paceline.execute.model_files import ModelFile
    from paceline.execute.prepare import PreparedNetwork
    from paceline.train.keras_callbacks import CallbackCopies


@dataclass(eq=False)
class TrainingRun:
    """Trials that differ only in their number of epochs.

    The longest, the leader, is trained; the results of the others are those of its first epochs.
    A run whose leader has a pause stays there until `resume`.

    Attributes:
        jobs: the trials, shortest first.
        config: the configuration of the longest as ``build`` used it.
        program: key of the program that trains it.
        options: the study's training options.
        scores: the objective after each epoch so far.
        parameters: number of trainable parameters.
        callbacks: its Keras callbacks; None if there are none.
        files: model files that its callbacks ask for and that are not written yet, by path.
    """

    jobs: Sequence[Job]
    config: Configuration
    program: str
    options: TrainingConfig
    scores: list[float] = field(default_factory=list)
    parameters: int | None = None
    callbacks: "CallbackCopies | None" = None

    def __post_init__(self) -> None:
        self._open = list(self.jobs)
        self.best_epoch = 0
        self.best_leaves: Leaves | None = None
        self.files: dict[str, ModelFile] = {}
        self._best_score: float | None = None
        self._improved_at, self._improved_to = 0, math.inf  # by more than ``min_delta``
        self._is_reported, self._lock = False, threading.Lock()

    @classmethod
    def of(
        cls, prepared: "PreparedNetwork", program: str, options: TrainingConfig
    ) -> "TrainingRun":
        """The run of a network that is ready to train."""
        return cls(
            prepared.jobs,
            prepared.config,
            program,
            options,
            parameters=prepared.parameters,
            callbacks=prepared.new_callbacks(),
        )

    @property
    def leader(self) -> Job:
        """The longest of the trials."""
        return self.jobs[-1]

    @property
    def is_over(self) -> bool:
        """Whether all its trials have ended."""
        return not self._open

    @property
    def is_paused(self) -> bool:
        """Whether its leader has reached the epoch at which it pauses."""
        return not self.is_over and len(self.scores) >= self.leader.stops_at

    def resume(self, jobs: Sequence[Job]) -> None:
        """Replaces the jobs by ones of the same trials with a later pause, or none."""
        self.jobs = jobs
        self._open = [job for job in jobs if job.trial in {known.trial for known in self._open}]

    def abandon(self) -> None:
        """Ends the training of a paused network that will not continue, for its callbacks."""
        if self.callbacks is not None:
            with suppress(Exception):  # the trial has ended
                self.callbacks.end()

    def withdraw(self) -> bool:
        """Ends it without any event, unless its start was reported; returns whether it did.

        It may be in training in another thread.
        """
        with self._lock:
            if not self._is_reported:
                self._open = []
            return not self._is_reported

    def start_events(self) -> list[Event]:
        """The events of the start of all its trials; none if it was withdrawn."""
        with self._lock:
            if self.is_over:
                return []
            self._is_reported = True
        leader = self.leader.trial
        events: list[Event] = [
            TrialStarted(leader, self.program, self.config, parameters=self.parameters)
        ]
        for job in self.jobs[:-1]:
            config = (
                self.config
                if "epochs" not in self.config
                else {**self.config, "epochs": job.epochs}
            )
            events.append(TrialStarted(job.trial, self.program, config, leader, self.parameters))
        return events

    def restore(self, scores: Sequence[float], snapshot: TrialSnapshot) -> None:
        """Restores the state at a snapshot.

        Args:
            scores: the objective after each epoch up to the snapshot.
            snapshot: the snapshot.
        """
        self._is_reported = True
        for score in scores:
            self._add_score(score)
        self.best_leaves = snapshot.best
        if self.callbacks is not None and snapshot.callbacks:
            self.callbacks.restore(snapshot.callbacks)
        done = len(scores)
        self._open = [job for job in self._open if job.epochs > done]

    def snapshot(self, epoch: int, seconds: float, leaves: Leaves) -> TrialSnapshot:
        """Its state after an epoch.

        Args:
            epoch: epochs trained.
            seconds: training time so far.
            leaves: the variables.
        """
        counters = "" if self.callbacks is None else self.callbacks.state()
        return TrialSnapshot(epoch, seconds, leaves, self.best_leaves, counters)

    def pause_events(self) -> list[Event]:
        """The event of the leader's pause."""
        return [
            TrialPaused(self.leader.trial, f"{self.leader.stops_at} of {self.leader.epochs} epochs")
        ]

    def record_epoch(
        self, epoch: int, metrics: Mapping[str, float], seconds: float, leaves: Callable[[], Leaves]
    ) -> tuple[list[Event], dict[int, Leaves]]:
        """Records an epoch; returns its events and the weights of trials that completed with it.

        There are none if it was withdrawn.

        Args:
            epoch: epochs trained.
            metrics: measurements of the epoch.
            seconds: training time so far.
            leaves: fetches the current variables.
        """
        if self.is_over:
            return [], {}
        events: list[Event] = [EpochMeasured(self.leader.trial, epoch, metrics, seconds)]
        if not math.isfinite(metrics.get("loss", 0.0)):
            reason = f"diverged: the training loss is {metrics['loss']} after epoch {epoch}"
            return [*events, *self.fail(reason)], {}
        metric = self.options.objective.metric
        if metric not in metrics:
            measured = ", ".join(sorted(metrics))
            reason = f"{metric} was not measured, or is not a single number; measured: {measured}"
            return [*events, *self.fail(reason)], {}
        self._add_score(metrics[metric])
        if self._kept_epoch == epoch and not self._keeps_last:
            self.best_leaves = leaves()
        reason = self._stop_reason(epoch)
        ending = [job for job in self._open if reason or job.epochs <= epoch]
        if not ending:
            return [*events, *(self.pause_events() if self.is_paused else [])], {}
        is_last = self._keeps_last or self.best_leaves is None
        kept = leaves() if is_last else self.best_leaves or ()
        self._open = [job for job in self._open if job not in ending]
        events += [self._complete(job, reason if job.epochs > epoch else "") for job in ending]
        return events, {job.trial: kept for job in ending if math.isfinite(self._score()[0])}

    def fail(self, reason: str) -> list[Event]:
        """Ends all open trials as failed."""
        events: list[Event] = [_failed(job, reason) for job in self._open]
        self._open = []
        return events

    def _stop_reason(self, epoch: int) -> str:
        """Why all its trials end after this epoch; empty if they do not."""
        patience = self.options.patience
        if patience is not None and epoch - self._improved_at >= patience:
            return f"no improvement for {patience} epochs"
        return "" if self.callbacks is None else self.callbacks.stop_reason

    @property
    def _restored_epoch(self) -> int | None:
        """The epoch whose weights Keras's ``EarlyStopping`` would restore; None for none."""
        return None if self.callbacks is None else self.callbacks.restored_epoch

    @property
    def _keeps_last(self) -> bool:
        """Whether the weights of the last epoch are kept."""
        return self.options.keep == "last" and self._restored_epoch is None

    @property
    def _kept_epoch(self) -> int:
        """The epoch whose weights are kept; 0 if no epoch has a score."""
        if self.options.keep == "best" and self._best_score is not None:
            return self.best_epoch
        return (self.options.keep == "last" and self._restored_epoch) or len(self.scores)

    def _add_score(self, score: float) -> None:
        """Adds the score of an epoch."""
        self.scores.append(score)
        loss = self.options.objective.loss(score)
        if math.isfinite(loss) and loss < self._improved_to - self.options.min_delta:
            self._improved_at, self._improved_to = len(self.scores), loss
        if self.options.objective.better(score, self._best_score):
            self._best_score, self.best_epoch = score, len(self.scores)

    def _score(self) -> tuple[float, int]:
        """The score of the kept weights and their epoch."""
        epoch = self._kept_epoch
        return (self.scores[epoch - 1], epoch) if epoch else (math.nan, 0)

    def _complete(self, job: Job, reason: str) -> TrialEnded:
        score, epoch = self._score()
        if not math.isfinite(score):
            return _failed(job, f"its {self.options.objective.metric} is {score}")
        return TrialEnded(job.trial, TrialState.COMPLETED, score, epoch, reason)


def _failed(job: Job, reason: str) -> TrialEnded:
    return TrialEnded(job.trial, TrialState.FAILED, None, None, reason)
