"""The images on which the recipes train; a few of them with ``quick``."""

from typing import Any

import numpy as np

import paceline
import paceline.data
from paceline.recipes import RecipeRun


def load(run: RecipeRun, quick_rows: int) -> paceline.data.Dataset:
    """The run's data set; with ``quick``, ``quick_rows`` images of it and half as many test images.

    Images are float32 in [0, 1], shape (rows, 28, 28).

    Raises:
        MissingData: not on this machine and not downloadable; says which files are missing, where
            they are published, and where to put them.
        InvalidInput: not a data set of such images in classes with a test set.
    """
    found = paceline.data.load(run.data, data_dir=run.data_dir, seed=run.seed)
    x, y = np.asarray(found.x), np.asarray(found.y)
    if (
        found.task != "classification"
        or x.shape[1:] != (28, 28)
        or y.ndim != 1
        or found.x_test is None
    ):
        raise paceline.InvalidInput(
            f"--data is {run.data!r}",
            expected="grey images of 28 x 28 pixels, each of one class, such as mnist",
        )
    if not run.quick:
        return found
    x_test, y_test = np.asarray(found.x_test), np.asarray(found.y_test)
    chosen, tested = (
        some(len(x), quick_rows, run.seed),
        some(len(x_test), quick_rows // 2, run.seed),
    )
    few: paceline.data.Dataset = paceline.data.load(
        (x[chosen], y[chosen], x_test[tested], y_test[tested]), task="classification"
    )
    return few


def some(rows: int, wanted: int, seed: int) -> Any:
    """A sorted random sample of row numbers."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:wanted])
