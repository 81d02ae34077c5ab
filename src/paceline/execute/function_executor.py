"""Runs function objectives on workers and turns their messages into events."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Self

from paceline.core import (
    Configuration,
    InvalidInput,
    PacelineError,
    TrialState,
    Value,
    did_you_mean,
    interrupts,
)
from paceline.core.events import (
    ADVICE,
    EpochMeasured,
    Event,
    Noted,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference
from paceline.execute.function_call import Message, receive
from paceline.execute.lost_calls import LostCalls
from paceline.execute.space_tracker import SpaceTracker
from paceline.execute.work import FunctionWork
from paceline.execute.worker_slot import TrialLimits, WorkerSlot, cannot_load
from paceline.execute.worker_supply import WorkerSupply
from paceline.space import Hyperparameter, Observation, Space, hyperparameter_from_json

_LONGEST_WAIT = 1.0  # seconds; a dead worker sends nothing, so it is looked for this often
_MEMORY_INTERVAL = 0.1  # seconds between two measurements of the memory in use


class FunctionExecutor:
    """Calls the function once for each job, one call at a time on each worker.

    The function may ask for hyperparameters that are not in the space yet; they are added to it,
    with a `SpaceChanged` event. A paused trial waits in its ``hp.report`` and occupies its worker
    until it is submitted again or forgotten, or calls wait in the queue of a full pool. Then, and
    after an interruption or the loss of a machine, a trial starts again from its beginning; steps
    that it has reported before are not reported again.
    """

    def __init__(
        self,
        workers: WorkerSupply,
        space: Space,
        limits: TrialLimits,
        fixed: Mapping[str, Value] | None = None,
        expected_names: Mapping[str, str] | None = None,
        overrides: Iterable[Hyperparameter] = (),
        may_change: bool = False,
        epochs: int | None = None,
    ) -> None:
        """Workers start when they are first needed.

        Args:
            workers: makes the workers; closed with this executor.
            space: the space as known so far.
            limits: of each trial; enforced only on workers that can be killed.
            fixed: values of hyperparameters that are not tuned.
            expected_names: names that the function should ask for, each with the argument of the
                user that mentions it.
            overrides: hyperparameters used in place of those that the function defines under the
                same names.
            may_change: whether the function may ask for other hyperparameters than in earlier
                sessions.
            epochs: steps that count in a call; None for as many as the function reports.
        """
        overrides = tuple(overrides)
        self._tracker = SpaceTracker(space, may_change, {h.name for h in overrides})
        self._workers, self._limits = workers, limits
        self._expected_names = dict(expected_names or {})
        self._options = {
            "fixed": dict(fixed or {}),
            "overrides": [h.to_json() for h in overrides],
            "epochs": epochs,
        }
        self._slots: list[WorkerSlot] = []
        self._lost = LostCalls()
        self._waiting: deque[Job] = deque()
        self._open: set[int] = set()
        self._was_ready = self._has_noted_extra_steps = False
        self._heard = self._left = time.monotonic()  # the last message; the end of `progress`

    @classmethod
    def of(cls, work: FunctionWork, workers: WorkerSupply) -> Self:
        """Calls the function of some work, see the constructor."""
        return cls(
            workers,
            work.space,
            work.limits,
            fixed=work.fixed,
            expected_names=work.expected_names,
            overrides=work.overrides,
            may_change=work.may_change,
            epochs=work.epochs,
        )

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],  # noqa: ARG002 - a function keeps its own state
        scores: Mapping[int, Sequence[float]],  # noqa: ARG002
    ) -> None:
        """Adds jobs: functions that wait in ``hp.report`` continue, the others are called."""
        self._open |= {job.trial for job in jobs}
        for job in jobs:
            slot = self._slot_of(job.trial)
            if slot is None:
                self._tracker.expect(job.trial)
                self._waiting.append(job)
            else:
                slot.resume(job)

    def forget(self, trials: Sequence[int]) -> None:
        """Ends paused trials: their ``hp.report`` returns False."""
        for slot in filter(None, map(self._slot_of, trials)):
            slot.stop()

    @property
    def space(self) -> Space:
        """The space as known so far."""
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
        """Returns what happened; waits until something has, at most ``seconds``."""
        now = time.monotonic()
        until = float("inf") if seconds is None else now + seconds
        for slot in self._slots:
            slot.excuse(now - self._left)
        updates: list[ExecutorUpdate] = []
        while not self.is_idle and not updates:
            interrupts.check()
            updates = self._start_waiting() or self._receive(until - time.monotonic())
            if time.monotonic() >= until:
                break
        self._left = time.monotonic()
        return updates

    def stop(self) -> list[ExecutorUpdate]:
        """Returns what has already arrived; running trials will start again."""
        self._waiting.clear()
        return self._receive(0.0)

    def close(self) -> None:
        """Ends all calls and workers."""
        for slot in self._slots:
            slot.worker.close()
        self._slots.clear()
        self._workers.close()

    # -- workers

    def _slot_of(self, trial: int) -> WorkerSlot | None:
        return next((slot for slot in self._slots if slot.trial == trial), None)

    def _start_waiting(self) -> list[ExecutorUpdate]:
        """Starts waiting jobs on free workers."""
        updates = []
        try:
            while self._waiting and (slot := self._free_slot(self._waiting[0])) is not None:
                job = self._waiting.popleft()
                slot.start(job, self._tracker.declared, self._options)
                if not self._lost.is_again(job.trial):
                    started = TrialStarted(job.trial, "function", job.config)
                    updates.append(ExecutorUpdate((started,), worker=slot.worker.name))
        except PacelineError as error:  # no worker can be made
            updates.append(ExecutorUpdate(error=error))
        return updates

    def _free_slot(self, job: Job) -> WorkerSlot | None:
        """A worker for a job, or None.

        If all workers are occupied by paused trials, another one is needed: the schedule may wait
        for this call to decide about them. Where there is no place for one, a paused trial gives up
        its own, and is called again when it continues.
        """
        slot = next((slot for slot in self._slots if slot.job is None), None)
        busy = {one.job.trial for one in self._slots if one.job and self._is_busy(one)}
        limit, held = self._workers.limit, len(self._slots)
        if limit is not None and (len(busy) >= limit or (slot is None and busy and held >= limit)):
            return None
        if not self._lost.may_start(job.trial, busy):
            return None
        if slot is not None:
            return slot
        worker = self._workers.take(held, len(self._waiting))
        if worker is None and held and not busy:
            self._lost.note(self._slots[0])
            self._remove(self._slots[0])
            worker = self._workers.take(held - 1, len(self._waiting))
        if worker is None:
            return None
        self._slots.append(WorkerSlot(worker))
        return self._slots[-1]

    def _is_busy(self, slot: WorkerSlot) -> bool:
        """Whether a function runs there and does not wait for the schedule."""
        return slot.job is not None and (slot.is_stopping or slot.job.trial in self._open)

    def _receive(self, seconds: float) -> list[ExecutorUpdate]:
        """Processes messages, ended workers and exceeded limits; waits at most ``seconds``."""
        now, limit = time.monotonic(), self._limits.seconds
        left = [slot.began + limit - now for slot in self._slots if slot.began and limit]
        interval = _MEMORY_INTERVAL if self._limits.memory else _LONGEST_WAIT
        supply = self._workers.link
        links = [slot.worker.link for slot in self._slots] + ([supply] if supply else [])
        ready = wait(links, max(0.0, min(seconds, interval, *left)))
        while supply is not None and supply.poll():
            supply.recv_bytes()  # the next call of progress starts workers
        updates: list[ExecutorUpdate] = []
        for slot in list(self._slots):
            if slot.worker.link in ready:
                updates += self._receive_from(slot)
            if slot.job is None and slot.worker.serves_once:
                self._remove(slot)
            elif reason := self._reason_to_retire(slot):
                updates += self._retire(slot, reason)
        self._heard = time.monotonic() if ready else self._heard
        if time.monotonic() - self._heard > _LONGEST_WAIT:
            self._make_place_for_queued()
        return updates

    def _make_place_for_queued(self) -> None:
        """Ends a paused call if others wait in the queue of its full pool, and none runs."""
        busy = [slot for slot in self._slots if self._is_busy(slot)]
        paused = [slot for slot in self._slots if slot.worker.serves_once and slot not in busy]
        if paused and busy and not any(slot.began for slot in busy):
            self._lost.note(paused[0])
            self._remove(paused[0])

    def _receive_from(self, slot: WorkerSlot) -> list[ExecutorUpdate]:
        """Processes all messages that have arrived from a worker."""
        updates = []
        while slot.is_connected and slot.worker.link.poll():
            message = receive(slot.worker.link)
            if message is None:
                slot.is_connected = False
                break
            update = self._process(slot, message)
            updates += [] if update is None else [update]
        return updates

    def _reason_to_retire(self, slot: WorkerSlot) -> str | None:
        if not slot.is_connected:
            closed = "the worker process has closed its connection to the study"
            return slot.worker.death(_LONGEST_WAIT) or closed
        reason = slot.worker.death()
        if reason is None and self._is_busy(slot):
            return slot.exceeded(self._limits)
        return reason

    def _remove(self, slot: WorkerSlot) -> None:
        self._slots.remove(slot)
        slot.worker.close()

    def _retire(self, slot: WorkerSlot, reason: str) -> list[ExecutorUpdate]:
        """Ends a worker whose trial failed or was lost; the next waiting job gets a new one."""
        updates = self._receive_from(slot)  # messages sent before its end
        is_lost = slot.worker.death() is not None or not slot.is_connected
        self._remove(slot)
        if any(update.error for update in updates):
            return updates
        if not self._was_ready and slot.worker.start_advice:
            error = PacelineError(f"{reason}, before it could begin. {slot.worker.start_advice}")
            return [*updates, ExecutorUpdate(error=error)]
        if slot.job is None or slot.is_stopping:
            return updates
        is_again = is_lost and self._lost.add(slot)
        if slot.job.trial not in self._open:
            return updates
        if is_again:
            self._waiting.appendleft(slot.job)
            return updates
        self._open.discard(slot.job.trial)
        ended = TrialEnded(slot.job.trial, TrialState.FAILED, None, None, reason)
        return [*updates, ExecutorUpdate((*self._track(slot, reason), ended))]

    # -- messages

    def _process(self, slot: WorkerSlot, message: Message) -> ExecutorUpdate | None:
        match message["kind"]:
            case "ready":
                self._was_ready = True
            case "import_failed":
                return ExecutorUpdate(error=cannot_load(message["error"]))
            case "started":
                slot.began = time.monotonic()
            case "new":
                slot.new.append(hyperparameter_from_json(message["hyperparameter"]))
            case "reported" if not slot.is_stopping:
                return self._update(self._reported, slot, message)
            case "ended":
                counts = not slot.is_stopping and not message["stopped"]
                update = self._update(self._ended, slot, message) if counts else None
                slot.finish()
                self._open.discard(message["trial"])
                return update
        return None

    def _update(
        self,
        events: Callable[[WorkerSlot, Message], list[Event]],
        slot: WorkerSlot,
        message: Message,
    ) -> ExecutorUpdate:
        try:
            return ExecutorUpdate(tuple(events(slot, message)), worker=slot.worker.name)
        except InvalidInput as error:  # the function defines what cannot be searched
            return ExecutorUpdate(error=error)

    def _reported(self, slot: WorkerSlot, message: Message) -> list[Event]:
        number, step, events = message["trial"], message["step"], self._requested(slot, message)
        before, seconds = self._lost.reported(number)
        slot.reported = step, max(message["seconds"], seconds)
        if step > before:
            events.append(EpochMeasured(number, step, message["metrics"], slot.reported[1]))
        if message["waits"]:
            self._open.discard(number)
            reason = f"waiting for the schedule's decision after step {step}"
            events.append(TrialPaused(number, reason))
        return events

    def _ended(self, slot: WorkerSlot, message: Message) -> list[Event]:
        if message["refused"]:
            passed, expected, fix = message["refused"]
            raise InvalidInput(passed, expected=expected, fix=fix)
        number, events = message["trial"], self._requested(slot, message)
        if message["error"]:
            return [*events, TrialEnded(number, TrialState.FAILED, None, None, message["error"])]
        if message["metrics"]:  # a function that never reports has one step, its end
            events.append(EpochMeasured(number, 1, message["metrics"], message["seconds"]))
        best_epoch = max(message["steps"], 1)
        ended = TrialEnded(number, TrialState.COMPLETED, message["score"], best_epoch, "")
        notes = [*self._note_not_requested(message["config"]), *self._note_extra_steps(message)]
        return [*events, *notes, replace(ended, seeded=message["seeded"])]

    def _note_extra_steps(self, message: Message) -> list[Event]:
        """A note, once per session, if the function reported more steps than count."""
        if not message["has_extra_steps"] or self._has_noted_extra_steps:
            return []
        self._has_noted_extra_steps = True
        return [
            Noted(
                f"The function reported more than epochs={message['steps']} steps; later steps do "
                "not count. hp.report returns False after the last step that counts: return then.",
                ADVICE,
            )
        ]

    def _note_not_requested(self, config: Configuration) -> list[Event]:
        """After the first call, notes on names that the user gave and the function did not use."""
        expected, self._expected_names = self._expected_names, {}
        return [
            Noted(
                f"{argument} is about {name!r}, which the function has not asked for. "
                f"{did_you_mean(name, config)}".strip(),
                ADVICE,
            )
            for name, argument in expected.items()
            if name not in config
        ]

    def _requested(self, slot: WorkerSlot, message: Message) -> list[Event]:
        """Changes of the space, and the configuration if the function used another than given."""
        slot.requested = message["config"], message["asked"]
        events = self._track(slot, message.get("error"), "error" in message)
        if message["config"] != slot.config:
            slot.config = message["config"]
            events.append(TrialStarted(message["trial"], "function", message["config"]))
        return events

    def _track(self, slot: WorkerSlot, error: str | None, is_whole: bool = False) -> list[Event]:
        if slot.job is None:
            return []
        new, slot.new = slot.new, []
        config, asked = slot.requested
        observation = Observation(config, error or None, asked)
        return self._tracker.take(slot.job.trial, new, observation, is_whole)
