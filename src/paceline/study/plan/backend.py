"""Which Keras backend a study runs on: JAX, unless the user chose another."""

import importlib
import os
import sys

from paceline.core import InvalidInput


def choose_backend() -> str:
    """Imports Keras on JAX, or on what the user chose, and gives the backend's name.

    Raises:
        InvalidInput: the chosen backend is not installed.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    chosen = os.environ.get("KERAS_BACKEND", "its configuration file")
    try:
        keras = importlib.import_module("keras")
    except (ImportError, ValueError) as error:
        raise InvalidInput(
            f"Keras cannot start on the backend that was chosen by KERAS_BACKEND={chosen} ({error})",
            expected="an installed backend",
            fix="Unset KERAS_BACKEND or set it to 'jax', on which paceline trains many networks as "
            "one program.",
        ) from error
    return str(keras.backend.backend())
