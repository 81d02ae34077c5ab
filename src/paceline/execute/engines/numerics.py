"""Options of Keras and JAX that change results: an engine gets those of the driver."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput

_OF_JAX = ("jax_enable_x64", "jax_default_matmul_precision", "jax_default_prng_impl")
_OF_KERAS = ("floatx", "epsilon", "image_data_format")


def numerics() -> dict[str, Any]:
    """The options of this process, as JSON types."""
    import jax
    import keras

    return {
        "backend": keras.backend.backend(),
        "policy": keras.config.dtype_policy().name,
        "keras": {name: getattr(keras.config, name)() for name in _OF_KERAS},
        "jax": {name: getattr(jax.config, name) for name in _OF_JAX},
    }


def use_numerics(content: Mapping[str, Any]) -> None:
    """Sets the options of another process in this one, and imports Keras on its backend.

    Raises:
        InvalidInput: Keras has another backend here, or none of this name can be imported.
    """
    backend = content["backend"]
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    import jax
    import keras

    if keras.backend.backend() != backend:
        raise InvalidInput(
            f"the Keras backend of an engine is {keras.backend.backend()}",
            expected=f"{backend}, as in the process of the study",
            fix="Set KERAS_BACKEND equally wherever engines run.",
        )
    for name, value in content["jax"].items():
        jax.config.update(name, value)
    for name, value in content["keras"].items():
        getattr(keras.config, f"set_{name}")(value)
    keras.config.set_dtype_policy(content["policy"])
