"""Learning curves of 1,000 configurations on 17 tasks, read from a table; for interpreters that
have NumPy alone.

The table is ``lcbench.npz`` in the folder that ``PACELINE_TABLES`` names: validation accuracy and
cumulative seconds after each of 52 epochs, sampled from the YAHPO Gym v1.0.2 surrogate of LCBench
(Zimmer et al. 2021). Its seconds fall a little here and there, which a clock cannot: their running
maximum is taken.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EPOCHS = 52
AXES: Mapping[str, tuple[Any, Any, bool]] = {
    "batch_size": (16, 512, True),
    "learning_rate": (1e-4, 1e-1, True),
    "momentum": (0.1, 0.99, False),
    "weight_decay": (1e-5, 1e-1, False),
    "num_layers": (1, 5, False),
    "max_units": (64, 1024, True),
    "max_dropout": (0.0, 1.0, False),
}
"""Of each hyperparameter: smallest, largest, whether it counts in logarithms. They are those of the
suite.
"""
WHOLE = ("batch_size", "num_layers", "max_units")


@dataclass(frozen=True, eq=False)
class Task:
    """One data set.

    Attributes:
        values: hyperparameters, [1000, 7] in the order of `AXES`.
        accuracy: validation accuracy in % after each epoch, [1000, 52].
        seconds: training time up to the end of each epoch, [1000, 52].
    """

    values: Array
    accuracy: Array
    seconds: Array

    @property
    def final(self) -> Array:
        """Accuracy after the full training, [1000]."""
        found: Array = self.accuracy[:, -1]
        return found

    def config(self, row: int) -> dict[str, int | float]:
        """A row's hyperparameters."""
        named = zip(AXES, self.values[row].tolist(), strict=True)
        return {name: int(value) if name in WHOLE else value for name, value in named}


@cache
def table() -> dict[str, Task]:
    """Every task by name.

    Raises:
        FileNotFoundError: the table is not where ``PACELINE_TABLES`` says, or that is not set.
    """
    path = Path(os.environ.get("PACELINE_TABLES", ".")) / "lcbench.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"no {path}: set PACELINE_TABLES to the folder that holds lcbench.npz"
        )
    with np.load(path) as file:
        values, curves = file["configs"].astype(float), file["values"].astype(float)
        names = file["tasks"].tolist()
    seconds = np.maximum.accumulate(curves[..., 2], axis=2)
    return {name: Task(values, curves[i, ..., 0], seconds[i]) for i, name in enumerate(names)}


def unit(values: npt.ArrayLike) -> Array:
    """Hyperparameters as coordinates in the unit cube, [..., 7] to [..., 7]."""
    low, high, log = (np.array(column) for column in zip(*AXES.values(), strict=True))
    given = np.asarray(values, dtype=float)
    scaled = [np.where(log, np.log(np.where(log, x, 1.0)), x) for x in (given, low, high)]
    found: Array = (scaled[0] - scaled[1]) / (scaled[2] - scaled[1])
    return found


class Rows:
    """The rows of the table that are still to be tried: whatever is proposed becomes the nearest of
    them.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self._points = unit(task.values)
        self._left = np.ones(len(self._points), dtype=bool)
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return int(self._left.sum())

    def nearest(self, values: npt.ArrayLike) -> int:
        """Takes the row nearest to hyperparameters in the unit cube."""
        distance = ((self._points - unit(values)) ** 2).sum(axis=1)
        return self._take(int(np.argmin(np.where(self._left, distance, np.inf))))

    def random(self) -> int:
        """Takes any row."""
        return self._take(int(self._rng.choice(np.flatnonzero(self._left))))

    def _take(self, row: int) -> int:
        self._left[row] = False
        return row


def random_search(task: Task, seed: int) -> npt.NDArray[np.intp]:
    """The rows in the order in which random search trains them in full."""
    return np.random.default_rng(seed).permutation(len(task.values))
