"""Calling a function objective: what runs beside the function, in a thread or in a process of its
own.

Both ends of a `Link` speak JSON, so a thread and a process are served by the same lines, and
nothing is pickled.

| to the function's side | meaning |
| --- | --- |
| ``run`` | call the function with this configuration; it waits in ``hp.report`` at step ``until`` |
| ``go on`` | let the waiting function go on, to the next ``until`` |
| ``leave`` | ``hp.report`` answers False from now on |

| from it | meaning |
| --- | --- |
| ``ready``, ``unusable`` | the function was imported, or why it was not |
| ``started`` | the function has been called |
| ``met`` | it asked for a hyperparameter that is new: told at once, since it may not live to tell it later |
| ``reported`` | ``hp.report`` was called: step, metrics, seconds |
| ``ended`` | the function returned or failed: score, metrics where it never reported, error, whether it read the seed |

The last two also carry the configuration as the function asked for it so far.
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

from paceline.core import InvalidInput, Value, closest
from paceline.space import Hyperparameter, HyperParameters, hyperparameter_from_json

Function = Callable[[HyperParameters], Any]
"""A function objective: gives a number, a dict of metrics or, where it reports, nothing."""

Message = dict[str, Any]
"""One message."""

_SCORE = "a finite number, or a dict of metrics with {metric!r} among them"


class TrialStopped(BaseException):
    """Ends a function that was told to stop and goes on; no ``except Exception`` of the function's
    keeps it from it.
    """


def send(link: Connection, what: str, **words: Any) -> None:
    """Sends a message.

    Raises:
        OSError: the other end is closed.
    """
    link.send_bytes(json.dumps({"what": what, **words}).encode())


def receive(link: Connection) -> Message | None:
    """The next message; waits for it. None where the other end is closed."""
    try:
        heard: Message = json.loads(link.recv_bytes())
    except (EOFError, OSError):
        return None
    return heard


def serve(function: Function, metric: str, link: Connection) -> None:
    """Calls the function for each ``run`` that comes, until the link is closed.

    Args:
        function: the objective.
        metric: the objective's name.
        link: this side's end.
    """
    while (order := receive(link)) is not None:
        if order["what"] == "run":  # all else was meant for a call that has ended meanwhile
            send(link, "started", trial=order["trial"])
            with chdir(os.curdir):  # the next call begins where this one did
                told = _Call(metric, link, order).result(function)
            send(link, "ended", trial=order["trial"], **told)


def metrics_of(value: Any, metric: str, what: str) -> dict[str, float]:
    """What a function returned or reported, as metrics.

    Args:
        value: a number, or a dict of them; numpy's and the frameworks' own scalars are numbers,
            too.
        metric: the objective, which a bare number is meant to be.
        what: how to call it in an error: ``"the function returned"``.

    Raises:
        InvalidInput: no number (None, a text, a truth value, a complex number, an array), or the
            objective is missing.
    """
    if isinstance(value, Mapping):
        found = {
            str(name): _number(entry, metric, f"{what} {str(name)!r} as")
            for name, entry in value.items()
        }
        if metric not in found:
            raise _without_objective(list(found), metric, what)
        return found
    return {metric: _number(value, metric, what)}


def _without_objective(found: Sequence[str], metric: str, what: str) -> InvalidInput:
    """The error where a dict of metrics lacks the objective; ``objective="max"`` is of the metric
    ``score``.
    """
    if not found:
        return InvalidInput(
            f"{what} no metrics", expected=f"a dict with the objective {metric!r} in it"
        )
    names, one = ", ".join(map(repr, found)), closest(metric, found) or found[0]
    fix = f"To optimise {one!r}, pass objective=({one!r}, 'max') (or 'min')."
    return InvalidInput(
        f"{what} the metrics {names}", expected=f"the objective {metric!r} among them", fix=fix
    )


def _number(value: Any, metric: str, what: str) -> float:
    plain = value
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        plain = value.item()  # numpy, torch, JAX and TensorFlow alike
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    kind = "None" if value is None else f"{str(value)[:80]!r}, a {type(value).__name__}"
    fix = ""
    if type(value).__module__.partition(".")[0] == "keras":
        fix = "A function that builds a Keras model is tuned with data: paceline.tune(build, data, ...)."
    raise InvalidInput(f"{what} {kind}", expected=_SCORE.format(metric=metric), fix=fix)


class _Call:
    """One call of the function, and how far it has come."""

    def __init__(self, metric: str, link: Connection, order: Message) -> None:
        self._metric, self._link, self._trial, self._until = (
            metric,
            link,
            order["trial"],
            order["until"],
        )
        self._seed, self._epochs = order["seed"], order["epochs"]
        known = [hyperparameter_from_json(state) for state in order["known"]]
        instead = {state["name"]: hyperparameter_from_json(state) for state in order["instead"]}
        self._hp = HyperParameters(
            known,
            order["config"],
            self._report,
            self._meet,
            self._seed,
            missing=self._draw,
            fixed=order["fixed"],
            instead=instead,
        )
        self._steps = 0
        self._last: dict[str, float] = {}
        self._is_left = self._is_beyond = False
        self._wrong = ""  # why the trial has failed, whatever the function does after it
        self._began, self._waited = time.perf_counter(), 0.0

    def result(self, function: Function) -> Message:
        """Calls the function; what is to be told of its end."""
        metrics: dict[str, float] = {}
        try:
            returned = function(self._hp)
            counts = (
                not self._is_left
                and not self._is_beyond
                and (self._steps == 0 or returned is not None)
            )
            if not self._wrong and counts:
                metrics = metrics_of(returned, self._metric, "the function returned")
        except BaseException as error:  # SystemExit is a failure like any other
            if not self._is_left and not isinstance(error, TrialStopped):
                self._wrong = self._wrong or _told(error)
        score = {**self._last, **metrics}.get(self._metric, math.nan)
        if not self._wrong and not self._is_left and not math.isfinite(score):
            self._wrong = f"its {self._metric} is {score}"
        return {
            "score": None if self._wrong else score,
            "error": self._wrong,
            "left": self._is_left and not self._wrong,
            "beyond": self._is_beyond,
            "steps": self._steps,
            "metrics": metrics if self._steps == 0 else {},
            "seeded": self._hp.seed_was_read,
            "refused": _parts(self._refused()),
            **self._seen(),
        }

    def _refused(self) -> InvalidInput | None:
        """Why there is nothing to search. Later than in the first trial, a mistake may be one of
        its configuration.
        """
        mistake = self._hp.mistake if self._trial == 0 and self._wrong else None
        return self._hp.refused or mistake

    def _report(self, value: Any, step: int | None) -> bool:
        if self._is_left:
            raise TrialStopped
        if self._steps == self._epochs:
            self._is_beyond = True
            raise TrialStopped
        try:
            metrics = metrics_of(value, self._metric, "hp.report was given")
            self._check(step)
        except InvalidInput as error:
            self._wrong = self._wrong or str(error)
            raise
        self._steps += 1
        self._last = metrics
        if not math.isfinite(metrics[self._metric]):
            self._wrong = (
                f"diverged: its {self._metric} is {metrics[self._metric]} after step {self._steps}"
            )
            self._is_left = True
        waits = not self._is_left and self._steps == self._until
        try:
            told = {"trial": self._trial, "step": self._steps, "metrics": metrics, "waits": waits}
            send(self._link, "reported", **told, **self._seen())
            self._listen(waits)
        except OSError:  # nobody is there any more
            self._is_left = True
        return not self._is_left and self._steps != self._epochs

    def _meet(self, hyperparameter: Hyperparameter) -> None:
        with suppress(OSError):  # nobody is there any more
            send(self._link, "met", trial=self._trial, hyperparameter=hyperparameter.to_json())

    def _draw(self, hyperparameter: Hyperparameter) -> Value | None:
        """A value for what the configuration lacks, since the space did not hold it when the
        configuration was chosen.

        The first trial is at its defaults. In all others such a value is drawn, for a default is
        often the end of a range, and the first that is known of a branch would be its corner.
        """
        if self._trial == 0:
            return None
        stream = np.random.SeedSequence(
            self._seed, spawn_key=(self._trial, zlib.crc32(hyperparameter.name.encode()))
        )
        return hyperparameter.from_unit(float(np.random.default_rng(stream).random()))

    def _check(self, step: int | None) -> None:
        expected = self._steps + 1
        if step is None or (
            not isinstance(step, bool) and hasattr(step, "__index__") and int(step) == expected
        ):
            return
        fix = "Steps are counted from 1, each once and in order: step=epoch + 1, or leave step out."
        raise InvalidInput(
            f"hp.report was called with step={step!r}", expected=f"step={expected}", fix=fix
        )

    def _listen(self, waits: bool) -> None:
        """Hears what there is to hear; where the function waits, until it is told how to go on."""
        since = time.perf_counter()
        while waits or self._link.poll():
            heard = receive(self._link)
            if heard is None or heard["what"] == "leave":
                self._is_left = True
                break
            if heard["what"] == "go on":
                self._until, waits = heard["until"], False
        self._waited += time.perf_counter() - since

    def _seen(self) -> Message:
        seconds = time.perf_counter() - self._began - self._waited
        return {"config": self._hp.config, "asked": self._hp.asked, "seconds": seconds}


def _parts(refused: InvalidInput | None) -> list[str] | None:
    return None if refused is None else [refused.passed, refused.expected, refused.fix]


def _told(error: BaseException) -> str:
    """The traceback from the function on; of what Paceline itself refused, the message."""
    if isinstance(error, InvalidInput):
        return str(error)
    inside = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, inside))
