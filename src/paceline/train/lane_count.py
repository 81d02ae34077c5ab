"""Chooses the number of lanes of a program, by the machine's capacity and the free memory."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import jax
import psutil

from paceline.train.array_program import ArrayProgram
from paceline.train.stream_program import StreamProgram

AnyProgram = ArrayProgram | StreamProgram
T = TypeVar("T")

_SHARE_OF_FREE = 0.5
_MAX_LANES = 128
_MAX_COHORTS = 8
_FIXED_LANES = 16  # per accelerator, for trials that arrive sequentially
_MIN_TO_DIVIDE = 8  # lanes per cohort; fewer train faster in one cohort
_STATE_COPIES = 3  # in training, at the best epoch, and in a snapshot being written


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Chooses numbers of lanes from static sizes alone, so that all runs of a study choose alike.

    Attributes:
        capacity: bytes of lanes with the best throughput, see `paceline.train.calibration`.
        memory: bytes that a cohort may use.
        num_devices: devices over which lanes are distributed; numbers of lanes are multiples of it.
        num_cohorts: cohorts that train at the same time and share the memory.
        fixed_lanes: lanes per device if trials arrive sequentially, as a schedule or a model
            decides, so that cohorts are rarely full; 0 if they arrive together. All programs then
            have this number of lanes: none is compiled twice, and results do not depend, down to
            the last bit, on how many trials train together.
    """

    capacity: int
    memory: int
    num_devices: int = 1
    num_cohorts: int = 1
    fixed_lanes: int = 0

    def choose(
        self, program: AnyProgram, num_waiting: int, is_compiled: Callable[[AnyProgram, int], bool]
    ) -> int:
        """The number of lanes for a program.

        As few cohorts as possible, as full as possible, but enough to use all cores if each still
        has several lanes. A size up to twice that which is already compiled is preferred to
        compiling another one.

        Args:
            program: the program.
            num_waiting: networks that wait for it.
            is_compiled: whether a program is compiled for a number of lanes.
        """
        largest = self.max_lanes(program)
        if self.fixed_lanes:
            return min(largest, self.num_devices * self.fixed_lanes)
        count = max(
            math.ceil(num_waiting / largest), min(self.num_cohorts, num_waiting // _MIN_TO_DIVIDE)
        )
        even = math.ceil(num_waiting / count)
        even = math.ceil(even / self.num_devices) * self.num_devices
        for size in range(even, min(2 * even, max(largest, even)) + 1, self.num_devices):
            if is_compiled(program, size):
                return size
        return even

    def divide(self, waiting: Sequence[T], num_lanes: int) -> list[Sequence[T]]:
        """Divides networks of a program among cohorts that train at the same time.

        Each cohort refills its lanes from its part. If trials arrive sequentially, parts are no
        larger than a cohort, so that any free cohort takes the next one.
        """
        count = math.ceil(len(waiting) / num_lanes)
        if not self.fixed_lanes:
            count = min(self.num_cohorts, count)
        size = math.ceil(len(waiting) / count)
        return [waiting[i : i + size] for i in range(0, len(waiting), size)]

    def max_lanes(self, program: AnyProgram) -> int:
        """The largest number of lanes that is worthwhile and fits into memory."""
        training = program.peak_bytes("train")
        worthwhile = self.capacity * self.num_devices // max(1, state_bytes(program) + training)
        fits = (
            (self.memory - program.feed.num_bytes)
            // self.num_cohorts
            // max(1, lane_bytes(program))
        )
        return int(max(1, min(_MAX_LANES, worthwhile, fits)))


def state_bytes(program: AnyProgram) -> int:
    """Bytes of the variables of a lane."""
    return sum(leaf.nbytes for leaf in program.lane_leaves)


def lane_bytes(program: AnyProgram) -> int:
    """Predicted bytes of a further lane: copies of its variables, and values in its step."""
    working = max(program.peak_bytes(name) for name in program.traced.parts)
    return _STATE_COPIES * state_bytes(program) + working


def free_memory() -> int:
    """The default memory of a cohort: at most half of the free bytes of the device.

    Rounded down to a power of two, so that it rarely differs between runs.
    """
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        free = statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
    else:
        free = psutil.virtual_memory().available
    return 1 << (int(free * _SHARE_OF_FREE).bit_length() - 1)


def fixed_lane_count() -> int:
    """Lanes per device for trials that arrive sequentially.

    One on a CPU, which gains little from several and pays for idle ones.
    """
    return 1 if jax.default_backend() == "cpu" else _FIXED_LANES


def device_count() -> int:
    """Number of devices over which lanes are distributed."""
    return len(jax.local_devices())


def cohort_count() -> int:
    """Number of cohorts to train at the same time.

    One per core of a CPU, as XLA does not use all cores for a cohort; one elsewhere.
    """
    return (
        min(os.cpu_count() or 1, _MAX_COHORTS)
        if jax.default_backend() == "cpu" and device_count() == 1
        else 1
    )
