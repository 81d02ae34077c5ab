"""Makes a table of real trainings, from which `benchmarks.ours.drawn` draws studies: configurations
x fresh pairs.

    python -m benchmarks.ours.trainings '{"task": "digits", "configs": 64, "pairs": 200,
        "epochs": 9, "seed": 7, "file": "benchmarks/trainings/digits.npz"}'

Request: ``task`` ("digits" or "california_housing"), ``configs``, ``pairs`` (of a seed and a split,
drawn as a final draws them), ``epochs``, ``seed``, and ``file``, which is written. It holds

- ``scores``: the objective after each epoch, float32 [configs, pairs, epochs], NaN where training
  failed;
- ``validation_share``: rows of the validation part over rows of the training part;
- ``about``: JSON: the configurations, the first being the default one; the objective, the request,
  the versions of what trained, and the processor seconds that it took.

Answer: the file's size in bytes, how many trainings failed, and processor seconds.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environments, report
from paceline.core import Budget, Configuration
from paceline.core.events import EpochMeasured
from paceline.data import load
from paceline.execute.base import ExecutorUpdate, Job
from paceline.space import Choice, Float, Space
from paceline.study.plan.defining import define
from paceline.study.plan.engine import Engine
from paceline.study.plan.network_plan import NetworkPlan, plan_networks
from paceline.study.planned.retraining import train_all

ROWS = 3000  # of California Housing, drawn once: the table is to be made in minutes
OBJECTIVES = {"digits": "val_accuracy", "california_housing": "val_loss"}
SPACE = Space(
    {
        "learning_rate": Float(3e-4, 1e-1, sampling="log", default=3e-3),
        "units": Choice([16, 32]),
        "activation": Choice(["relu", "tanh"]),
        "dropout": Float(0.0, 0.5),
        "l2": Float(1e-6, 1e-2, sampling="log"),
    }
)


def build(hp: Any, num_inputs: int, num_classes: int) -> Any:
    """A network of two hidden layers, trained by Adam; without classes, a regression."""
    import keras

    rate = hp.Float("learning_rate", 3e-4, 1e-1, sampling="log", default=3e-3)
    units, activation = hp.Choice("units", [16, 32]), hp.Choice("activation", ["relu", "tanh"])
    dropout, l2 = hp.Float("dropout", 0.0, 0.5), hp.Float("l2", 1e-6, 1e-2, sampling="log")
    penalty = keras.regularizers.L2(l2)
    hidden = [keras.layers.Dense(units, activation, kernel_regularizer=penalty) for _ in range(2)]
    last = keras.layers.Dense(num_classes, "softmax") if num_classes else keras.layers.Dense(1)
    inputs = keras.Input((num_inputs,))
    model = keras.Sequential([inputs, *hidden, keras.layers.Dropout(dropout), last])
    loss = "sparse_categorical_crossentropy" if num_classes else "mse"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"] if num_classes else [])
    return model


def rows(task: str) -> tuple[Any, Any]:
    """Inputs of mean 0 and deviation 1, and labels or amounts; without the data set's test part."""
    found = load(task)
    x = np.asarray(found.x, dtype=np.float32).reshape(len(found.y), -1)
    y = np.asarray(found.y).ravel()
    if task != "digits":
        some = np.random.default_rng(0).choice(len(y), ROWS, replace=False)
        x, y = x[some], y[some]
    return (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6), y


def configurations(count: int, seed: int) -> list[Configuration]:
    """The default configuration, and others drawn at random."""
    rng = np.random.default_rng(seed)
    return [SPACE.default(), *(SPACE.sample(rng) for _ in range(count - 1))]


def planned(task: str, epochs: int, seed: int, directory: str) -> NetworkPlan:
    """A study of the task, whose engine trains the table."""
    x, y = rows(task)
    classes = 10 if task == "digits" else 0
    given = {
        "build": lambda hp: build(hp, x.shape[1], classes),
        "data": (x, y),
        "objective": OBJECTIVES[task],
        "epochs": epochs,
        "search": "random",
        "schedule": "full",
        "seed": seed,
        "validation": 0.2,
    }
    return plan_networks(define(given, Path(directory), limits=Budget(), searches=False))


def trained(
    engine: Engine, configs: list[Configuration], pairs: int, epochs: int, metric: str
) -> Any:
    """The scores; one process trains all, in cohorts."""
    fresh = engine.for_final(pairs)
    scores = np.full((len(configs), pairs, epochs), np.nan, dtype=np.float32)

    def take(progress: ExecutorUpdate) -> None:
        for event in progress.events:
            if isinstance(event, EpochMeasured):
                number, pair = divmod(event.number, pairs)
                scores[number, pair, event.epoch - 1] = event.metrics[metric]

    jobs = [
        Job(number * pairs + pair, config, fresh.seeds[pair], epochs, split=pair)
        for number, config in enumerate(configs)
        for pair in range(pairs)
    ]
    train_all(fresh.executor, jobs, take)
    return scores


def main(request: Mapping[str, Any]) -> dict[str, Any]:
    """Trains the table and writes it."""
    start = time.process_time()
    configs = configurations(request["configs"], request["seed"])
    with tempfile.TemporaryDirectory() as directory:
        plan = planned(request["task"], request["epochs"], request["seed"], directory)
        metric = plan.objective.metric
        scores = trained(plan.engine, configs, request["pairs"], request["epochs"], metric)
        share = plan.fresh_splits.share
    seconds = time.process_time() - start
    about = {
        "configs": configs,
        "metric": metric,
        "direction": plan.objective.direction,
        "request": {key: value for key, value in request.items() if key != "file"},
        "versions": environments.versions(environments.OURS),
        "revision": report.revision(),
        "processor_seconds": round(seconds),
    }
    path = Path(request["file"])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, scores=scores, validation_share=share, about=json.dumps(about))
    failed = int(np.isnan(scores).any(axis=2).sum())
    return {"bytes": path.stat().st_size, "failed": failed, "processor_seconds": seconds}


if __name__ == "__main__":
    print("\n" + json.dumps(main(json.loads(sys.argv[1]))))
