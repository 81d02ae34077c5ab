"""The sizes at which merged programs are compiled.

A program of larger sizes wastes work on padding, a further program takes time to compile. Sizes
come from a small series: the largest of the structure in its search space, 3/4 of it, half of it,
3/8, ... Of these, the ones are used with which compiling and training take least time, by estimates
that are the same in every study of the same space, data and number of trials, so that a program
compiled once is found in the cache on disk.

Symbols:

    n      networks of the structure that are expected, all sizes being equally frequent
    u(s)   the share of networks that fit into a program of sizes s
    t(s)   seconds to train a network in a program of sizes s
    c      seconds to compile a program

Sizes s_1 > s_2 > ... > s_k cost ``k c + n sum_i (u(s_i) - u(s_{i + 1})) t(s_i)``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from paceline.train.merging.cost import operations
from paceline.train.merging.structure import Sizes, Structure

_SERIES = [Fraction(part, 4 << i) for i in range(6) for part in (4, 3)]
_MULTIPLE = 4  # of which smaller sizes are multiples
# Of one core of a current processor; elsewhere programs take longer to compile and padding costs
# little.
_OPERATIONS_PER_SECOND = {"cpu": 6e10}
_OTHER_OPERATIONS_PER_SECOND = 2e12
_SECONDS_PER_EQUATION = 0.004


@dataclass(frozen=True, slots=True)
class Buckets:
    """The sizes of the programs of a structure.

    Attributes:
        ragged: the places in sizes that may differ.
        levels: sizes of the programs, the largest first.
    """

    ragged: tuple[int, ...]
    levels: tuple[Sizes, ...]

    def of(self, sizes: Sizes) -> Sizes | None:
        """The sizes of the program for a network: the smallest in which it fits; None if none."""
        fitting = [
            level
            for level in self.levels
            if all(own <= most for own, most in zip(sizes, level, strict=True))
        ]
        return fitting[-1] if fitting else None


@dataclass(frozen=True, slots=True)
class SizeSpread:
    """The sizes of a structure's networks in a search space.

    Attributes:
        smallest: of the smallest network.
        largest: of the largest network.
    """

    smallest: Sizes
    largest: Sizes

    @property
    def ragged(self) -> tuple[int, ...]:
        """The places that differ."""
        pairs = zip(self.smallest, self.largest, strict=True)
        return tuple(i for i, (a, b) in enumerate(pairs) if a != b)

    def part(self, share: Fraction) -> Sizes:
        """A share of the largest sizes, but no less than the smallest ones."""
        sizes = list(self.largest)
        for i in self.ragged:
            part = math.ceil(self.largest[i] * share / _MULTIPLE) * _MULTIPLE
            sizes[i] = min(self.largest[i], max(part, self.smallest[i]))
        return tuple(sizes)

    def share(self, sizes: Sizes) -> float:
        """The share of networks that fit, if all sizes are equally frequent."""
        low, high = self.smallest, self.largest
        return min((sizes[i] - low[i] + 1) / (high[i] - low[i] + 1) for i in self.ragged)


def choose_buckets(
    structure: Structure, spread: SizeSpread, num_steps: int, num_networks: int, platform: str
) -> Buckets:
    """Chooses the sizes of programs.

    Args:
        structure: of the networks.
        spread: of their sizes.
        num_steps: training steps of a network.
        num_networks: how many are expected.
        platform: as in ``jax.default_backend()``.
    """
    rate = _OPERATIONS_PER_SECOND.get(platform, _OTHER_OPERATIONS_PER_SECOND)
    equations = sum(len(step.step.body.equations) for step in structure.steps.values())
    series = list(dict.fromkeys(spread.part(share) for share in _SERIES))
    shares = [*map(spread.share, series), 0.0]

    def seconds(sizes: Sizes) -> float:
        layout = structure.layout(sizes, sizes, spread.ragged)
        return operations(structure.steps["train"], layout) * num_steps / rate

    costs = [num_networks * seconds(sizes) for sizes in series]
    levels = _least(shares, costs, _SECONDS_PER_EQUATION * equations)
    return Buckets(spread.ragged, tuple(series[i] for i in levels))


def _least(shares: Sequence[float], costs: Sequence[float], compiling: float) -> list[int]:
    """Which levels cost least together; always the first, which is the largest.

    Args:
        shares: of the networks that fit into each level; 0 at the end.
        costs: of training all networks in a level.
        compiling: the cost of a further level.
    """
    count = len(costs)
    best: list[tuple[float, list[int]]] = [(0.0, [])] * (count + 1)  # from a level downwards
    for i in reversed(range(count)):
        best[i] = min(
            (compiling + costs[i] * (shares[i] - shares[j]) + best[j][0], [i, *best[j][1]])
            for j in range(i + 1, count + 1)
        )
    return best[0][1]
