"""The inputs of networks for sequences: numbers of several features, or tokens."""

from typing import Any

from paceline.networks.shapes import DataShape


def sequence_input(data: DataShape, width: int, *, masked: bool = False) -> tuple[Any, Any]:
    """The model's input, and numbers of shape (rows, time, features) that are made of it.

    Tokens become vectors of an Embedding; numbers are unchanged. Tokens that the training data do
    not have share a vector of their own.

    Args:
        data: the data's shape.
        width: length of the vectors of tokens.
        masked: whether steps of padding are masked, where rows are padded.
    """
    import keras

    if data.vocabulary is None:
        x = keras.Input(data.input)
        return x, x
    inputs = keras.Input(data.input, dtype="int32")
    known = keras.ops.clip(inputs, 0, data.vocabulary)
    embedding = keras.layers.Embedding(
        data.vocabulary + 1, width, mask_zero=masked and data.padded, name="embedding"
    )
    return inputs, embedding(known)
