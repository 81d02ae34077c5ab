"""What a model brings of its own in the place of something that a cohort does otherwise: such a
model runs alone.

A cohort takes a model's training and validation step and replaces all around them: the loop over
batches and epochs, the functions that Keras compiles, the validation, and how metrics begin anew.
Whatever of it is a model's own is found here, with a reason in words for the user. Steps, losses
and metrics of one's own are traced as they are.
"""

from typing import Any

import keras
import numpy as np

from paceline.train import internals

_REPLACED = (
    "fit",
    "evaluate",
    "make_train_function",
    "make_test_function",
    "jax_state_sync",
    *internals.HOOKS_OF_FIT,
)
_FUNCTIONS = ("train_function", "test_function")
_REPORTING = ("train_step", "test_step", "compute_metrics", "get_metrics_result")


def alone_because(model: keras.Model) -> str | None:
    """Why only ``fit`` can train a compiled model; None where a cohort may be able to.

    The reason continues "it runs alone because ...".
    """
    if model.run_eagerly:
        return "it is compiled with run_eagerly=True"
    if keras.distribution.distribution() is not None:
        return "keras.distribution is set"
    own = [name for name in _REPLACED if is_own(model, name)]
    brought = [name for name in _FUNCTIONS if not _is_of_keras(getattr(model, name, None))]
    if own or brought:
        return f"{type(model).__name__} has {_listed([*own, *brought])} of its own"
    return _not_compiled_because(model)


def is_own(model: keras.Model, name: str) -> bool:
    """Whether a method of `keras.Model` is replaced by the model's class, or on the model
    itself.
    """
    method = getattr(model, name, None)
    return getattr(method, "__func__", method) is not getattr(keras.Model, name, None)


def reports_itself(model: keras.Model) -> bool:
    """Whether what a step logs may differ from what the metrics say after it."""
    return any(is_own(model, name) for name in _REPORTING)


def layers_not_compiled(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers that say that they cannot be compiled, which Keras takes for ``jit_compile=False``."""
    return [layer for layer in internals.layers_of(model) if not layer.supports_jit]


def metrics_begin_alike(model: keras.Model) -> bool:
    """Whether all metrics begin each epoch with the values that they have now, whatever they
    counted.

    Leaves them at their beginning; `reset_state` of one's own may keep something, or count.
    """
    model.reset_metrics()
    first = [np.asarray(variable.value) for variable in model.metrics_variables]
    for variable, value in zip(model.metrics_variables, first, strict=True):
        one, other = (np.asarray(number, value.dtype) for number in (1, 0))
        variable.assign(np.where(value == one, other, one))  # anything else
    model.reset_metrics()
    second = [np.asarray(variable.value) for variable in model.metrics_variables]
    return all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


def _not_compiled_because(model: keras.Model) -> str | None:
    if model.jit_compile:
        return None
    layers = layers_not_compiled(model)
    if not layers:
        return "it is compiled with jit_compile=False"
    # some of Keras's own say so because of another backend: whether tracing works is seen when it
    # is tried
    foreign = [type(layer).__name__ for layer in layers if not _is_of_keras(type(layer))]
    return f"{_listed(foreign)} cannot be compiled (supports_jit=False)" if foreign else None


def _is_of_keras(thing: Any) -> bool:
    return thing is None or f"{getattr(thing, '__module__', '')}.".startswith("keras.")


def _listed(names: list[str]) -> str:
    names = [name for name in dict.fromkeys(names) if not name.startswith("_")] or names[:1]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
