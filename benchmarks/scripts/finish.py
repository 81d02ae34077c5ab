"""Trains a tuner's best configuration again with Keras's own `fit`, and prints what came out."""

import json
import time
from typing import Any

import keras
import numpy as np

_SEEDS = range(3)
_started = time.process_time()


def finish(
    tuner: Any, x: Any, y: Any, x_val: Any, y_val: Any, *, epochs: int, **fit_options: Any
) -> None:
    """Prints a line of JSON: the best configuration, and its loss on the validation rows by seed.

    With them are the processor seconds of the process since this module was imported.

    Args:
        tuner: after its search.
        x, y, x_val, y_val: rows to train on, and to evaluate on.
        epochs: of each training.
        **fit_options: of ``fit``.
    """
    seconds = time.process_time() - _started
    best = tuner.get_best_hyperparameters()[0]
    losses = []
    for seed in _SEEDS:
        keras.utils.set_random_seed(seed)
        model = tuner.hypermodel.build(best)
        model.fit(x, y, epochs=epochs, verbose=0, **fit_options)
        losses.append(float(np.ravel(model.evaluate(x_val, y_val, verbose=0))[0]))
    values = {name: value for name, value in best.values.items() if not name.startswith("tuner/")}
    print("\n" + json.dumps({"seconds": seconds, "best": values, "losses": losses}, default=float))
