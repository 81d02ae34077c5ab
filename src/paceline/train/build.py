"""From a configuration to a compiled Keras model, by the user's own ``build(hp)``."""

from collections.abc import Callable

import keras

from paceline.core import InvalidInput
from paceline.space import HyperParameters
from paceline.train.internals import economical_initialisation

Build = Callable[[HyperParameters], keras.Model]
"""The user's function."""


def build_model(build: Build, hp: HyperParameters, seed: int) -> keras.Model:
    """Calls ``build(hp)`` with every random stream seeded, so that the same configuration starts from the same weights.

    Raises:
        InvalidInput: what it returns is no compiled Keras model. Whatever ``build`` raises comes through.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "jax":
        with economical_initialisation():
            model = build(hp)
    else:
        model = build(hp)
    return check_model(model)


def check_model(model: object) -> keras.Model:
    """The model, if it can be trained.

    Raises:
        InvalidInput: it is no Keras model, or not compiled.
    """
    if not isinstance(model, keras.Model):
        raise InvalidInput(
            f"build(hp) returned {type(model).__name__}",
            expected="a compiled keras.Model",
            fix="Does it end with `return model`?" if model is None else "",
        )
    if not model.compiled or model.optimizer is None:
        raise InvalidInput(
            f"build(hp) returned the model {model.name!r}, which is not compiled with an optimizer",
            expected="a compiled keras.Model",
            fix="Call model.compile(optimizer=..., loss=..., metrics=[...]) before returning it.",
        )
    return model
