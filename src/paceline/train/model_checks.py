"""Checks that a model fits the data, with messages that refer to the user's code.

Keras finds some mistakes only during the first step, and trains silently if labels are not classes
of the model's output.
"""

import re

import keras
import numpy as np

from paceline.core import InvalidInput
from paceline.train.array_feed import Tree
from paceline.train.error_text import one_line
from paceline.train.internals import fast_initialization
from paceline.train.isolation import global_state_of
from paceline.train.variables import Batch, make_variables

_SPARSE, _CATEGORICAL, _BINARY = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
)
_DIFFERENCES = (
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "log_cosh",
    "mean_squared_logarithmic_error",
)


def check_model_fits_data(model: keras.Model, batch: Batch, targets: Tree = None) -> None:
    """Checks that a model can be trained on such batches; creates its variables.

    Args:
        model: compiled, as returned by ``build``.
        batch: shapes and types of a training batch.
        targets: all targets, if known: labels are compared with the model's output.

    Raises:
        InvalidInput: it cannot; the message says why, and what to change.
    """
    failure: Exception | None = None
    with global_state_of(model), fast_initialization():
        try:
            make_variables(model, batch)
        except Exception as error:
            failure = error
        output = _output(model, batch)
    target: Tree = batch[1] if len(batch) > 1 else None
    if hasattr(output, "shape") and hasattr(target, "shape"):
        _check_labels(model, tuple(output.shape), tuple(target.shape), targets)
    if failure is None:
        check_has_loss(model, batch)
    else:
        raise InvalidInput(
            f"the model returned by build(hp) cannot be trained on this data: {one_line(failure)} "
            f"Inputs: {_described(batch[0])}; output: {_described(output)}; targets: "
            f"{_described(target)}; loss: {_loss_of(model) or model.loss!r}",
            expected="a model whose inputs, output and loss fit the data",
        ) from failure


def check_has_loss(model: keras.Model, batch: Batch) -> None:
    """Checks that there is a loss: Keras uses 0 for a model without one.

    Args:
        model: compiled, with all its variables.
        batch: shapes and types of a training batch.

    Raises:
        InvalidInput: the model is compiled without a loss, its layers add none, and it does not
            override ``compute_loss`` or ``train_step``.
    """
    if not _is_compiled_without_loss(model) or _adds_losses(model, batch):
        return
    raise InvalidInput(
        f"build(hp) returned the model {model.name!r}, which is compiled with loss={model.loss!r} "
        "and adds no other loss: nothing would be trained",
        expected="a loss",
        fix="Pass one to model.compile(loss=...), call add_loss in a layer, or override "
        "compute_loss.",
    )


def _is_compiled_without_loss(model: keras.Model) -> bool:
    own = (keras.Model.compute_loss, keras.Model.train_step)
    is_plain = (type(model).compute_loss, type(model).train_step) == own
    return is_plain and all(loss is None for loss in keras.tree.flatten(model.loss))


def _adds_losses(model: keras.Model, batch: Batch) -> bool:
    """Whether layers add losses, other than regularization losses of weights."""
    zeros = keras.tree.map_structure(lambda leaf: np.zeros(leaf.shape, leaf.dtype), batch[0])
    variables = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    with global_state_of(model):
        try:
            losses = model.stateless_call(
                variables, others, zeros, training=True, return_losses=True
            )[2]
        except Exception:  # zeros may be invalid inputs; training reports errors
            return True
    return len(losses) > sum(
        variable.regularizer is not None for variable in model.trainable_variables
    )


def _output(model: keras.Model, batch: Batch) -> Tree:
    """Shapes and types of the model's output for a batch; None if unknown."""
    inputs = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype), batch[0]
    )
    try:
        return model.compute_output_spec(inputs)
    except Exception:  # the model does not accept the inputs, which was reported before
        return None


def _loss_of(model: keras.Model) -> str:
    """The name of the model's loss if it is a single loss of Keras, else an empty string."""
    loss, own = model.loss, (keras.Model.compute_loss, keras.Model.train_step)
    if (type(model).compute_loss, type(model).train_step) != own:
        return ""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss) and type(loss).__module__.startswith("keras."):
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(loss).__name__).lower()
    name = getattr(loss, "__name__", "")
    return name if getattr(keras.losses, name, None) is loss else ""


def _check_labels(
    model: keras.Model, output: tuple[int, ...], shape: tuple[int, ...], targets: Tree
) -> None:
    """Checks that targets have the form that the model's loss expects.

    Args:
        model: compiled.
        output: shape of its output for a batch.
        shape: shape of a batch of targets.
        targets: all targets, or None if unknown.
    """
    loss, units = _loss_of(model), output[-1]
    # a number for each output vector
    one_each = shape in (output[:-1], (*output[:-1], 1))
    if loss == _SPARSE and shape == output and units > 1:
        _refuse(
            loss, "one-hot labels", f"loss={_CATEGORICAL!r}, which takes them, or class numbers"
        )
    if loss in (_CATEGORICAL, _BINARY) and one_each and units > 1:
        _refuse(
            loss,
            "labels that are class numbers",
            f"loss={_SPARSE!r}, which takes them, or one-hot labels",
        )
    size = 1 if one_each else shape[-1] if shape[:-1] == output[:-1] else units
    if loss in _DIFFERENCES and size != units:
        given = (
            f"targets of size {size} where its output has size {units}: Keras would broadcast them"
        )
        _refuse(loss, given, f"an output of the same size: keras.layers.Dense({size})")
    if targets is None or not one_each:
        return
    labels = np.asarray(targets)
    if (ignored := getattr(model.loss, "ignore_class", None)) is not None:
        labels = labels[labels != ignored]
    if labels.size == 0 or not np.issubdtype(labels.dtype, np.number):
        return
    if loss == _SPARSE:
        _check_classes(labels, units)
    elif loss == _BINARY and (labels.min() < 0 or labels.max() > 1):
        _refuse(
            loss,
            f"labels from {labels.min():g} to {labels.max():g}",
            "labels 0 and 1, or probabilities",
        )


def _check_classes(labels: np.ndarray, units: int) -> None:
    """Checks that labels are class numbers, with a unit of the output for each."""
    if not np.issubdtype(labels.dtype, np.integer) and np.any(labels != np.round(labels)):
        other = labels[labels != np.round(labels)].flat[0]
        _refuse(
            _SPARSE, f"targets such as {other:g}", "class numbers, or loss='mse' for a regression"
        )
    if labels.min() < 0:
        _refuse(_SPARSE, f"a label {labels.min():g}", "class numbers from 0")
    if labels.max() >= units:
        raise InvalidInput(
            f"the model's output has size {units} and the labels go up to {labels.max():g}, of "
            f"{len(np.unique(labels))} classes",
            expected=f"an output for each class number: "
            f"keras.layers.Dense({int(labels.max()) + 1})",
        )


def _refuse(loss: str, given: str, expected: str) -> None:
    raise InvalidInput(f"the model's loss is {loss!r} and the data have {given}", expected=expected)


def _described(tree: Tree) -> str:
    """Shapes and types as text, without the number of rows of the batch."""
    leaves = [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]
    specs = [f"({', '.join(['rows', *map(str, leaf.shape[1:])])}) {leaf.dtype}" for leaf in leaves]
    return " and ".join(specs) if specs else "unknown"
