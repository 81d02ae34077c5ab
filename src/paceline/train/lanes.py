"""How many lanes a program gets."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from paceline.train.program import Program

_SHARE_OF_FREE = 0.5


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Chooses the number of lanes: by what the machine was measured to like, within what memory allows.

    Attributes:
        memory: bytes a cohort may take; None for half of what is free.
    """

    memory: int | None = None

    def choose(
        self, program: Program, num_waiting: int, is_compiled: Callable[[Program, int], bool], num_devices: int
    ) -> int:
        """Lanes for a program that so many networks wait for; a size that is compiled already is preferred."""
        state = sum(leaf.nbytes for leaf in program.traced.state)
        most = max(1, min(64, 2**22 // max(state, 1)))
        even = math.ceil(num_waiting / math.ceil(num_waiting / most))
        even = math.ceil(even / num_devices) * num_devices
        for size in range(even, 2 * even + 1):
            if is_compiled(program, size):
                return size
        return even


def free_memory() -> int:
    """Bytes of memory that a cohort may take when nobody said."""
    return int(psutil.virtual_memory().available * _SHARE_OF_FREE)
