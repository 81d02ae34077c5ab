"""Chooses how much XLA optimises a program for a CPU.

Compiling is most of the time of a study of small networks. A program that is optimised less is
compiled in half of the time, and its steps take longer. Which level takes least time
in total follows from sizes alone, so that all studies of the same networks and data choose alike,
and find each other's programs in the cache on disk.

Costs are processor seconds of one core, measured by ``benchmarks/compile_levels.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax

from paceline.train.internals import QUICK_COMPILE_OPTIONS


@dataclass(frozen=True, slots=True)
class CompileLevel:
    """A level of optimisation.

    Attributes:
        options: of XLA.
        per_equation: seconds to compile an equation.
        per_run: seconds that a run of the equations takes whatever their sizes.
        per_value: seconds to compute a value, see `paceline.train.cost_estimate`.
    """

    options: Mapping[str, Any]
    per_equation: float
    per_run: float
    per_value: float


# Not XLA's level 0, at which a network with a maximum over an image had a NaN loss (design note
# 0030).
_LEVELS = (
    CompileLevel({}, 4.4e-3, 4e-6, 2.3e-10),
    CompileLevel(QUICK_COMPILE_OPTIONS, 2.3e-3, 4e-6, 3.0e-10),
)


def compile_options(num_equations: int, num_runs: float, num_values: float) -> Mapping[str, Any]:
    """The options of XLA with which compiling and running a program takes least time.

    Args:
        num_equations: of the program.
        num_runs: how often they are expected to run.
        num_values: how many values are expected to be computed in all these runs.
    """
    if jax.default_backend() != "cpu":
        return {}

    def seconds(level: CompileLevel) -> float:
        running = level.per_run * num_runs + level.per_value * num_values
        return level.per_equation * num_equations + running

    return min(_LEVELS, key=seconds).options
