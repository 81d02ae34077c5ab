"""Cohorts: networks of one program that train together, one in each lane."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from paceline.train.array_feed import PooledData
from paceline.train.array_program import CompiledArrayProgram
from paceline.train.program import CompiledProgram
from paceline.train.sharding import lane_sharding
from paceline.train.traced_model import TracedModel


@dataclass(slots=True)
class Lane:
    """A network in a slot of a cohort.

    Attributes:
        traced: the network, with the state from which it starts.
        epochs: epochs of its full training.
        order_seed: seeds the order of its batches.
        epoch: epochs trained so far.
        seconds: its share of the cohort's time so far.
        split: number of the split of the data that it trains on, if there are several.
    """

    traced: TracedModel
    epochs: int
    order_seed: int
    epoch: int = 0
    seconds: float = 0.0
    split: int = 0


@dataclass(frozen=True, slots=True)
class EpochLogs:
    """The metrics of a lane in an epoch."""

    slot: int
    epoch: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(eq=False)
class BaseCohort(ABC):
    """Lanes that train in lockstep. Empty slots continue to compute; their results are unused."""

    compiled: CompiledProgram
    mesh: Mesh | None = None

    def __post_init__(self) -> None:
        self.lanes: list[Lane | None] = [None] * self.compiled.num_lanes
        self._state: list[jax.Array] = []
        self._fresh: list[np.ndarray] = []  # initial metrics of each lane, on the host
        self._constants: dict[str, jax.Array] = {}
        self._logs: dict[str, np.ndarray] = {}
        self._seconds = 0.0

    @property
    def free(self) -> list[int]:
        """Slots without a network."""
        return [slot for slot, lane in enumerate(self.lanes) if lane is None]

    def fill(self, entries: Mapping[int, Lane]) -> None:
        """Puts networks into slots, each with its traced state."""
        if not entries:
            return
        for slot, lane in entries.items():
            self.lanes[slot] = lane
        program = self.compiled.program
        # On the host, since a function on the device would be compiled for each program. Slots that
        # were never used get a copy of the first network.
        filler = next(iter(entries.values())).traced
        state = [np.array(leaf) for leaf in self._state] or [
            np.repeat(leaf[None], self.compiled.num_lanes, axis=0)
            for leaf in program.lane_state(filler)
        ]
        constants = {name: np.array(rows) for name, rows in self._constants.items()} or {
            name: np.repeat(row[None], self.compiled.num_lanes, axis=0)
            for name, row in program.constants(filler).items()
        }
        count = program.traced.layout.num_kept
        fresh = [np.array(leaf) for leaf in self._fresh or state[count:]]
        for slot, lane in entries.items():
            own = program.lane_state(lane.traced)
            for rows, leaf in zip([*state, *fresh], [*own, *own[count:]], strict=True):
                rows[slot] = leaf
            for name, row in program.constants(lane.traced).items():
                constants[name][slot] = row
        sharding = lane_sharding(self.mesh)
        self._state = [jax.device_put(rows, sharding) for rows in state]
        self._fresh = fresh
        self._constants = {name: jax.device_put(rows, sharding) for name, rows in constants.items()}

    @abstractmethod
    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains an epoch in segments; yields (batches done, total) after each.

        Args:
            steps: batches in a segment; None for all.
        """

    def epoch_logs(self) -> list[EpochLogs]:
        """The metrics of the last epoch, for each occupied slot."""
        active = [(slot, lane) for slot, lane in enumerate(self.lanes) if lane is not None]
        reports = []
        for slot, lane in active:
            lane.epoch += 1
            lane.seconds += self._seconds / len(active)
            # logs that are not scalars, such as a value for each class, cannot be an objective
            metrics = {name: float(log[slot]) for name, log in self._logs.items() if log.ndim == 1}
            reports.append(EpochLogs(slot, lane.epoch, metrics, lane.seconds))
        return reports

    def fresh_metrics(self) -> list[jax.Array]:
        """The initial metrics of all lanes, each ``(num_lanes, ...)``."""
        # a copy, since arrays on the device may be donated
        return [jax.device_put(rows.copy(), lane_sharding(self.mesh)) for rows in self._fresh]

    def state_of(self, slots: Sequence[int]) -> dict[int, list[np.ndarray]]:
        """The state leaves of occupied slots, on the host, in the shapes of their networks."""
        host = [np.asarray(leaf) for leaf in self._state]
        program, found = self.compiled.program, {}
        for slot in slots:
            lane = self.lanes[slot]
            if lane is not None:
                leaves = [np.array(leaf[slot]) for leaf in host]
                found[slot] = program.own_state(lane.traced, leaves)
        return found

    def rows(self, leaf: int) -> np.ndarray:
        """A leaf of the state of all lanes, on the host."""
        return np.array(self._state[leaf])

    def set_rows(self, leaf: int, rows: np.ndarray) -> None:
        """Replaces a leaf of the state of all lanes."""
        self._state[leaf] = jax.device_put(rows, lane_sharding(self.mesh))

    def release(self, slot: int) -> None:
        """Empties a slot."""
        self.lanes[slot] = None


@dataclass(eq=False)
class Cohort(BaseCohort):
    """Lanes that train on arrays on the device, each at its own epoch and in its own order.

    Attributes:
        shuffle: whether rows are shuffled in each epoch.
    """

    compiled: CompiledArrayProgram
    shuffle: bool = True

    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains an epoch in segments; yields (batches done, total) after each.

        Args:
            steps: batches in a segment; None for all.
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
        feed = self.compiled.program.feed
        data = feed.data
        orders: dict[tuple[int, int, int], np.ndarray] = {}
        idle = np.zeros(feed.num_train, dtype=np.int32)
        stack = []
        for lane in self.lanes:
            if lane is None:
                stack.append(idle)
                continue
            key = (lane.order_seed, lane.epoch, lane.split)
            if key not in orders:
                order, own = feed.order(*key[:2], self.shuffle), data.rows(lane.split)
                orders[key] = order if own is None else own[0][order]
            stack.append(orders[key])
        return np.stack(stack)

    def _held_out(self) -> Any:
        """The validation rows of each lane, if they differ."""
        feed = self.compiled.program.feed
        data, count = feed.data, feed.num_validation
        if not isinstance(data, PooledData):
            return None
        idle = np.zeros(count, dtype=np.int32)
        stack = [
            idle if lane is None else data.splits[lane.split][1][:count] for lane in self.lanes
        ]
        return jax.device_put(np.stack(stack), lane_sharding(self.mesh))
