"""A study whose user runs the trials and reports their scores."""

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from paceline.core import Budget, InvalidInput, Trial, TrialState, checks, markup
from paceline.core.checks import whole_number
from paceline.core.commands import study_name
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.search import History, Strategy
from paceline.settings.function import BY_HAND, CLOSED
from paceline.space import Hyperparameter, Space
from paceline.store import study_directory
from paceline.study.asktell.opening import Opening
from paceline.study.asktell.told import finite_metrics, pending_number
from paceline.study.hooks.dispatch import Callbacks
from paceline.study.loop.beginning import versions
from paceline.study.loop.session import INTERRUPTED
from paceline.study.record.dataframe import trials_dataframe
from paceline.study.record.event_log import EventLog

if TYPE_CHECKING:
    import pandas as pd


class OpenStudy:
    """A study whose trials its user runs; made by `paceline.open_study`.

    No other process can write to its directory until it is closed::

        with paceline.open_study("runs/oven", {"heat": paceline.Float(150, 250)}, "max") as study:
            for _ in range(10):
                trial = study.ask()
                study.tell(trial, bake(**trial.config))
        study.best.config

    Attributes:
        directory: that of the study.
        record: everything that was recorded.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        space: Space | Mapping[str, Hyperparameter] | None,
        objective: Any,
        search: str | Strategy | None,
        seed: int | None,
        change_space: bool = False,
        callbacks: Callbacks | None = None,
        store: str | None = None,
        about: tuple[str, str] = (BY_HAND, ""),
    ) -> None:
        """See `paceline.open_study`; the ``callbacks`` are entered here and exited by `close`.

        ``about`` is a name for what is tried, and a text that differs for studies that must not
        continue each other.
        """
        self.directory = study_directory(directory)
        self._began = time.monotonic()
        opening = Opening.of(self.directory, space, objective, search, seed, change_space, about)
        self._log = EventLog(self.directory, store)
        self.record = self._log.record
        self._callbacks = Callbacks() if callbacks is None else callbacks
        try:
            self._begin(opening)
        except BaseException:  # its traceback would keep the study locked
            self._log.close()
            self._callbacks.__exit__(None, None, None)
            raise

    def _begin(self, opening: Opening) -> None:
        """Attaches the callbacks, and records that the study begins or continues."""
        self._callbacks.attach(self._log.directory, self.record, self._log.clock, Budget())
        self._log.announce_with(self._callbacks.announce)
        is_new = self.record.created is None
        state = self._log.strategy_state
        changes = [] if is_new else opening.changes(self.record, state)
        self._strategy = opening.strategy(changes, None if is_new else state)
        self._callbacks.__enter__()
        if is_new:
            begun = SpaceChanged(opening.space.to_json())
            self._write([opening.first.with_id(), SessionStarted(versions()), begun])
        else:
            values = {"strategy": self._strategy.to_json()}
            self._write([SessionStarted(versions()), *changes], values)

    # -- ask and tell

    @overload
    def ask(self) -> Trial: ...

    @overload
    def ask(self, count: int) -> list[Trial]: ...

    def ask(self, count: int | None = None) -> Trial | list[Trial]:
        """Returns a new trial or, with ``count``, a list of up to this many trials.

        The list is shorter where the search space is exhausted. Each trial is stored and waits for
        `tell`; waiting trials are `pending`, also after the study is opened again. Once a callback
        has stopped the study, there are no new trials.

        Raises:
            InvalidInput: ``count`` is not a whole number of at least 1, the study is closed, or, of
                one trial, the search space is exhausted or the study was stopped.
        """
        if count is not None:
            return self._ask(whole_number("count", count))
        asked = self._ask(1)
        if not asked and self._callbacks.stop_reason:
            raise InvalidInput(
                f"ask was called and study {study_name(self.directory)} was "
                f"{self._callbacks.stop_reason}",
                expected="a study that no callback has stopped",
                fix="ask(1) gives an empty list then; open the study again to continue.",
            )
        if not asked:
            raise InvalidInput(
                f"ask was called and the search space of study {study_name(self.directory)} is "
                f"exhausted",
                expected="a study with configurations left to try",
                fix="ask(1) gives an empty list then.",
            )
        return asked[0]

    def _ask(self, count: int) -> list[Trial]:
        record = self.record
        if self._callbacks.stop_reason:
            return []
        seen = {record.space.key(trial.config) for trial in record.members()}
        history = History(seen, record.observed(), record.objective)
        strategy, proposals = self._strategy.ask(record.space, history, count)
        seed, first = record.settings.search.seed, len(record.trials)
        events: list[Event] = []
        for number, proposal in enumerate(proposals, first):
            events.append(TrialAsked(number, proposal.config, seed, 1, proposal.origin))
            events.append(TrialStarted(number, "by hand", proposal.config))
        self._log.append(events, {"strategy": strategy.to_json()})
        self._strategy = strategy
        self._callbacks(record, events)
        return [record.trial(number) for number in range(first, first + len(proposals))]

    def tell(
        self,
        trial: Trial | int,
        metrics: Any = None,
        *,
        failed: str | None = None,
        scores: Sequence[float] = (),
        seconds: float = 0.0,
    ) -> Trial:
        """Records the result of a trial, once.

        Args:
            trial: as `ask` returned it, or its number.
            metrics: a number, which is the objective, or a dict of metrics with the objective among
                them.
            failed: instead of metrics, the reason for a failure: ``"out of memory"``. The search
                learns from failures, too.
            scores: of each training, if there were several, such as on folds; the objective is
                their mean.
            seconds: how long it took.

        Returns:
            The trial with its result.

        Raises:
            InvalidInput: a trial that was never asked for, has a result already or was ended when
                the space was changed; metrics that are not finite, or lack the objective. The study
                stays as it was.
        """
        number = pending_number(trial, self.record)
        metric = self.record.objective.metric
        if failed is not None:
            if metrics is not None or not isinstance(failed, str) or not failed.strip():
                raise InvalidInput(
                    f"tell was given metrics={metrics!r} and failed={failed!r}",
                    expected="one of them: metrics, or why there are none as a text",
                )
            self._write([TrialEnded(number, TrialState.FAILED, None, None, failed.strip())])
            return self.record.trial(number)
        found, of_each = finite_metrics(metrics, metric), tuple(map(float, scores))
        ended = TrialEnded(number, TrialState.COMPLETED, found[metric], 1, "", of_each)
        spread = {metric: statistics.stdev(of_each)} if len(of_each) > 1 else {}
        self._write(
            [EpochMeasured(number, 1, found, checks.number("seconds", seconds), spread), ended]
        )
        return self.record.trial(number)

    # -- reading

    @property
    def pending(self) -> list[Trial]:
        """The trials that were asked for and have no result yet."""
        return [trial for trial in self.record.all_trials() if not trial.state.is_final]

    @property
    def trials(self) -> list[Trial]:
        """All trials, in order of their numbers."""
        return self.record.all_trials()

    @property
    def best(self) -> Trial:
        """The trial with the best score.

        Raises:
            InvalidInput: no trial has a result yet.
        """
        if self.record.best is None:
            raise InvalidInput(
                f"no trial of study {study_name(self.directory)} has a result",
                expected="at least one",
            )
        return self.record.best

    @property
    def space(self) -> Space:
        """The search space."""
        return self.record.space

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row per trial; see `paceline.Study.trials_dataframe`."""
        return trials_dataframe(self.record)

    def __repr__(self) -> str:
        return f"<OpenStudy {study_name(self.directory)}: {self.record.outcome}>"

    def _repr_html_(self) -> str:
        best = self.record.best
        head = markup.heading(f"Open study {study_name(self.directory)}") + markup.paragraph(
            f"{self.record.outcome}, {len(self.pending)} pending"
        )
        return head if best is None else head + best._repr_html_()

    # -- ending

    def close(self) -> None:
        """Closes the study; trials that were asked for and have no result stay `pending`."""
        self._close(CLOSED)

    def _close(self, reason: str) -> None:
        if self._log.is_closed:
            return
        reason = self._callbacks.stop_reason or reason
        try:
            self._write([SessionEnded(reason, time.monotonic() - self._began)])
            self._log.keep_snapshot()
        finally:
            self._log.close()
            self._callbacks.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._callbacks.set_error(error)
        self._close(CLOSED if error is None else INTERRUPTED)

    def _write(self, events: list[Event], values: dict[str, Any] | None = None) -> None:
        self._log.append(events, values)
        self._callbacks(self.record, events)
