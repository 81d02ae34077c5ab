"""Calls a function objective in a worker: the messages that it exchanges with the study.

Messages are JSON, so threads and processes share this code and nothing is pickled.

| from the study | meaning |
| --- | --- |
| ``run`` | call the function with this configuration; it waits in ``hp.report`` at step ``until`` |
| ``continue`` | let the waiting function continue, until the next ``until`` |
| ``stop`` | ``hp.report`` returns False from now on |

| from the worker | meaning |
| --- | --- |
| ``ready``, ``import_failed`` | the function was imported, or why it was not |
| ``started`` | the function has been called |
| ``new`` | it asked for a new hyperparameter; sent at once, in case the process dies |
| ``reported`` | ``hp.report`` was called: step, metrics, seconds |
| ``ended`` | the function returned or failed: score, metrics if it never reported, error |

The last two also contain the configuration as far as the function has asked for it.
"""

import json
import math
import os
import time
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from paceline.core import InvalidInput, Value, checks, closest
from paceline.space import Hyperparameter, HyperParameters, hyperparameter_from_json

Function = Callable[[HyperParameters], Any]
"""A function objective: returns a number, a dict of metrics or, if it reports, nothing."""

Message = dict[str, Any]
"""A message; its ``kind`` is one of those above."""

_SCORE = "a finite number, or a dict of metrics with {metric!r} among them"


class TrialStopped(BaseException):
    """Ends a function that ignored the request to stop.

    Not an `Exception`, so that an ``except Exception`` in the function does not catch it.
    """


def encoded(kind: str, **content: Any) -> bytes:
    """A message as it is sent."""
    return json.dumps({"kind": kind, **content}).encode()


def send(link: Connection, kind: str, **content: Any) -> None:
    """Sends a message.

    Raises:
        OSError: the other end is closed.
    """
    link.send_bytes(encoded(kind, **content))


def receive(link: Connection) -> Message | None:
    """Waits for the next message and returns it; None if the other end is closed."""
    try:
        message: Message = json.loads(link.recv_bytes())
    except (EOFError, OSError):
        return None
    return message


def serve(function: Function, metric: str, link: Connection) -> None:
    """Calls the function for each ``run`` message, until the link is closed.

    Args:
        function: the objective.
        metric: the objective's name.
        link: the worker's end of the connection.
    """
    while (message := receive(link)) is not None:
        if message["kind"] == "run":  # other messages belong to a call that has ended meanwhile
            send(link, "started", trial=message["trial"])
            with chdir(os.curdir):  # restores the working directory for the next call
                result = _FunctionCall(metric, link, message).run(function)
            send(link, "ended", trial=message["trial"], **result)


def metrics_of(value: Any, metric: str, what: str) -> dict[str, float]:
    """Converts what a function returned or reported to metrics.

    Args:
        value: a number, or a dict of them; scalars of NumPy and the frameworks are numbers.
        metric: the objective; the name of a bare number.
        what: what the error message calls it, such as ``"the function returned"``.

    Raises:
        InvalidInput: not a number (None, a string, a bool, a complex number, an array), or the
            objective is missing.
    """
    if isinstance(value, Mapping):
        found = {
            str(name): _number(entry, metric, f"{what} {str(name)!r} as")
            for name, entry in value.items()
        }
        if metric not in found:
            raise _missing_objective(list(found), metric, what)
        return found
    return {metric: _number(value, metric, what)}


def _missing_objective(found: Sequence[str], metric: str, what: str) -> InvalidInput:
    """The error for a dict of metrics without the objective."""
    if not found:
        return InvalidInput(
            f"{what} no metrics", expected=f"a dict with the objective {metric!r} in it"
        )
    names, name = ", ".join(map(repr, found)), closest(metric, found) or found[0]
    fix = f"To optimise {name!r}, pass objective=({name!r}, 'max') (or 'min')."
    return InvalidInput(
        f"{what} the metrics {names}", expected=f"the objective {metric!r} among them", fix=fix
    )


def _number(value: Any, metric: str, what: str) -> float:
    found = checks.real(value)
    if found is not None:
        return found
    passed = "None" if value is None else f"{str(value)[:80]!r}, a {type(value).__name__}"
    fix = ""
    if type(value).__module__.partition(".")[0] == "keras":
        fix = (
            "A function that builds a Keras model is tuned with data: "
            "paceline.tune(build, data, ...)."
        )
    raise InvalidInput(f"{what} {passed}", expected=_SCORE.format(metric=metric), fix=fix)


class _FunctionCall:
    """One call of the function and its progress."""

    def __init__(self, metric: str, link: Connection, message: Message) -> None:
        self._metric, self._link = metric, link
        self._trial, self._until = message["trial"], message["until"]
        self._seed, self._epochs = message["seed"], message["epochs"]
        known = [hyperparameter_from_json(state) for state in message["known"]]
        overrides = {
            state["name"]: hyperparameter_from_json(state) for state in message["overrides"]
        }
        self._hp = HyperParameters(
            known,
            message["config"],
            self._report,
            self._send_new,
            self._seed,
            missing=self._draw,
            fixed=message["fixed"],
            overrides=overrides,
            trial=self._trial,
        )
        self._steps = 0
        self._last: dict[str, float] = {}
        self._is_stopped = self._has_extra_steps = False
        self._error = ""  # why the trial has failed, whatever the function does afterwards
        self._began, self._waited = time.perf_counter(), 0.0

    def run(self, function: Function) -> Message:
        """Calls the function; returns the content of the ``ended`` message."""
        metrics: dict[str, float] = {}
        try:
            returned = function(self._hp)
            counts = (
                not self._is_stopped
                and not self._has_extra_steps
                and (self._steps == 0 or returned is not None)
            )
            if not self._error and counts:
                metrics = metrics_of(returned, self._metric, "the function returned")
        except BaseException as error:  # SystemExit is a failure like any other
            if not self._is_stopped and not isinstance(error, TrialStopped):
                self._error = self._error or _describe(error)
        score = {**self._last, **metrics}.get(self._metric, math.nan)
        if not self._error and not self._is_stopped and not math.isfinite(score):
            self._error = f"its {self._metric} is {score}"
        return {
            "score": None if self._error else score,
            "error": self._error,
            "stopped": self._is_stopped and not self._error,
            "has_extra_steps": self._has_extra_steps,
            "steps": self._steps,
            "metrics": metrics if self._steps == 0 else {},
            "seeded": self._hp.seed_was_read,
            "refused": _fields(self._refused()),
            **self._requested(),
        }

    def _refused(self) -> InvalidInput | None:
        """The error that ends the study, if any.

        A mistake in a definition ends it only in the first trial: later ones may be due to the
        configuration.
        """
        mistake = self._hp.mistake if self._trial == 0 and self._error else None
        return self._hp.refused or mistake

    def _report(self, value: Any, step: int | None) -> bool:
        """Sends a step's metrics; at a decision, waits for it. Returns as `hp.report` does."""
        if self._is_stopped:
            raise TrialStopped
        if self._steps == self._epochs:
            self._has_extra_steps = True
            raise TrialStopped
        try:
            metrics = metrics_of(value, self._metric, "hp.report was given")
            self._check_step(step)
        except InvalidInput as error:
            self._error = self._error or str(error)
            raise
        self._steps += 1
        self._last = metrics
        if not math.isfinite(metrics[self._metric]):
            self._error = (
                f"diverged: its {self._metric} is {metrics[self._metric]} after step {self._steps}"
            )
            self._is_stopped = True
        waits = not self._is_stopped and self._steps == self._until
        try:
            report = {"trial": self._trial, "step": self._steps, "metrics": metrics, "waits": waits}
            send(self._link, "reported", **report, **self._requested())
            self._receive(waits)
        except OSError:  # the study has ended
            self._is_stopped = True
        return not self._is_stopped and self._steps != self._epochs

    def _send_new(self, hyperparameter: Hyperparameter) -> None:
        with suppress(OSError):  # the study has ended
            send(self._link, "new", trial=self._trial, hyperparameter=hyperparameter.to_json())

    def _draw(self, hyperparameter: Hyperparameter) -> Value | None:
        """Draws a value for a hyperparameter that was unknown when the configuration was chosen.

        The first trial uses the defaults. In later trials the value is drawn: a default is often
        the end of a range, so the first trial of a new branch would be at its corner.
        """
        if self._trial == 0:
            return None
        stream = np.random.SeedSequence(
            self._seed, spawn_key=(self._trial, zlib.crc32(hyperparameter.name.encode()))
        )
        return hyperparameter.from_unit(float(np.random.default_rng(stream).random()))

    def _check_step(self, step: int | None) -> None:
        expected = self._steps + 1
        if step is None or checks.integer(step) == expected:
            return
        fix = "Steps are counted from 1, each once and in order: step=epoch + 1, or leave step out."
        raise InvalidInput(
            f"hp.report was called with step={step!r}", expected=f"step={expected}", fix=fix
        )

    def _receive(self, waits: bool) -> None:
        """Processes the messages that have arrived; if ``waits``, until one lets it continue."""
        since = time.perf_counter()
        while waits or self._link.poll():
            message = receive(self._link)
            if message is None or message["kind"] == "stop":
                self._is_stopped = True
                break
            if message["kind"] == "continue":
                self._until, waits = message["until"], False
        self._waited += time.perf_counter() - since

    def _requested(self) -> Message:
        seconds = time.perf_counter() - self._began - self._waited
        return {"config": self._hp.config, "asked": self._hp.asked, "seconds": seconds}


def _fields(refused: InvalidInput | None) -> list[str] | None:
    return None if refused is None else [refused.passed, refused.expected, refused.fix]


def _describe(error: BaseException) -> str:
    """The traceback inside the function; the message alone of an error raised by Paceline."""
    if isinstance(error, InvalidInput):
        return str(error)
    inside = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, inside))
