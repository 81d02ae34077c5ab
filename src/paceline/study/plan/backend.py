"""The Keras backend of a study: JAX, unless the user chose another."""

import importlib
import os
import sys
from typing import Any

from paceline.core import InvalidInput


def choose_backend() -> str:
    """Imports Keras on JAX, or on the user's backend, and returns the backend's name.

    Raises:
        InvalidInput: the chosen backend is not installed.
    """
    chosen = os.environ.get("KERAS_BACKEND", "its configuration file")
    try:
        keras = _import_keras()
    except (ImportError, ValueError) as error:
        raise InvalidInput(
            f"Keras cannot start on the backend of KERAS_BACKEND={chosen} ({error})",
            expected="an installed backend",
            fix="Unset KERAS_BACKEND or set it to 'jax', on which paceline trains many networks as "
            "one compiled model.",
        ) from error
    from paceline.train import isolation

    isolation.set_aside()
    return str(keras.backend.backend())


def _import_keras() -> Any:
    """Imports Keras, on JAX if no other backend was chosen."""
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return importlib.import_module("keras")
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        return importlib.import_module("keras")
    finally:
        del os.environ["KERAS_BACKEND"]  # Keras reads it once, when it is imported
