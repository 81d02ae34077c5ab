"""One step with a study of many trials, in a process of its own: writing it, or one thing that
people do with it.

Request: ``do`` (one of `STEPS`), ``study``; ``trials`` and ``halving`` where it is written.
Answer: ``cpu_seconds`` of the whole process from its start, ``peak_mb`` of resident memory, and
    what the step says.
"""

import contextlib
import io
import json
import math
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import paceline
from paceline.core import Action, TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionEnded,
    SessionStarted,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.space import Space

EPOCHS, RUNGS = 9, (1, 3)
_BATCH = 1_000  # trials stored in one transaction
_BEGUN = 10  # trials that a real search makes, so that the study can be resumed


def objective(hp: Any) -> float:
    """A function with five hyperparameters; the best rate is 0.01."""
    rate = hp.Float("rate", 1e-5, 1.0, sampling="log")
    size = hp.Int("size", 1, 512)
    kind = hp.Choice("kind", ["relu", "tanh", "gelu"])
    noise = hp.Float("noise", 0.0, 1.0)
    flip = hp.Boolean("flip")
    return _score(rate, size, kind, noise, flip)


def stepwise(hp: Any) -> float:
    """The same, measured after each of several steps."""
    last = objective(hp)
    for step in range(1, EPOCHS + 1):
        if not hp.report(last - 1 / step):
            break
    return last


def _score(rate: float, size: int, kind: str, noise: float, flip: bool) -> float:
    return (
        -abs(math.log10(rate) + 2)
        - 0.001 * size
        - 0.1 * (kind == "tanh")
        + 0.05 * noise
        + 0.01 * flip
    )


def write(request: Mapping[str, Any]) -> dict[str, Any]:
    """A study of so many made-up trials, written as a search writes them; a small real search comes
    first.
    """
    from paceline.study.record.replay import writing

    directory = Path(request["study"])
    function: Any = stepwise if request["halving"] else objective
    steps: dict[str, Any] = {"epochs": EPOCHS, "schedule": "asha"} if request["halving"] else {}
    common: dict[str, Any] = {
        "objective": "max",
        "search": "random",
        "seed": 1,
        "final": False,
        "display": False,
    }
    paceline.tune(function, trials=_BEGUN, study=directory, **common, **steps)
    space, draw = paceline.load_study(directory).space, random.Random(1)
    with writing(directory) as store:
        store.append([SessionStarted({"paceline": "0"})])
        for first in range(_BEGUN, request["trials"], _BATCH):
            numbers = range(first, min(request["trials"], first + _BATCH))
            store.append(
                [
                    event
                    for number in numbers
                    for event in _trial(space, number, draw, request["halving"])
                ]
            )
        store.append([SessionEnded(f"all {request['trials']} trials have ended", 3600.0)])
    return {"bytes": (directory / "study.db").stat().st_size}


def _trial(space: Space, number: int, draw: random.Random, halving: bool) -> Iterator[Event]:
    config: dict[str, Any] = {one.name: one.from_unit(draw.random()) for one in space}
    last = _score(**config) + draw.gauss(0, 0.1)
    yield TrialAsked(number, config, 1, EPOCHS if halving else 1, "random")
    yield TrialStarted(number, "function", config)
    if not halving:
        yield EpochMeasured(number, 1, {"score": last}, 0.01)
        yield TrialEnded(number, TrialState.COMPLETED, last, 1, "")
        return
    luck = draw.random()
    until = next(
        e for e, share in zip((*RUNGS, EPOCHS), (2 / 3, 8 / 9, 1.0), strict=True) if luck < share
    )
    for epoch in range(1, until + 1):
        yield EpochMeasured(number, epoch, {"score": last - 1 / epoch}, 0.01 * epoch)
        if epoch in RUNGS and epoch < until:
            yield TrialPaused(number, f"{epoch} of {EPOCHS} epochs")
            yield TrialDecided(number, epoch, Action.CONTINUE, "rank 1 of 3; the best goes on")
    ended = TrialState.COMPLETED if until == EPOCHS else TrialState.STOPPED
    yield TrialEnded(
        number,
        ended,
        last - 1 / until,
        until,
        "" if until == EPOCHS else f"rank 3 of 3 after {until}",
    )


def show(request: Mapping[str, Any]) -> dict[str, Any]:
    """``paceline show``."""
    return {"characters": len(_command("show", request["study"]))}


def as_json(request: Mapping[str, Any]) -> dict[str, Any]:
    """``paceline show --json``."""
    return {"characters": len(_command("show", request["study"], "--json"))}


def report(request: Mapping[str, Any]) -> dict[str, Any]:
    """``paceline report``."""
    _command("report", request["study"])
    return {"bytes": (Path(request["study"]) / "report.html").stat().st_size}


def resume(request: Mapping[str, Any]) -> dict[str, Any]:
    """One more trial."""
    function = stepwise if request["halving"] else objective
    study = paceline.resume(
        request["study"], build=function, trials=request["trials"] + 1, display=False
    )
    return {"trials": len(study.trials)}


def live(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the first reader of the live page is sent, and what another look costs."""
    from paceline.web.content import content
    from paceline.web.head import head
    from paceline.web.study_reader import StudyReader
    from paceline.web.versioned_parts import VersionedParts, as_texts

    feed, parts = StudyReader(Path(request["study"])), VersionedParts()
    feed.look()
    told = head(feed)
    headed = time.process_time()
    parts.update(as_texts(content(feed.whole())))
    drawn = time.process_time()
    first = parts.since("")
    feed.close()
    return {
        "bytes": len(first),
        "head_bytes": len(json.dumps(told)),
        "head_seconds": headed,
        "draw_seconds": drawn - headed,
    }


STEPS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "write": write,
    "show": show,
    "json": as_json,
    "report": report,
    "resume": resume,
    "live": live,
}


def _command(*words: str) -> str:
    from paceline.cli.app import app

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        app(list(words), standalone_mode=False)
    return said.getvalue()


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    answer = STEPS[asked["do"]](asked)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer |= {"cpu_seconds": time.process_time(), "peak_mb": usage.ru_maxrss / 1024}  # on Linux
    print("\n" + json.dumps(answer))
