"""Says once if Keras runs on a backend on which networks cannot be trained together."""

import sys
import warnings

from paceline.core import StudyWarning

_said: list[str] = []


def say_backend() -> None:
    """Warns once per process if Keras is loaded on another backend than JAX; loads nothing."""
    keras = sys.modules.get("keras")
    config = getattr(keras, "config", None)
    if config is None or _said:
        return
    backend = config.backend()
    if backend == "jax":
        return
    _said.append(backend)
    warnings.warn(
        f"Keras runs on {backend}, so trials train one by one through fit. To train many "
        "together, as one compiled model, put this line before every other import: "
        "import os; os.environ['KERAS_BACKEND'] = 'jax'",
        StudyWarning,
        stacklevel=3,
    )
