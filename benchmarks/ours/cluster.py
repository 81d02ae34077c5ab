"""A study on a simulated cluster: a virtual clock, a real search and a real store.

Request: ``search, schedule, trials, epochs, workers, seconds`` (of an epoch, on average), ``seed``.
Answer: ``driver_milliseconds`` for each result (an epoch that a worker has measured), and ``idle``,
the share of the workers' time, in percent, in which they had nothing to do, until the last
proposal.
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
from paceline.core.events import EpochMeasured
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference, TrainingConfig
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.execute.work import FunctionWork

SPACE = {
    "units": paceline.Int("units", 16, 512),
    "layers": paceline.Int("layers", 1, 4),
    "dropout": paceline.Float("dropout", 0.0, 0.5),
    "rate": paceline.Float("rate", 1e-4, 1e-1, sampling="log"),
}
_asked: dict[str, Any] = {}


def function(hp: paceline.HyperParameters) -> float:
    """Never called: its results are made up by `Cluster`."""
    raise NotImplementedError


class Cluster(SimulatedExecutor):
    """Workers whose clock also runs while the driver works.

    Attributes:
        driver: seconds that the driver has worked.
        idle: seconds for which workers waited, together.
        until_last: clock and ``idle`` when the last trial was proposed; only later can a worker
            have nothing to do since there is no trial left.
        num_results: epochs that were measured.
    """

    latest: "Cluster"

    def __init__(self, work: FunctionWork) -> None:
        self.rng = np.random.default_rng(_asked["seed"])
        self.workers = int(work.num_workers or 1)
        options = TrainingConfig(Objective(work.metric, "minimize"))
        super().__init__(self.curve, options, self.workers)
        self.driver = self.idle = 0.0
        self.until_last, self.num_results, self.newest = (0.0, 0.0), 0, -1
        Cluster.latest = self
        self._returned = time.perf_counter()

    def curve(self, config: Configuration) -> Curve:
        distance = abs(np.log10(float(config["rate"])) + 2.5) + float(config["dropout"])
        epochs = np.arange(1, _asked["epochs"] + 1)
        losses = 0.2 + distance + np.exp(-epochs / 3) + 0.02 * self.rng.standard_normal(len(epochs))
        each = _asked["seconds"] * self.rng.lognormal(0.0, 0.5)
        return [({"score": float(v)}, each * n) for n, v in zip(epochs, losses, strict=True)]

    def advance(self, clock: float) -> None:
        if clock > self.clock:
            ends = [end for end, _, _ in self._lanes]
            free = (self.workers - len(ends)) * (clock - self.clock)
            self.idle += free + sum(clock - end for end in ends if end < clock)
            super().advance(clock)

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        self._count_driver()
        super().submit(jobs, snapshots, scores)
        newest = max(job.trial for job in jobs)
        if newest > self.newest:
            self.until_last, self.newest = (self.clock, self.idle), newest
        self._returned = time.perf_counter()

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        self._count_driver()
        updates = super().progress(seconds)
        self.num_results += sum(
            isinstance(event, EpochMeasured) for one in updates for event in one.events
        )
        self._returned = time.perf_counter()
        return updates

    def _count_driver(self) -> None:
        worked = time.perf_counter() - self._returned
        self.driver += worked
        self.advance(self.clock + worked)


def simulated(request: Mapping[str, Any], directory: Path) -> dict[str, float]:
    _asked.update(request)
    paceline.optimize(
        function,
        "min",
        space=SPACE,
        epochs=request["epochs"],
        trials=request["trials"],
        search=request["search"],
        schedule=request["schedule"],
        workers=request["workers"],
        executor=Cluster,
        ordered=False,
        final=False,
        display=False,
        callbacks=(),
        seed=request["seed"],
        study=directory / "s",
    )
    found = Cluster.latest
    clock, idle = found.until_last
    return {
        "driver_milliseconds": 1000 * found.driver / found.num_results,
        "idle": float(100 * idle / (found.workers * clock)),
        "results": found.num_results,
        "driver_seconds": found.driver,
        "virtual_seconds": clock,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        print("\n" + json.dumps(simulated(json.loads(sys.argv[1]), Path(folder))))
