"""Predictions of many trained models of few structures, each structure traced once.

Keras compiles ``predict`` for each model, which takes longer than to train a small one. Here the
network is evaluated by NumPy where that knows all its operations, else compiled once.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import keras
import numpy as np

from paceline.train.array_feed import to_fit_dtype
from paceline.train.constant_lifting import INLINED
from paceline.train.fit_only import is_overridden
from paceline.train.internals import ClosedJaxpr, Jaxpr, layers_of
from paceline.train.numpy_evaluation import evaluate_with_numpy
from paceline.train.numpy_primitives import numpy_function

_ROWS = 1024  # of a batch: large enough to keep a core busy, and padded at the end
_SLOW = {"conv_general_dilated", "reduce_window_max", "reduce_window_sum"}  # with NumPy
_BODIES = (ClosedJaxpr, Jaxpr)
_OWN = ("predict", "predict_step", "make_predict_function")

Forward = Callable[[Sequence[Any], Any], Any]
"""A network: from its variables and a batch to its outputs."""


class Predictor:
    """Predicts with trained models; models of one structure share what was traced."""

    def __init__(self) -> None:
        self._networks: dict[object, Forward] = {}

    @contextmanager
    def used_by(self, model: keras.Model) -> Iterator[None]:
        """While the block runs, ``model.predict`` predicts with what is shared.

        Models that predict in a way of their own keep it.
        """
        key = _structure(model)
        if key is None:
            yield
            return
        original = model.predict

        def predict(x: Any, batch_size: Any = None, verbose: Any = "auto", **given: Any) -> Any:
            inputs = _inputs(x)
            if inputs is None or any(given.values()):  # such as callbacks
                return original(x, batch_size=batch_size, verbose=verbose, **given)
            return self._predict(key, model, inputs)

        vars(model)["predict"] = predict
        try:
            yield
        finally:
            del vars(model)["predict"]

    def _predict(self, key: str, model: keras.Model, inputs: Any) -> Any:
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        values = [np.asarray(variable.value) for variable in variables]
        outputs = []
        for batch, count in _batches(inputs):
            shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), batch)
            network = self._networks.get((key, repr(shapes)))
            if network is None:
                network = self._networks[key, repr(shapes)] = _network(model, values, batch)
            out = network(values, batch)
            outputs.append(jax.tree.map(lambda leaf, n=count: np.asarray(leaf)[:n], out))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *outputs)


def _network(model: keras.Model, values: Sequence[Any], batch: Any) -> Forward:
    """The network of a model, for batches of one shape."""
    num_trainable = len(model.trainable_variables)

    def forward(variables: Sequence[Any], x: Any) -> Any:
        trainable, others = variables[:num_trainable], variables[num_trainable:]
        return model.stateless_call(trainable, others, x, training=False)[0]

    traced, shapes = jax.make_jaxpr(forward, return_shape=True)(values, batch)
    if not _is_known_to_numpy(traced.jaxpr):
        return jax.jit(forward)
    tree = jax.tree.structure(shapes)

    def evaluate(variables: Sequence[Any], x: Any) -> Any:
        outputs = evaluate_with_numpy(traced, [*variables, *jax.tree.leaves(x)])
        return jax.tree.unflatten(tree, outputs)

    return evaluate


def _is_known_to_numpy(jaxpr: Any) -> bool:
    """Whether NumPy evaluates all operations at once, without loops."""
    for equation in jaxpr.eqns:
        name, values = equation.primitive.name, equation.params.values()
        if name in INLINED:
            bodies = [getattr(one, "jaxpr", one) for one in values if isinstance(one, _BODIES)]
            if len(bodies) != 1 or not _is_known_to_numpy(bodies[0]):
                return False
        elif name in _SLOW or numpy_function(name) is None:
            return False
    return True


def _batches(inputs: Any) -> Iterator[tuple[Any, int]]:
    """Batches of one size, the last one filled up with copies of its last row, and their rows."""
    rows = len(jax.tree.leaves(inputs)[0])
    size = min(_ROWS, 1 << max(0, rows - 1).bit_length())
    for start in range(0, rows, size):
        places = np.minimum(np.arange(start, start + size), rows - 1)
        yield jax.tree.map(lambda leaf, at=places: leaf[at], inputs), min(size, rows - start)


def _inputs(x: Any) -> Any:
    """Inputs as arrays in the types that ``predict`` uses; None if they are something else."""
    parts = jax.tree.leaves(x)
    if not parts or not all(isinstance(part, np.ndarray) and len(part) for part in parts):
        return None
    return jax.tree.map(to_fit_dtype, x)


def _structure(model: keras.Model) -> str | None:
    """Equal for models that predict the same with the same weights; None for unusual models.

    Only models made of Keras's own layers, which treat each row alike, are compared.
    """
    if any(is_overridden(model, name) for name in _OWN) or model.run_eagerly:
        return None
    layers = layers_of(model)  # the model is one of them
    is_usual = all(type(layer).__module__.startswith("keras.") for layer in layers)
    if not is_usual or not model.jit_compile or any(getattr(one, "stateful", 0) for one in layers):
        return None
    shapes = [tuple(variable.shape) for variable in model.variables]
    try:
        return json.dumps([model.get_config(), shapes], sort_keys=True, default=str)
    except Exception:  # a function that cannot be written down
        return None
