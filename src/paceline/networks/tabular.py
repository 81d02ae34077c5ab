"""The network for tables: embeddings of categories and of amounts, then dense layers.

An amount x becomes sin(2πcx) and cos(2πcx) with learned frequencies c of each column, and a vector
computed of them (Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep
learning", there PLR with shared weights): dense layers learn functions of x that are not smooth
from these, and not from x itself. Weights of words (tf-idf) go to the dense layers unchanged: there
are hundreds of them, nearly all of them 0.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from paceline.networks.compiling import adamw, compiled, output
from paceline.networks.shapes import DataShape

_FREQUENCIES = 16  # of each amount


def make(data: DataShape) -> Callable[[Any], Any]:
    """A build function for tables; see `DataShape.categories`."""
    own = data.input[0] - data.num_weights
    categories = (data.categories or (0,) * own)[:own]
    amounts = [i for i, count in enumerate(categories) if not count]
    kinds = [i for i, count in enumerate(categories) if count]

    def build(hp: Any) -> Any:
        """Compiles the network of one configuration."""
        import keras

        num_layers = hp.Int("layers", 1, 4, default=2)
        units = hp.Int("units", 64, 512, step=2, sampling="log", default=256)
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.1)
        width = hp.Int("embedding", 4, 32, step=2, sampling="log", default=8)
        inputs = keras.Input(data.input)
        parts = [inputs[:, own:]] if data.num_weights else []
        if amounts:
            spread = hp.Float("frequency", 0.02, 2.0, sampling="log", default=0.2)
            x = _chosen(inputs, amounts)
            parts += [x, _periodic(x, len(amounts), spread, width)]
        if kinds:
            sizes = [categories[i] for i in kinds]
            parts.append(_embedded(_chosen(inputs, kinds), sizes, width))
        x = keras.layers.Concatenate(name="features")(parts) if len(parts) > 1 else parts[0]
        for number in range(1, num_layers + 1):
            x = keras.layers.Dense(units, activation="relu", name=f"hidden_{number}")(x)
            x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(x)
        return compiled(keras.Model(inputs, output(data)(x)), adamw(hp), data)

    return build


def _chosen(x: Any, places: Sequence[int]) -> Any:
    """The features at some places, (rows, places)."""
    import keras

    return x if len(places) == x.shape[1] else keras.ops.take(x, np.asarray(places), axis=1)


def _periodic(x: Any, count: int, spread: float, width: int) -> Any:
    """Vectors of amounts, (rows, count * width).

    Args:
        x: amounts, (rows, count).
        count: number of amounts.
        spread: standard deviation of the initial frequencies.
        width: length of the vector of one amount.
    """
    import keras

    angles = keras.layers.EinsumDense(
        "bf,fk->bfk",
        (count, _FREQUENCIES),
        kernel_initializer=keras.initializers.RandomNormal(stddev=2 * math.pi * spread),
        name="frequencies",
    )(x)
    waves = keras.ops.concatenate([keras.ops.sin(angles), keras.ops.cos(angles)], axis=-1)
    vectors = keras.layers.Dense(width, activation="relu", name="amounts")(waves)
    return keras.layers.Flatten(name="flat_amounts")(vectors)


def _embedded(x: Any, sizes: Sequence[int], width: int) -> Any:
    """Vectors of categories, (rows, columns * width).

    Args:
        x: numbers of categories, (rows, columns); the number of categories for an unknown one.
        sizes: number of categories of each column.
        width: length of the vector of one category.
    """
    import keras

    # one table of vectors for all columns: one look-up
    counts = np.asarray(sizes) + 1  # and the unknown one
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype("int32")
    codes = keras.ops.minimum(keras.ops.cast(x, "int32"), np.asarray(sizes, "int32")) + first
    vectors = keras.layers.Embedding(int(counts.sum()), width, name="categories")(codes)
    return keras.layers.Flatten(name="flat_categories")(vectors)
