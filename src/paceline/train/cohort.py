"""A cohort: lanes of one program that train in lockstep, each at its own age."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.sharding import Mesh

from paceline.train.compiler import lane_sharding
from paceline.train.feed import PooledData, batch_order
from paceline.train.program import Compiled
from paceline.train.trace import Traced

if TYPE_CHECKING:
    from paceline.train.stream_program import StreamCompiled


@dataclass(slots=True)
class Lane:
    """One slot of a cohort and the network in it.

    Attributes:
        traced: the network; its ``state`` is where it starts from.
        epochs: how many epochs it is to be trained.
        order_seed: seeds the order of its batches.
        epoch: epochs trained so far.
        seconds: its share of the cohort's time so far.
        split: the split of the data that it trains on, where there are several.
    """

    traced: Traced
    epochs: int
    order_seed: int
    epoch: int = 0
    seconds: float = 0.0
    split: int = 0


@dataclass(frozen=True, slots=True)
class EpochLogs:
    """What one lane measured in one epoch."""

    slot: int
    epoch: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(eq=False)
class Lockstep(ABC):
    """Lanes in lockstep. Empty slots go on computing with whatever is in them, unseen."""

    compiled: "Compiled | StreamCompiled"
    mesh: Mesh | None = None

    def __post_init__(self) -> None:
        self.lanes: list[Lane | None] = [None] * self.compiled.num_lanes
        self._state: list[jax.Array] = []
        self._fresh: list[np.ndarray] = []  # the metrics of each lane as they begin, on the host
        self._constants: dict[str, jax.Array] = {}
        self._logs: dict[str, np.ndarray] = {}
        self._seconds = 0.0

    @property
    def free(self) -> list[int]:
        """Slots without a network."""
        return [slot for slot, lane in enumerate(self.lanes) if lane is None]

    def fill(self, entries: Mapping[int, Lane]) -> None:
        """Puts networks into slots, each starting from its traced state."""
        if not entries:
            return
        for slot, lane in entries.items():
            self.lanes[slot] = lane
        program = self.compiled.program
        # On the host, since a device function would be one more compilation for each program; slots
        # that never held a network get a copy of the first entry.
        filler = next(iter(entries.values())).traced
        state = [np.array(leaf) for leaf in self._state] or [
            np.repeat(leaf[None], self.compiled.num_lanes, axis=0) for leaf in filler.state
        ]
        constants = {name: np.array(rows) for name, rows in self._constants.items()} or {
            name: np.repeat(row[None], self.compiled.num_lanes, axis=0)
            for name, row in program.constants(filler).items()
        }
        count = program.traced.layout.num_leaves - program.traced.layout.metrics
        fresh = [np.array(leaf) for leaf in self._fresh or state[count:]]
        for slot, lane in entries.items():
            for rows, leaf in zip(
                [*state, *fresh], [*lane.traced.state, *lane.traced.state[count:]], strict=True
            ):
                rows[slot] = leaf
            for name, row in program.constants(lane.traced).items():
                constants[name][slot] = row
        sharding = lane_sharding(self.mesh)
        self._state = [jax.device_put(rows, sharding) for rows in state]
        self._fresh = fresh
        self._constants = {name: jax.device_put(rows, sharding) for name, rows in constants.items()}

    @abstractmethod
    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains one epoch in segments of ``steps`` batches, yielding (batches done, batches in
        all) after each.
        """

    def epoch_logs(self) -> list[EpochLogs]:
        """What the epoch just finished measured, for each occupied slot."""
        active = [(slot, lane) for slot, lane in enumerate(self.lanes) if lane is not None]
        reports = []
        for slot, lane in active:
            lane.epoch += 1
            lane.seconds += self._seconds / len(active)
            # logs that are no scalars (a metric with one value a class) cannot be an objective and
            # are left out
            metrics = {name: float(log[slot]) for name, log in self._logs.items() if log.ndim == 1}
            reports.append(EpochLogs(slot, lane.epoch, metrics, lane.seconds))
        return reports

    def fresh_metrics(self) -> list[jax.Array]:
        """The metrics of all lanes as they begin, each ``(num_lanes, ...)``."""
        # a copy: what lies on the device may be given away
        return [jax.device_put(rows.copy(), lane_sharding(self.mesh)) for rows in self._fresh]

    def state_of(self, slots: Sequence[int]) -> dict[int, list[np.ndarray]]:
        """The state leaves of some slots, on the host."""
        host = [np.asarray(leaf) for leaf in self._state]
        return {slot: [np.array(leaf[slot]) for leaf in host] for slot in slots}

    def release(self, slot: int) -> None:
        """Empties a slot."""
        self.lanes[slot] = None


@dataclass(eq=False)
class Cohort(Lockstep):
    """Lanes that train on data resident on the device, each at its own age and in its own order."""

    compiled: Compiled
    shuffle: bool = True

    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains one epoch in segments of ``steps`` batches, yielding (batches done, batches in
        all) after each.
        """
        program = self.compiled.program
        train, validation = program.feed.data.leaves
        order = jax.device_put(self._order(), lane_sharding(self.mesh))
        total = program.feed.num_steps
        segment = steps or max(total, 1)
        logs: list[jax.Array] = []
        started = time.perf_counter()
        for start in range(0, total, segment):
            stop = min(start + segment, total)
            self._state, logs = self.compiled.train(
                self._state, self._constants, train, order, np.int32(start), np.int32(stop)
            )
            if stop < total:
                jax.block_until_ready(logs)
                yield stop, total
        self._state, self._logs = self.compiled.finish(
            self._state,
            self._constants,
            (train, validation),
            order,
            self._held_out(),
            logs,
            self.fresh_metrics(),
        )
        self._logs = {name: np.asarray(log) for name, log in self._logs.items()}
        self._seconds = time.perf_counter() - started
        yield total, total

    def _order(self) -> np.ndarray:
        data = self.compiled.program.feed.data
        orders: dict[tuple[int, int, int], np.ndarray] = {}
        idle = np.arange(data.num_train, dtype=np.int32)
        stack = []
        for lane in self.lanes:
            if lane is None:
                stack.append(idle)
                continue
            key = (lane.order_seed, lane.epoch, lane.split)
            if key not in orders:
                order, own = (
                    batch_order(*key[:2], data.num_train, self.shuffle),
                    data.rows(lane.split),
                )
                orders[key] = order if own is None else own[0][order]
            stack.append(orders[key])
        return np.stack(stack)

    def _held_out(self) -> Any:
        """Validation rows of each lane, where they have rows of their own."""
        data = self.compiled.program.feed.data
        if not isinstance(data, PooledData):
            return None
        idle = np.arange(data.num_validation, dtype=np.int32)
        stack = [idle if lane is None else data.splits[lane.split][1] for lane in self.lanes]
        return jax.device_put(np.stack(stack), lane_sharding(self.mesh))


def diverged(metrics: Mapping[str, float]) -> bool:
    """Whether training went to infinity or nowhere."""
    return not math.isfinite(metrics.get("loss", 0.0))
