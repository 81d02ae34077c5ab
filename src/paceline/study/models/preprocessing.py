"""The model that users get: the trained network with the preparation of the data as layers.

    rows as the user has them  ->  gaps, categories, shift and scale  ->  network  ->  target in its
    own unit

All of them are Keras's own layers and operations, so the file loads in safe mode wherever Keras is.
The arithmetic is that of `paceline.data.preparation`, with the same numbers.
"""

import re
from typing import Any

import keras
import numpy as np

from paceline.data.preparation import Preparation, TableFeatures
from paceline.data.texts import FIRST, NONE, UNKNOWN, TextFeatures
from paceline.data.trees import map_leaves
from paceline.train.internals import compile_arguments
from paceline.train.isolation import GlobalState, global_state_of
from paceline.train.target_scaling import AffineScale, target_scale_of

_FLOAT = "float32"
_KEY = re.compile(r"\['([^']*)'\]$")  # of a path in a tree of inputs


def with_preparation(network: keras.Model, inputs: Preparation | None, form: Any) -> keras.Model:
    """A model that takes the user's own rows and predicts targets in their own unit.

    Args:
        network: a trained and compiled model.
        inputs: preparation of the inputs; None for none.
        form: shape and type of a row of each of the network's inputs, a tree of
            ``jax.ShapeDtypeStruct`` or the like.

    Returns:
        The model; the network itself if there is no preparation.
    """
    scale = target_scale_of(network)
    if inputs is None and scale is None:
        return network
    with global_state_of(network) as state:
        rows, features = _rows_and_features(inputs, form)
        model = keras.Model(rows, _outputs(network, features, scale), name="model")
        given = compile_arguments(network)
        # only one model is compiled: with two, the file would contain the optimizer's variables
        # twice
        network.compiled, network.optimizer = False, None
        model.compile(**given)
    if isinstance(state, GlobalState):
        state.keep_for(model)
    return model


def _rows_and_features(inputs: Preparation | None, form: Any) -> tuple[Any, Any]:
    """The model's inputs, and the features that the network takes."""
    if isinstance(inputs, TableFeatures):
        rows = keras.Input((inputs.num_columns,), dtype=_FLOAT, name="row")
        return rows, _table_features(inputs, rows)
    of = {} if inputs is None else inputs.of

    def row(path: str, spec: Any) -> Any:
        dtype = _FLOAT if path in of else str(np.dtype(spec.dtype))
        key = _KEY.search(path)  # Keras requires inputs in a dict to have their keys as names
        return keras.Input(tuple(spec.shape[1:]), dtype=dtype, name=key[1] if key else None)

    rows = map_leaves(row, form)
    return rows, map_leaves(
        lambda path, x: (x - of[path][0]) / of[path][1] if path in of else x, rows
    )


def _table_features(table: TableFeatures, rows: Any) -> Any:
    own = [_plain_features(table, rows)] if len(table.column) else []
    parts = [*own, *(_text_features(text, rows) for text in table.texts)]
    return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, axis=1)


def _text_features(text: TextFeatures, rows: Any) -> Any:
    """As `paceline.data.texts.TextFeatures.apply`."""
    ops = keras.ops
    own = rows[:, text.first : text.first + text.length]
    numbers = ops.cast(ops.where(ops.isfinite(own), own, 0.0), "int32")
    numbers = ops.clip(numbers, 0, len(text.place) - 1)
    if text.mode == "sequences":
        known = np.where(text.place >= 0, text.place + FIRST, UNKNOWN).astype(_FLOAT)
        known[NONE] = NONE
        return ops.take(known, numbers, axis=0)
    # words outside of the vocabulary count in a place of their own, which is left out
    places = np.where(text.place >= 0, text.place, text.width).astype("int32")
    words = ops.one_hot(ops.take(places, numbers, axis=0), text.width + 1, dtype=_FLOAT)
    weighted = ops.sum(words, axis=1)[:, : text.width] * text.weight
    norm = ops.sqrt(ops.sum(ops.square(weighted), axis=1, keepdims=True))
    return weighted / ops.maximum(norm, 1e-12)


def _plain_features(table: TableFeatures, rows: Any) -> Any:
    ops = keras.ops
    cells = ops.take(rows, table.column, axis=1)
    filled = ops.where(ops.isfinite(cells), cells, table.fill)
    numbers = (filled - table.mean) / table.scale
    is_category = ~np.isnan(table.code)
    if not is_category.any():
        return numbers
    categories = ops.cast(ops.equal(cells, np.where(is_category, table.code, 0)), _FLOAT)
    return ops.where(is_category, categories, numbers)


def _outputs(network: keras.Model, features: Any, scale: AffineScale | None) -> Any:
    """The network's outputs in the target's own unit, under the names that loss and metrics use."""
    outputs = network(features)
    names = list(getattr(network, "output_names", None) or [])
    if scale is not None:
        plain = [part.tolist() for part in (scale.scale, scale.shift)]
        return keras.layers.Rescaling(*plain, dtype=_FLOAT, name=names[0] if names else None)(
            outputs
        )
    flat = keras.tree.flatten(outputs)
    if len(names) != len(flat):
        return outputs
    named = [keras.layers.Identity(name=name)(one) for name, one in zip(names, flat, strict=True)]
    return keras.tree.pack_sequence_as(outputs, named)
