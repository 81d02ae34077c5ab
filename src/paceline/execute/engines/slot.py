"""An engine as the driver sees it, and the choice among several."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from paceline.core.events import TrialPaused, TrialStarted
from paceline.execute.base import ExecutorUpdate
from paceline.execute.engines.contents import Jobs, jobs_message
from paceline.execute.engines.link import Link
from paceline.execute.engines.messages import Message
from paceline.execute.engines.training import SharedTraining

_BEHIND = 2  # open trainings for each cohort, by which an engine may have more than another


@dataclass(eq=False)
class EngineSlot:
    """An engine and what it trains.

    Attributes:
        link: the connection to it.
        phase: whether it can take jobs.
        at_once: cohorts that it trains at once.
        trainings: those that are open there, by their longest trial.
        unstarted: trials that were sent and have not started to train.
        hints: of the programs that it has compiled or will.
        resting: the networks that are paused there, by trial: the epoch of the state that the
            engine keeps, or None if it has to get the state again.
        waiting: its jobs that are not built, as of its last message.
        is_stopped: whether it has sent its last update.
    """

    link: Link
    phase: Literal["starting", "preparing", "ready"] = "starting"
    at_once: int = 1
    trainings: dict[int, SharedTraining] = field(default_factory=dict)
    unstarted: set[int] = field(default_factory=set)
    hints: set[object] = field(default_factory=set)
    resting: dict[int, int | None] = field(default_factory=dict)
    waiting: int = 0
    is_stopped: bool = False

    def __post_init__(self) -> None:
        self._sent = 0
        self._unseen: dict[int, int] = {}  # new jobs by the number of their message

    @property
    def load(self) -> float:
        """Open trainings for each cohort that it trains at once."""
        return len(self.trainings) / self.at_once

    @property
    def num_waiting(self) -> int:
        """Its jobs that are not built."""
        return self.waiting + sum(self._unseen.values())

    def submit(self, trainings: Sequence[SharedTraining]) -> None:
        """Sends trainings to the engine; states that rest there are not sent again."""
        self._sent += 1
        jobs, snapshots, scores, resting = [], {}, {}, []
        for training in trainings:
            trial, snapshot = training.leader.trial, training.snapshot
            jobs += training.jobs
            self.trainings[trial] = training
            self.hints.add(training.hint)
            rests_at = self.resting.pop(trial, None)
            if snapshot is None:
                self.unstarted |= {job.trial for job in training.jobs}
                continue
            scores[trial] = training.known_scores()
            if rests_at == snapshot.epoch:
                resting.append(trial)
            else:
                snapshots[trial] = snapshot.load()
        self._unseen[self._sent] = len(trainings) - len(resting)
        self.link.send(jobs_message(Jobs(self._sent, jobs, snapshots, scores, resting)))

    def take_state(self, message: Message) -> None:
        """Notes which jobs the engine has seen, and how many wait."""
        seen, self.waiting = message.content["seen"], message.content["waiting"]
        self._unseen = {number: n for number, n in self._unseen.items() if number > seen}

    def take_start(self, event: TrialStarted) -> None:
        """Notes that a trial trains."""
        self.unstarted.discard(event.number)

    def take_pauses(self, update: ExecutorUpdate, kept: Collection[int]) -> None:
        """Notes which networks are paused in the engine.

        Args:
            update: what it has reported.
            kept: trials whose state it keeps.
        """
        for event in update.events:
            if isinstance(event, TrialPaused):
                number = event.number
                self.resting[number] = update.snapshots[number].epoch if number in kept else None

    def forget(self, trials: Collection[int]) -> None:
        """Frees those of some networks that are paused there."""
        own = [trial for trial in trials if trial in self.resting]
        for trial in own:
            del self.resting[trial]
        if own:
            self.link.send(Message("forget", {"trials": own}))

    def remove(self, trial: int) -> None:
        """Removes a trial that does not train any more."""
        self.unstarted.discard(trial)
        training = self.trainings.get(trial)
        if training is not None:
            del self.trainings[trial]


def choose(
    slots: Sequence[EngineSlot],
    trainings: Sequence[SharedTraining],
    num_open: int,
    one_by_one: bool,
) -> EngineSlot | None:
    """The engine for trainings that stay together; None if they have to wait for one.

    They go where the network rests, unless that engine is far behind; else to the one with the
    least to do, and among equals to one that has their program. Where they train changes how long
    it takes and not what comes out.

    Args:
        slots: all engines.
        trainings: what to train.
        num_open: open trainings of the study, with these.
        one_by_one: whether trials arrive one at a time. If so, each engine gets its share of the
            open ones; if not, an engine that has started all its networks gets more.
    """
    ready = [slot for slot in slots if slot.phase == "ready"]
    first, is_alone = trainings[0], any(one.is_alone for one in trainings)
    total = sum(slot.at_once for slot in slots)
    free = []
    for slot in ready:
        most = max(1, math.ceil(num_open * slot.at_once / total))
        has_room = len(slot.trainings) < most if one_by_one else not slot.unstarted
        if is_alone:
            has_room = not slot.trainings
        elif any(one.is_alone for one in slot.trainings.values()):
            has_room = False
        elif first.snapshot is not None and not one_by_one:
            has_room = True
        if has_room:
            free.append(slot)
    if not free:
        return None
    least = min(slot.load for slot in free)
    home = next((slot for slot in free if first.leader.trial in slot.resting), None)
    if home is not None and home.load < least + _BEHIND:
        return home
    return min(free, key=lambda slot: (slot.load, first.hint not in slot.hints))
