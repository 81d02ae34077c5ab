"""Guesses before tracing whether two models share a program, to order work; never to decide it."""

import hashlib
import warnings
from collections.abc import Set
from typing import Any

import keras

# A rate of zero often means that a layer is left out, so zero is kept. Exceptions are weight decay
# (left out for None only) and the factor of a regularizer that has just one.
_SINGLE_FACTOR = ({"l1"}, {"l2"})
# Sizes that may differ between the networks of a merged program.
_SIZES = {"units", "filters", "output_dim", "key_dim", "value_dim", "num_heads", "head_dim"}


def structure_hash(model: keras.Model, with_sizes: bool = True) -> str:
    """A hash of the configurations of the model and its optimizer without float values.

    Args:
        model: compiled.
        with_sizes: whether models with other numbers of units, filters, ... have another hash.
    """
    try:
        # Keras warns of objects that cannot be saved; nothing is saved here
        with warnings.catch_warnings(action="ignore"):
            config = (model.get_config(), model.optimizer.get_config(), str(model.loss))
    except Exception:  # a custom object without get_config: use the shapes
        shapes = [tuple(v.shape) if with_sizes else len(v.shape) for v in model.variables]
        config = (shapes, type(model.optimizer).__name__, "")
    kept = _without_numbers(config, frozenset() if with_sizes else _SIZES)
    return hashlib.blake2b(repr(kept).encode(), digest_size=8).hexdigest()


def _without_numbers(value: Any, left_out: Set[str]) -> Any:
    if isinstance(value, dict):
        # which repeats the sizes of the layer before
        ignored = {"build_config", "batch_shape"} if left_out else set()
        computed = {"weight_decay"} | (value.keys() if value.keys() in _SINGLE_FACTOR else set())
        return {
            k: 0.0 if k in computed and isinstance(v, float) else _without_numbers(v, left_out)
            for k, v in value.items()
            if k not in ("name", "seed") and k not in left_out | ignored
        }
    if isinstance(value, list | tuple):
        return [_without_numbers(item, left_out) for item in value]
    if isinstance(value, float):
        return 0.0 if value else "zero"
    return value
