"""A study until one of its networks reaches a target.

Request: as of `benchmarks.ours.face.tune`, with ``target`` (None: all trials) and ``limit`` in
seconds. Answer: ``seconds`` until a trial that was trained to its end reached the target, or until
all had ended; ``reached``, ``trials`` that had ended by then, ``best``.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paceline
from benchmarks.arrays import read
from benchmarks.ours.face import tune
from paceline.core import TrialState
from paceline.core.events import TrialEnded
from paceline.store import StudyStore


def race(request: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    arrays = read(request["data"])
    paceline.tune  # noqa: B018 - imports what a study needs: no side's imports are counted
    began, target = time.time(), request["target"]
    schedule = "auto" if request["search"] == "auto" else "full"
    study = tune(request, arrays, study=directory, schedule=schedule, keep="best")
    store = StudyStore(directory, writable=False)
    ended = [
        (one.time - began, one.event) for one in store.events() if isinstance(one.event, TrialEnded)
    ]
    store.close()
    for count, (at, event) in enumerate(ended, start=1):
        done = event.state is TrialState.COMPLETED and event.score is not None
        if done and target is not None and event.score >= target:
            return {"seconds": at, "reached": True, "trials": count, "best": event.score}
    return {
        "seconds": ended[-1][0],
        "reached": target is None,
        "trials": len(ended),
        "best": study.best.score,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        print("\n" + json.dumps(race(json.loads(sys.argv[1]), Path(folder) / "study")))
