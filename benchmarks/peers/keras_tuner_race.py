"""KerasTuner's Hyperband or BayesianOptimization until one of its networks reaches a target.

Request: ``space, data, trials, epochs, batch_size, seed, search, target, limit``. Answer:
    ``seconds, reached, trials``.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import keras
import keras_tuner  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.arrays import read
from benchmarks.builds import SPACES


class Over(BaseException):
    """The race is over. Not an Exception: KerasTuner takes those for a failed trial."""


class Judge(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Ends the race when a network that was trained to the end reaches the target, or when time is
    up.
    """

    def __init__(self, request: Mapping[str, Any], metric: str) -> None:
        super().__init__()
        self.target, self.epochs, self.metric = request["target"], request["epochs"], metric
        self.start, self.limit = time.perf_counter(), request["limit"]
        self.trials, self.reached, self.best, self.best_of_training = 0, False, 0.0, 0.0

    def __deepcopy__(self, _: Any) -> "Judge":
        """Itself: KerasTuner copies callbacks for each trial, and this one is the same for all."""
        return self

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        self.best_of_training = 0.0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.best_of_training = max(self.best_of_training, float((logs or {})[self.metric]))
        self.best = max(self.best, self.best_of_training)
        if epoch + 1 == self.epochs and self.best_of_training >= self.target:
            self.reached = True
        if self.reached or time.perf_counter() - self.start > self.limit:
            raise Over

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        self.trials += 1


def race(request: Mapping[str, Any], directory: str) -> dict[str, Any]:
    space, data = SPACES[request["space"]], read(request["data"])
    common = {
        "objective": space.objective,
        "seed": request["seed"],
        "directory": directory,
        "project_name": "race",
        "overwrite": True,
    }
    if request["search"] == "hyperband":
        tuner = keras_tuner.Hyperband(
            space.build, max_epochs=request["epochs"], hyperband_iterations=20, **common
        )
    else:
        tuner = keras_tuner.BayesianOptimization(space.build, max_trials=10**6, **common)
    judge = Judge(request, space.objective)
    with suppress(Over):
        tuner.search(
            data["x"],
            data["y"],
            validation_data=(data["x_val"], data["y_val"]),
            epochs=request["epochs"],
            batch_size=request["batch_size"],
            verbose=0,
            callbacks=[judge],
        )
    seconds = time.perf_counter() - judge.start
    return {
        "seconds": seconds,
        "reached": judge.reached,
        "trials": judge.trials + 1,
        "best": judge.best,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="keras-tuner-") as project:
        print("\n" + json.dumps(race(json.loads(sys.argv[1]), project)))
