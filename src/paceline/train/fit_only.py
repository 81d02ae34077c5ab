"""Finds models that need ``fit``, since they override something that a cohort does differently.

A cohort uses a model's training and validation step and replaces everything around them: the loop
over batches and epochs, the functions that Keras compiles, the validation, and the reset of
metrics. A model that overrides any of these needs ``fit``. Custom steps, losses and metrics are
traced.
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
    *internals.FIT_HOOKS,
)
_FUNCTIONS = ("train_function", "test_function")
_REPORTING = ("train_step", "test_step", "compute_metrics", "get_metrics_result")


def fit_only_reason(model: keras.Model) -> str | None:
    """Why a compiled model can only be trained with ``fit``; None if a cohort may be able to."""
    if model.run_eagerly:
        return "it is compiled with run_eagerly=True"
    if keras.distribution.distribution() is not None:
        return "keras.distribution is set"
    overridden = [name for name in _REPLACED if is_overridden(model, name)]
    custom = [name for name in _FUNCTIONS if not _is_of_keras(getattr(model, name, None))]
    if overridden or custom:
        return f"{type(model).__name__} overrides {_listed([*overridden, *custom])}"
    return _not_compiled_because(model)


def is_overridden(model: keras.Model, name: str) -> bool:
    """Whether a method of `keras.Model` is overridden by the model's class or on the instance."""
    method = getattr(model, name, None)
    return getattr(method, "__func__", method) is not getattr(keras.Model, name, None)


def has_custom_logs(model: keras.Model) -> bool:
    """Whether the logs of a step may differ from the values of the metrics."""
    return any(is_overridden(model, name) for name in _REPORTING)


def layers_not_compiled(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers that declare ``supports_jit=False``, for which Keras uses ``jit_compile=False``."""
    return [layer for layer in internals.layers_of(model) if not layer.supports_jit]


def metrics_reset_fully(model: keras.Model) -> bool:
    """Whether all metrics start each epoch with their current values, whatever they counted.

    Resets the metrics. A custom `reset_state` may keep or count something.
    """
    model.reset_metrics()
    first = [np.asarray(variable.value) for variable in model.metrics_variables]
    for variable, value in zip(model.metrics_variables, first, strict=True):
        one, other = (np.asarray(number, value.dtype) for number in (1, 0))
        variable.assign(np.where(value == one, other, one))  # any other value
    model.reset_metrics()
    second = [np.asarray(variable.value) for variable in model.metrics_variables]
    return all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


def _not_compiled_because(model: keras.Model) -> str | None:
    if model.jit_compile:
        return None
    layers = layers_not_compiled(model)
    if not layers:
        return "it is compiled with jit_compile=False"
    # some layers of Keras declare it because of another backend, so tracing them is tried
    foreign = [type(layer).__name__ for layer in layers if not _is_of_keras(type(layer))]
    return f"{_listed(foreign)} cannot be compiled (supports_jit=False)" if foreign else None


def _is_of_keras(thing: Any) -> bool:
    return thing is None or f"{getattr(thing, '__module__', '')}.".startswith("keras.")


def _listed(names: list[str]) -> str:
    names = [name for name in dict.fromkeys(names) if not name.startswith("_")] or names[:1]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
