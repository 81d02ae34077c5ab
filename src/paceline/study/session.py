"""One process's part in a study: from a request to the best model, or to wherever it was stopped."""

import platform
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import FrameType
from typing import Any, Protocol

from paceline.core import AllTrialsFailed, TrialState, last_line
from paceline.core.events import (
    BestTested,
    EpochMeasured,
    Event,
    Noted,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import Executor, Job, Progress
from paceline.search import History, Strategy, create, restore
from paceline.store import StudyStore
from paceline.study.checkpoints import Checkpoints
from paceline.study.plan import Plan, make_plan
from paceline.study.record import Record
from paceline.study.request import Request
from paceline.study.study import Study

FORMAT = 1
_MOST_AHEAD = 4096  # configurations asked for at once where the number of trials is known
_AHEAD = 64  # the same where only time limits the study
_FIRST_FAILURES = 10
_RESERVED = 0.02  # part of the time budget that is kept for saving and testing the best model


class Observer(Protocol):
    """Watches a session: a progress display, for instance."""

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Called after each step with what is new."""


def run(request: Request, observer: Observer | None = None, plan: Plan | None = None) -> Study:
    """Carries out a request, or what is left of it where its directory already holds the study.

    Args:
        request: what is asked for.
        observer: told what happens.
        plan: the request's plan, where it has been made already.

    Raises:
        InvalidInput: something asked for cannot be; nothing has been written then.
        StudyMismatch: the directory holds another study.
        StudyLocked: another process writes it.
        AllTrialsFailed: the first ten trials all failed.
    """
    began = time.monotonic()
    plan = make_plan(request) if plan is None else plan
    store = StudyStore(request.directory, writable=True)
    try:
        session = Session(plan, store, observer, began)
        session.go()
    finally:
        store.close()
    return Study.open(request.directory, build=request.build)


class Session:
    """The search loop and what it remembers."""

    def __init__(self, plan: Plan, store: StudyStore, observer: Observer | None, began: float) -> None:
        self._plan, self._store, self._observer, self._began = plan, store, observer, began
        self._record = Record.of(stored.event for stored in store.events())
        self._checkpoints = Checkpoints(store.directory / "checkpoints", store.value("checkpoints"))
        self._checkpoints.prune_all()
        self._uncovered: dict[int, list[Event]] = {}
        # trials of which an epoch is missing, since Ctrl+C came while it was handed over: nothing later of them counts
        self._torn: set[int] = set()
        self._executor: Executor = plan.executor()
        if self._record.created is None:
            self._create()
        else:
            plan.check_same(self._record)
            self._tell([SessionStarted(_versions())])
        stored = store.value("strategy")
        self._strategy: Strategy = create(plan.request.search, plan.seed) if stored is None else restore(stored)
        self._seen = {self._record.space.key(trial.config) for trial in self._record.trials.values()}
        self._exhausted = ""

    def go(self) -> None:
        """The whole session: search, then test and save the best."""
        reason = "interrupted"
        try:
            self._resume_trials()
            reason = self._search()
        except KeyboardInterrupt:
            self._pause("interrupted")
            raise
        finally:
            self._executor.close()
            if reason == "interrupted":
                self._end(reason)
        self._test_best()
        self._end(reason)

    def _search(self) -> str:
        """Asks, trains and tells until a limit is met; says which."""
        while True:
            if self._out_of_time():
                self._pause("the time budget ended")
                return "the time budget is used up"
            if self._executor.num_waiting == 0:
                self._ask()
            if self._executor.is_idle:
                return self._exhausted or _all_ended(len(self._record.trials))
            told = self._executor.progress(self._seconds_left())
            with _uninterrupted():
                for progress in told:
                    self._take(progress)
            self._check_failures()

    # -- asking

    def _ask(self) -> None:
        wanted = self._wanted()
        if wanted <= 0 or self._exhausted:
            return
        history = History(self._seen)
        strategy, proposals = self._strategy.ask(self._record.space, history, wanted)
        if len(proposals) < wanted:
            self._exhausted = (
                strategy.exhausted(self._record.space, History(self._seen)) or "the search has nothing more to propose"
            )
        self._strategy = strategy
        first = len(self._record.trials)
        asked: list[Event] = []
        for number, proposal in enumerate(proposals, first):
            self._seen.add(proposal.key)
            epochs = int(proposal.config.get("epochs", self._plan.request.epochs or 1))
            asked.append(TrialAsked(number, proposal.config, self._plan.seed, epochs, proposal.origin))
        if self._exhausted and not any(self._exhausted in note for note in self._record.notes):
            asked.append(Noted(self._exhausted))
        self._tell(asked, {"strategy": strategy.to_json()})
        self._submit([event.number for event in asked if isinstance(event, TrialAsked)])

    def _wanted(self) -> int:
        limit = self._plan.request.budget.trials
        if limit is not None:
            return min(limit - len(self._record.trials), _MOST_AHEAD)
        if self._plan.request.budget.seconds is not None:
            return _AHEAD
        return _MOST_AHEAD

    def _submit(self, numbers: Sequence[int]) -> None:
        jobs = []
        for number in numbers:
            trial = self._record.trials[number]
            job = Job(number, trial.config, trial.seed, trial.epochs)
            if not self._read_off(job):
                jobs.append(job)
        if jobs:
            snapshots = {n: s for n, s in self._checkpoints.running().items() if n in {job.trial for job in jobs}}
            scores = {n: self._scores(n)[: snapshot.epoch] for n, snapshot in snapshots.items()}
            self._executor.submit(jobs, snapshots, scores)

    def _resume_trials(self) -> None:
        open_trials = [n for n, trial in self._record.trials.items() if not trial.state.is_final]
        if open_trials:
            self._submit(open_trials)

    def _read_off(self, job: Job) -> bool:
        """Ends a trial at once if an earlier, longer one that differs only in ``epochs`` has measured it already."""
        if not self._plan.epochs_are_prefix or "epochs" not in job.config:
            return False
        longer = self._record.longest(job.config, job.seed)
        if longer is None or longer.epochs <= job.epochs:
            return False
        score, epoch = self._plan.kept(self._scores(longer.number)[: job.epochs])
        started = TrialStarted(job.trial, longer.program or "", job.config, shares=longer.number)
        self._tell([started, TrialEnded(job.trial, TrialState.COMPLETED, score, epoch, "read off a longer trial")])
        return True

    def _scores(self, number: int) -> list[float]:
        metric = self._plan.request.objective.metric
        return [m.metrics.get(metric, float("nan")) for m in self._record.trial(number).measurements]

    # -- recording

    def _take(self, progress: Progress) -> None:
        """Stores what happened; epochs of running trials wait for the snapshot that covers them."""
        measured = {event.number for event in progress.events if isinstance(event, EpochMeasured)}
        known = {number: self._record.num_measured(number) for number in measured}
        now: list[Event] = []
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                if event.epoch > known[event.number] + 1:
                    self._torn.add(event.number)
                elif event.epoch > known[event.number]:
                    self._record.apply(event)
                    self._uncovered.setdefault(event.number, []).append(event)
                    known[event.number] = event.epoch
                continue
            if isinstance(event, TrialEnded):
                shares = self._record.trials[event.number].shares
                leader = event.number if shares is None else shares
                if leader in self._torn:
                    continue
                now += self._uncovered.pop(leader, [])
                self._checkpoints.forget(event.number)
            self._record.apply(event)
            now.append(event)
        snapshots = {number: one for number, one in progress.snapshots.items() if number not in self._torn}
        for number in snapshots:
            now += self._uncovered.pop(number, [])
        best = self._record.best
        if best is not None and best.number in progress.results:
            self._checkpoints.save_best(best.number, progress.results[best.number])
        self._checkpoints.save_running(snapshots)
        if now or snapshots:
            self._store.append(now, {"checkpoints": self._checkpoints.index})
            self._checkpoints.prune()
        self._observe(progress.events)
        if progress.error is not None:
            raise progress.error

    def _tell(self, events: Sequence[Event], values: dict[str, Any] | None = None) -> None:
        for event in events:
            self._record.apply(event)
        self._store.append(events, values)
        self._observe(events)

    def _observe(self, events: Sequence[Event]) -> None:
        if self._observer is not None:
            self._observer(self._record, events)

    def _create(self) -> None:
        plan = self._plan
        created = StudyCreated(FORMAT, plan.objective_json, plan.data_json, plan.settings_json)
        self._tell([created, SessionStarted(_versions()), SpaceChanged(plan.space.to_json())])
        self._tell([Noted(note) for note in plan.notes])

    # -- ending

    def _out_of_time(self) -> bool:
        left = self._seconds_left()
        if left is None or left > 0:
            self._warn_of_small_budget()
            return False
        return self._record.num_ended() > 0 or self._executor.is_idle  # a budget too small still runs one trial

    def _warn_of_small_budget(self) -> None:
        seconds = self._plan.request.budget.seconds
        if seconds is None or self._record.num_ended() or time.monotonic() - self._began < seconds:
            return
        note = f"The time budget of {seconds:g} s does not fit one trial; going on until one has ended."
        if note not in self._record.notes:
            self._tell([Noted(note)])

    def _seconds_left(self) -> float | None:
        seconds = self._plan.request.budget.seconds
        if seconds is None:
            return None
        left = seconds * (1 - _RESERVED) - (time.monotonic() - self._began)
        return left if left > 0 or self._record.num_ended() else 1.0

    def _pause(self, reason: str) -> None:
        """Stops training; running trials are put aside where their last snapshot left them."""
        with _uninterrupted():
            for progress in self._executor.stop():
                self._take(progress)
        running = [n for n, trial in self._record.trials.items() if trial.state is TrialState.RUNNING]
        self._tell([TrialPaused(number, reason) for number in running])

    def _check_failures(self) -> None:
        ended, failed = self._record.num_ended(), self._record.num_ended(TrialState.FAILED)
        if failed and failed == ended and (ended >= _FIRST_FAILURES or ended == len(self._record.trials)):
            self._end("the first trials all failed")
            last = last_line(next(t.error for t in reversed(self._record.trials.values()) if t.error))
            raise AllTrialsFailed(
                f"the first {ended} trials all failed; the last one: {last.removesuffix('.')}. "
                f"Run `paceline show {self._store.directory}` for the tracebacks."
            )

    def _test_best(self) -> None:
        best = self._record.best
        if best is None:
            return
        leaves = self._checkpoints.best(best.number)
        metrics = self._plan.save_and_test(best, leaves, self._store.directory)
        if metrics:
            self._tell([BestTested(best.number, metrics)])

    def _end(self, reason: str) -> None:
        if self._record.ended is None:
            self._tell([SessionEnded(reason, time.monotonic() - self._began)])


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl+C waits until the end of the block, so that what is stored and what is remembered stay the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if handler is None else handler)
        if came and callable(handler):
            handler(*came[0])


def _all_ended(count: int) -> str:
    return "its one trial has ended" if count == 1 else f"all {count:,} trials have ended"


def _versions() -> dict[str, str]:
    names = ("paceline", "keras", "jax", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}
