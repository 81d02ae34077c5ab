"""The actor that trains networks on a node of a Ray cluster: an engine of its own."""

import json
import os
import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any

import ray

from paceline.execute.engines.engine import run_engine
from paceline.execute.engines.messages import Message
from paceline.execute.ray.actor import about_this_process
from paceline.execute.ray.programs import ProgramDirectory
from paceline.execute.spawned import resident_of_tree

GROUPS = {"receive": 1, "send": 1}
"""The actor's threads, besides one for its other methods and that of the engine."""

_ENDS = ("TrialEnded", "TrialPaused")

Passed = tuple[str, str, list[Any]]
"""A message as Ray passes it: its kind, its content as JSON, its arrays."""


class EngineActor:
    """Runs an engine in one more thread, and passes its messages on."""

    def __init__(self) -> None:
        """The engine starts with `begin`."""
        self._about = about_this_process()
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._first: Mapping[str, Any] | None = {**self._about, "kind": "engine", "cores": cores}
        self._inbox: SimpleQueue[Message | None] = SimpleQueue()
        self._outbox: SimpleQueue[Message | BaseException] = SimpleQueue()
        self._programs: ProgramDirectory | None = None
        self._trials: set[int] = set()
        self._lanes = 0
        self._since = time.time()

    @ray.method(concurrency_group="send")  # type: ignore[untyped-decorator]
    def begin(self, cores: list[int], environment: Mapping[str, str]) -> None:
        """Starts the engine; it waits for the study's first message.

        Args:
            cores: those that it uses; none for all.
            environment: variables that JAX reads when it is imported.
        """
        os.environ.update(environment)
        engine = threading.Thread(target=self._run, args=(cores,), name="paceline-engine")
        engine.daemon = True
        engine.start()

    @ray.method(concurrency_group="receive")  # type: ignore[untyped-decorator]
    def receive(self) -> Mapping[str, Any] | list[Passed]:
        """Waits for messages of the engine.

        Returns:
            The first time, what this actor is; then the messages since the last call.

        Raises:
            BaseException: the engine has ended with it.
        """
        first, self._first = self._first, None
        if first is not None:
            return first
        found = [self._outbox.get()]
        try:
            while True:
                found.append(self._outbox.get_nowait())
        except Empty:
            pass
        messages = [one for one in found if isinstance(one, Message)]
        if not messages and isinstance(found[0], BaseException):
            raise found[0]
        return [passed(message) for message in messages]

    @ray.method(concurrency_group="send")  # type: ignore[untyped-decorator]
    def send(self, kind: str, content: str, *arrays: Any) -> None:
        """Takes a message from the study."""
        if kind == "jobs":
            self._trials |= {job["trial"] for job in json.loads(content)["jobs"]}
        self._inbox.put(Message(kind, json.loads(content), list(arrays)))

    @ray.method(concurrency_group="send")  # type: ignore[untyped-decorator]
    def keep_programs(self, names: list[str], *contents: Any) -> None:
        """Takes programs that were compiled on other nodes."""
        if self._programs is not None:
            self._programs.keep(dict(zip(names, contents, strict=True)))

    def describe(self) -> dict[str, Any]:
        """What it does now, for ``paceline cluster``."""
        return {
            **self._about,
            "kind": "engine",
            "trials": sorted(self._trials),
            "lanes": self._lanes,
            "seconds": time.time() - self._since,
            "memory": resident_of_tree(os.getpid()),
        }

    def _run(self, cores: list[int]) -> None:
        try:
            if cores:  # of this thread and those that it starts, such as XLA's
                os.sched_setaffinity(0, cores)
            run_engine(self._inbox, self._say)
        except BaseException as error:  # it is sent to the study
            self._outbox.put(error)

    def _say(self, message: Message) -> None:
        """Passes a message of the engine on, with what has been compiled before it."""
        if message.kind == "ready":  # JAX is imported
            self._programs = found = ProgramDirectory()
            self._outbox.put(Message("here", {"type": found.processor, "place": found.place}))
        events = message.content.get("events", ()) if message.kind == "update" else ()
        compiled = [body for kind, body in events if kind == "ProgramCompiled"]
        ended = {body["number"] for kind, body in events if kind in _ENDS}
        if ended:
            self._trials -= ended
            self._since = time.time()
        if compiled:
            self._lanes = compiled[-1]["num_lanes"]
        has_changed = bool(compiled or ended)
        new = self._programs.new() if has_changed and self._programs is not None else {}
        if new:
            self._outbox.put(Message("programs", {"names": list(new)}, list(new.values())))
        self._outbox.put(message)


def passed(message: Message) -> Passed:
    """A message as Ray passes it."""
    return message.kind, json.dumps(message.content), list(message.arrays)
