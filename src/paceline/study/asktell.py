"""Ask and tell: a study whose user runs the trials and reports their scores."""

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from paceline.core import Budget, InvalidInput, Trial, TrialState, checks, markup
from paceline.core.checks import flag, whole_number
from paceline.core.commands import study_name
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.execute.function_call import metrics_of
from paceline.search import History, Strategy
from paceline.settings.description import Settings, default_settings
from paceline.settings.function import ASKED, BY_HAND, CLOSED
from paceline.space import Hyperparameter, Space
from paceline.store import Store, Stored, open_store, study_directory
from paceline.store.writer import SessionClock
from paceline.study.hooks.dispatch import Callbacks
from paceline.study.loop.beginning import is_other_strategy, versions
from paceline.study.loop.session import INTERRUPTED
from paceline.study.plan.function_definition import function_objective
from paceline.study.plan.function_plan import created, given_space
from paceline.study.plan.initial_search import SearchChoice, choose_search
from paceline.study.plan.limits import seed_of
from paceline.study.record.changed_space import changed
from paceline.study.record.dataframe import trials_dataframe
from paceline.study.record.record import Record
from paceline.study.record.replay import fold, keep_snapshot
from paceline.study.resume.existing import Existing, changes_since

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
        existing = Existing.find(self.directory)
        given = given_space(space, {})
        if existing is None and not len(given):
            raise InvalidInput(
                "no space was given",
                expected="space={'rate': paceline.Float(1e-4, 1e-1, sampling='log'), ...}",
            )
        seed = seed_of(seed, existing)
        choice = choose_search("auto" if search is None else search, seed, existing)
        if existing is not None and not len(given):
            given = existing.record.space
        self._may_change = flag("change_space", change_space)
        choice = choice.within(given) if self._may_change else choice
        choice.strategy.check(given)
        first = created(_settings(existing, objective, choice, seed), *about)
        if existing is not None:
            self._changes(first, given, existing.record, existing.state)
        self._store: Store | None = open_store(self.directory, writable=True, store=store)
        folded = fold(self._store)
        self.record, self._clock, self._now = folded.record, folded.clock, SessionClock().now
        self._callbacks = Callbacks() if callbacks is None else callbacks
        self._callbacks.attach(self._store.directory, self.record, folded.clock, Budget())
        state = self._store.value("strategy")
        self._strategy = choice.first(default=False)
        changes: list[Event] = []
        if self.record.created is not None:
            changes = self._changes(first, given, self.record, state)
            if state is not None and not is_other_strategy(changes):
                self._strategy = self._strategy.resumed(state)
        self._callbacks.__enter__()
        if self.record.created is None:
            self._write([first, SessionStarted(versions()), SpaceChanged(given.to_json())])
            return
        values = {"strategy": self._strategy.to_json()}
        self._write([SessionStarted(versions()), *changes], values)

    def _changes(
        self, first: StudyCreated, given: Space, record: Record, state: Any
    ) -> list[Event]:
        """The changes since the study was last opened.

        Raises:
            StudyMismatch: it is another study.
        """
        changes = changes_since(first, record, state, self.directory)
        return [
            *changes,
            *changed(record.found_space, given, record, self.directory, self._may_change),
        ]

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
        self._append(events, {"strategy": strategy.to_json()})
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
        number = self._pending(trial)
        metric = self.record.objective.metric
        if failed is not None:
            if metrics is not None or not isinstance(failed, str) or not failed.strip():
                raise InvalidInput(
                    f"tell was given metrics={metrics!r} and failed={failed!r}",
                    expected="one of them: metrics, or why there are none as a text",
                )
            self._write([TrialEnded(number, TrialState.FAILED, None, None, failed.strip())])
            return self.record.trial(number)
        found, of_each = _finite(metrics, metric), tuple(map(float, scores))
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
        if self._store is not None:
            reason = self._callbacks.stop_reason or reason
            try:
                self._write([SessionEnded(reason, time.monotonic() - self._began)])
                keep_snapshot(self._store, share=0.0)
            finally:
                self._store.close()
                self._store = None
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

    # -- internals

    def _pending(self, trial: Trial | int) -> int:
        number = trial.number if isinstance(trial, Trial) else trial
        try:
            own = self.record.trials.get(whole_number("trial", number, at_least=0))
        except InvalidInput:
            own = None
        waiting = ", ".join(str(one.number) for one in self.pending) or "none"
        if own is None or (isinstance(trial, Trial) and trial.config != own.config):
            name = f"trial {number!r}" if own is None else f"a trial {number} of another study"
            raise InvalidInput(
                f"tell was given {name}, which this study never asked for",
                expected=f"one that is pending: {waiting}",
            )
        if own.state is TrialState.STOPPED:  # nothing else stops a trial that its user runs
            raise InvalidInput(
                f"trial {number} was ended when the space was changed: its configuration is not "
                f"one of the space now",
                expected=f"one that is pending: {waiting}",
            )
        if own.state.is_final:
            raise InvalidInput(
                f"trial {number} already has a result ({own.state}, score {own.score})",
                expected="each trial once",
            )
        return int(number)

    def _write(self, events: list[Event], values: dict[str, Any] | None = None) -> None:
        self._append(events, values)
        self._callbacks(self.record, events)

    def _append(self, events: list[Event], values: dict[str, Any] | None = None) -> None:
        if self._store is None:
            raise InvalidInput(
                f"study {study_name(self.directory)} is closed",
                expected="an open one",
                fix="Open it again with open_study.",
            )
        self._store.append(events, values)
        keep_snapshot(self._store)
        now = self._now()
        for event in events:
            self.record.apply(event)
            self._clock.take(Stored(0, now, event))


def _settings(
    existing: Existing | None, objective: Any, choice: SearchChoice, seed: int
) -> Settings:
    """The settings; what is not passed is as in the existing study."""
    goal = existing.record.objective if existing is not None and objective is None else None
    settings = default_settings(ASKED) if existing is None else existing.settings
    if settings.function.kind != ASKED:  # other kinds of study are refused later
        settings = default_settings(ASKED)
    settings = settings.with_values(search={**choice.settings, "seed": seed, "trials": None})
    return replace(settings, objective=goal or function_objective(objective))


def _finite(metrics: Any, metric: str) -> dict[str, float]:
    fix = "For a trial without a score, pass failed='why'."
    try:
        found = metrics_of(metrics, metric, "tell was given")
    except InvalidInput as error:
        raise InvalidInput(error.passed, expected=error.expected, fix=error.fix or fix) from None
    if found[metric] - found[metric] != 0:  # NaN and the infinities
        raise InvalidInput(
            f"tell was given {metric} as {found[metric]}", expected="a finite number", fix=fix
        )
    return found
