"""Regression targets far from 0 ± 1: networks learn the scaled target, and are measured in the
target's own unit.

    y, p   a target and a prediction in the target's own unit
    m, s   shift and scale of the target
    z, q   the same, scaled: ``z = (y - m) / s``; a network puts out ``q``, and ``p = s q + m``
    L      the compiled loss with everything that layers add to it

A training step differentiates ``L(z, q)``; its value, every metric and every validation are ``L(y,
p)``. Nothing of the model changes but the two methods that Keras offers for this, ``compute_loss``
and ``compute_metrics``.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from paceline.space import HyperParameters
from paceline.train.build import Build
from paceline.train.isolation import GlobalState, state_of

Array = np.ndarray[Any, Any]

_ROWS = 6  # of random numbers on which a loss is tried
_SIZES = (0.1, 1.0, 10.0)  # of these numbers
_MOVES = ((3.0, 5.0), (0.25, -2.0))  # a and b of the law
_TOLERANCE = 1e-3
_DRAWS = 8  # of weights, by which it is found what a network can put out
_OWN = ("compute_loss", "compute_metrics", "train_step", "test_step")


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Shift and scale of a target.

    Attributes:
        shift: float32, a scalar or of shape (outputs,).
        scale: float32, a positive scalar.
    """

    shift: Array
    scale: Array

    def scaled(self, y: Any) -> Any:
        """``z`` of ``y``."""
        return (keras.ops.cast(y, "float32") - _plain(self.shift)) / _plain(self.scale)

    def original(self, q: Any) -> Any:
        """``p`` of ``q``."""
        return keras.ops.cast(q, "float32") * _plain(self.scale) + _plain(self.shift)


def _plain(numbers: Array) -> Any:
    return float(numbers) if np.ndim(numbers) == 0 else numbers


def scaled_build(build: Build, scale: Scale, *, always: bool = False) -> Build:
    """A user's build function whose models learn the scaled target, and are measured in the
    target's own unit.

    A model that has one of the methods concerned of its own learns the target as it is; so does one
    whose loss would be another one (`has_scale_law`), unless ``always`` is set.
    """
    known: dict[object, bool] = {}

    def build_scaled(hp: HyperParameters) -> keras.Model:
        model = build(hp)
        if not isinstance(model, keras.Model) or not model.compiled or overridden(model):
            return model
        if scale_learnt(model) is not None:  # by an earlier call of this function
            return model
        loss, shifted = model.loss, bool(np.any(scale.shift))
        kind = loss if isinstance(loss, str) else (type(loss), _code(loss), repr(_config(loss)))
        if not always and kind not in known:
            known[kind] = has_scale_law(loss, shifted=shifted)
        return learn_scaled(model, scale) if always or known[kind] else model

    return build_scaled


def learn_scaled(model: keras.Model, scale: Scale) -> keras.Model:
    """The model itself, which from now on learns the scaled target and is measured in the target's
    own unit.
    """
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
        learned = loss(x, scale.scaled(y), y_pred, sample_weight, training=training)
        return keras.ops.stop_gradient(value) + (learned - keras.ops.stop_gradient(learned))

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return metrics(x, y, scale.original(y_pred), sample_weight)

    compute_loss.scale = scale  # type: ignore[attr-defined]
    model.compute_loss, model.compute_metrics = compute_loss, compute_metrics
    return model


def scale_learnt(model: keras.Model) -> Scale | None:
    """The scale of the target that a model learns scaled; None where it learns the target as it
    is.
    """
    return getattr(model.compute_loss, "scale", None)


def scale_for(model: keras.Model, scale: Scale, x: Any, y: Array) -> Scale | str:
    """How a model had better learn its target: the scale, or why not, in a few words.

    A network that puts out nothing negative learns the target divided by its root mean square, not
    shifted.

    Args:
        model: compiled; one that is thrown away, since its weights are drawn anew.
        scale: mean and standard deviation of the target.
        x: a few rows of its inputs.
        y: their targets, float32 (rows, ...).
    """
    reason = cannot_scale(model, x, y)
    if reason:
        return reason
    size = float(
        np.sqrt(np.mean(np.square(scale.shift, dtype=np.float64)) + np.square(scale.scale))
    )
    answers = _size(_said(model, x))
    if abs(np.log(answers / size)) < abs(np.log(answers)):
        return "its network answers in the target's own unit before it has learnt anything"
    if not has_scale_law(model.loss, shifted=False):
        return "its loss is another one when target and prediction are scaled alike"
    lowest, highest = _reach(model, x)
    if max(-lowest, highest) <= 1:
        return "its outputs are bounded"
    if lowest >= 0:
        return Scale(np.zeros_like(scale.shift), np.asarray(size, np.float32))
    if not has_scale_law(model.loss, shifted=True):
        return "its loss is another one when target and prediction are shifted alike"
    return scale


def cannot_scale(model: keras.Model, x: Any, y: Array) -> str:
    """Why a model cannot learn a scaled target, in a few words; ``""`` where it can. Arguments as
    of `scale_for`.
    """
    own = overridden(model)
    if own is not None:
        return f"its model has a {own} of its own"
    answers = _answers(model, x)
    if answers is None or answers[:1].size != y[:1].size:
        return "its outputs are not one number for each of the target's"
    return ""


def overridden(model: keras.Model) -> str | None:
    """The first of the methods concerned that a model has of its own."""
    return next(
        (name for name in _OWN if getattr(type(model), name) is not getattr(keras.Model, name)),
        None,
    )


def has_scale_law(loss: Any, *, shifted: bool) -> bool:
    """Whether ``L(a y + b, a p + b) = c(a) L(y, p)``: to learn the scaled target is then to learn
    the target.

    Tried on random numbers of several sizes.

    Args:
        loss: as a model is compiled with it.
        shifted: whether b may be other than 0.
    """
    if isinstance(loss, dict | list | tuple):
        if len(loss) != 1:
            return False
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    random = np.random.default_rng(0)
    with GlobalState(0):
        alone = keras.Sequential([keras.Input((1,))])
        alone.compile(loss=loss)
        try:
            return all(_is_constant(_ratios(alone, random, a, shifted * b)) for a, b in _MOVES)
        except Exception:  # a function of the user's, which may want other shapes
            return False


def _ratios(model: keras.Model, random: np.random.Generator, a: float, b: float) -> Array:
    """``L(a y + b, a p + b) / L(y, p)`` of random numbers of several sizes."""
    ratios = []
    for size in _SIZES:
        y, p = (random.normal(0, size, (_ROWS, 1)).astype(np.float32) for _ in range(2))
        moved = (np.asarray(a * one + b, np.float32) for one in (y, p))
        plain, other = (_number(model.compute_loss(None, *pair)) for pair in ((y, p), moved))
        ratios.append(other / plain if plain else np.nan)
    return np.asarray(ratios)


def _is_constant(ratios: Array) -> bool:
    return bool(np.isfinite(ratios).all() and np.allclose(ratios, ratios[0], rtol=_TOLERANCE))


def num_outputs(model: keras.Model, x: Any) -> int | None:
    """How many numbers a model puts out for a row; None where that is not one array of rows.

    Args:
        model: built or not.
        x: a few rows of its inputs.
    """
    answers = _answers(model, x)
    return None if answers is None or answers.ndim != 2 else answers.shape[1]


def _answers(model: keras.Model, x: Any) -> Array | None:
    """What the model says of some rows; None where that is not one array."""
    with state_of(model):
        said = model(x)
    if isinstance(said, dict | list | tuple):
        return None
    return np.asarray(keras.ops.convert_to_numpy(said), np.float32)


def _said(model: keras.Model, x: Any) -> Array:
    answers = _answers(model, x)
    if answers is None:
        raise TypeError("the model has several outputs")
    return answers


def _reach(model: keras.Model, x: Any) -> tuple[float, float]:
    """The smallest and the largest number that the model puts out with random weights of standard
    deviation 1.
    """
    random = np.random.default_rng(0)
    said = []
    for _ in range(_DRAWS):
        for variable in model.trainable_variables:
            variable.assign(random.normal(size=variable.shape).astype(np.float32))
        said.append(_said(model, x))
    return float(np.min(said)), float(np.max(said))


def _size(numbers: Array) -> float:
    """Root mean square; of nothing but zeros, 1."""
    return float(np.sqrt(np.mean(np.square(numbers, dtype=np.float64)))) or 1.0


def _code(loss: Any) -> object:
    return getattr(loss, "__code__", None)


def _config(loss: Any) -> object:
    return loss.get_config() if hasattr(loss, "get_config") else None


def _number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))
