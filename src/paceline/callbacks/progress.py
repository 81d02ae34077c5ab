"""StudyProgress of a study, counted by a callback; cheap enough for every epoch of every trial."""

import math
import time
from collections import deque

from paceline.core import Action, Decision, Final, Measurement, Trial, TrialState
from paceline.core.events import ProgramCompiled
from paceline.study.hooks.callback import Callback
from paceline.study.hooks.view import StudyView

_WINDOW = 10.0  # seconds over which the rate of steps is averaged
_SAMPLE = 0.5  # seconds between samples of the step counter
_ENOUGH = 3.0  # trials after which the remaining time is estimated, or a tenth of all


class StudyProgress(Callback):
    """Counts what happens in one session of a study; what it counts may be read by other threads.

    Attributes:
        study: the study, once it has begun.
        total: number of trials that there will be; None if unknown.
        ended: number of trials that have ended, in earlier sessions too.
        failed: number of those that failed.
        compiled: number of models compiled in this session.
        best: the best trial so far, or None.
        final: while the finalists are retrained, the number of trainings that have ended, and
            of all of them; else None.
        trains_models: whether models are trained on data; False if a function is called.
    """

    def __init__(self) -> None:
        self.study: StudyView | None = None
        self.began = time.monotonic()
        self.total: int | None = None
        self.ended = self.failed = self.compiled = 0
        self.best: Trial | None = None
        self.final: tuple[int, int] | None = None
        self.trains_models = False
        self._seconds: float | None = None
        self._batches: int | None = None  # of a stream, in an epoch
        self._rows = 0
        self._batch_size = 32
        self._training_since: float | None = None
        # the fraction done of each trial that has not ended
        self._parts: dict[int, float] = {}
        self._training: dict[int, str | None] = {}  # the worker of each trial
        self._done = self._done_before = 0.0
        self._steps = 0
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def running(self) -> int:
        """Number of trials that are being trained."""
        return len(self._training)

    @property
    def num_workers(self) -> int:
        """Number of workers on which they started; 0 for the process of the study."""
        return len({worker for worker in self._training.values() if worker is not None})

    @property
    def elapsed(self) -> float:
        """Seconds since this session began."""
        return time.monotonic() - self.began

    def steps_per_second(self) -> float:
        """Training steps per second, of all models together; 0 if nothing is trained."""
        samples = tuple(self._samples)
        if len(samples) < 2:
            return 0.0
        (since, first), (until, last) = samples[0], samples[-1]
        now = time.monotonic()
        seconds = (until if now - until < _WINDOW else now) - since
        return (last - first) / seconds if seconds > 0 else 0.0

    def fraction(self) -> float | None:
        """How much of the search is done, 0 to 1; None if that is unknown."""
        by_trials = self._done / self.total if self.total else None
        by_time = self.elapsed / self._seconds if self._seconds else None
        known = [part for part in (by_trials, by_time) if part is not None]
        return min(1.0, max(known)) if known else None

    def seconds_left(self) -> float | None:
        """An estimate; None before there is anything to base it on."""
        known = [] if self._seconds is None else [max(0.0, self._seconds - self.elapsed)]
        done = self._done - self._done_before
        if (
            self.total
            and self._training_since is not None
            and done >= min(_ENOUGH, 0.1 * self.total)
        ):
            spent = time.monotonic() - self._training_since
            known.append((self.total - self._done) * spent / done)
        return min(known) if known else None

    # -- what happens

    def on_setup(self) -> None:
        """Starts the clock."""
        self.began = time.monotonic()

    def on_study_begin(self, study: StudyView) -> None:
        """Counts the trials of earlier sessions."""
        self.study, self._seconds = study, study.budget.seconds
        data = study.data
        self.trains_models = "kind" not in data
        self._rows = data.get("rows", {}).get("train", 0)
        self._batches = data.get("batches", {}).get("train")
        self._batch_size = study.settings.training.batch_size or 32
        self.ended, self.failed = study.num_ended(), study.num_ended(TrialState.FAILED)
        self._done = self._done_before = float(self.ended)
        self.best, self.total = study.best, study.num_planned

    def on_space_change(self, study: StudyView) -> None:
        """Looks for the best trial again: it may not be one of the space any more."""
        self.best, self.total = study.best, study.num_planned

    def on_trial_asked(self, study: StudyView, trial: Trial) -> None:
        """Counts the trials that there will be."""
        self.total = study.num_planned

    def on_trial_begin(self, study: StudyView, trial: Trial) -> None:
        """Counts a trial as being trained."""
        if self._training_since is None:
            self._training_since = time.monotonic()
            self._samples.append((self._training_since, self._steps))
        if trial.prefix_of is None and not trial.state.is_final:
            self._parts.setdefault(trial.number, 0.0)
            self._training[trial.number] = trial.worker

    def on_epoch_end(self, study: StudyView, trial: Trial, measurement: Measurement) -> None:
        """Counts the steps of an epoch."""
        if not trial.state.is_final:
            part = min(1.0, measurement.epoch / max(1, trial.epochs))
            self._done += part - self._parts.get(trial.number, 0.0)
            self._parts[trial.number] = part
            self._training[trial.number] = trial.worker
        if self._training_since is None:
            self._training_since = time.monotonic()
        if self._batches is not None:
            self._step(self._batches)
        elif self._rows:  # a function has none
            size = int(trial.config.get("batch_size", self._batch_size))
            self._step(math.ceil(self._rows / size))

    def on_trial_paused(self, study: StudyView, trial: Trial, reason: str) -> None:
        """It is not being trained."""
        self._training.pop(trial.number, None)

    def on_decision(self, study: StudyView, trial: Trial, decision: Decision) -> None:
        """It may be trained further."""
        if decision.action is Action.CONTINUE:
            self._training[trial.number] = trial.worker

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Counts a trial as ended."""
        self.ended += 1
        self._done += 1.0 - self._parts.pop(trial.number, 0.0)
        self._training.pop(trial.number, None)
        if trial.state is TrialState.FAILED:
            self.failed += 1
        known = None if self.best is None else self.best.score
        completed = trial.state is TrialState.COMPLETED and trial.score is not None
        if completed and trial.score is not None and study.objective.better(trial.score, known):
            self.best = trial

    def on_compile(self, study: StudyView, program: ProgramCompiled) -> None:
        """Counts what no cache had."""
        self.compiled += program.from_scratch > 0

    def on_final_begin(self, study: StudyView, final: Final) -> None:
        """Counts the trainings that there are to be."""
        self.final = (len(final.scores), final.num_pairs * len(final.finalists))

    def on_final_score(self, study: StudyView, trial: Trial, pair: int, score: float) -> None:
        """Counts a training of the final evaluation; one that was resumed has no beginning."""
        final = study.final
        if final is not None:
            self.final = (len(final.scores), final.num_pairs * len(final.finalists))

    def on_final_end(self, study: StudyView, final: Final) -> None:
        """There are none left."""
        self.final = None

    def _step(self, count: int) -> None:
        self._steps += count
        now = time.monotonic()
        if len(self._samples) > 2 and now - self._samples[-2][0] < _SAMPLE:
            self._samples.pop()
        self._samples.append((now, self._steps))
        while len(self._samples) > 2 and now - self._samples[1][0] > _WINDOW:
            self._samples.popleft()
