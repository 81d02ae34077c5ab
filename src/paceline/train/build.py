"""From a configuration to a compiled Keras model with all its variables, by the user's own
``build(hp)``.
"""

from collections.abc import Callable

import keras

from paceline.core import InvalidInput
from paceline.space import HyperParameters
from paceline.train.fitting import check_has_loss
from paceline.train.internals import economical_initialisation, layer_counters
from paceline.train.isolation import GlobalState
from paceline.train.variables import Batch, make_variables

Build = Callable[[HyperParameters], keras.Model]
"""The user's function."""


def build_model(
    build: Build, hp: HyperParameters, seed: int, batch: Callable[[], Batch] | None = None
) -> keras.Model:
    """Calls ``build(hp)`` in a fresh global state, so that a configuration always gives the same
    names and weights.

    Args:
        build: the user's function.
        hp: the configuration.
        seed: of the initial weights and whatever else is drawn.
        batch: asked once ``build`` has returned: shapes and types of the batches that the model is
            to train on, so that it has all its variables. None where it will not be trained.

    Raises:
        InvalidInput: what it returns is no compiled Keras model, or has no loss. Whatever ``build``
            raises comes through, and so does what Keras raises where the model does not fit the
            batches.
    """

    def built(state: GlobalState) -> keras.Model:
        with state, economical_initialisation():
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
        # a layer made outside of build, such as a normaliser adapted before, has a name that was
        # given again
        return built(GlobalState(seed, layer_counters()))


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
