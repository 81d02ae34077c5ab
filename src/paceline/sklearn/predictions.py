"""Predictions of many trained models of few structures, each structure compiled once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import keras
import numpy as np

from paceline.train.array_feed import to_fit_dtype
from paceline.train.fit_only import is_overridden
from paceline.train.internals import layers_of

_ROWS = 1024  # of a batch: large enough to keep a core busy, and padded at the end
_OWN = ("predict", "predict_step", "make_predict_function")


class Predictor:
    """Predicts with trained models; models of one structure share the compiled function."""

    def __init__(self) -> None:
        self._functions: dict[object, Callable[..., Any]] = {}

    @contextmanager
    def used_by(self, model: keras.Model) -> Iterator[None]:
        """While the block runs, ``model.predict`` predicts with the shared function.

        Models that predict in a way of their own keep it.
        """
        key = _structure(model)
        if key is None:
            yield
            return
        original = model.predict

        def predict(x: Any, batch_size: Any = None, verbose: Any = "auto", **given: Any) -> Any:
            inputs = _inputs(x)
            if inputs is None or any(value is not None for value in given.values()):
                return original(x, batch_size=batch_size, verbose=verbose, **given)
            return self._predict(key, model, inputs)

        vars(model)["predict"] = predict
        try:
            yield
        finally:
            del vars(model)["predict"]

    def _predict(self, key: str, model: keras.Model, inputs: Any) -> Any:
        forward = self._functions.get(key)
        if forward is None:

            def call(trainable: Any, others: Any, x: Any) -> Any:
                return model.stateless_call(trainable, others, x, training=False)[0]

            forward = self._functions[key] = jax.jit(call)
        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        outputs = [(forward(trainable, others, batch), count) for batch, count in _batches(inputs)]
        parts = [jax.tree.map(lambda a, n=n: np.asarray(a)[:n], out) for out, n in outputs]
        return jax.tree.map(lambda *each: np.concatenate(each), *parts)


def _batches(inputs: Any) -> Iterator[tuple[Any, int]]:
    """Batches of one size, the last one filled up with copies of its last row, and their rows."""
    rows = len(jax.tree.leaves(inputs)[0])
    size = min(_ROWS, 1 << max(0, rows - 1).bit_length())
    for start in range(0, rows, size):
        places = np.minimum(np.arange(start, start + size), rows - 1)
        yield jax.tree.map(lambda leaf, at=places: leaf[at], inputs), min(size, rows - start)


def _inputs(x: Any) -> Any:
    """Inputs as arrays in the types that ``predict`` uses; None if they are something else."""
    parts = jax.tree.leaves(x)
    if not parts or not all(isinstance(part, np.ndarray) and len(part) for part in parts):
        return None
    return jax.tree.map(to_fit_dtype, x)


def _structure(model: keras.Model) -> str | None:
    """Equal for models that predict the same with the same weights; None for unusual models.

    Only models made of Keras's own layers, which treat each row alike, are compared.
    """
    if any(is_overridden(model, name) for name in _OWN) or model.run_eagerly:
        return None
    layers = layers_of(model)  # the model is one of them
    is_usual = all(type(layer).__module__.startswith("keras.") for layer in layers)
    if not is_usual or not model.jit_compile or any(getattr(one, "stateful", 0) for one in layers):
        return None
    shapes = [tuple(variable.shape) for variable in model.variables]
    try:
        return json.dumps([model.get_config(), shapes], sort_keys=True, default=str)
    except Exception:  # a function that cannot be written down
        return None
