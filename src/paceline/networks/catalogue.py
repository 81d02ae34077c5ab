"""`create`: a build function for a network's name and the shape of the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from paceline.core import InvalidInput, checks, did_you_mean
from paceline.networks import cnn, lstm, mlp, resnet, tabular, transformer
from paceline.networks.shapes import IMAGES, SEQUENCES, TABLES, DataShape

Build = Callable[[Any], Any]
"""``build(hp)``: takes hyperparameters as in KerasTuner and returns a compiled Keras model."""

_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class BuiltInNetwork:
    """A built-in network, and how it takes data.

    Attributes:
        make: makes the build function.
        takes: the data that it takes, in words.
        suits: whether it takes data of a shape.
        scales: floats that are shifted and scaled for it: those of each column of two axes, or also
            those of each feature of three axes, over time.
        reads_tokens: whether whole numbers of two axes are sequences of tokens.
        reads_codes: whether a category of a table is a whole number, and not one-hot encoded.
    """

    make: Callable[[DataShape], Build]
    takes: str
    suits: Callable[[DataShape], bool]
    scales: Literal["columns", "features"] = "columns"
    reads_tokens: bool = False
    reads_codes: bool = False


_NETWORKS: Mapping[str, BuiltInNetwork] = {
    "mlp": BuiltInNetwork(mlp.make, "inputs of any shape", lambda _: True),
    "cnn": BuiltInNetwork(cnn.make, IMAGES, lambda data: data.are_images),
    "resnet": BuiltInNetwork(resnet.make, IMAGES, lambda data: data.are_images),
    "transformer": BuiltInNetwork(
        transformer.make, SEQUENCES, lambda data: data.are_sequences, "features", reads_tokens=True
    ),
    "lstm": BuiltInNetwork(
        lstm.make, SEQUENCES, lambda data: data.are_sequences, "features", reads_tokens=True
    ),
    "tabular": BuiltInNetwork(
        tabular.make, TABLES, lambda data: len(data.input) == 1, reads_codes=True
    ),
}


def names() -> tuple[str, ...]:
    """The names of the networks."""
    return tuple(_NETWORKS)


def find(name: str) -> BuiltInNetwork:
    """The network of a name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in _NETWORKS:
        raise InvalidInput(
            f"there is no network named {name!r}",
            expected=f"one of {', '.join(_NETWORKS)}",
            fix=did_you_mean(name, _NETWORKS) or "Or pass a build function of your own.",
        )
    return _NETWORKS[name]


def create(
    name: str,
    *,
    input_shape: tuple[int, ...],
    task: str,
    num_outputs: int,
    one_hot: bool = False,
    vocabulary: int | None = None,
    padded: bool = False,
    texts: Sequence[Sequence[int]] = (),
    categories: Sequence[int] = (),
    num_weights: int = 0,
) -> Build:
    """A build function for data of the given shape.

    ``"mlp"`` takes any input (images are flattened); its hyperparameters are ``layers``, ``units``,
    ``activation``, ``batch_norm``, ``dropout``, ``l2``, ``optimizer``, ``learning_rate`` and, for
    sgd, ``momentum``. ``"cnn"`` takes images, with or without a channel axis, and has ``blocks``,
    ``filters`` and ``kernel_size`` instead of ``layers`` and ``activation``. The others have
    ``dropout``, ``learning_rate`` and ``weight_decay`` of AdamW, and:

    - ``"resnet"``, for images: ``stages``, ``blocks``, ``filters``;
    - ``"transformer"``, for sequences: ``layers``, ``units``, ``heads``, ``widening``;
    - ``"lstm"``, for sequences: ``layers``, ``units``, ``bidirectional``;
    - ``"tabular"``, for tables: ``layers``, ``units``, ``embedding``, ``frequency``.

    Args:
        name: of the network.
        input_shape: of one row: (features,), (height, width), (height, width, channels), (time,),
            (time, features).
        task: ``"classification"`` or ``"regression"``.
        num_outputs: classes, or target columns.
        one_hot: whether class targets are one-hot instead of numbered.
        vocabulary, padded, texts, categories, num_weights: see `DataShape`.

    Returns:
        ``build(hp)``, which returns a compiled model: softmax with cross-entropy and accuracy, or
        linear with squared error and mean absolute error.

    Raises:
        InvalidInput: an unknown name, or a shape that the network cannot take.
    """
    network = find(name)
    sizes, num_outputs = _checked(input_shape, task, num_outputs)
    data = DataShape(
        sizes,
        task == "classification",
        num_outputs,
        one_hot,
        vocabulary,
        padded,
        tuple((length, size) for length, size in texts),
        tuple(categories),
        num_weights,
    )
    if not network.suits(data):
        suited = [repr(name) for name, other in _NETWORKS.items() if other.suits(data)]
        raise InvalidInput(
            f"the network {name!r} was requested for inputs of shape {data.input}",
            expected=network.takes,
            fix=f"Networks for these data: {', '.join(suited)}.",
        )
    if vocabulary is not None and vocabulary > _MOST_TOKENS:
        raise InvalidInput(
            f"the largest token is {vocabulary - 1:,}",
            expected=f"tokens that are numbered from 0, at most {_MOST_TOKENS:,}",
            fix="Number those that occur: numpy.unique(x, return_inverse=True).",
        )
    return network.make(data)


def _checked(input_shape: Any, task: str, num_outputs: Any) -> tuple[tuple[int, ...], int]:
    """The shape of a row and the number of outputs.

    Raises:
        InvalidInput: no such shape, task or number.
    """
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
    return sizes, checks.whole_number("num_outputs", num_outputs, least, also=f" for {task}")
