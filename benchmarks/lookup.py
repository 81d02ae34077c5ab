"""Searches on tables: an evaluation is a look-up, so that thousands of searches take minutes. Needs
NumPy alone.

The tables lie in the folder that ``PACELINE_TABLES`` names: ``spaces.json`` (for each suite the
direction, the axes in order, each axis's choices) and ``<suite>.npz`` (for each data set an array
with one axis for each hyperparameter and a last one for the repeats). One repeat, drawn at random,
is what a search observes; the true value of a configuration is the mean over all of them. NaN marks
repeats that are missing.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

VARIABLE = "PACELINE_TABLES"

TABLES = (
    "hpolib/protein_structure",
    "hpolib/slice_localization",
    "hpobench/phoneme",
    "hpobench/segment",
    "hpobench/kc1",
    "nasbench201/cifar10",
)

Place = tuple[int, ...]
"""A configuration: for each axis the index of its choice."""


def folder() -> Path:
    """The folder with the tables.

    Raises:
        FileNotFoundError: it is not named, or there are no tables in it.
    """
    named = os.environ.get(VARIABLE)
    if not named or not (Path(named) / "spaces.json").is_file():
        said = f"{VARIABLE} is {named!r}" if named else f"{VARIABLE} is not set"
        raise FileNotFoundError(
            f"{said}; it names the folder that holds spaces.json and hpolib.npz, hpobench.npz, ..."
        )
    return Path(named)


@dataclass(frozen=True)
class Table:
    """One data set of one suite.

    Attributes:
        axes: names of the hyperparameters.
        choices: what each of them may be.
        direction: ``"minimize"`` or ``"maximize"``.
        values: what was measured, the repeats along the last axis.
        means: the true values.
    """

    axes: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...]
    direction: str
    values: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]

    @classmethod
    def read(cls, name: str) -> "Table":
        suite, task = name.split("/")
        space = json.loads((folder() / "spaces.json").read_text())[suite]
        with np.load(folder() / f"{suite}.npz") as arrays:
            values = arrays[task].astype(np.float64)
        choices = tuple(tuple(space["choices"][axis]) for axis in space["axes"])
        return cls(
            tuple(space["axes"]), choices, space["direction"], values, np.nanmean(values, axis=-1)
        )

    @property
    def sign(self) -> int:
        """What makes values losses."""
        return 1 if self.direction == "minimize" else -1

    def observe(self, at: Place, rng: np.random.Generator) -> float:
        """One of the repeats that are there."""
        repeats = self.values[at]
        return float(rng.choice(repeats[np.isfinite(repeats)]))


def play(
    table: Table,
    seed: int,
    *,
    trials: int,
    batch: int,
    ask: Callable[[int], Sequence[Place]],
    tell: Callable[[Sequence[float]], None],
) -> dict[str, Any]:
    """One search: asks for a batch, tells what was observed, in the order asked.

    Returns:
        ``chosen``: after each trial, the true value of the configuration that was observed best;
        ``seconds``: what asking and telling took.
    """
    rng = np.random.default_rng([seed, 1])
    places: list[Place] = []
    observed: list[float] = []
    seconds = 0.0
    while len(places) < trials:
        start = time.perf_counter()
        answer = ask(min(batch, trials - len(places)))
        seconds += time.perf_counter() - start
        if not answer:
            break
        values = [table.observe(at, rng) for at in answer]
        start = time.perf_counter()
        tell(values)
        seconds += time.perf_counter() - start
        places += answer
        observed += values
    losses = table.sign * np.array(observed)
    best = np.maximum.accumulate(
        np.where(losses <= np.minimum.accumulate(losses), np.arange(len(losses)), 0)
    )
    return {"chosen": [float(table.means[places[at]]) for at in best], "seconds": seconds}
