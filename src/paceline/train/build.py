"""Builds the Keras model of a configuration by the user's ``build(hp)``."""

from collections.abc import Callable

import keras

from paceline.core import InvalidInput
from paceline.space import HyperParameters
from paceline.train.internals import fast_initialization, layer_counters
from paceline.train.isolation import GlobalState
from paceline.train.model_checks import check_has_loss
from paceline.train.variables import Batch, make_variables

Build = Callable[[HyperParameters], keras.Model]
"""The user's function."""


def build_model(
    build: Build, hp: HyperParameters, seed: int, batch: Callable[[], Batch] | None = None
) -> keras.Model:
    """Calls ``build(hp)`` in a new global state, for reproducible names and weights.

    Args:
        build: the user's function.
        hp: the configuration.
        seed: of the initial weights and other random numbers.
        batch: called after ``build``: returns shapes and types of the batches for training, so that
            all variables are created. None if the model will not be trained.

    Raises:
        InvalidInput: the result is not a compiled Keras model, or has no loss. Errors of ``build``,
            and of Keras if the model does not fit the batches, are passed on.
    """

    def built(state: GlobalState) -> keras.Model:
        with state, fast_initialization():
            model = check_model(build(hp))
            if batch is not None:
                spec = batch()
                make_variables(model, spec)
                check_has_loss(model, spec)
        state.keep_for(model)
        return model

    try:
        return built(GlobalState(seed))
    except ValueError as error:
        if "unique" not in str(error):
            raise
        # a layer created outside of build, such as an adapted normalizer, has a reused name
        return built(GlobalState(seed, layer_counters()))


def check_model(model: object) -> keras.Model:
    """Returns the model if it can be trained.

    Raises:
        InvalidInput: it is not a Keras model, or not compiled.
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
