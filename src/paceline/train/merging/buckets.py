"""The sizes at which merged programs are compiled.

A program of larger sizes wastes work on padding, a further program takes time to compile. Sizes
come from a small series: the largest of the structure in its search space, half of it, a quarter,
... Which of them are used follows from estimates that are the same in every study of the same space
and data, so that a program compiled once is found in the cache on disk.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paceline.train.merging.cost import operations
from paceline.train.merging.structure import Sizes, Structure

_LEVELS = 6
_MULTIPLE = 4  # of which smaller sizes are multiples
# Networks of a structure that are expected to come; not their actual number, which differs between
# studies. Both rates are of one core of a current processor; elsewhere programs take longer to
# compile and padding costs little.
_EXPECTED = 6
_OPERATIONS_PER_SECOND = {"cpu": 5e10}
_OTHER_OPERATIONS_PER_SECOND = 2e12
_SECONDS_PER_EQUATION = 0.003


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


def choose_buckets(
    structure: Structure, smallest: Sizes, largest: Sizes, num_steps: int, platform: str
) -> Buckets:
    """Chooses the sizes of programs.

    Args:
        structure: of the networks.
        smallest: sizes of the smallest network.
        largest: sizes of the largest network.
        num_steps: training steps of a network.
        platform: as in ``jax.default_backend()``.
    """
    ragged = tuple(i for i, (a, b) in enumerate(zip(smallest, largest, strict=True)) if a != b)
    rate = _OPERATIONS_PER_SECOND.get(platform, _OTHER_OPERATIONS_PER_SECOND)
    equations = sum(len(step.step.body.equations) for step in structure.steps.values())
    compiling = _SECONDS_PER_EQUATION * equations

    def seconds(sizes: Sizes) -> float:
        layout = structure.layout(sizes, sizes, ragged)
        return operations(structure.steps["train"], layout) * num_steps / rate

    levels = [largest]
    for level in range(1, _LEVELS):
        sizes = _halved(smallest, largest, ragged, 2**level)
        if sizes == levels[-1]:
            break
        saved = seconds(levels[-1]) - seconds(sizes)
        if _EXPECTED * _share(smallest, largest, sizes, ragged) * saved > compiling:
            levels.append(sizes)
    return Buckets(ragged, tuple(levels))


def _halved(smallest: Sizes, largest: Sizes, ragged: Sequence[int], divisor: int) -> Sizes:
    sizes = list(largest)
    for i in ragged:
        part = math.ceil(largest[i] / divisor / _MULTIPLE) * _MULTIPLE
        sizes[i] = min(largest[i], max(part, smallest[i]))
    return tuple(sizes)


def _share(smallest: Sizes, largest: Sizes, sizes: Sizes, ragged: Sequence[int]) -> float:
    """The share of networks that fit, if all widths are equally frequent."""
    return min((sizes[i] - smallest[i] + 1) / (largest[i] - smallest[i] + 1) for i in ragged)
