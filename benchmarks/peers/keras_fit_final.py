"""Fresh trainings one by one through Keras's own ``fit``.

Request: ``data, epochs, batch_size, seed, sample``. Answer: ``seconds`` of sixty-four, from those
of a sample; ``mean_score`` of the sample.
"""

import json
import sys
import time

import keras
import numpy as np

from benchmarks.arrays import read
from benchmarks.finalists import CONFIGURATIONS, network

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    data = read(asked["data"])
    x, y = data["x"], data["y"]
    began, scores = time.perf_counter(), []
    for number in range(asked["sample"]):
        keras.utils.set_random_seed(1000 * asked["seed"] + number)
        order = np.random.default_rng([asked["seed"], number]).permutation(len(x))
        held_out, train = order[: len(x) // 10], order[len(x) // 10 :]
        history = network(**CONFIGURATIONS[number % len(CONFIGURATIONS)]).fit(
            x[train],
            y[train],
            batch_size=asked["batch_size"],
            epochs=asked["epochs"],
            verbose=0,
            validation_data=(x[held_out], y[held_out]),
        )
        scores.append(history.history["val_accuracy"][-1])
    seconds = (time.perf_counter() - began) * 64 / asked["sample"]
    print("\n" + json.dumps({"seconds": seconds, "mean_score": float(np.mean(scores))}))
