"""Processor milliseconds that it takes to prepare networks: to build, draw weights, and trace.

Request: ``space, data, networks, known, epochs, batch_size, seed``. Answer: ``first`` and
``known``, the milliseconds of each network that is the first of its structure, and of each whose
structure was prepared at least ``known`` times before; ``known_wall``, their wall time.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.arrays import read
from benchmarks.builds import SPACES
from paceline.core import Objective
from paceline.execute.base import Job, TrainingConfig
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.merging import NetworkMerging
from paceline.execute.prepare import FailedBuild, Preparation
from paceline.space import Space, discover
from paceline.train.array_feed import TrainingData

STRUCTURAL = ("layers", "optimizer")
"""Hyperparameters that change the structure of a network."""


def prepare(request: Mapping[str, Any]) -> dict[str, list[float]]:
    bench, data = SPACES[request["space"]], read(request["data"])
    arrays = TrainingData.of((data["x"], data["y"]), (data["x_val"], data["y_val"]))
    space: Space = discover(bench.build).space
    objective = Objective.of(bench.objective)
    training = TrainingConfig(objective, request["batch_size"])
    preparation = Preparation(bench.build, arrays, training, space, frozenset(), fused=True)
    expected = ExpectedNetworks(space, lambda _: ())
    merging = NetworkMerging(preparation, expected, is_enabled=True, memory=2**30)
    rng = np.random.default_rng(request["seed"])
    seen: Counter[object] = Counter()
    spent: dict[str, list[float]] = {"first": [], "known": [], "known_wall": []}
    for number in range(request["networks"]):
        config = space.sample(rng)
        structure = tuple(config.get(name) for name in STRUCTURAL)
        began, began_wall = time.process_time(), time.perf_counter()
        found = preparation.prepare([Job(number, config, number, request["epochs"])])
        for prepared in found:
            if isinstance(prepared, FailedBuild):
                raise RuntimeError(f"not built: {prepared}")
            merging.assign(prepared)
        milliseconds = 1000 * (time.process_time() - began)
        wall = 1000 * (time.perf_counter() - began_wall)
        if seen[structure] == 0:
            spent["first"].append(milliseconds)
        elif seen[structure] >= request["known"]:
            spent["known"].append(milliseconds)
            spent["known_wall"].append(wall)
        seen[structure] += 1
    return spent


if __name__ == "__main__":
    print("\n" + json.dumps(prepare(json.loads(sys.argv[1]))))
