"""The inputs of networks for sequences: numbers of several features, or tokens."""

from typing import Any

import numpy as np

from paceline.networks.shapes import DataShape

_FIRST_WORD = 2  # 0 is padding, 1 a word that is not known


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
    if data.texts:
        known = _with_own_words(known, data.texts)
    embedding = keras.layers.Embedding(
        data.vocabulary + 1, width, mask_zero=masked and data.padded, name="embedding"
    )
    return inputs, embedding(known)


def _with_own_words(words: Any, texts: tuple[tuple[int, int], ...]) -> Any:
    """Numbers of words, in which those of each text follow those of the texts before it.

    Args:
        words: of several texts, one after another, (rows, time).
        texts: the length and the number of words of each.
    """
    import keras

    lengths, sizes = np.asarray(texts, "int32").T
    before = np.repeat(np.cumsum(sizes) - sizes, lengths).astype("int32")
    return keras.ops.where(words >= _FIRST_WORD, words + before, words)
