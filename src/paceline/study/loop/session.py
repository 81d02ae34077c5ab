"""A session: one process's part in a study, until its end or an interruption."""

import os
import platform
import time
from contextlib import chdir, suppress
from importlib import metadata
from pathlib import Path

from paceline.core import (
    AllTrialsFailed,
    Budget,
    InvalidInput,
    PacelineError,
    TrialState,
    command_line,
    interrupts,
    last_line,
)
from paceline.core.events import (
    ADVICE,
    Event,
    Json,
    Noted,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
    SpaceChanged,
    TrialEnded,
    TrialPaused,
    TrialTested,
)
from paceline.execute.base import Executor, ExecutorUpdate
from paceline.execute.repeated import network_of
from paceline.store import Store
from paceline.study.evaluation.best_model import BestModel
from paceline.study.evaluation.final import FinalEvaluation
from paceline.study.hooks.dispatch import Callbacks
from paceline.study.loop.search_loop import Search
from paceline.study.planned.kept import kept_score
from paceline.study.planned.protocol import Plan
from paceline.study.record.network_files import Unusable
from paceline.study.record.record import REPAIRED, Record
from paceline.study.record.recorder import Observer, Recorder
from paceline.study.record.replay import writing
from paceline.study.resume.trust import remembered

_FIRST_FAILURES = 10
# Part of a time budget reserved for saving and testing the best model: these seconds, at most this
# fraction.
_SAVING, _RESERVED = 3.0, 0.15
INTERRUPTED = "interrupted"
"""Reason of a session that ended by Ctrl+C."""
_OF_FINAL = 0.25  # fraction of a time budget reserved for the final


def carry_out(
    plan: Plan,
    directory: Path,
    observer: Observer | None = None,
    began: float | None = None,
    *,
    search: bool = True,
    store: str | None = None,
) -> Record:
    """Carries out a plan in a study directory, or what is left of it there.

    Args:
        plan: that of the study.
        directory: that of the study.
        observer: is called with every event; `Callbacks` can also end the study.
        began: when the session began, on the monotonic clock; None for now.
        search: False to run no more trials and end the study with its final on what was measured.
        store: where the events of a new study are stored, as in `paceline.store.open_store`.

    Returns:
        The record of the study.

    Raises:
        StudyMismatch: the directory holds another study.
        StudyLocked: another process writes it.
        AllTrialsFailed: the first ten trials all failed.
        InvalidInput: the plan cannot be carried out; if a function's study fails so before any
            trial has ended, the study stays as it was, and a new one is removed.
    """
    # a user's function may change the current directory
    kept = plan.settings.execution.store if store is None else store
    with interrupts.deferred(), chdir(os.curdir), writing(directory, kept) as opened:
        mark = opened.mark()
        session = Session(plan, opened, observer, time.monotonic() if began is None else began)
        try:
            session.run(search)
        except InvalidInput:
            if session.was_refused:
                opened.rewind(mark)
            raise
        interrupts.check()  # Ctrl+C may have come since the search ended
        return session.record


class Session:
    """One session: from the first open trial to the best model.

    Attributes:
        record: of the study.
    """

    def __init__(self, plan: Plan, store: Store, observer: Observer | None, began: float) -> None:
        self._plan, self._directory, self._began = plan, store.directory, began
        self._recorder = Recorder(store, observer)
        self.record = self._recorder.record
        self._callbacks = attach_callbacks(observer, self._recorder, store.directory, plan.budget)
        self._ended_before = self.record.ended
        self._recorder.set_num_kept(plan.settings.evaluation.keep_models)
        if self.record.created is None:
            self._create()
        else:
            self._record_changes(store.value("strategy"))
        self._num_ended, self._is_searching = self.record.num_ended(), True
        # created last, so that errors above leave no threads behind
        self._executor: Executor = plan.executor()
        try:
            self._search = Search(
                plan, self._recorder, self._executor, self._seconds_left, store.value
            )
        except BaseException:
            self._executor.close()
            raise
        self._callbacks.set_size(self._search.size)

    @property
    def was_refused(self) -> bool:
        """Whether an error ended a function's search before this session ended any trial.

        A call that has not ended would start again in any case. Networks are different: the error
        may be a batch of a stream after hours of training, and they continue from their
        checkpoints.
        """
        return (
            self._plan.is_define_by_run
            and self._is_searching
            and self.record.num_ended() == self._num_ended
        )

    def run(self, search: bool = True) -> None:
        """Runs the session: the search (if any), the final, the test, saving the best model."""
        try:
            ended = self._run_search() if search else self._skip_search()
            self._is_searching = False
            self._run_final(is_last=not search)
            BestModel(self._plan, self._recorder, self._directory).make()
            reason = self._callbacks.stop_reason or ended
        except BaseException as error:
            # the session is then undone
            is_refused = isinstance(error, InvalidInput) and self.was_refused
            self._callbacks.set_error(error)
            if not (is_refused or interrupts.is_forced()):
                self._end_after(error)
            raise
        self._end(reason)

    def _end_after(self, error: BaseException) -> None:
        """Records that an error ends the session; it may be that nothing can be stored."""
        try:
            self._end(INTERRUPTED)
        except PacelineError:
            if not isinstance(error, PacelineError):
                raise

    def _skip_search(self) -> str:
        """Runs no more trials; paused trials stay paused for a later search."""
        self._executor.close()
        before = self._ended_before
        if before is not None and before.reason not in (INTERRUPTED, REPAIRED):
            return before.reason  # the search had ended
        return "it was finished early, as asked"

    def _run_search(self) -> str:
        """Searches until the end or a limit; returns which."""
        try:
            self._search.resume()
            return self._train()
        except KeyboardInterrupt:
            if not interrupts.is_forced():
                self._pause(INTERRUPTED)
            raise
        finally:
            self._executor.close()

    def _train(self) -> str:
        """Proposes, trains and decides until a limit is reached; returns which."""
        while True:
            interrupts.check()
            if reason := self._callbacks.stop_reason:
                self._pause("the study was stopped")
                return reason
            if self._is_out_of_time():
                self._pause("the time budget ended")
                return "the time budget is used up"
            with self._recorder.one_transaction():
                self._search.advance()
            if self._search.is_over:
                self._check_failures(at_end=True)
                return self._search.exhausted or _all_ended(len(self.record.trials))
            for progress in self._executor.progress(self._seconds_left()):
                self._search.arrived(self._recorder.take(progress))
                self._test_trials(progress)
            self._check_failures()

    def _create(self) -> None:
        plan = self._plan
        # in one transaction: if the process is killed now, either all or nothing is stored
        opening: list[Event] = [
            plan.created,
            SessionStarted(versions()),
            SpaceChanged(plan.space.to_json()),
        ]
        self._recorder.tell([*opening, *map(Noted, plan.notes)], remembered(plan.settings))

    def _record_changes(self, state: Json | None) -> None:
        """Records that the study continues, and which settings have changed."""
        events = self._plan.changes_since(self.record, state)
        changed = {
            name for event in events if isinstance(event, SettingsChanged) for name in event.changed
        }
        values = {"strategy": self._plan.strategy.to_json()} if "search.strategy" in changed else {}
        values |= remembered(self._plan.settings)
        self._recorder.tell([SessionStarted(versions()), *events], values)

    # -- ending

    def _is_out_of_time(self) -> bool:
        left = self._seconds_left()
        if left is None or left > 0:
            self._warn_of_small_budget()
            return False
        # a budget that is too small still runs one trial
        return self._search.has_result or self._search.is_over

    def _warn_of_small_budget(self) -> None:
        seconds = self._plan.budget.seconds
        if seconds is None or self._search.has_result or time.monotonic() - self._began < seconds:
            return
        note = (
            f"The time budget of {seconds:g} s does not fit one trial; the study continues until "
            "one has ended."
        )
        if note not in self.record.notes:
            self._recorder.tell([Noted(note, ADVICE)])

    def _seconds_left(self) -> float | None:
        """Seconds left for the search."""
        seconds, left = self._plan.budget.seconds, self._all_seconds_left()
        if seconds is None or left is None:
            return None
        left -= seconds * _OF_FINAL if self._plan.settings.evaluation.num_pairs else 0.0
        return left if left > 0 or self._search.has_result else 1.0

    def _all_seconds_left(self) -> float | None:
        """Seconds left for search and final."""
        seconds = self._plan.budget.seconds
        if seconds is None:
            return None
        return seconds - min(_SAVING, seconds * _RESERVED) - (time.monotonic() - self._began)

    def _pause(self, reason: str) -> None:
        """Stops training; running trials are paused at their last snapshot."""
        for progress in self._executor.stop():
            self._search.arrived(self._recorder.take(progress))
        running = [
            n for n, trial in self.record.trials.items() if trial.state is TrialState.RUNNING
        ]
        self._recorder.tell([TrialPaused(number, reason) for number in running])

    def _check_failures(self, at_end: bool = False) -> None:
        ended, failed = self.record.num_ended(), self.record.num_ended(TrialState.FAILED)
        if failed and failed == ended and (ended >= _FIRST_FAILURES or at_end):
            self._end("the first trials all failed")
            last = last_line(
                next(t.error for t in reversed(self.record.trials.values()) if t.error)
            )
            failed_so = (
                f"the first {ended} trials all failed; the last one"
                if ended > 1
                else "the first trial failed"
            )
            trace = "The tracebacks" if ended > 1 else "The traceback"
            raise AllTrialsFailed(
                f"{failed_so}: {last.removesuffix('.')}. {trace}: "
                f"{command_line('show', self._directory)}"
            )

    def _test_trials(self, progress: ExecutorUpdate) -> None:
        """Measures completed trials on the test part, where that was asked for."""
        models, test_part = self._plan.models, self._plan.test_part
        if (
            not self._plan.settings.evaluation.test_trials
            or models is None
            or test_part is None
            or test_part.is_empty
        ):
            return
        for number, leaves in progress.results.items():
            trial = self.record.trials[number]
            if trial.state is TrialState.COMPLETED:
                rows = models.rows_of_evaluation(trial)
                trained = progress.trained.get(number, (leaves,))
                tests = tuple(test_part.measure(models.of(trial, one), rows) for one in trained)
                self._recorder.tell([TrialTested(number, tests)])

    def _run_final(self, is_last: bool) -> None:
        stopped = self._callbacks.stop_reason
        is_limited = is_last or bool(stopped) or self._plan.budget.seconds is not None
        if self.record.best is None and is_limited:
            why = "the study was stopped" if stopped else "time ended"
            self._take_furthest("the study was finished" if is_last else why)

        def seconds_left() -> float | None:
            """Seconds left; none once a callback has stopped the study during the final."""
            return 0.0 if self._callbacks.stop_reason != stopped else self._all_seconds_left()

        final = FinalEvaluation(self._plan, self._recorder, seconds_left)
        if final.is_due:
            final.run()

    def _take_furthest(self, why: str) -> None:
        """If no trial has ended: completes the best of those that were trained longest."""
        metric, loss = self.record.objective.metric, self.record.objective.loss
        paused = [
            trial
            for trial in self.record.all_trials()
            if not trial.state.is_final and trial.measurements
        ]
        if not paused:
            return
        best = min(
            paused,
            key=lambda t: (-len(t.measurements), loss(t.measurements[-1].metrics.get(metric, 0.0))),
        )
        snapshot = None
        with suppress(Unusable):
            snapshot = self._recorder.snapshot(best.number)
        score, epoch = kept_score(self._plan, best.measurements)
        reason = f"{why} after {len(best.measurements)} of {best.epochs} epochs"
        event: Event = TrialEnded(best.number, TrialState.COMPLETED, score, epoch, reason)
        self._recorder.tell([event])
        if snapshot is not None and snapshot.epoch == len(best.measurements):
            is_single = self._plan.settings.evaluation.is_single
            self._recorder.keep_model(best.number, network_of(snapshot.load(), is_single))

    def _end(self, reason: str) -> None:
        if self.record.ended is None:
            self._recorder.tell([SessionEnded(reason, time.monotonic() - self._began)])


def attach_callbacks(
    observer: Observer | None, recorder: Recorder, directory: Path, budget: Budget
) -> Callbacks:
    """The callbacks, attached to the study, if the observer consists of callbacks; else none."""
    callbacks = observer if isinstance(observer, Callbacks) else Callbacks()
    callbacks.attach(directory, recorder.record, recorder.clock, budget)
    callbacks.set_kept(recorder.kept_models)
    recorder.announce_with(callbacks.announce)
    return callbacks


def _all_ended(count: int) -> str:
    return "its one trial has ended" if count == 1 else f"all {count:,} trials have ended"


def versions() -> dict[str, str]:
    """Versions of the software that may affect a study's numbers."""
    names = ("paceline", "keras", "jax", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}
