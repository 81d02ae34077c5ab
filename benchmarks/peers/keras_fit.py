"""Training steps per second of Keras's own ``fit``, on whichever backend this process has.

Request: ``space, data, batch_size, epochs, steps_per_execution`` (a list; 0 stands for not given).
Answer: ``rates``, steps per second for each of them.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import keras

from benchmarks.arrays import read
from benchmarks.builds import SPACES, Smallest


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes when each epoch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.ends.append(time.perf_counter())


def rate(request: Mapping[str, Any], data: Mapping[str, Any], steps_per_execution: int) -> float:
    """Steps per second after the first epoch, which holds tracing and compiling."""
    keras.utils.set_random_seed(1)
    model = SPACES[request["space"]].build(Smallest())
    if steps_per_execution:
        model.compile(
            optimizer=model.optimizer,
            loss=model.loss,
            metrics=["accuracy"],
            steps_per_execution=steps_per_execution,
        )
    clock, batch = Clock(), request["batch_size"]
    model.fit(
        data["x"],
        data["y"],
        batch_size=batch,
        epochs=request["epochs"],
        verbose=0,
        callbacks=[clock],
    )
    steps = -(-len(data["x"]) // batch) * (len(clock.ends) - 1)
    return float(steps / (clock.ends[-1] - clock.ends[0]))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    arrays = read(asked["data"])
    found = {str(steps): rate(asked, arrays, steps) for steps in asked["steps_per_execution"]}
    print("\n" + json.dumps({"rates": found, "backend": keras.backend.backend()}))
