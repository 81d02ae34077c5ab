"""A session: one process's part in a study, until its end or an interruption."""

import os
import time
from contextlib import chdir
from pathlib import Path

from paceline.core import Budget, InvalidInput, PacelineError, TrialState, interrupts
from paceline.core.events import ADVICE, Noted, SessionEnded, TrialPaused
from paceline.execute.base import Executor, ExecutorUpdate
from paceline.store import Store
from paceline.study.evaluation.best_model import BestModel
from paceline.study.evaluation.final import FinalEvaluation
from paceline.study.evaluation.furthest_trial import complete_furthest
from paceline.study.evaluation.trial_tests import measure_completed
from paceline.study.hooks.dispatch import Callbacks
from paceline.study.loop.beginning import begin
from paceline.study.loop.failures import all_failed, only_failures
from paceline.study.loop.search_loop import Search
from paceline.study.loop.session_time import SessionTime
from paceline.study.planned.protocol import Plan
from paceline.study.record.record import REPAIRED, Record
from paceline.study.record.recorder import Observer, Recorder
from paceline.study.record.replay import writing

INTERRUPTED = "interrupted"
"""Reason of a session that ended by Ctrl+C."""


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
        self._plan, self._directory, self._time = plan, store.directory, SessionTime(plan, began)
        self._recorder = Recorder(store, observer)
        self.record = self._recorder.record
        self._callbacks = attach_callbacks(observer, self._recorder, store.directory, plan.budget)
        self._ended_before = self.record.ended
        self._recorder.set_num_kept(plan.settings.evaluation.keep_models)
        is_new = self.record.created is None
        begin(plan, self._recorder, None if is_new else store.value("strategy"))
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

    # -- the search

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
            for update in self._executor.progress(self._seconds_left()):
                self._take(update)
                measure_completed(self._plan, self._recorder, update)
            self._check_failures()

    def _skip_search(self) -> str:
        """Runs no more trials; paused trials stay paused for a later search."""
        self._executor.close()
        before = self._ended_before
        if before is not None and before.reason not in (INTERRUPTED, REPAIRED):
            return before.reason  # the search had ended
        return "it was finished early, as asked"

    def _take(self, update: ExecutorUpdate) -> None:
        """Records what happened; trials that have arrived are processed by the search next."""
        self._search.arrived(self._recorder.take(update))

    def _pause(self, reason: str) -> None:
        """Stops training; running trials are paused at their last snapshot."""
        for update in self._executor.stop():
            self._take(update)
        running = [
            n for n, trial in self.record.trials.items() if trial.state is TrialState.RUNNING
        ]
        self._recorder.tell([TrialPaused(number, reason) for number in running])

    def _check_failures(self, at_end: bool = False) -> None:
        if only_failures(self.record, at_end):
            self._end("the first trials all failed")
            raise all_failed(self.record, self._directory)

    def _seconds_left(self) -> float | None:
        """Seconds left for the search."""
        return self._time.left_for_search(self._search.has_result)

    def _is_out_of_time(self) -> bool:
        left = self._seconds_left()
        if left is not None and left <= 0:
            # a budget that is too small still runs one trial
            return self._search.has_result or self._search.is_over
        note = "" if self._search.has_result else self._time.too_small_note()
        if note and note not in self.record.notes:
            self._recorder.tell([Noted(note, ADVICE)])
        return False

    # -- after the search

    def _run_final(self, is_last: bool) -> None:
        stopped = self._callbacks.stop_reason
        is_limited = is_last or bool(stopped) or self._plan.budget.seconds is not None
        if self.record.best is None and is_limited:
            why = "the study was stopped" if stopped else "time ended"
            why = "the study was finished" if is_last else why
            complete_furthest(self._plan, self._recorder, why)

        def seconds_left() -> float | None:
            """Seconds left; none once a callback has stopped the study during the final."""
            return 0.0 if self._callbacks.stop_reason != stopped else self._time.left()

        final = FinalEvaluation(self._plan, self._recorder, seconds_left)
        if final.is_due:
            final.run()

    def _end_after(self, error: BaseException) -> None:
        """Records that an error ends the session; it may be that nothing can be stored."""
        try:
            self._end(INTERRUPTED)
        except PacelineError:
            if not isinstance(error, PacelineError):
                raise

    def _end(self, reason: str) -> None:
        if self.record.ended is None:
            self._recorder.tell([SessionEnded(reason, self._time.elapsed)])


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
