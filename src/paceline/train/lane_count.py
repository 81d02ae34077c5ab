"""Chooses the number of lanes of a program, see docs/design/0029-numbers-of-lanes.md.

Symbols of the estimates:

    n   networks that a program trains, a random number
    L   lanes
    v   values that a training step of one lane computes
    o   fixed cost of a step, whatever the number of lanes, in values that take as long
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from paceline.train.array_program import ArrayProgram
from paceline.train.cost_estimate import num_evaluated
from paceline.train.device_facts import DeviceFacts
from paceline.train.stream_program import StreamProgram

AnyProgram = ArrayProgram | StreamProgram
T = TypeVar("T")

_MIN_TO_DIVIDE = 8  # networks per cohort; fewer train faster in one cohort
_STATE_COPIES = 3  # in training, at the best epoch, and in a snapshot being written
_NOISE = 0.1  # share of the estimated cost that does not justify more lanes


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Chooses numbers of lanes from static facts alone, so that all runs of a study choose alike.

    Numbers of lanes are powers of two, times the devices, so that other studies of the same space
    find their programs in the cache on disk.

    Attributes:
        device: facts of the devices.
        capacity: bytes of lanes with the best throughput, see `paceline.train.calibration`; None
            if more lanes are never slower.
        memory: bytes that all cohorts together may use.
        one_by_one: whether trials arrive sequentially, as a schedule or a model decides, so that
            cohorts are rarely full. All programs then have a number of lanes that does not depend
            on how many networks wait.
        at_once: cohorts that train at once in this process, if it is one of several that share the
            networks; None for as many as the device facts say.
    """

    device: DeviceFacts
    capacity: int | None
    memory: int
    one_by_one: bool = False
    at_once: int | None = None

    @property
    def num_cohorts(self) -> int:
        """Cohorts that train at once in this process."""
        return self.device.num_cohorts if self.at_once is None else self.at_once

    @property
    def num_compilations(self) -> int:
        """Programs to compile at the same time: each has two functions, which need memory.

        On a CPU at most as many as cohorts, since the same cores train. XLA takes seconds for a
        program of a GPU, while the cores are free.
        """
        return min(self.num_cohorts, 2) if self.device.is_cpu else min(self.device.num_cores, 4)

    @property
    def own_memory(self) -> int:
        """Bytes that all cohorts of this process may use."""
        return self.memory * self.num_cohorts // self.device.num_cohorts

    def choose(
        self, program: AnyProgram, numbers: Mapping[int, float], more_come: bool = False
    ) -> int:
        """The number of lanes with the least expected work.

        ``ceil(n / L)`` passes, each with steps of the cost ``o + L v``: on a CPU an empty lane
        costs as much as any other, so few networks of much work train in few lanes, one after
        another. If several cohorts can train at once, each gets a part of many networks.

        Args:
            program: the program.
            numbers: how many networks may share it, each with its probability.
            more_come: whether there may be more than that, nobody knows how many.
        """
        largest = self.max_lanes(program)
        values, fixed = max(1, program.num_values("train")), self._fixed_cost(program)
        # idle lanes may double the cost of a step
        idle = self._down(min(self.device.max_idle_lanes, int(fixed / values)))
        if self.one_by_one:
            return min(largest, idle)
        fewest = min(largest, idle) if more_come and not self.device.is_cpu else 1
        # lanes are distributed over devices, so the slowest device counts
        costs = {
            size: self._passes(numbers, size) * (fixed + size // self.device.count * values)
            for size in self._series(largest)
        }
        least = min(costs.values())
        best = next(size for size, cost in costs.items() if cost <= least * (1 + _NOISE))
        return max(fewest, best)

    def _passes(self, numbers: Mapping[int, float], size: int) -> float:
        """The expected number of passes of a cohort."""
        passes = 0.0
        for count, probability in numbers.items():
            num_cohorts = max(1, min(self.device.num_cohorts, count // _MIN_TO_DIVIDE))
            passes += probability * math.ceil(math.ceil(count / num_cohorts) / size)
        return passes

    def for_stream(self, program: AnyProgram, num_waiting: int) -> int:
        """The number of lanes of a program on a stream: enough for all networks, if possible.

        Each further cohort would load all data again.
        """
        sizes = self._series(self.max_lanes(program))
        return next((size for size in sizes if size >= num_waiting), sizes[-1])

    def divide(self, waiting: Sequence[T], num_lanes: int) -> list[Sequence[T]]:
        """Divides networks of a program among cohorts that train at the same time.

        Each cohort refills its lanes from its part. If trials arrive sequentially, parts are no
        larger than a cohort, so that any free cohort takes the next one.
        """
        count = math.ceil(len(waiting) / num_lanes)
        if not self.one_by_one:
            count = min(self.num_cohorts, count)
        size = math.ceil(len(waiting) / count)
        return [waiting[i : i + size] for i in range(0, len(waiting), size)]

    def max_lanes(self, program: AnyProgram) -> int:
        """The largest number of lanes of the series that is worthwhile and fits into memory."""
        count = self.device.count
        data = program.feed.num_bytes * (1 if self.device.is_cpu else count)
        free = self._of_cohort(self.memory - data)
        most = min(self.device.max_lanes, free // max(1, lane_bytes(program)))
        if self.capacity is not None:
            own = state_bytes(program) + program.peak_bytes("train")
            most = min(most, self.capacity * count // max(1, own))
        return self._down(most)

    @property
    def cohort_memory(self) -> int:
        """Bytes that a cohort may use."""
        return self._of_cohort(self.memory)

    def _of_cohort(self, memory: int) -> int:
        # on a CPU all cohorts have to run at once to use all cores
        return memory // self.device.num_cohorts if self.device.is_cpu else memory

    def cohort_bytes(self, program: AnyProgram, num_lanes: int) -> int:
        """Predicted bytes of a cohort, besides the data, which all share."""
        return num_lanes * lane_bytes(program)

    def _series(self, largest: int) -> list[int]:
        """Numbers of lanes up to the largest one."""
        steps = (largest // self.device.count).bit_length()
        return [self.device.count << i for i in range(steps)]

    def _down(self, count: int) -> int:
        """The largest number of the series that is at most ``count``, or its first."""
        return self.device.count << max(0, (count // self.device.count).bit_length() - 1)

    def _fixed_cost(self, program: AnyProgram) -> float:
        equations = num_evaluated(program.traced.parts["train"].code.body)
        per_epoch = self.device.values_per_epoch / max(1, program.traced.feed.num_steps)
        return equations * self.device.values_per_equation + per_epoch


def state_bytes(program: AnyProgram) -> int:
    """Bytes of the variables of a lane."""
    return sum(leaf.nbytes for leaf in program.lane_leaves)


def lane_bytes(program: AnyProgram) -> int:
    """Predicted bytes of a further lane: copies of its variables, constants, values in its step."""
    working = max(program.peak_bytes(name) for name in program.traced.parts)
    return _STATE_COPIES * state_bytes(program) + program.constant_bytes + working
