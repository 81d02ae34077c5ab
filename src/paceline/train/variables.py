"""Creates, reads and restores a model's variables.

A model without a declared input shape has no weights before its first batch; metrics, losses and
optimizers create their variables on first use. Before it is trained, traced or restored, all
variables are therefore created by `make_variables`, from the shapes and types of a batch.
"""

from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np

from paceline.core import InvalidInput
from paceline.train import internals
from paceline.train.isolation import global_state_of

Batch = tuple[Any, ...]
"""Shapes and types of a batch: ``(x, y)`` or ``(x, y, sample_weight)``, trees of
`jax.ShapeDtypeStruct`.
"""


def make_variables(model: keras.Model, batch: Batch) -> None:
    """Creates all variables that ``fit`` on such batches would create, unless they exist.

    Errors of Keras if the model does not fit the batch are passed on, as from ``fit``.
    """
    try:
        internals.symbolic_build(model, batch)
    except Exception:
        # on TensorFlow fit calls the model without symbolic inputs and may succeed
        if keras.backend.backend() != "tensorflow":
            raise


def variables_of(model: keras.Model) -> list[Any]:
    """The variables that are stored: the weights, then the optimizer's."""
    return [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]


def rate_leaf_of(model: keras.Model) -> int | None:
    """Which of `variables_of` is the learning rate; None if it is a schedule, not a variable."""
    rate = getattr(model.optimizer, "learning_rate", None)
    found = (i for i, variable in enumerate(variables_of(model)) if variable is rate)
    return None if hasattr(model.optimizer, "optimizers") else next(found, None)


def leaves_of(model: keras.Model) -> list[np.ndarray]:
    """The values of `variables_of`, on the host."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables_of(model)]


def restore(model: keras.Model, leaves: Sequence[np.ndarray], batch: Batch | None) -> None:
    """Restores weights and optimizer state into a model that was built in the same way.

    Args:
        model: compiled.
        leaves: an array for each variable, as in a lane or from `leaves_of`.
        batch: shapes and types of a training batch. None if unknown, which suffices for models that
            declare the shape of their inputs.

    Raises:
        InvalidInput: the trained model had other variables.
    """
    with global_state_of(model):
        if batch is None:
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
        else:
            make_variables(model, batch)
            if _shapes_of(model) != [leaf.shape for leaf in leaves]:
                # creates variables that exist only after a step; all values are replaced below
                _train_on_zeros(model, batch)
    check_same_shapes(_shapes_of(model), [leaf.shape for leaf in leaves])
    for variable, leaf in zip(variables_of(model), leaves, strict=True):
        variable.assign(leaf)
    model.reset_metrics()


def copy_weights(model: keras.Model) -> None:
    """Copies each weight to a separate array.

    An optimizer that averages weights assigns its own arrays to them at the end of training;
    ``evaluate`` on JAX then donates these, and the optimizer's arrays are deleted.
    """
    for variable in model.trainable_variables:
        variable.assign(np.array(keras.ops.convert_to_numpy(variable)))


def check_same_shapes(found: Sequence[tuple[int, ...]], trained: Sequence[tuple[int, ...]]) -> None:
    """Checks that the variables of a model have the shapes of those that were trained.

    Raises:
        InvalidInput: they do not.
    """
    if list(found) != list(trained):
        raise InvalidInput(
            f"build(hp) returned a model with {_described(found)}",
            expected=f"the network that was trained, with {_described(trained)}",
            fix="Has build(hp) changed since?",
        )


def _shapes_of(model: keras.Model) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in variables_of(model)]


def _train_on_zeros(model: keras.Model, batch: Batch) -> None:
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(
        jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), batch)
    )
    model.train_on_batch(x, y, sample_weight=sample_weight)


def _described(shapes: Sequence[tuple[int, ...]]) -> str:
    count = sum(int(np.prod(shape)) for shape in shapes)
    return f"{len(shapes)} variables of {count:,} values in all"
