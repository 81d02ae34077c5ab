"""Calls the methods of callbacks for the events of a study."""

import math
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paceline.core import Budget, Decision, Final, StudyWarning
from paceline.core.deprecation import depth_of_caller
from paceline.core.events import (
    ADVICE,
    BestTested,
    EpochMeasured,
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Noted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    SpaceReplaced,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.core.frozen_dict import FrozenDict
from paceline.core.logs import logger
from paceline.core.texts import on_one_line, printable
from paceline.study.hooks.callback import Callback, CallbackWarning
from paceline.study.hooks.view import RunningStudy, StudyView, frozen_final
from paceline.study.record.record import Record
from paceline.study.record.timeline import Clock

_LOG = logger("callbacks")
_HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
_HOOK_OF_TRIAL = {
    TrialAsked: "on_trial_asked",
    TrialStarted: "on_trial_begin",
    EpochMeasured: "on_epoch_end",
    TrialDecided: "on_decision",
    TrialPaused: "on_trial_paused",
    TrialEnded: "on_trial_end",
}


@dataclass(eq=False)
class _Entry:
    """A callback with the methods that it overrides, and whether it is still active."""

    callback: Callback
    hooks: frozenset[str]
    has_failed: bool = False
    view: StudyView | None = None


class Callbacks:
    """The callbacks of one call of `paceline.tune` or another function that runs a study.

    It is a context manager: entering calls `Callback.on_setup`, exiting calls
    `Callback.on_teardown`. In between it observes a study's recorder.

    Args:
        callbacks: the callbacks, called in this order.
    """

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self._entries = [_Entry(one, _overridden(one)) for one in callbacks]
        self._hooks = frozenset[str]().union(*(entry.hooks for entry in self._entries))
        self._running: RunningStudy | None = None
        self._stop_reason = ""
        self._entered = ExitStack()

    @property
    def stop_reason(self) -> str:
        """Why a callback stops the study, with the callback's name; empty if none does."""
        return self._stop_reason

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            for entry in self._entries:
                entered.callback(self._call, entry, "on_teardown")
                self._call(entry, "on_setup")
            self._entered = entered.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._entered.close()

    def attach(self, directory: Path, record: Record, clock: Clock, budget: Budget) -> None:
        """Sets the study of the events that follow, and the limits of its session."""
        self._running = running = RunningStudy(directory, record, clock, budget)
        for entry in self._entries:
            entry.view = StudyView(running, self._stop_of(entry), self._report)

    def set_kept(self, kept: Callable[[], tuple[tuple[int, ...], int]]) -> None:
        """Sets what `StudyView.kept_models` returns."""
        if self._running is not None:
            self._running.kept = kept

    def set_size(self, size: Callable[[], int | None]) -> None:
        """Sets what `StudyView.num_planned` returns."""
        if self._running is not None:
            self._running.size = size

    def set_error(self, error: BaseException) -> None:
        """Sets what `StudyView.error` returns: the exception that ends the session."""
        if self._running is not None:
            self._running.error = error

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        """Calls the methods for recorded events; advice to the user is also issued as a warning.

        Args:
            record: that of the study, with the events applied.
            events: the events, in order.
        """
        running = self._running
        if running is None or running.source is not record:
            raise ValueError("these callbacks are not attached to this study")
        ended: list[int] = []
        for event in events:
            if isinstance(event, Noted) and event.about == ADVICE:
                warnings.warn(event.text, StudyWarning, stacklevel=depth_of_caller())
            if isinstance(event, SessionEnded):
                self._trials_end(ended, running)
            hook = _HOOK_OF_TRIAL.get(type(event))
            is_wanted = hook is None or hook in self._hooks  # a copy of a trial takes time
            found = _hook_of(event, running) if is_wanted else None
            if found is not None:
                self._all(*found)
            if isinstance(event, TrialEnded):
                ended.append(event.number)
        self._trials_end(ended, running)

    def announce(self, text: str) -> None:
        """Tells the user something that is not recorded, as a note and as a warning."""
        self._all("on_note", text)
        warnings.warn(text, StudyWarning, stacklevel=depth_of_caller())

    def _trials_end(self, ended: list[int], running: RunningStudy) -> None:
        """Calls the method for trials that ended together, and forgets them."""
        if ended:
            trials = [running.composed(number) for number in ended]
            ended.clear()
            self._all("on_trials_end", trials)

    def _all(self, hook: str, *args: Any) -> None:
        for entry in self._entries:
            if hook in entry.hooks:
                self._call(entry, hook, entry.view, *args)

    def _call(self, entry: _Entry, hook: str, *args: Any) -> None:
        if hook not in entry.hooks or (entry.has_failed and hook != "on_teardown"):
            return
        try:
            getattr(entry.callback, hook)(*args)
        except Exception as error:
            entry.has_failed = True
            name = _name(entry.callback)
            trace = printable("".join(traceback.format_exception(error)).rstrip())
            _LOG.error("%s.%s raised %s", name, hook, on_one_line(repr(error)), exc_info=error)
            warnings.warn(
                f"{name}.{hook} raised an exception; this callback is not called any more, and the "
                f"study continues without it.\n{trace}",
                CallbackWarning,
                stacklevel=depth_of_caller(),
            )

    def _stop_of(self, entry: _Entry) -> Callable[[str], None]:
        def stop(reason: str) -> None:
            text = on_one_line(str(reason).strip().rstrip("."))
            by = f"stopped by {_name(entry.callback)}"
            self._stop_reason = self._stop_reason or (f"{by}: {text}" if text else by)

        return stop

    def _report(self, path: Path) -> None:
        self._all("on_report", Path(path))


def _hook_of(event: Event, running: RunningStudy) -> tuple[Any, ...] | None:
    """The name of the method for an event, and its arguments after the study view."""
    match event:
        case SessionStarted():
            return ("on_study_begin",)
        case SessionEnded():
            return "on_study_end", event.reason
        case SpaceChanged() | SpaceReplaced():
            return ("on_space_change",)
        case Noted():
            return "on_note", event.text
        case ProgramCompiled():
            return "on_compile", event
        case FinalStarted() | FinalEnded():
            return _of_final(event, running)
    return _of_trial(event, running)


def _of_final(event: FinalStarted | FinalEnded, running: RunningStudy) -> tuple[str, Final] | None:
    final = running.source.final
    if final is None:
        return None
    hook = "on_final_begin" if isinstance(event, FinalStarted) else "on_final_end"
    return hook, frozen_final(final)


def _of_trial(event: Event, running: RunningStudy) -> tuple[Any, ...] | None:
    """As `_hook_of`, for an event about one trial; None if no method is called for it."""
    hook = _HOOK_OF_TRIAL.get(type(event))
    match event:
        case TrialAsked() | TrialEnded():
            return hook, running.composed(event.number)
        case TrialStarted() if event.number not in running.begun:
            running.begun.add(event.number)  # recorded again after its configuration has grown
            return hook, running.composed(event.number)
        case EpochMeasured():
            trial = running.composed(event.number)
            measured = trial.measurements[event.epoch - 1 : event.epoch]
            return (hook, trial, *measured) if measured else None
        case TrialDecided():
            decision = Decision(event.number, event.action, event.reason)
            return hook, running.composed(event.number), decision
        case TrialPaused():
            return hook, running.composed(event.number), event.reason
        case FinalMeasured():
            score = math.nan if event.score is None else event.score
            return "on_final_score", running.composed(event.number), event.pair, score
        case BestTested():
            return "on_test", running.composed(event.number), FrozenDict(event.metrics)
    return None


def _overridden(callback: Callback) -> frozenset[str]:
    """The methods that a callback overrides, in its class or on the instance."""
    return frozenset(
        name
        for name in _HOOKS
        if getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)
    )


def _name(callback: Callback) -> str:
    return type(callback).__name__
