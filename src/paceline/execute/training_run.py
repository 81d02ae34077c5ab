"""A training run, shared by trials that differ only in their number of epochs."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.core import Configuration, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import Job, Leaves, TrainingConfig


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
    """

    jobs: Sequence[Job]
    config: Configuration
    program: str
    options: TrainingConfig
    scores: list[float] = field(default_factory=list)
    parameters: int | None = None

    def __post_init__(self) -> None:
        self._open = list(self.jobs)
        self.best_epoch = 0
        self.best_leaves: Leaves | None = None
        self._best_score: float | None = None
        self._improved_at, self._improved_to = 0, math.inf  # by more than ``min_delta``
        self._is_reported, self._lock = False, threading.Lock()

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

    def restore(self, scores: Sequence[float], best_leaves: Leaves | None) -> None:
        """Restores the state at a snapshot.

        Args:
            scores: the objective after each epoch up to the snapshot.
            best_leaves: variables at the best of them, if those are kept.
        """
        self._is_reported = True
        for score in scores:
            self._add_score(score)
        self.best_leaves = best_leaves
        done = len(scores)
        self._open = [job for job in self._open if job.epochs > done]

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
        improved = self._add_score(metrics[metric])
        keep_best = self.options.keep == "best"
        if improved and keep_best:
            self.best_leaves = leaves()
        patience = self.options.patience
        exhausted = patience is not None and epoch - self._improved_at >= patience
        ending = [job for job in self._open if exhausted or job.epochs <= epoch]
        if not ending:
            return [*events, *(self.pause_events() if self.is_paused else [])], {}
        reason = f"no improvement for {patience} epochs" if exhausted else ""
        kept = self.best_leaves if keep_best and self.best_leaves is not None else leaves()
        self._open = [job for job in self._open if job not in ending]
        events += [self._complete(job, reason) for job in ending]
        return events, {job.trial: kept for job in ending if math.isfinite(self._score()[0])}

    def fail(self, reason: str) -> list[Event]:
        """Ends all open trials as failed."""
        events: list[Event] = [_failed(job, reason) for job in self._open]
        self._open = []
        return events

    def _add_score(self, score: float) -> bool:
        """Adds the score of an epoch; returns whether it is the best so far."""
        self.scores.append(score)
        loss = self.options.objective.loss(score)
        if math.isfinite(loss) and loss < self._improved_to - self.options.min_delta:
            self._improved_at, self._improved_to = len(self.scores), loss
        if self.options.objective.better(score, self._best_score):
            self._best_score, self.best_epoch = score, len(self.scores)
            return True
        return False

    def _score(self) -> tuple[float, int]:
        """The score of the kept weights and their epoch."""
        if self.options.keep == "best" and self._best_score is not None:
            return self._best_score, self.best_epoch
        return (self.scores[-1], len(self.scores)) if self.scores else (math.nan, 0)

    def _complete(self, job: Job, reason: str) -> TrialEnded:
        score, epoch = self._score()
        if not math.isfinite(score):
            return _failed(job, f"its {self.options.objective.metric} is {score}")
        return TrialEnded(job.trial, TrialState.COMPLETED, score, epoch, reason)


def _failed(job: Job, reason: str) -> TrialEnded:
    return TrialEnded(job.trial, TrialState.FAILED, None, None, reason)
