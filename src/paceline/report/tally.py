"""How far a search is, counted from its events; cheap enough to be called at each of them."""

import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from paceline.core import Action, Configuration, InvalidInput, TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    ProgramCompiled,
    SpaceChanged,
    SpaceReplaced,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.search import Strategy, create
from paceline.study import Record

_WINDOW = 10.0  # seconds over which the step rate is taken
_SAMPLE = 0.5  # seconds between samples of the step counter
_ENOUGH = 3.0  # trials from which the time left is estimated, or a tenth of all


class Tally:
    """Counts of one session.

    Attributes:
        total: trials that there will be, as far as that is known.
        ended: trials that have ended, those of earlier sessions included.
        failed: how many of these failed.
        running: trials that train now.
        compiled: programs compiled in this session.
        best: number and score of the best trial, or None.
    """

    def __init__(self, trials: int | None, seconds: float | None) -> None:
        """``trials`` and ``seconds`` are the session's limits."""
        self._limit, self._seconds = trials, seconds
        self.began = time.monotonic()
        self.total: int | None = trials
        self.ended = self.failed = self.compiled = 0
        self.best: tuple[int, float] | None = None
        self._record: Record | None = None
        self._strategy: Strategy | None = None
        self._training_since: float | None = None
        self._parts: dict[
            int, float
        ] = {}  # of trials that have not ended: how much of each is done
        self._training: set[int] = set()
        self._done = self._done_before = 0.0
        self._steps = 0
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def record(self) -> Record | None:
        """The study's record, once there is one."""
        return self._record

    @property
    def final(self) -> tuple[int, int] | None:
        """While the final is held: how many of its trainings are done, and how many there are."""
        final = None if self._record is None else self._record.final
        if final is None or final.winner is not None:
            return None
        return len(final.scores), final.num_pairs * len(final.finalists)

    @property
    def has_model(self) -> bool:
        """Whether the study ends with a model: not where a function trains and measures by
        itself.
        """
        created = None if self._record is None else self._record.created
        return created is not None and "kind" not in created.data

    @property
    def running(self) -> int:
        """Trials that train now."""
        return len(self._training)

    @property
    def elapsed(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self.began

    def take(self, record: Record, events: Sequence[Event]) -> None:
        """Counts what is new."""
        if self._record is None:
            self._begin(record)
        steps = self._steps
        for event in events:
            if isinstance(event, EpochMeasured):
                self._measured(record, event)
            elif isinstance(event, TrialStarted):
                self._started(event)
            elif isinstance(event, TrialEnded):
                self._ended(record, event)
            elif isinstance(event, TrialPaused):
                self._training.discard(event.number)
            elif isinstance(event, TrialDecided):
                if event.action is Action.CONTINUE:
                    self._training.add(event.number)
            elif isinstance(event, ProgramCompiled):
                self.compiled += event.from_scratch
            elif isinstance(event, SpaceChanged | SpaceReplaced):
                self._take_best(record)  # it may not be of the space any more
                self._count_trials(record)
        if self._steps > steps:
            self._sample()

    def steps_per_second(self) -> float:
        """Model-steps per second of late; 0 while nothing trains."""
        samples = tuple(self._samples)
        if len(samples) < 2:
            return 0.0
        (since, first), (until, last) = samples[0], samples[-1]
        now = time.monotonic()
        seconds = (until if now - until < _WINDOW else now) - since
        return (last - first) / seconds if seconds > 0 else 0.0

    def fraction(self) -> float | None:
        """How much of the search is done, 0 to 1; None where that is not known."""
        by_trials = self._done / self.total if self.total else None
        by_time = self.elapsed / self._seconds if self._seconds else None
        known = [part for part in (by_trials, by_time) if part is not None]
        return min(1.0, max(known)) if known else None

    def seconds_left(self) -> float | None:
        """An estimate; None while there is nothing to base it on."""
        now = time.monotonic()
        known = [] if self._seconds is None else [max(0.0, self._seconds - (now - self.began))]
        done = self._done - self._done_before
        if (
            self.total
            and self._training_since is not None
            and done >= min(_ENOUGH, 0.1 * self.total)
        ):
            known.append((self.total - self._done) * (now - self._training_since) / done)
        return min(known) if known else None

    def best_config(self) -> Configuration:
        """The best trial's configuration; empty while there is none."""
        if self.best is None or self._record is None:
            return {}
        return self._record.trials[self.best[0]].config

    # -- events

    def _begin(self, record: Record) -> None:
        self._record = record
        with suppress(InvalidInput):  # one that was passed as an object has no name to go by
            self._strategy = create(str(record.settings.get("search")), 0)
        ended = [trial for trial in record.trials.values() if trial.state.is_final]
        self.ended, self.failed = len(ended), sum(trial.error is not None for trial in ended)
        self._done = self._done_before = float(len(ended))
        self._take_best(record)
        self._count_trials(record)

    def _take_best(self, record: Record) -> None:
        best = record.best
        self.best = None if best is None or best.score is None else (best.number, best.score)

    def _count_trials(self, record: Record) -> None:
        strategy = self._strategy
        size = None if strategy is None or not len(record.space) else strategy.size(record.space)
        known = [limit for limit in (self._limit, size) if limit is not None]
        self.total = max(min(known), len(record.trials)) if known else None

    def _started(self, event: TrialStarted) -> None:
        if self._training_since is None:
            self._training_since = time.monotonic()
            self._samples.append((self._training_since, self._steps))
        if event.prefix_of is None:
            self._parts.setdefault(event.number, 0.0)
            self._training.add(event.number)

    def _measured(self, record: Record, event: EpochMeasured) -> None:
        trial = record.trials[event.number]
        if not trial.state.is_final:
            part = min(1.0, event.epoch / max(1, trial.epochs))
            self._done += part - self._parts.get(event.number, 0.0)
            self._parts[event.number] = part
            if trial.state is not TrialState.PAUSED or trial.number not in record.decisions:
                self._training.add(event.number)
        if self._training_since is None:
            self._training_since = time.monotonic()
        created = record.created
        if created is not None:
            rows = created.data.get("rows", {}).get("train", 0)
            size = trial.config.get("batch_size", created.settings.get("batch_size")) or 32
            batches = created.data.get("batches", {}).get("train")  # of a stream
            if rows or batches:  # a function objective has neither
                self._steps += math.ceil(rows / int(size)) if batches is None else batches

    def _ended(self, record: Record, event: TrialEnded) -> None:
        self.ended += 1
        self._done += 1.0 - self._parts.pop(event.number, 0.0)
        self._training.discard(event.number)
        if event.state is TrialState.FAILED:
            self.failed += 1
        completed = event.state is TrialState.COMPLETED
        if (
            completed
            and event.score is not None
            and record.objective.better(event.score, self.best and self.best[1])
        ):
            self.best = (event.number, event.score)

    def _sample(self) -> None:
        now = time.monotonic()
        if len(self._samples) > 2 and now - self._samples[-2][0] < _SAMPLE:
            self._samples.pop()
        self._samples.append((now, self._steps))
        while len(self._samples) > 2 and now - self._samples[1][0] > _WINDOW:
            self._samples.popleft()
