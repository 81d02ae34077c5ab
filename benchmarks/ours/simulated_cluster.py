"""A study on a simulated cluster: real search, schedule, loop and store under a virtual clock.

Request: ``workers, trials, search, ordered, seed``. Answer: ``milliseconds`` of the driver for each
epoch and for each trial, ``idle`` worker time while trials are left, as a share.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import paceline
from paceline.core import Configuration, Objective
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference, TrainingConfig
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.space import Choice, Float, Int, Space

EPOCHS = 27
SPACE = Space(
    [
        Choice("units", [32, 64, 96, 128]),
        Int("layers", 1, 5),
        Float("dropout", 0.0, 0.5),
        Float("l2", 1e-6, 1e-2, sampling="log"),
        Float("learning_rate", 1e-4, 1e-1, sampling="log"),
    ]
)


def curve(config: Configuration) -> Curve:
    """Losses that fall towards one that depends on the configuration; an epoch takes a minute, or
    half or twice as long for small and large networks.
    """
    rate, depth = float(config["learning_rate"]), int(config["layers"])
    floor = 0.1 + 0.1 * np.log10(rate / 3e-3) ** 2 + 0.02 * abs(depth - 3)
    epochs = np.arange(1, EPOCHS + 1)
    losses = floor + 1.0 / epochs
    seconds = 60.0 * 2.0 ** ((depth - 3) / 2) * epochs
    return [({"val_loss": float(a)}, float(b)) for a, b in zip(losses, seconds, strict=True)]


class Cluster:
    """A `SimulatedExecutor` that notes how long workers were idle, and its own time."""

    def __init__(self, workers: int) -> None:
        options = TrainingConfig(Objective("val_loss", "min"))
        self.inner = SimulatedExecutor(curve, options, workers)
        self.workers, self.own = workers, 0.0
        self.idle = self.total = 0.0
        self.until_last = (0.0, 0.0)  # idle and total time when the last trial was proposed
        self.newest = -1

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs."""
        began = time.perf_counter()
        self.inner.submit(jobs, snapshots, scores)
        if max(job.trial for job in jobs) > self.newest:
            self.newest = max(job.trial for job in jobs)
            self.until_last = (self.idle, self.total)
        self.own += time.perf_counter() - began

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Advances the clock."""
        began = time.perf_counter()
        busy, before = len(self.inner._lanes), self.inner.clock
        updates = self.inner.progress(seconds)
        passed = self.inner.clock - before
        self.idle += passed * (self.workers - busy)
        self.total += passed * self.workers
        self.own += time.perf_counter() - began
        return updates

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def measured(request: Mapping[str, Any], directory: Path) -> dict[str, float]:
    cluster = Cluster(request["workers"])

    def objective(hp: paceline.HyperParameters) -> None:
        """Never called: the simulated cluster has the curves."""

    began = time.perf_counter()
    study = paceline.optimize(
        objective,
        ("val_loss", "min"),
        space=SPACE,
        epochs=EPOCHS,
        trials=request["trials"],
        search=request["search"],
        ordered=request["ordered"],
        in_flight=request["workers"],
        executor=lambda _: cluster,
        study=directory / "study",
        seed=request["seed"],
        final=False,
        display=False,
    )
    seconds = time.perf_counter() - began - cluster.own
    epochs = sum(len(trial.measurements) for trial in study.trials)
    idle, total = cluster.until_last
    return {
        "per_epoch": 1000 * seconds / epochs,
        "per_trial": 1000 * seconds / len(study.trials),
        "idle": idle / total,
        "epochs": float(epochs),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        print("\n" + json.dumps(measured(json.loads(sys.argv[1]), Path(folder))))
