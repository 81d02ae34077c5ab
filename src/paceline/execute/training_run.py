"""One training run and the trials that are read off it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.core import Configuration, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import Job, Leaves, TrainingOptions


@dataclass(eq=False)
class TrainingRun:
    """Trials that differ in nothing but how many epochs they train: the longest trains, the others
    are read off it.

    A run whose leader is to be looked at on the way rests there, until it `goes_on`.

    Attributes:
        jobs: the trials, shortest first.
        config: the configuration of the longest as ``build`` used it.
        program: where it trains.
        training: the study's settings.
        scores: the objective after each epoch so far.
        parameters: how many numbers the network learns.
    """

    jobs: Sequence[Job]
    config: Configuration
    program: str
    training: TrainingOptions
    scores: list[float] = field(default_factory=list)
    parameters: int | None = None

    def __post_init__(self) -> None:
        self._open = list(self.jobs)
        self.best_epoch = 0
        self.best_leaves: Leaves | None = None
        self._best_score: float | None = None

    @property
    def leader(self) -> Job:
        """The longest of the trials."""
        return self.jobs[-1]

    @property
    def is_over(self) -> bool:
        """Whether all its trials have ended."""
        return not self._open

    @property
    def rests(self) -> bool:
        """Whether its leader has come to where it is to be looked at."""
        return not self.is_over and len(self.scores) >= self.leader.stops_at

    def goes_on(self, jobs: Sequence[Job]) -> None:
        """Takes the same trials with a later place to rest, or none."""
        self.jobs = jobs
        self._open = [job for job in jobs if job.trial in {known.trial for known in self._open}]

    def started(self) -> list[Event]:
        """The trials begin."""
        lead = self.leader.trial
        events: list[Event] = [
            TrialStarted(lead, self.program, self.config, parameters=self.parameters)
        ]
        for job in self.jobs[:-1]:
            config = (
                self.config
                if "epochs" not in self.config
                else {**self.config, "epochs": job.epochs}
            )
            events.append(TrialStarted(job.trial, self.program, config, lead, self.parameters))
        return events

    def resumed(self, scores: Sequence[float], best_leaves: Leaves | None) -> None:
        """Brings the run to where a snapshot left it."""
        for score in scores:
            self._note(score)
        self.best_leaves = best_leaves
        done = len(scores)
        self._open = [job for job in self._open if job.epochs > done]

    def paused(self) -> list[Event]:
        """The run rests: its leader is put aside."""
        return [
            TrialPaused(self.leader.trial, f"{self.leader.stops_at} of {self.leader.epochs} epochs")
        ]

    def measured(
        self, epoch: int, metrics: Mapping[str, float], seconds: float, leaves: Callable[[], Leaves]
    ) -> tuple[list[Event], dict[int, Leaves]]:
        """One more epoch: what follows, and the weights of trials that ended with it.

        Args:
            epoch: epochs trained.
            metrics: what was measured.
            seconds: training time so far.
            leaves: fetches the variables as they are now.
        """
        events: list[Event] = [EpochMeasured(self.leader.trial, epoch, metrics, seconds)]
        if not math.isfinite(metrics.get("loss", 0.0)):
            reason = f"diverged: the training loss is {metrics['loss']} after epoch {epoch}"
            return [*events, *self._end_all(TrialState.FAILED, reason)], {}
        metric = self.training.objective.metric
        if metric not in metrics:
            told = ", ".join(sorted(metrics))
            reason = f"{metric} was not measured, or is no single number; what was measured: {told}"
            return [*events, *self._end_all(TrialState.FAILED, reason)], {}
        improved = self._note(metrics[metric])
        keep_best = self.training.keep == "best"
        if improved and keep_best:
            self.best_leaves = leaves()
        patience = self.training.patience
        exhausted = patience is not None and epoch - self.best_epoch >= patience
        ending = [job for job in self._open if exhausted or job.epochs <= epoch]
        if not ending:
            return [*events, *(self.paused() if self.rests else [])], {}
        reason = f"no improvement for {patience} epochs" if exhausted else ""
        kept = self.best_leaves if keep_best and self.best_leaves is not None else leaves()
        self._open = [job for job in self._open if job not in ending]
        events += [self._ended(job, TrialState.COMPLETED, reason) for job in ending]
        return events, {job.trial: kept for job in ending if math.isfinite(self._score()[0])}

    def failed(self, reason: str) -> list[Event]:
        """Every trial still open failed."""
        return self._end_all(TrialState.FAILED, reason)

    def _note(self, score: float) -> bool:
        self.scores.append(score)
        if self.training.objective.better(score, self._best_score):
            self._best_score, self.best_epoch = score, len(self.scores)
            return True
        return False

    def _score(self) -> tuple[float, int]:
        """The score of the kept weights and their epoch."""
        if self.training.keep == "best" and self._best_score is not None:
            return self._best_score, self.best_epoch
        return (self.scores[-1], len(self.scores)) if self.scores else (math.nan, 0)

    def _ended(self, job: Job, state: TrialState, reason: str) -> TrialEnded:
        score, epoch = self._score()
        if state is TrialState.COMPLETED and not math.isfinite(score):
            return TrialEnded(
                job.trial,
                TrialState.FAILED,
                None,
                None,
                f"its {self.training.objective.metric} is {score}",
            )
        if state is TrialState.FAILED:
            return TrialEnded(job.trial, state, None, None, reason)
        return TrialEnded(job.trial, state, score, epoch, reason)

    def _end_all(self, state: TrialState, reason: str) -> list[Event]:
        events: list[Event] = [self._ended(job, state, reason) for job in self._open]
        self._open = []
        return events
