"""A worker that calls the function objective, and the trial that it currently runs."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Literal, Protocol

from paceline.core import Configuration, InvalidInput
from paceline.execute.base import Job
from paceline.execute.function_call import Message, send
from paceline.space import Hyperparameter

_LOOKS_AWAY = 1.0  # seconds, longer than a study needs between two looks at its workers

Loss = Literal["own", "worker", "pool", "returned"]
"""Why a worker ended: by its own call, perhaps with its machine, with all workers of a pool, or
because it was asked to end and has returned its trial."""


class FunctionWorker(Protocol):
    """A thread, process or call in a pool, which calls the function.

    Attributes:
        link: the study's end of the connection to it.
        start_advice: what to look at if it ended before it could call the function; empty if that
            cannot happen.
        serves_once: whether it ends after one call.
    """

    link: Connection
    start_advice: str
    serves_once: bool

    @property
    def name(self) -> str | None:
        """Its process or machine in the study's record; None for the machine of the study."""

    @property
    def memory(self) -> int:
        """Bytes of memory in use."""

    def death(self, seconds: float = 0.0) -> str | None:
        """Returns why the worker ended, as a sentence, or None while it is alive.

        Args:
            seconds: how long to wait for its end.
        """

    @property
    def loss(self) -> Loss:
        """Why a worker that has ended did so, as far as that is known."""

    def close(self) -> None:
        """Ends the worker and the call that it runs."""


def cannot_load(reason: str) -> InvalidInput:
    """The error for a function that a worker cannot load."""
    return InvalidInput(
        f"the function cannot be loaded in a worker process ({reason})",
        expected="a function that a new process can load",
        fix="What it refers to has to be in a module that the process can import (installed, or on "
        "its PYTHONPATH), or be plain functions and classes (a function behind "
        "functools.lru_cache is none).",
    )


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """Limits on one trial.

    Attributes:
        seconds: wall time, including waits for the schedule, but for times in which the study was
            held up itself; None for no limit.
        memory: bytes; None for no limit.
    """

    seconds: float | None = None
    memory: int | None = None


@dataclass(eq=False)
class WorkerSlot:
    """A worker and the call that it runs.

    Attributes:
        worker: where the function is called.
        job: the trial; None while the worker is free.
        config: the proposed configuration, then the one that the function reported.
        requested: values and definitions that the function has asked for, as of its last report.
        new: hyperparameters that it asked for and that are not in the space yet.
        began: time of the call by the monotonic clock, in seconds; 0 before the call.
        is_stopping: whether the trial was ended while the function still runs.
        is_connected: whether further messages can arrive.
        reported: the last step that was reported, and the seconds up to it.
    """

    worker: FunctionWorker
    job: Job | None = None
    config: Configuration = field(default_factory=dict)
    requested: tuple[Configuration, Mapping[str, str]] = field(default_factory=lambda: ({}, {}))
    new: list[Hyperparameter] = field(default_factory=list)
    began: float = 0.0
    is_stopping: bool = False
    is_connected: bool = True
    reported: tuple[int, float] = (0, 0.0)

    @property
    def trial(self) -> int | None:
        """The number of the trial that runs or waits here; None if there is none."""
        return None if self.job is None or self.is_stopping else self.job.trial

    def start(self, job: Job, known: Sequence[Hyperparameter], options: Message) -> None:
        """Calls the function."""
        self.job, self.config, self.is_stopping = job, job.config, False
        self.requested, self.new, self.reported = ({}, {}), [], (0, 0.0)
        call = {
            "trial": job.trial,
            "config": dict(job.config),
            "seed": job.seed,
            "until": _pause_step(job),
        }
        self._send("run", **call, **options, known=[h.to_json() for h in known])

    def resume(self, job: Job) -> None:
        """Lets the waiting function continue."""
        self.job = job
        self._send("continue", until=_pause_step(job))

    def stop(self) -> None:
        """Asks the function to return; its further messages are ignored."""
        self.is_stopping = True
        self._send("stop")

    def finish(self) -> None:
        """Marks the worker as free: the call has returned."""
        self.job, self.began, self.is_stopping = None, 0.0, False

    def excuse(self, seconds: float) -> None:
        """Leaves out of the time of the call that the study itself did not look for so long.

        It may have waited for its database, while the function waited for the study.
        """
        if self.began and seconds > _LOOKS_AWAY:
            self.began += seconds

    def exceeded(self, limits: TrialLimits) -> str | None:
        """Returns which limit the running trial exceeds, as a sentence, or None."""
        seconds, memory = limits.seconds, limits.memory
        if seconds is not None and self.began and time.monotonic() - self.began > seconds:
            return f"it took longer than time_limit, {seconds:g} seconds"
        if memory is not None and (used := self.worker.memory) > memory:
            limit = f"{memory / 2**20:,.0f} MiB"
            return f"it used {used / 2**20:,.0f} MiB, more than memory_limit, {limit}"
        return None

    def _send(self, kind: str, **content: Any) -> None:
        with suppress(OSError):  # the worker's death is detected elsewhere
            send(self.worker.link, kind, **content)


def _pause_step(job: Job) -> int | None:
    """The step at which the function waits; None if it runs to its end."""
    return job.until if job.until is not None and job.until < job.epochs else None
