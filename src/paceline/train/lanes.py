"""How many lanes a program gets: what the machine trains best at once, within what memory
allows.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import jax
import psutil

from paceline.train.footprint import peak_bytes
from paceline.train.program import Program
from paceline.train.stream_program import StreamProgram

AnyProgram = Program | StreamProgram
T = TypeVar("T")

_SHARE_OF_FREE = 0.5
_MOST_LANES = 128
_MOST_COHORTS = 8
_FEW_LANES = 16  # of an accelerator, for networks that come one by one
_FEWEST_TO_DIVIDE = 8  # lanes; fewer train faster together than divided
_COPIES_OF_STATE = 3  # the lanes that train, their best epoch, a snapshot on its way to the disk


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Chooses numbers of lanes, as a function of static sizes alone: two runs of a study choose
    alike.

    Attributes:
        capacity: bytes of lanes that the machine trains best at once, see
            `paceline.train.calibration`.
        memory: bytes that a cohort may take.
        num_devices: devices that lanes are spread over; numbers of lanes are multiples of it.
        num_cohorts: how many cohorts train at once and share the memory.
        few: lanes for each device where networks come and go one by one, as a schedule or a model
            decides, so that cohorts are seldom full; 0 where they come all at once. Every program
            then has this one number of lanes,
            whoever waits: nothing is compiled twice, and what a network answers does not depend on
            how many came with it, down to the last bit.
    """

    capacity: int
    memory: int
    num_devices: int = 1
    num_cohorts: int = 1
    few: int = 0

    def choose(
        self, program: AnyProgram, num_waiting: int, is_compiled: Callable[[AnyProgram, int], bool]
    ) -> int:
        """Lanes for a program that so many networks wait for.

        As few cohorts as possible, as full as possible, but enough to occupy every core if each
        still has some lanes. A size up to twice that which is compiled already is preferred to
        compiling another.
        """
        most = self.most(program)
        if self.few:
            return min(most, self.num_devices * self.few)
        count = max(
            math.ceil(num_waiting / most), min(self.num_cohorts, num_waiting // _FEWEST_TO_DIVIDE)
        )
        even = math.ceil(num_waiting / count)
        even = math.ceil(even / self.num_devices) * self.num_devices
        for size in range(even, min(2 * even, max(most, even)) + 1, self.num_devices):
            if is_compiled(program, size):
                return size
        return even

    def shares(self, waiting: Sequence[T], num_lanes: int) -> list[Sequence[T]]:
        """Divides networks of one program among cohorts that train at once; each refills its lanes
        from its share.

        Where networks come one by one, shares are no larger than a cohort, so that whoever is free
        takes the next.
        """
        count = math.ceil(len(waiting) / num_lanes)
        if not self.few:
            count = min(self.num_cohorts, count)
        size = math.ceil(len(waiting) / count)
        return [waiting[i : i + size] for i in range(0, len(waiting), size)]

    def most(self, program: AnyProgram) -> int:
        """The largest number of lanes that pays and fits."""
        training = peak_bytes(program.traced.parts["train"].anatomy.body)
        pays = self.capacity * self.num_devices // max(1, state_bytes(program) + training)
        fits = (
            (self.memory - program.feed.num_bytes)
            // self.num_cohorts
            // max(1, lane_bytes(program))
        )
        return int(max(1, min(_MOST_LANES, pays, fits)))


def state_bytes(program: AnyProgram) -> int:
    """Bytes of one lane's variables."""
    return sum(leaf.nbytes for leaf in program.traced.state)


def lane_bytes(program: AnyProgram) -> int:
    """Predicted bytes that one more lane takes: copies of its variables, and the most that its step
    holds at once.
    """
    working = max(peak_bytes(part.anatomy.body) for part in program.traced.parts.values())
    return _COPIES_OF_STATE * state_bytes(program) + working


def free_memory() -> int:
    """Bytes that a cohort may take when nobody said: about half of what is free on the device.

    Rounded down to a power of two, so that it seldom differs between two runs.
    """
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        free = statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
    else:
        free = psutil.virtual_memory().available
    return 1 << (int(free * _SHARE_OF_FREE).bit_length() - 1)


def few_lanes() -> int:
    """Lanes of a device for networks that come one by one: a CPU gains little from several, and
    idle ones cost it.
    """
    return 1 if jax.default_backend() == "cpu" else _FEW_LANES


def device_count() -> int:
    """Devices of this process that lanes are spread over."""
    return len(jax.local_devices())


def cohort_count() -> int:
    """How many cohorts to train at once: one for each core of a CPU, which XLA would leave idle,
    one elsewhere.
    """
    return (
        min(os.cpu_count() or 1, _MOST_COHORTS)
        if jax.default_backend() == "cpu" and device_count() == 1
        else 1
    )
