"""The actor that calls a function objective on a node of a Ray cluster.

It exchanges the messages of `paceline.execute.function_call`, as threads and processes do.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from typing import Any

import ray

from paceline.execute.function_call import Function
from paceline.execute.spawned import resident_of_tree
from paceline.execute.thread_worker import ThreadWorker
from paceline.execute.versions import differences, versions

_MEMORY_INTERVAL = 0.1  # seconds between two measurements of the memory in use

GROUPS = {"receive": 1, "send": 1}
"""The actor's threads, besides one for its other methods: messages arrive while it waits for
others, and in their order."""


def about_this_process() -> dict[str, str]:
    """The name of this actor in the study's record, and Ray's name of its node."""
    node = ray.get_runtime_context().get_node_id()
    return {"name": f"{socket.gethostname()}:{os.getpid()}", "node": str(node)}


class FunctionActor:
    """Calls the function, in one more thread, in which it can wait for the schedule."""

    def __init__(
        self,
        load: Callable[[], Function],
        metric: str,
        study: Mapping[str, str],
        memory_limit: int | None,
    ) -> None:
        """Imports the function; if that fails, the first message has the error.

        Args:
            load: imports the function.
            metric: the objective's name.
            study: the versions of the study's process.
            memory_limit: bytes; None for no limit.
        """
        self._worker: ThreadWorker | None = None
        self._limit, self._since = memory_limit, time.time()
        self._trial: int | None = None
        self._about = about = about_this_process()
        if different := differences(study, versions()):
            self._first: Mapping[str, Any] | None = {**about, "kind": "refused", "error": different}
            return
        try:
            function = load()
        except BaseException as error:
            why = f"{type(error).__name__}: {error}"
            self._first = {**about, "kind": "import_failed", "error": why}
            return
        self._first = {**about, "kind": "ready"}
        self._worker = ThreadWorker(function, metric)

    @ray.method(concurrency_group="receive")  # type: ignore[untyped-decorator]
    def receive(self) -> Mapping[str, Any] | tuple[list[bytes], int]:
        """Waits for messages.

        Returns:
            The first time, whether the function can be called, see `ActorHandle`. Then the messages
            since the last call, and the bytes of memory in use if they are more than the limit,
            else 0. If they are, there may be no message.
        """
        first, self._first = self._first, None
        if first is not None or self._worker is None:
            return first or {}
        link, interval = self._worker.link, None if self._limit is None else _MEMORY_INTERVAL
        used = 0
        while not used and not wait([link], interval):
            used = self._excess()
        messages = []
        while link.poll():
            messages.append(link.recv_bytes())
            if json.loads(messages[-1])["kind"] == "ended":
                self._trial, self._since = None, time.time()
        return messages, used

    @ray.method(concurrency_group="send")  # type: ignore[untyped-decorator]
    def send(self, message: bytes) -> None:
        """Takes a message from the study."""
        content = json.loads(message)
        if content["kind"] == "run":
            self._trial, self._since = content["trial"], time.time()
        if self._worker is not None:
            self._worker.link.send_bytes(message)

    def describe(self) -> dict[str, Any]:
        """What it does now, for ``paceline cluster``."""
        return {
            **self._about,
            "kind": "function",
            "trials": [] if self._trial is None else [self._trial],
            "lanes": 1,
            "seconds": time.time() - self._since,
            "memory": resident_of_tree(os.getpid()),
        }

    def _excess(self) -> int:
        """The bytes of memory in use, if they are more than the limit; else 0."""
        used = 0 if self._limit is None else resident_of_tree(os.getpid())
        return used if self._limit is not None and used > self._limit else 0
