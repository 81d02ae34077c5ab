"""A randomized search over a scikeras estimator, with one of two `RandomizedSearchCV`."""

import importlib
import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

REQUEST: dict[str, Any] = json.loads(sys.argv[1])
# first, as a script of its user has it at the top: Paceline is imported before Keras
search_module = importlib.import_module(REQUEST["module"])

import keras
import numpy as np
from scikeras.wrappers import KerasRegressor
from scipy.stats import reciprocal

from benchmarks import arrays


def build(n_hidden: int = 1, n_neurons: int = 30, learning_rate: float = 3e-3) -> keras.Model:
    """The network of the textbook."""
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(n_hidden):
        model.add(keras.layers.Dense(int(n_neurons), activation="relu"))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(learning_rate, clipnorm=1.0), "mse")
    return model


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Searches, and says how long it took and what was found."""
    found = arrays.read(request["data"])
    estimator = KerasRegressor(
        build,
        n_hidden=1,
        n_neurons=30,
        learning_rate=3e-3,
        epochs=request["epochs"],
        batch_size=32,
        verbose=0,
    )
    search = search_module.RandomizedSearchCV(
        estimator,
        {
            "n_hidden": [0, 1, 2, 3],
            "n_neurons": np.arange(1, 100),
            "learning_rate": reciprocal(3e-4, 3e-2),
        },
        n_iter=request["candidates"],
        cv=request["folds"],
        scoring="neg_mean_squared_error",
        random_state=request["seed"],
    )
    began = time.perf_counter()
    search.fit(found["x"], found["y"])
    seconds = time.perf_counter() - began
    score = search.score(found["x_test"], found["y_test"])
    return {"seconds": seconds, "best_score": float(search.best_score_), "score": float(score)}


if __name__ == "__main__":
    print(json.dumps(main(REQUEST)))
