"""Our search with one part of it taken out, on the tables, on the conditional space or under the
virtual clock.

The parts are switched off here, by putting something plainer in their place; the product has no
such switches.

Request: ``without`` (one of `PARTS`, or "" for nothing), ``where`` (a table, ``"branches"``, or
``"curves/TASK"`` with ``target`` and ``lanes``), ``seeds``, ``trials``, ``batch``. Answer:
``runs``, one positive number for each seed, less
being better: the true rank of what was chosen, the regret, or the virtual seconds until the target
    was reached.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.branches import OPTIMUM
from benchmarks.lcbench import EPOCHS, table
from benchmarks.lookup import Table
from benchmarks.ours import conditional, tables
from benchmarks.ours.curves import Search
from paceline.schedule import create as schedule_of
from paceline.search import create as strategy_of
from paceline.search.bayes import batch, bayes, trial_losses
from paceline.search.bayes.coordinates import Coordinates
from paceline.search.bayes.kernel import Features, Kernel
from paceline.search.bayes.warp import Warp

Array = npt.NDArray[np.float64]


class Straight(Warp):
    """Losses centred and scaled, and nothing else."""

    @classmethod
    def of(cls, losses: Array) -> Warp:
        knots = np.unique(losses)
        return Warp(knots, (knots - losses.mean()) / (losses.std() or 1.0))


class Flat(Kernel):
    """A kernel that does not know of conditions: what is inactive lies in the middle."""

    def __init__(self, coordinates: Coordinates) -> None:
        unconditional = Coordinates(coordinates.space)
        unconditional.axes = tuple(replace(axis, is_conditional=False) for axis in coordinates.axes)
        super().__init__(unconditional)

    def features(self, Z: Array) -> Features:
        return super().features(np.where(np.isnan(Z), 0.5, Z))


class Waiting(Search):
    """Begins new trials only when all lanes are free."""

    to_begin = 0

    def ask(self) -> bool:
        if not self.under_way:
            self.to_begin = self.lanes
        self.to_begin -= 1
        return self.to_begin >= 0 and super().ask()


def nothing() -> None:
    """Leaves all as it is."""


def mixture() -> None:
    """Batches by expected improvement alone."""
    batch._CYCLE = (batch.IMPROVE,)  # type: ignore[assignment]


def conditions() -> None:
    """Knows nothing of what is inactive."""
    bayes.Kernel = Flat  # type: ignore[attr-defined]


def warping() -> None:
    """Learns from the losses as they are."""
    trial_losses.Warp = Straight  # type: ignore[attr-defined]


PARTS: Mapping[str, Callable[[], None]] = {
    "": nothing,
    "model": nothing,  # proposes Sobol points instead, see below
    "mixture": mixture,
    "conditions": conditions,
    "warping": warping,
    "refill": nothing,  # by `Waiting`
}


def found(request: Mapping[str, Any], seed: int) -> float:
    """What one search found."""
    search = "sobol" if request["without"] == "model" else "bayes"
    where = request["where"]
    if where == "branches":
        return max(conditional.run(search, seed, request["trials"])[-1] - OPTIMUM, 1e-12)
    if where.startswith("curves/"):
        return seconds(request, seed)
    looked_up = Table.read(where)
    chosen = tables.run(looked_up, search, seed, request["trials"], request["batch"])["chosen"][-1]
    return 1.0 + np.count_nonzero(looked_up.sign * looked_up.means < looked_up.sign * chosen)


def seconds(request: Mapping[str, Any], seed: int) -> float:
    """Virtual seconds until a full training reached the target, or until the search was given
    up.
    """
    kind = Waiting if request["without"] == "refill" else Search
    task = table()[request["where"].removeprefix("curves/")]
    one = kind(
        task,
        request["target"],
        strategy_of("bayes", seed),
        schedule_of("asha"),
        seed,
        request["lanes"],
    )
    one.go(request["trials"] * EPOCHS)
    return one.executor.clock


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    PARTS[wanted["without"]]()
    print("\n" + json.dumps({"runs": [found(wanted, seed) for seed in wanted["seeds"]]}))
