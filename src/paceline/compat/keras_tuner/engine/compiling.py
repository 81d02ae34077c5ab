"""Models of a hypermodel: checked, and compiled with what the tuner was given."""

import math
from typing import Any

from paceline.compat.keras_tuner.errors import FailedTrialError, FatalTypeError
from paceline.core import shown


def check_model(model: Any, max_model_size: int | None) -> Any:
    """A model that ``build`` has returned.

    Args:
        model: what it has returned.
        max_model_size: the largest number of trainable weights; None for any.

    Raises:
        FatalTypeError: it is not a Keras model.
        FailedTrialError: it is too large.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise FatalTypeError(
            "Expected the model-building function or HyperModel.build() to return a Keras model; "
            f"it has returned {shown(model)}."
        )
    if max_model_size is not None and model.built:
        size = sum(math.prod(one.shape) for one in model.trainable_weights)
        if size > max_model_size:
            raise FailedTrialError(
                f"Oversized model: {size:,} weights; max_model_size is {max_model_size:,}."
            )
    return model


def compile_again(model: Any, optimizer: Any, loss: Any, metrics: Any) -> Any:
    """Compiles a model with what is given in place of its own; returns the model.

    Args:
        model: of ``build``.
        optimizer: a name, or an optimizer, of which each model has a copy.
        loss, metrics: as in ``compile``.
    """
    if optimizer is None and loss is None and metrics is None:
        return model
    import keras

    if optimizer is not None and not isinstance(optimizer, str):
        optimizer = type(optimizer).from_config(optimizer.get_config())
    if metrics is None and model.compiled:
        metrics = (model.get_compile_config() or {}).get("metrics")
        metrics = keras.saving.deserialize_keras_object(metrics)
    model.compile(
        optimizer=getattr(model, "optimizer", None) if optimizer is None else optimizer,
        loss=getattr(model, "loss", None) if loss is None else loss,
        metrics=metrics,
    )
    return model
