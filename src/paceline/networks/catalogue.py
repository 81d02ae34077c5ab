"""`create`: a build function for a network's name and the shape of the data."""

from collections.abc import Callable, Mapping
from typing import Any

from paceline.core import InvalidInput, checks, did_you_mean
from paceline.networks import cnn, mlp
from paceline.networks.shapes import DataShape

Build = Callable[[Any], Any]
"""``build(hp)``: takes hyperparameters as in KerasTuner and returns a compiled Keras model."""

_MAKERS: Mapping[str, Callable[[DataShape], Build]] = {"mlp": mlp.make, "cnn": cnn.make}


def names() -> tuple[str, ...]:
    """The names of the networks."""
    return tuple(_MAKERS)


def create(
    name: str,
    *,
    input_shape: tuple[int, ...],
    task: str,
    num_outputs: int,
    one_hot: bool = False,
) -> Build:
    """A build function for data of the given shape.

    ``"mlp"`` takes any input (images are flattened); its hyperparameters are ``layers``, ``units``,
    ``activation``, ``batch_norm``, ``dropout``, ``l2``, ``optimizer``, ``learning_rate`` and, for
    sgd, ``momentum``. ``"cnn"`` takes images, with or without a channel axis, and has ``blocks``,
    ``filters`` and ``kernel_size`` instead of ``layers`` and ``activation``.

    Args:
        name: ``"mlp"`` or ``"cnn"``.
        input_shape: of one row: (features,), (height, width) or (height, width, channels).
        task: ``"classification"`` or ``"regression"``.
        num_outputs: classes, or target columns.
        one_hot: whether class targets are one-hot instead of numbered.

    Returns:
        ``build(hp)``, which returns a compiled model: softmax with cross-entropy and accuracy, or
        linear with squared error and mean absolute error.

    Raises:
        InvalidInput: an unknown name, or a shape that the network cannot take.
    """
    if name not in _MAKERS:
        raise InvalidInput(
            f"there is no network named {name!r}",
            expected=f"one of {', '.join(_MAKERS)}",
            fix=did_you_mean(name, _MAKERS) or "Or pass a build function of your own.",
        )
    return _MAKERS[name](_checked(input_shape, task, num_outputs, one_hot))


def _checked(input_shape: Any, task: str, num_outputs: Any, one_hot: bool) -> DataShape:
    try:
        sizes = tuple(checks.whole_number("input_shape", size) for size in input_shape)
    except (InvalidInput, TypeError):
        sizes = ()
    if not sizes:
        raise InvalidInput(
            f"input_shape is {input_shape!r}",
            expected="the shape of a single input, such as (8,) or (28, 28)",
            fix="For several inputs, pass a build function of your own.",
        )
    if task not in ("classification", "regression"):
        raise InvalidInput(f"task is {task!r}", expected="'classification' or 'regression'")
    least = 2 if task == "classification" else 1
    num_outputs = checks.whole_number("num_outputs", num_outputs, least, also=f" for {task}")
    return DataShape(sizes, task == "classification", num_outputs, one_hot)
