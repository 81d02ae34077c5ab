"""A cheap guess, before any tracing, whether two models are the same program: used to sort work,
never to decide it.
"""

import hashlib
import warnings
from typing import Any

import keras

# A rate of zero often means: leave the layer out. Keras computes with weight decay unless it is
# None, and with the factor of a regulariser that has one alone; zero is then a number like any
# other.
_ALONE = ({"l1"}, {"l2"})


def outline(model: keras.Model) -> str:
    """A hash of the model's and its optimizer's configuration with all float values taken out."""
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # Keras warns of what could not be saved; nothing is saved here
            described = (model.get_config(), model.optimizer.get_config(), str(model.loss))
    except Exception:  # a custom object without get_config: its shapes must do
        described = ([tuple(v.shape) for v in model.variables], type(model.optimizer).__name__, "")
    return hashlib.blake2b(repr(_without_numbers(described)).encode(), digest_size=8).hexdigest()


def _without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        computed = {"weight_decay"} | (value.keys() if value.keys() in _ALONE else set())
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
