"""The executor of a study whose networks are trained by several engines."""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from paceline.core import InvalidInput, PacelineError, interrupts
from paceline.core.events import (
    EpochMeasured,
    Event,
    Noted,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference
from paceline.execute.engines.contents import (
    error_of,
    learned_message,
    learned_of,
    update_of,
)
from paceline.execute.engines.crew import Crew
from paceline.execute.engines.link import EngineSupply
from paceline.execute.engines.messages import Message
from paceline.execute.engines.shared_space import SharedSpace
from paceline.execute.engines.slot import EngineSlot, choose
from paceline.execute.engines.training import ReportedEpochs, SharedTraining, score_of
from paceline.execute.grouping import group_by_hint, group_by_training, structural_hint
from paceline.execute.lane_facts import LaneFacts
from paceline.execute.work import NetworkWork

_LONGEST_WAIT = 1.0  # seconds between two looks for Ctrl+C
_STOP_SECONDS = 60.0  # for the last updates of engines
_MIN_TO_DIVIDE = 8  # networks of a program; fewer stay in one engine


class EngineExecutor:
    """Trains networks in several engines; see docs/design/0032-several-engines.md.

    Engines may join and leave while it runs. What is trained does not depend on them.
    """

    def __init__(
        self, work: NetworkWork, supply: EngineSupply, facts: LaneFacts | None = None
    ) -> None:
        """Starts no engine yet.

        Args:
            work: the networks.
            supply: where engines come from; closed with this executor.
            facts: those of this process; None to find them out.

        Raises:
            InvalidInput: the work cannot be done by several engines.
        """
        self._work, self._metric = work, work.options.objective.metric
        self._is_streamed = work.is_streamed
        self._wake = threading.Event()
        self._space = SharedSpace(work.space, work.discovery)
        self._crew = Crew(work, supply, self._wake.set, facts)
        self._hint = structural_hint(work.structural, work.space)
        self._queue: list[list[SharedTraining]] = []
        self._trainings: dict[int, SharedTraining] = {}  # by each of their trials
        self._reported = ReportedEpochs()
        self._notes: dict[str, str] = {}

    @property
    def is_idle(self) -> bool:
        """Whether every job has ended or paused."""
        return not self._trainings

    @property
    def num_waiting(self) -> int:
        """Jobs whose model has not been built."""
        queued = sum(len(part) for part in self._queue)
        return queued + sum(slot.num_waiting for slot in self._crew.slots)

    @property
    def num_engines(self) -> int:
        """Engines that take jobs now."""
        return sum(slot.phase == "ready" for slot in self._crew.slots)

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs; those with a snapshot continue from it."""
        for job in jobs:
            self._reported.submit(job.trial, snapshots.get(job.trial))
            if job.trial not in snapshots:
                self._space.expect(job.trial)
        for block in group_by_hint(group_by_training(jobs), self._hint):
            trainings = [self._training(group, snapshots, scores, len(block)) for group in block]
            new = [one for one in trainings if one.snapshot is None]
            continued = [one for one in trainings if one.snapshot is not None]
            if self._is_streamed:
                # in one engine, where each batch is loaded once for all of them
                self._queue += [part for part in (continued, new) if part]
                continue
            self._queue += [[one] for one in continued]
            self._queue += self._divided(new)
        self._dispatch()

    def forget(self, trials: Sequence[int]) -> None:
        """Frees paused networks, which will not continue."""
        for slot in self._crew.slots:
            slot.forget(trials)

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Returns what happened; waits until something has, at most ``seconds``."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self.is_idle:
            interrupts.check()
            self._wake.clear()
            updates = self._receive()
            if any(update.error is not None for update in updates):
                return updates
            try:
                self._crew.fill(self._num_needed)
            except PacelineError as error:
                return [*updates, ExecutorUpdate(error=error)]
            self._dispatch()
            left = until - time.monotonic()
            if updates or left <= 0:
                return updates
            self._wake.wait(min(left, _LONGEST_WAIT))
        return []

    def stop(self) -> list[ExecutorUpdate]:
        """Stops all engines; the last updates have snapshots of running trials."""
        self._queue.clear()
        running = [slot for slot in self._crew.slots if slot.phase == "ready"]
        for slot in running:
            slot.link.send(Message("stop"))
        updates: list[ExecutorUpdate] = []
        until = time.monotonic() + _STOP_SECONDS
        while (left := until - time.monotonic()) > 0:
            self._wake.clear()
            updates += self._receive(is_stopping=True)
            if all(slot.is_stopped or slot not in self._crew.slots for slot in running):
                break
            self._wake.wait(min(left, _LONGEST_WAIT))
        return updates

    def close(self) -> None:
        """Ends all engines."""
        self._crew.close()

    # -- submitting

    @property
    def _num_open(self) -> int:
        """Trainings that have neither paused nor ended."""
        return len({id(training) for training in self._trainings.values()})

    @property
    def _num_needed(self) -> int:
        """Engines that would have something to train."""
        if not self._is_streamed:
            return self._num_open
        return len(self._queue) + sum(bool(slot.trainings) for slot in self._crew.slots)

    def _training(
        self,
        group: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
        together: int,
    ) -> SharedTraining:
        jobs = [replace(job, together=together) for job in sorted(group, key=lambda j: j.epochs)]
        trial = jobs[-1].trial
        training = SharedTraining(
            jobs, self._hint(jobs[-1].config), snapshots.get(trial), list(scores.get(trial, ()))
        )
        self._trainings |= {job.trial: training for job in jobs}
        return training

    def _divided(self, trainings: list[SharedTraining]) -> list[list[SharedTraining]]:
        """Trainings of one program in parts that stay together."""
        if self._work.one_by_one:
            return [[one] for one in trainings]
        if not trainings:
            return []
        count = max(1, min(self._crew.at_once, len(trainings) // _MIN_TO_DIVIDE))
        size = -(-len(trainings) // count)
        return [trainings[i : i + size] for i in range(0, len(trainings), size)]

    def _dispatch(self) -> None:
        """Sends waiting trainings to engines that have room."""
        for part in list(self._queue):
            slot = choose(self._crew.slots, part, self._num_open, self._work.one_by_one)
            if slot is not None:
                self._queue.remove(part)
                for other in self._crew.slots:
                    if other is not slot:  # its state is older than what comes now
                        other.forget([training.leader.trial for training in part])
                slot.submit(part)

    # -- messages

    def _receive(self, is_stopping: bool = False) -> list[ExecutorUpdate]:
        """Processes what has arrived, and lost engines."""
        updates: list[ExecutorUpdate] = []
        for slot in list(self._crew.slots):
            reason = slot.link.loss  # before the messages, which precede it
            for message in slot.link.receive():
                updates += self._process(slot, message)
            if reason is not None and slot in self._crew.slots:
                updates += self._lose(slot, reason, is_stopping)
        return updates

    def _process(self, slot: EngineSlot, message: Message) -> list[ExecutorUpdate]:
        """Processes a message of an engine."""
        match message.kind:
            case "hello":
                return self._failed(self._crew.greet(slot, message))
            case "ready":
                self._crew.ready(slot)
                for learned in self._space.learned:
                    slot.link.send(learned_message(learned))
            case "refused":
                return self._failed(self._crew.refuse(slot, _refusal(message)))
            case "update":
                update = update_of(message, slot.link.name)
                slot.take_pauses(update, message.content["resting"])
                return self._update(slot, update)
            case "learned":
                self._space.take(learned_of(message))
            case "state":
                slot.take_state(message)
            case "stopped":
                slot.is_stopped = True
        return []

    def _failed(self, found: Event | PacelineError | None) -> list[ExecutorUpdate]:
        """An engine that cannot be used: the error of the study, or a note."""
        if isinstance(found, PacelineError):
            return [ExecutorUpdate(error=found)]
        return [] if found is None else self._noted([found], "")

    def _noted(self, events: Sequence[Event], engine: str) -> list[ExecutorUpdate]:
        kept = self._without_repetitions(events, engine)
        return [ExecutorUpdate(kept)] if kept else []

    def _update(self, slot: EngineSlot, update: ExecutorUpdate) -> list[ExecutorUpdate]:
        """Takes over what an engine reports, and adds the changes of the space."""
        for event in update.events:
            if isinstance(event, TrialStarted):
                slot.take_start(event)
            if isinstance(event, TrialStarted | TrialEnded):
                self._space.built(event.number)
        for trial, snapshot in update.snapshots.items():
            if trial in slot.trainings:
                slot.trainings[trial].take_snapshot(snapshot)
        new = self._reported.new(update)
        for event in new.events:
            if isinstance(event, EpochMeasured) and event.number in slot.trainings:
                slot.trainings[event.number].take_score(score_of(event, self._metric))
        self._close_trials(slot, update)
        changes = self._space_changes()
        new = replace(new, events=self._without_repetitions(new.events, slot.link.name))
        is_empty = not (new.events or new.snapshots or new.results or new.wrong or new.error)
        return [*changes, *([] if is_empty else [new])]

    def _space_changes(self) -> list[ExecutorUpdate]:
        """The changes of the space whose turn it is; other engines hear of them."""
        before = len(self._space.learned)
        changes = self._space.changes()
        for learned in self._space.learned[before:]:
            for slot in self._crew.slots:
                if slot.phase == "ready":
                    slot.link.send(learned_message(learned))
        return [ExecutorUpdate(tuple(changes))] if changes else []

    def _close_trials(self, slot: EngineSlot, update: ExecutorUpdate) -> None:
        for event in update.events:
            if not isinstance(event, TrialEnded | TrialPaused):
                continue
            slot.remove(event.number)
            training = self._trainings.pop(event.number, None)
            if isinstance(event, TrialEnded) and training is not None and len(training.jobs) > 1:
                training.jobs = [job for job in training.jobs if job.trial != event.number]

    def _without_repetitions(self, events: Sequence[Event], engine: str) -> tuple[Event, ...]:
        """Events without notes that another engine gave; their numbers of trials may differ."""
        kept = []
        for event in events:
            if isinstance(event, Noted):
                text = re.sub(r"\d+", "#", event.text)
                if self._notes.setdefault(text, engine) != engine:
                    continue
            kept.append(event)
        return tuple(kept)

    # -- lost engines

    def _lose(self, slot: EngineSlot, reason: str, is_stopping: bool) -> list[ExecutorUpdate]:
        """Lets the trainings of a lost engine continue elsewhere."""
        was_ready = slot.phase == "ready"
        found = self._crew.lose(slot, reason)
        if not was_ready:
            return [] if is_stopping else self._failed(found)
        if is_stopping:
            return []
        ended: list[Event] = []
        again: list[list[SharedTraining]] = []
        together: list[SharedTraining] = []
        for training in slot.trainings.values():
            failed = training.lose(reason)
            ended += failed
            if failed:
                for job in training.jobs:
                    self._trainings.pop(job.trial, None)
                    self._space.built(job.trial)
            elif self._is_streamed and not training.is_alone:
                together.append(training)
            else:
                again.append([training])
        self._queue = again + ([together] if together else []) + self._queue
        where = f"The engine {slot.link.name} was lost: {reason}."
        note = Noted(f"{where} Its trials continue in another one, from their last snapshots.")
        updates = self._noted([note], "")
        return [*updates, *([ExecutorUpdate(tuple(ended))] if ended else [])]


def _refusal(message: Message) -> PacelineError:
    """Why an engine cannot do the work."""
    why = message.content.get("import")
    if why is None:
        return error_of(message.content["error"])
    return InvalidInput(
        f"the build function or the data cannot be loaded in an engine ({why})",
        expected="a function that another process can load",
        fix="What it refers to has to be in a module that the process can import (installed, or on "
        "its PYTHONPATH), or be plain functions and classes.",
    )
