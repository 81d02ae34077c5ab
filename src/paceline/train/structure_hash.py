"""Guesses before tracing whether two models share a program, to order work; never to decide it."""

import hashlib
import warnings
from typing import Any

import keras

# A rate of zero often means that a layer is left out, so zero is kept. Exceptions are weight decay
# (left out for None only) and the factor of a regularizer that has just one.
_SINGLE_FACTOR = ({"l1"}, {"l2"})


def structure_hash(model: keras.Model) -> str:
    """A hash of the configurations of the model and its optimizer without float values."""
    try:
        # Keras warns of objects that cannot be saved; nothing is saved here
        with warnings.catch_warnings(action="ignore"):
            config = (model.get_config(), model.optimizer.get_config(), str(model.loss))
    except Exception:  # a custom object without get_config: use the shapes
        config = ([tuple(v.shape) for v in model.variables], type(model.optimizer).__name__, "")
    return hashlib.blake2b(repr(_without_numbers(config)).encode(), digest_size=8).hexdigest()


def _without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        computed = {"weight_decay"} | (value.keys() if value.keys() in _SINGLE_FACTOR else set())
        return {
            k: 0.0 if k in computed and isinstance(v, float) else _without_numbers(v)
            for k, v in value.items()
            if k not in ("name", "seed")
        }
    if isinstance(value, list | tuple):
        return [_without_numbers(item) for item in value]
    if isinstance(value, float):
        return 0.0 if value else "zero"
    return value
