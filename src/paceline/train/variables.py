"""A model's variables: making all that training needs, reading them and putting them back.

A model without a declared input shape has no weights until it sees a batch; metrics, losses and
optimizers make theirs on first use. Whoever trains, traces or restores a model therefore brings it
into the same state first, through `make_variables`, from the shapes and types of one batch.
"""

from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np

from paceline.core import InvalidInput
from paceline.train import internals
from paceline.train.isolation import state_of

Batch = tuple[Any, ...]
"""Shapes and types of a batch: ``(x, y)`` or ``(x, y, sample_weight)``, trees of
`jax.ShapeDtypeStruct`.
"""


def make_variables(model: keras.Model, batch: Batch) -> None:
    """Makes every variable that ``fit`` on such batches would make; does nothing where they are
    there already.

    Whatever Keras raises where the model does not fit the batch comes through, as it does from
    ``fit``.
    """
    try:
        internals.symbolic_build(model, batch)
    except Exception:
        # on TensorFlow fit calls the model as it is, without symbolic inputs, and may succeed where
        # this does not
        if keras.backend.backend() != "tensorflow":
            raise


def variables_of(model: keras.Model) -> list[Any]:
    """All that is kept of a network: its weights, then its optimizer's variables."""
    return [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]


def leaves_of(model: keras.Model) -> list[np.ndarray]:
    """The values of `variables_of`, on the host."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables_of(model)]


def restore(model: keras.Model, leaves: Sequence[np.ndarray], batch: Batch | None) -> None:
    """Puts weights and optimizer state, as a lane or `leaves_of` gives them, into a model built the
    same way.

    Args:
        model: compiled.
        leaves: one array for each of the variables that the model has once it trains.
        batch: shapes and types of a batch that it was trained on. None where they are not known any
            more, which does for a model that declares the shape of its inputs.

    Raises:
        InvalidInput: the model that was trained had other variables.
    """
    with state_of(model):
        if batch is None:
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
        else:
            make_variables(model, batch)
            if _shapes_of(model) != [leaf.shape for leaf in leaves]:
                _train_on_zeros(
                    model, batch
                )  # makes what is made in a training step only; all values are replaced
    check_same(_shapes_of(model), [leaf.shape for leaf in leaves])
    for variable, leaf in zip(variables_of(model), leaves, strict=True):
        variable.assign(leaf)
    model.reset_metrics()


def unshare(model: keras.Model) -> None:
    """Gives each weight an array of its own.

    An optimizer that keeps averages hands its own arrays to the weights at the end of training;
    ``evaluate`` on JAX then gives those arrays away, and the optimizer is left with arrays that are
    deleted.
    """
    for variable in model.trainable_variables:
        variable.assign(np.array(keras.ops.convert_to_numpy(variable)))


def check_same(found: Sequence[tuple[int, ...]], trained: Sequence[tuple[int, ...]]) -> None:
    """Makes sure that the variables of a model that was built have the shapes of those that were
    trained.

    Raises:
        InvalidInput: they do not.
    """
    if list(found) != list(trained):
        raise InvalidInput(
            f"build(hp) made a model with {_described(found)}",
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
    return f"{len(shapes)} variables of {count:,} numbers in all"
