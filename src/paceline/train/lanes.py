"""How many lanes a program gets: what the machine trains best at once, within what memory allows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
import psutil

from paceline.train.anatomy import Body
from paceline.train.program import Program
from paceline.train.stream_program import StreamProgram

AnyProgram = Program | StreamProgram

_SHARE_OF_FREE = 0.5
_MOST_LANES = 128
_COPIES_OF_STATE = 3  # the lanes that train, their best epoch, a snapshot on its way to the disk


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Chooses numbers of lanes, as a function of static sizes alone: two runs of a study choose alike.

    Attributes:
        capacity: bytes of lane state that the machine trains best at once, see `paceline.train.calibration`.
        memory: bytes that a cohort may take.
        num_devices: devices that lanes are spread over; numbers of lanes are multiples of it.
    """

    capacity: int
    memory: int
    num_devices: int = 1

    def choose(self, program: AnyProgram, num_waiting: int, is_compiled: Callable[[AnyProgram, int], bool]) -> int:
        """Lanes for a program that so many networks wait for.

        As few cohorts as possible, as full as possible; a size up to twice that which is compiled already is preferred
        to compiling another.
        """
        most = self.most(program)
        even = math.ceil(num_waiting / math.ceil(num_waiting / most))
        even = math.ceil(even / self.num_devices) * self.num_devices
        for size in range(even, min(2 * even, max(most, even)) + 1, self.num_devices):
            if is_compiled(program, size):
                return size
        return even

    def most(self, program: AnyProgram) -> int:
        """The largest number of lanes that pays and fits."""
        pays = self.capacity * self.num_devices // max(1, state_bytes(program))
        fits = (self.memory - program.feed.num_bytes) // max(1, lane_bytes(program))
        return int(max(1, min(_MOST_LANES, pays, fits)))


def state_bytes(program: AnyProgram) -> int:
    """Bytes of one lane's variables."""
    return sum(leaf.nbytes for leaf in program.traced.state)


def lane_bytes(program: AnyProgram) -> int:
    """Predicted bytes that one more lane takes: copies of its variables, and the most that its step holds at once."""
    working = max(peak_bytes(part.anatomy.body) for part in program.traced.parts.values())
    return _COPIES_OF_STATE * state_bytes(program) + working


def peak_bytes(body: Body) -> int:
    """The most bytes of intermediate values that are alive at once when the equations run in order.

    XLA fuses many of them away, so this is an upper estimate.
    """
    last_use: dict[object, int] = {}
    for i, step in enumerate(body.steps):
        for atom in step.equation.invars:
            if not hasattr(atom, "val"):
                last_use[atom] = i
    alive = peak = 0
    ends: dict[int, int] = {}
    for i, step in enumerate(body.steps):
        inner = max((peak_bytes(inner) for inner in step.bodies), default=0)
        for var in step.equation.outvars:
            size = _bytes(var)
            alive += size
            ends[last_use.get(var, i)] = ends.get(last_use.get(var, i), 0) + size
        peak = max(peak, alive + inner)
        alive -= ends.pop(i, 0)
    return peak


def _bytes(var: object) -> int:
    aval = getattr(var, "aval", None)
    shape, dtype = getattr(aval, "shape", ()), getattr(aval, "dtype", None)
    return math.prod(shape) * (np.dtype(dtype).itemsize if isinstance(dtype, np.dtype) else 8)


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


def device_count() -> int:
    """Devices of this process that lanes are spread over."""
    return len(jax.local_devices())
