"""Hyperparameter tuning for neural networks: trains many candidates as one compiled model.

    import paceline

    study = paceline.tune(build, "mnist", "val_accuracy", epochs=10, trials=64, study="runs/mnist")
    study.best.config, study.best.score, study.best_model()

Importing this package is cheap: everything is loaded at its first use; ``__init__.pyi`` lists the
public names. It selects the JAX backend of Keras, unless Keras is imported already or the
environment variable ``KERAS_BACKEND`` names another one.
"""

import os
import sys

import lazy_loader

from paceline.large_imports import LargeImports

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    sys.meta_path.insert(0, LargeImports())
