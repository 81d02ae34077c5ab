"""Trains networks on scaled regression targets, and measures them in the target's unit.

    y, p   a target and a prediction in the target's unit
    m, s   shift and scale of the target
    z, q   the same, scaled: ``z = (y - m) / s``; a network predicts ``q``, and ``p = s q + m``
    L      the compiled loss and the losses that layers add to it

A training step differentiates ``L(z, q)``; its value, all metrics and all validations are
``L(y, p)``. Only the two methods that Keras provides for this are replaced, ``compute_loss`` and
``compute_metrics``.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from paceline.space import HyperParameters
from paceline.train.build import Build
from paceline.train.isolation import GlobalState, global_state_of

Array = np.ndarray[Any, Any]

_ROWS = 6  # of random numbers for testing a loss
_MAGNITUDES = (0.1, 1.0, 10.0)  # of these numbers
_TRANSFORMS = ((3.0, 5.0), (0.25, -2.0))  # a and b
_TOLERANCE = 1e-3
_DRAWS = 8  # of random weights, to find the range of outputs
_METHODS = ("compute_loss", "compute_metrics", "train_step", "test_step")


@dataclass(frozen=True, slots=True, eq=False)
class AffineScale:
    """Shift and scale of a target.

    Attributes:
        shift: float32, a scalar or of shape ``(outputs,)``.
        scale: float32, a positive scalar.
    """

    shift: Array
    scale: Array

    def scaled(self, y: Any) -> Any:
        """Computes ``z`` from ``y``."""
        return (keras.ops.cast(y, "float32") - _plain(self.shift)) / _plain(self.scale)

    def original(self, q: Any) -> Any:
        """Computes ``p`` from ``q``."""
        return keras.ops.cast(q, "float32") * _plain(self.scale) + _plain(self.shift)


def _plain(numbers: Array) -> Any:
    return float(numbers) if np.ndim(numbers) == 0 else numbers


def build_scaled_models(build: Build, scale: AffineScale, *, always: bool = False) -> Build:
    """Wraps a build function: its models train on the scaled target.

    Models that override one of the methods concerned train on the original target, as do models
    whose loss is not equivariant (`is_scale_equivariant`) unless ``always`` is set.
    """
    known: dict[object, bool] = {}

    def build_scaled(hp: HyperParameters) -> keras.Model:
        model = build(hp)
        if not isinstance(model, keras.Model) or not model.compiled or overridden_method(model):
            return model
        if target_scale_of(model) is not None:  # scaled by an earlier call
            return model
        loss, shifted = model.loss, bool(np.any(scale.shift))
        kind = loss if isinstance(loss, str) else (type(loss), _code(loss), repr(_config(loss)))
        if not always and kind not in known:
            known[kind] = is_scale_equivariant(loss, shifted=shifted)
        return scale_target(model, scale) if always or known[kind] else model

    return build_scaled


def scale_target(model: keras.Model, scale: AffineScale) -> keras.Model:
    """Makes a model train on the scaled target, and returns it."""
    loss, metrics = model.compute_loss, model.compute_metrics

    def compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        value = loss(x, y, scale.original(y_pred), sample_weight, training=training)
        if not training:
            return value
        scaled = loss(x, scale.scaled(y), y_pred, sample_weight, training=training)
        return keras.ops.stop_gradient(value) + (scaled - keras.ops.stop_gradient(scaled))

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return metrics(x, y, scale.original(y_pred), sample_weight)

    compute_loss.scale = scale  # type: ignore[attr-defined]
    model.compute_loss, model.compute_metrics = compute_loss, compute_metrics
    return model


def target_scale_of(model: keras.Model) -> AffineScale | None:
    """The scale of the target that a model trains on; None for the original target."""
    return getattr(model.compute_loss, "scale", None)


def choose_scale(model: keras.Model, scale: AffineScale, x: Any, y: Array) -> AffineScale | str:
    """Chooses the scale of a model's target; returns it, or why not to scale.

    A network without negative outputs gets the target divided by its root mean square, without
    shift.

    Args:
        model: compiled; its weights are overwritten.
        scale: mean and standard deviation of the target.
        x: some rows of its inputs.
        y: their targets, float32 ``(rows, ...)``.
    """
    reason = scaling_obstacle(model, x, y)
    if reason:
        return reason
    size = float(
        np.sqrt(np.mean(np.square(scale.shift, dtype=np.float64)) + np.square(scale.scale))
    )
    outputs = _root_mean_square(_predict(model, x))
    if abs(np.log(outputs / size)) < abs(np.log(outputs)):
        return "the untrained network already predicts in the target's unit"
    if not is_scale_equivariant(model.loss, shifted=False):
        return "its loss changes when target and prediction are scaled"
    lowest, highest = _output_range(model, x)
    if max(-lowest, highest) <= 1:
        return "its outputs are bounded"
    if lowest >= 0:
        return AffineScale(np.zeros_like(scale.shift), np.asarray(size, np.float32))
    if not is_scale_equivariant(model.loss, shifted=True):
        return "its loss changes when target and prediction are shifted"
    return scale


def scaling_obstacle(model: keras.Model, x: Any, y: Array) -> str:
    """Why a model cannot train on a scaled target; empty if it can.

    Args:
        model, x, y: as in `choose_scale`.
    """
    own = overridden_method(model)
    if own is not None:
        return f"its model overrides {own}"
    outputs = _predict_array(model, x)
    if outputs is None or outputs[:1].size != y[:1].size:
        return "its outputs do not have the shape of the target"
    return ""


def overridden_method(model: keras.Model) -> str | None:
    """The first of the methods concerned that a model overrides, or None."""
    return next(
        (name for name in _METHODS if getattr(type(model), name) is not getattr(keras.Model, name)),
        None,
    )


def is_scale_equivariant(loss: Any, *, shifted: bool) -> bool:
    """Whether ``L(a y + b, a p + b) = c(a) L(y, p)``, so that scaling keeps the objective.

    Tested on random numbers of several magnitudes.

    Args:
        loss: as compiled.
        shifted: whether b may differ from 0.
    """
    if isinstance(loss, dict | list | tuple):
        if len(loss) != 1:
            return False
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    random = np.random.default_rng(0)
    with GlobalState(0):
        model = keras.Sequential([keras.Input((1,))])
        model.compile(loss=loss)
        try:
            return all(_is_constant(_ratios(model, random, a, shifted * b)) for a, b in _TRANSFORMS)
        except Exception:  # a custom function may need other shapes
            return False


def _ratios(model: keras.Model, random: np.random.Generator, a: float, b: float) -> Array:
    """``L(a y + b, a p + b) / L(y, p)`` for random numbers of several magnitudes."""
    ratios = []
    for size in _MAGNITUDES:
        y, p = (random.normal(0, size, (_ROWS, 1)).astype(np.float32) for _ in range(2))
        moved = (np.asarray(a * array + b, np.float32) for array in (y, p))
        plain, other = (_number(model.compute_loss(None, *pair)) for pair in ((y, p), moved))
        ratios.append(other / plain if plain else np.nan)
    return np.asarray(ratios)


def _is_constant(ratios: Array) -> bool:
    return bool(np.isfinite(ratios).all() and np.allclose(ratios, ratios[0], rtol=_TOLERANCE))


def num_outputs(model: keras.Model, x: Any) -> int | None:
    """Number of outputs of a model per row; None if they are not one array (rows, outputs).

    Args:
        model: built or not.
        x: some rows of its inputs.
    """
    outputs = _predict_array(model, x)
    return None if outputs is None or outputs.ndim != 2 else outputs.shape[1]


def _predict_array(model: keras.Model, x: Any) -> Array | None:
    """The predictions of a model for some rows; None if they are not one array."""
    with global_state_of(model):
        predicted = model(x)
    if isinstance(predicted, dict | list | tuple):
        return None
    return np.asarray(keras.ops.convert_to_numpy(predicted), np.float32)


def _predict(model: keras.Model, x: Any) -> Array:
    outputs = _predict_array(model, x)
    if outputs is None:
        raise TypeError("the model has several outputs")
    return outputs


def _output_range(model: keras.Model, x: Any) -> tuple[float, float]:
    """The smallest and the largest output with random weights of standard deviation 1."""
    random = np.random.default_rng(0)
    predicted = []
    for _ in range(_DRAWS):
        for variable in model.trainable_variables:
            variable.assign(random.normal(size=variable.shape).astype(np.float32))
        predicted.append(_predict(model, x))
    return float(np.min(predicted)), float(np.max(predicted))


def _root_mean_square(numbers: Array) -> float:
    """Root mean square; 1 if all are zero."""
    return float(np.sqrt(np.mean(np.square(numbers, dtype=np.float64)))) or 1.0


def _code(loss: Any) -> object:
    return getattr(loss, "__code__", None)


def _config(loss: Any) -> object:
    return loss.get_config() if hasattr(loss, "get_config") else None


def _number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))
