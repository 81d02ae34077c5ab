"""Paceline: hyperparameter tuning for neural networks, many candidates trained as one compiled program.

    import paceline

    study = paceline.tune(build, "mnist", objective="val_accuracy", epochs=10, trials=64, study="runs/mnist")
    study.best.config, study.best.score, study.best_model()

Importing this package is cheap: everything is loaded when it is first used. It chooses JAX for Keras, unless Keras is
there already or the environment variable ``KERAS_BACKEND`` says otherwise.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline.api import ablate, load_study, open_study, resume, tune
    from paceline.comparison import Comparison, Ladder, compare, ladder
    from paceline.core import (
        AllTrialsFailed,
        InvalidInput,
        MissingData,
        Objective,
        PacelineError,
        StudyLocked,
        StudyMismatch,
    )
    from paceline.report import Study
    from paceline.space import Boolean, Choice, Fixed, Float, HyperParameters, Int, Space
    from paceline.study.asktell import OpenStudy

__version__ = "0.1.0"

__all__ = [
    "AllTrialsFailed",
    "Boolean",
    "Choice",
    "Comparison",
    "Fixed",
    "Float",
    "HyperParameters",
    "Int",
    "InvalidInput",
    "Ladder",
    "MissingData",
    "Objective",
    "OpenStudy",
    "PacelineError",
    "Space",
    "Study",
    "StudyLocked",
    "StudyMismatch",
    "__version__",
    "ablate",
    "compare",
    "ladder",
    "load_study",
    "open_study",
    "resume",
    "tune",
]

_ROOMS = {
    "paceline.api": ("ablate", "load_study", "open_study", "resume", "tune"),
    "paceline.comparison": ("Comparison", "Ladder", "compare", "ladder"),
    "paceline.core": (
        "AllTrialsFailed",
        "InvalidInput",
        "MissingData",
        "Objective",
        "PacelineError",
        "StudyLocked",
        "StudyMismatch",
    ),
    "paceline.report": ("Study",),
    "paceline.space": ("Boolean", "Choice", "Fixed", "Float", "HyperParameters", "Int", "Space"),
    "paceline.study.asktell": ("OpenStudy",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
_SUBMODULES = ("data", "schedule", "search", "space", "testing")  # those that users are pointed to

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")


def __getattr__(name: str) -> Any:
    """A public name, or a submodule, at its first use."""
    if name in _ROOM_OF:
        found = getattr(import_module(_ROOM_OF[name]), name)
    elif not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        found = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
