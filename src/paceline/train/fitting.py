"""Whether a model fits the data it is to be trained on, in the words of who wrote the model.

Keras finds some of it out in the middle of its first step, and trains without a word where labels
are no classes of the model's output.
"""

import re

import keras
import numpy as np

from paceline.core import InvalidInput
from paceline.train.feed import Tree
from paceline.train.internals import economical_initialisation
from paceline.train.isolation import state_of
from paceline.train.messages import in_a_line
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


def check_fits(model: keras.Model, batch: Batch, targets: Tree = None) -> None:
    """Makes sure that a model can be trained on such batches; makes its variables on the way.

    Args:
        model: compiled, as ``build`` returned it.
        batch: shapes and types of a batch that it is to be trained on.
        targets: all there are, where they are known: labels are compared with what the model puts
            out.

    Raises:
        InvalidInput: it cannot; says why, and what to change.
    """
    failure: Exception | None = None
    with state_of(model), economical_initialisation():
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
            f"the model that build(hp) returns cannot be trained on these data: "
            f"{in_a_line(failure)} Inputs: "
            f"{_described(batch[0])}; output: {_described(output)}; targets: {_described(target)}; "
            f"loss: "
            f"{_loss_of(model) or model.loss!r}",
            expected="a model whose inputs, output and loss fit the data",
        ) from failure


def check_has_loss(model: keras.Model, batch: Batch) -> None:
    """Makes sure that there is something to train: Keras takes the sum of no losses for 0 and
    reports that.

    Args:
        model: compiled, and with all its variables.
        batch: shapes and types of a batch that it is to be trained on.

    Raises:
        InvalidInput: the model is compiled without a loss, its layers add none, and it computes
            none of its own.
    """
    if not _is_compiled_without_loss(model) or _adds_losses(model, batch):
        return
    raise InvalidInput(
        f"build(hp) returned the model {model.name!r}, which is compiled with loss={model.loss!r} "
        f"and adds no loss of "
        "its own: nothing would be trained",
        expected="a loss",
        fix="Pass one to model.compile(loss=...), call add_loss in a layer, or override "
        "compute_loss.",
    )


def _is_compiled_without_loss(model: keras.Model) -> bool:
    own = (keras.Model.compute_loss, keras.Model.train_step)
    is_plain = (type(model).compute_loss, type(model).train_step) == own
    return is_plain and all(loss is None for loss in keras.tree.flatten(model.loss))


def _adds_losses(model: keras.Model, batch: Batch) -> bool:
    """Whether layers add losses to a batch, beside what regularizers add for the weights alone."""
    zeros = keras.tree.map_structure(lambda leaf: np.zeros(leaf.shape, leaf.dtype), batch[0])
    variables = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    with state_of(model):
        try:
            losses = model.stateless_call(
                variables, others, zeros, training=True, return_losses=True
            )[2]
        except Exception:  # of a kind that zeros are not: training says what is wrong
            return True
    return len(losses) > sum(
        variable.regularizer is not None for variable in model.trainable_variables
    )


def _output(model: keras.Model, batch: Batch) -> Tree:
    """Shapes and types of what the model puts out for a batch; None where that cannot be found
    out.
    """
    inputs = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype), batch[0]
    )
    try:
        return model.compute_output_spec(inputs)
    except Exception:  # a model that does not take the inputs: making its variables has said so
        return None


def _loss_of(model: keras.Model) -> str:
    """The name of the model's loss as one of Keras's functions; empty where it is several, none, or
    another.
    """
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
    """Makes sure that targets are what the model's loss takes them for.

    Args:
        model: compiled.
        output: shape of its output for a batch.
        shape: of a batch of targets.
        targets: all targets that are known, or None.
    """
    loss, units = _loss_of(model), output[-1]
    one_each = shape == output[:-1] or shape == (
        *output[:-1],
        1,
    )  # a number for each vector that is put out
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
        given = f"targets of size {size} where its output has size {units}: Keras would compare each with each"
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
    """Makes sure that labels are numbers of classes, and that the model's output has a unit for
    each.
    """
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
            expected=f"a size that has room for every class number: "
            f"keras.layers.Dense({int(labels.max()) + 1})",
        )


def _refuse(loss: str, given: str, expected: str) -> None:
    raise InvalidInput(f"the model's loss is {loss!r} and the data have {given}", expected=expected)


def _described(tree: Tree) -> str:
    """Shapes and types in words; the number of rows is the batch's and is left out."""
    leaves = [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]
    told = [f"({', '.join(['rows', *map(str, leaf.shape[1:])])}) {leaf.dtype}" for leaf in leaves]
    return " and ".join(told) if told else "unknown"
