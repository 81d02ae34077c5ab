"""An engine: an executor of networks that answers the driver's messages."""

import queue
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from paceline.core import InvalidInput
from paceline.core.events import SpaceChanged, TrialPaused
from paceline.execute.base import Executor, ExecutorUpdate, TrialSnapshot
from paceline.execute.engines.contents import (
    error_content,
    jobs_of,
    learned_message,
    learned_of,
    update_message,
)
from paceline.execute.engines.messages import Message
from paceline.execute.engines.numerics import use_numerics
from paceline.execute.engines.work_coding import decoded_work
from paceline.execute.lane_facts import LaneFacts
from paceline.execute.work import NetworkWork

if TYPE_CHECKING:
    from paceline.execute.prepare import Preparation

_INTERVAL = 0.02  # seconds of training between two looks for messages
_RESTING_BYTES = 2**29  # of paused networks; the driver has them all

Open = Callable[[NetworkWork, LaneFacts], "tuple[Executor, Preparation | None]"]
"""Makes the executor of an engine, and what learns the space."""


def run_engine(
    inbox: "queue.SimpleQueue[Message | None]",
    send: Callable[[Message], None],
    facts: Callable[[], LaneFacts] | None = None,
    open_executor: Open | None = None,
) -> None:
    """Answers messages until the link is closed. It trains in the calling thread.

    Args:
        inbox: the driver's messages, put there by the transport; None once the link is closed.
        send: sends a message to the driver. If it raises `OSError`, the engine ends.
        facts: those of this process; None to find them out.
        open_executor: makes the executor; None for that of this machine.
    """
    engine = NetworkEngine(send, open_executor or _networks)
    try:
        engine.greet((facts or LaneFacts.of_engine)())
        while True:
            try:
                message = inbox.get_nowait() if engine.is_working else inbox.get()
            except queue.Empty:
                engine.advance(_INTERVAL)
                continue
            if message is None:
                return
            engine.take(message)
    except OSError:  # the driver has ended
        pass
    finally:
        engine.close()


class NetworkEngine:
    """Holds the executor of some work, and answers messages with it."""

    def __init__(self, send: Callable[[Message], None], open_executor: Open) -> None:
        """Has no work yet; see `run_engine`."""
        self._send, self._open_executor = send, open_executor
        self._executor: Executor | None = None
        self._preparation: Preparation | None = None
        self._seen, self._state = 0, (0, 0)
        self._resting: dict[int, TrialSnapshot] = {}  # of paused networks

    @property
    def is_working(self) -> bool:
        """Whether there is something to train."""
        return self._executor is not None and not self._executor.is_idle

    def greet(self, facts: LaneFacts) -> None:
        """Sends what this process is."""
        from paceline.execute.versions import versions

        about = {"versions": versions(), "facts": facts.to_json(), "at_once": facts.at_once}
        self._send(Message("hello", about))

    def take(self, message: Message) -> None:
        """Answers a message; an error of the executor is sent to the driver."""
        try:
            self._take(message)
        except OSError:
            raise
        except Exception as error:
            self._fail(error)

    def advance(self, seconds: float) -> None:
        """Trains for about some seconds, and sends what happened."""
        if self._executor is None:
            return
        try:
            for update in self._executor.progress(seconds):
                self._report(update)
        except OSError:
            raise
        except Exception as error:
            self._fail(error)
        self._report_state()

    def close(self) -> None:
        """Ends the executor."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _take(self, message: Message) -> None:
        """Carries out a message of the study."""
        if message.kind == "start":
            self._start(message)
            return
        executor = self._executor
        if executor is None:
            return
        match message.kind:
            case "jobs":
                self._submit(executor, message)
            case "forget":
                executor.forget(message.content["trials"])
                for trial in message.content["trials"]:
                    self._resting.pop(trial, None)
            case "learned" if self._preparation is not None:
                self._preparation.learn(learned_of(message))
            case "stop":
                for update in executor.stop():
                    self._report(update)
                self._send(Message("stopped"))

    def _start(self, message: Message) -> None:
        """Makes the executor of the work in a message."""
        try:
            use_numerics(message.content["numerics"])
            work = decoded_work(message.content["work"], message.arrays)
        except InvalidInput as error:  # batches that cannot be loaded here
            self._send(Message("refused", {"error": error_content(error)}))
            return
        except BaseException as error:
            why = f"{type(error).__name__}: {error}"
            self._send(Message("refused", {"import": why}))
            return
        try:
            facts = LaneFacts.from_json(message.content["facts"])
            self._executor, self._preparation = self._open_executor(work, facts)
        except Exception as error:
            self._send(Message("refused", {"error": error_content(error)}))
            return
        self._send(Message("ready"))

    def _submit(self, executor: Executor, message: Message) -> None:
        jobs = jobs_of(message)
        self._seen = jobs.number
        kept = {trial: self._resting.pop(trial) for trial in jobs.resting}
        executor.submit(jobs.jobs, {**jobs.snapshots, **kept}, jobs.scores)
        self._report_state()

    def _report(self, update: ExecutorUpdate) -> None:
        """Sends an update. What it says of the space is sent as what the builds have shown."""
        if self._preparation is not None:
            learned, self._preparation.learned = self._preparation.learned, []
            for one in learned:
                self._send(learned_message(one))
            rest = tuple(event for event in update.events if not isinstance(event, SpaceChanged))
            update = replace(update, events=rest)
        self._send(update_message(update, self._keep_paused(update)))

    def _keep_paused(self, update: ExecutorUpdate) -> list[int]:
        """Keeps the states of networks that pause, as far as there is room; returns which."""
        kept = []
        used = sum(map(_num_bytes, self._resting.values()))
        for event in update.events:
            if isinstance(event, TrialPaused) and event.number in update.snapshots:
                snapshot = update.snapshots[event.number].load()
                used += _num_bytes(snapshot)
                if used <= _RESTING_BYTES:
                    self._resting[event.number] = snapshot
                    kept.append(event.number)
        return kept

    def _report_state(self) -> None:
        """Sends how many jobs wait, if that has changed."""
        if self._executor is not None:
            state = self._seen, self._executor.num_waiting
            if state != self._state:
                self._state = state
                self._send(Message("state", {"seen": state[0], "waiting": state[1]}))

    def _fail(self, error: Exception) -> None:
        self._send(update_message(ExecutorUpdate(error=error)))
        self.close()


def _num_bytes(snapshot: TrialSnapshot) -> int:
    return sum(leaf.nbytes for leaf in (*snapshot.leaves, *(snapshot.best or ())))


def _networks(work: NetworkWork, facts: LaneFacts) -> "tuple[Executor, Preparation | None]":
    from paceline.execute.local import executor_of  # imports Keras
    from paceline.execute.network_parts import NetworkParts

    parts = NetworkParts.of(work, facts)
    return executor_of(work, parts), parts.preparation
