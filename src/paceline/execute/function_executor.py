"""Function objectives: which trial is called where, what they tell as events, and what they may
take.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from paceline.core import (
    Configuration,
    InvalidInput,
    PacelineError,
    TrialState,
    Value,
    did_you_mean,
    interrupts,
)
from paceline.core.events import EpochMeasured, Event, Noted, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import ExecutorUpdate, Job, TrialSnapshot
from paceline.execute.function_call import Message, receive, send
from paceline.execute.space_tracker import SpaceTracker
from paceline.space import Hyperparameter, Observation, Space, hyperparameter_from_json

_LONGEST_WAIT = 1.0  # seconds after which workers are looked at that do not tell that they are dead
_WATCH_MEMORY = 0.1  # seconds between two looks at the memory taken


class FunctionWorker(Protocol):
    """Where a function is called: a thread or a process."""

    link: Connection
    can_be_killed: bool

    @property
    def memory(self) -> int:
        """Bytes taken by what runs here."""

    def death(self, seconds: float = 0.0) -> str | None:
        """Why nothing can run here any more, as a sentence; None while it can; waits for it at most
        so long.
        """

    def close(self) -> None:
        """Ends what runs here."""


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What one trial may take.

    Attributes:
        seconds: of wall time, waits for the schedule included; None for no limit.
        memory: bytes; None for no limit.
    """

    seconds: float | None = None
    memory: int | None = None


class FunctionExecutor:
    """Calls the function for each job, one at a time in each of its places.

    The function may ask for hyperparameters that are not in the space yet; they join it, with
    `SpaceChanged`. A trial that is paused waits in its ``hp.report`` and keeps its place until it
    is submitted again or forgotten. One that was interrupted begins anew.
    """

    def __init__(
        self,
        make_place: Callable[[], FunctionWorker],
        num_places: int,
        space: Space,
        limits: TrialLimits,
        fixed: Mapping[str, Value] | None = None,
        awaited: Mapping[str, str] | None = None,
        instead: Iterable[Hyperparameter] = (),
        may_change: bool = False,
        epochs: int | None = None,
    ) -> None:
        """Makes the places as they are needed.

        Args:
            make_place: starts one.
            num_places: how many at most.
            space: as it is known.
            limits: of each trial; only for places that can be killed.
            fixed: values of hyperparameters that are not to be tuned.
            instead: hyperparameters that stand in the place of what the function asks for under
                their names.
            may_change: whether the function may ask for something else than in earlier sessions.
            awaited: names that the function is expected to ask for, with the argument that says so.
            epochs: steps that count in a call; None for as many as the function reports.
        """
        instead = tuple(instead)
        self._tracker = SpaceTracker(space, may_change, {h.name for h in instead})
        self._make_place, self._num_places, self._limits = make_place, num_places, limits
        self._awaited = dict(awaited or {})
        self._orders = {
            "fixed": dict(fixed or {}),
            "instead": [h.to_json() for h in instead],
            "epochs": epochs,
        }
        self._desks: list[_WorkerSlot] = []
        self._waiting: deque[Job] = deque()
        self._open: set[int] = set()
        self._has_served = self._has_told_beyond = False

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, TrialSnapshot],  # noqa: ARG002 - a function's state is its own
        scores: Mapping[int, Sequence[float]],  # noqa: ARG002
    ) -> None:
        """Takes jobs; functions that wait in ``hp.report`` go on, all others begin."""
        self._open |= {job.trial for job in jobs}
        for job in jobs:
            desk = self._desk_of(job.trial)
            if desk is None:
                self._tracker.expect(job.trial)
                self._waiting.append(job)
            else:
                desk.go_on(job)

    def forget(self, trials: Sequence[int]) -> None:
        """Lets go of paused trials: their ``hp.report`` answers False."""
        for desk in filter(None, map(self._desk_of, trials)):
            desk.leave()

    @property
    def space(self) -> Space:
        """What may vary, as far as the functions have shown it."""
        return self._tracker.space

    @property
    def num_waiting(self) -> int:
        """Jobs whose function has not been called."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether every job has ended or waits for the schedule."""
        return not self._open

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """What happened; waits until something has, at most so many seconds."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self.is_idle:
            interrupts.check()
            told = self._fill() or self._hear(until - time.monotonic())
            if told or time.monotonic() >= until:
                return told
        return []

    def stop(self) -> list[ExecutorUpdate]:
        """Gives what was told already; running trials will begin anew."""
        self._waiting.clear()
        return self._hear(0.0)

    def close(self) -> None:
        """Ends every call and every place."""
        for desk in self._desks:
            desk.place.close()
        self._desks.clear()

    # -- inside

    def _desk_of(self, trial: int) -> "_WorkerSlot | None":
        return next((desk for desk in self._desks if desk.trial == trial), None)

    def _fill(self) -> list[ExecutorUpdate]:
        """Gives waiting jobs to free places."""
        told = []
        while self._waiting and (desk := self._free_desk()) is not None:
            job = self._waiting.popleft()
            desk.begin(job, self._tracker.declared, self._orders)
            told.append(ExecutorUpdate((TrialStarted(job.trial, "function", job.config),)))
        return told

    def _free_desk(self) -> "_WorkerSlot | None":
        """A place for one more call; a new one where all others wait for the schedule, and it
        perhaps for this call.
        """
        desk = next((desk for desk in self._desks if desk.job is None), None)
        num_busy = sum(map(self._is_busy, self._desks))
        if num_busy >= self._num_places or (
            desk is None and num_busy and len(self._desks) >= self._num_places
        ):
            return None
        if desk is None:
            desk = _WorkerSlot(self._make_place())
            self._desks.append(desk)
        return desk

    def _is_busy(self, desk: "_WorkerSlot") -> bool:
        """Whether a function is at work there, and not waiting for the schedule."""
        return desk.job is not None and (desk.is_left or desk.job.trial in self._open)

    def _hear(self, seconds: float) -> list[ExecutorUpdate]:
        """What the functions tell, or what becomes of them, within so many seconds."""
        now, limit = time.monotonic(), self._limits.seconds
        left = [desk.began + limit - now for desk in self._desks if desk.began and limit]
        look = _WATCH_MEMORY if self._limits.memory else _LONGEST_WAIT
        ready = wait([desk.place.link for desk in self._desks], max(0.0, min(seconds, look, *left)))
        told: list[ExecutorUpdate] = []
        for desk in list(self._desks):
            if desk.place.link in ready:
                told += self._hear_one(desk)
            if not desk.is_heard:
                end = (
                    desk.place.death(_LONGEST_WAIT)
                    or "the worker process has closed its link to the study"
                )
            else:
                end = desk.place.death() or self._excess(desk) or ""
            if end:
                told += self._bury(desk, end)
        return told

    def _hear_one(self, desk: "_WorkerSlot") -> list[ExecutorUpdate]:
        """All that a place has told."""
        told = []
        while desk.is_heard and desk.place.link.poll():
            words = receive(desk.place.link)
            if words is None:
                desk.is_heard = False
                break
            progress = self._take(desk, words)
            told += [] if progress is None else [progress]
        return told

    def _take(self, desk: "_WorkerSlot", words: Message) -> ExecutorUpdate | None:
        match words["what"]:
            case "ready":
                self._has_served = True
            case "unusable":
                expected = "a function that a new process can import"
                return ExecutorUpdate(
                    error=InvalidInput(
                        f"a worker failed to import it ({words['error']})", expected=expected
                    )
                )
            case "started":
                desk.began = time.monotonic()
            case "met":
                desk.met.append(hyperparameter_from_json(words["hyperparameter"]))
            case "reported" if not desk.is_left:
                return self._progress(self._reported, desk, words)
            case "ended":
                told = (
                    None
                    if desk.is_left or words["left"]
                    else self._progress(self._ended, desk, words)
                )
                desk.finish()
                self._open.discard(words["trial"])
                return told
        return None

    def _progress(
        self,
        events: "Callable[[_WorkerSlot, Message], list[Event]]",
        desk: "_WorkerSlot",
        words: Message,
    ) -> ExecutorUpdate:
        try:
            return ExecutorUpdate(tuple(events(desk, words)))
        except InvalidInput as error:  # the function asks for what cannot be searched
            return ExecutorUpdate(error=error)

    def _reported(self, desk: "_WorkerSlot", words: Message) -> list[Event]:
        number, events = words["trial"], self._seen(desk, words)
        events.append(EpochMeasured(number, words["step"], words["metrics"], words["seconds"]))
        if words["waits"]:
            self._open.discard(number)
            events.append(
                TrialPaused(number, f"it waits for the schedule's word after step {words['step']}")
            )
        return events

    def _ended(self, desk: "_WorkerSlot", words: Message) -> list[Event]:
        if words["refused"]:
            passed, expected, fix = words["refused"]
            raise InvalidInput(passed, expected=expected, fix=fix)
        number, events = words["trial"], self._seen(desk, words)
        if words["error"]:
            return [*events, TrialEnded(number, TrialState.FAILED, None, None, words["error"])]
        if words["metrics"]:  # it never reported, so its end is its one step
            events.append(EpochMeasured(number, 1, words["metrics"], words["seconds"]))
        ended = TrialEnded(number, TrialState.COMPLETED, words["score"], max(words["steps"], 1), "")
        notes = [*self._not_asked(words["config"]), *self._beyond(words)]
        return [*events, *notes, replace(ended, seeded=words["seeded"])]

    def _beyond(self, words: Message) -> list[Event]:
        """A note, once, where the function reported more steps than count."""
        if not words["beyond"] or self._has_told_beyond:
            return []
        self._has_told_beyond = True
        return [
            Noted(
                f"The function reported more than epochs={words['steps']} steps; what came after "
                f"does not count. "
                "hp.report answers False after the last step that counts: return then."
            )
        ]

    def _not_asked(self, config: Configuration) -> list[Event]:
        """After the first call, notes on names that the user gave and the function has not asked
        for.
        """
        missing = {name: where for name, where in self._awaited.items() if name not in config}
        self._awaited = {}
        return [
            Noted(
                f"{where} is about {name!r}, which the function has not asked for. "
                f"{did_you_mean(name, config)}".strip()
            )
            for name, where in missing.items()
        ]

    def _seen(self, desk: "_WorkerSlot", words: Message) -> list[Event]:
        """The space, where it has changed, and the configuration, where the function asked for
        another than given.
        """
        desk.seen = words["config"], words["asked"]
        events = self._learn(desk, words.get("error"), "error" in words)
        if words["config"] != desk.config:
            desk.config = words["config"]
            events.append(TrialStarted(words["trial"], "function", words["config"]))
        return events

    def _learn(self, desk: "_WorkerSlot", error: str | None, is_whole: bool = False) -> list[Event]:
        if desk.job is None:
            return []
        met, desk.met = desk.met, []
        config, asked = desk.seen
        return self._tracker.take(
            desk.job.trial, met, Observation(config, error or None, asked), is_whole
        )

    def _excess(self, desk: "_WorkerSlot") -> str | None:
        """Which limit a trial is over, as a sentence."""
        seconds, memory = self._limits.seconds, self._limits.memory
        if not self._is_busy(desk):
            return None
        if seconds is not None and desk.began and time.monotonic() - desk.began > seconds:
            return f"it took longer than time_limit, {seconds:g} seconds"
        if memory is not None and (taken := desk.place.memory) > memory:
            return f"it took {taken / 2**20:,.0f} MiB, more than memory_limit, {memory / 2**20:,.0f} MiB"
        return None

    def _bury(self, desk: "_WorkerSlot", reason: str) -> list[ExecutorUpdate]:
        """Ends a place; its trial failed. The next job that waits finds a new one."""
        told = self._hear_one(desk)  # its last words
        self._desks.remove(desk)
        desk.place.close()
        if any(one.error for one in told):
            return told
        if not self._has_served and desk.place.can_be_killed:
            fix = "Its own words are above. A script's call of tune belongs under: if __name__ == '__main__':"
            return [
                *told,
                ExecutorUpdate(error=PacelineError(f"{reason}, before it could begin. {fix}")),
            ]
        if desk.job is None or desk.is_left or desk.job.trial not in self._open:
            return told
        self._open.discard(desk.job.trial)
        ended = TrialEnded(desk.job.trial, TrialState.FAILED, None, None, reason)
        return [*told, ExecutorUpdate((*self._learn(desk, reason), ended))]


@dataclass(eq=False)
class _WorkerSlot:
    """A place and the call that it is busy with.

    Attributes:
        place: where the function is called.
        job: the trial; None where there is none.
        config: as it was proposed, or as the function has reported it.
        seen: values and definitions that the function has asked for, as far as it has reported
            them.
        met: hyperparameters that it asked for and that are not in the space yet.
        began: when the function was called, by the monotonic clock; 0 before.
        is_left: whether the trial's end has been decided without it.
        is_heard: whether more may come from there.
    """

    place: FunctionWorker
    job: Job | None = None
    config: Configuration = field(default_factory=dict)
    seen: tuple[Configuration, Mapping[str, str]] = field(default_factory=lambda: ({}, {}))
    met: list[Hyperparameter] = field(default_factory=list)
    began: float = 0.0
    is_left: bool = False
    is_heard: bool = True

    @property
    def trial(self) -> int | None:
        """The trial that is called here and may go on."""
        return None if self.job is None or self.is_left else self.job.trial

    def begin(self, job: Job, known: Sequence[Hyperparameter], orders: Message) -> None:
        """Calls the function."""
        self.job, self.config, self.seen, self.met, self.is_left = (
            job,
            job.config,
            ({}, {}),
            [],
            False,
        )
        words = {
            "trial": job.trial,
            "config": dict(job.config),
            "seed": job.seed,
            "until": _until(job),
        }
        self._say("run", **words, **orders, known=[h.to_json() for h in known])

    def go_on(self, job: Job) -> None:
        """Lets the function that waits go on."""
        self.job = job
        self._say("go on", until=_until(job))

    def leave(self) -> None:
        """Tells the function to stop; what it still tells does not count."""
        self.is_left = True
        self._say("leave")

    def finish(self) -> None:
        """The call has ended."""
        self.job, self.began, self.is_left = None, 0.0, False

    def _say(self, what: str, **words: Any) -> None:
        with suppress(OSError):  # its death is noticed soon
            send(self.place.link, what, **words)


def _until(job: Job) -> int | None:
    """The step at which the function is to wait; the last one ends the trial by itself."""
    return job.until if job.until is not None and job.until < job.epochs else None
