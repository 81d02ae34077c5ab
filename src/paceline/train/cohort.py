"""Cohorts: networks of one program that train together, one in each lane."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from paceline.train.array_feed import PooledData
from paceline.train.array_program import CompiledArrayProgram
from paceline.train.program import CompiledProgram
from paceline.train.sharding import lane_sharding
from paceline.train.traced_model import TracedModel

_LARGE_BYTES = 2**26  # of the state of all lanes
_ORDER_BYTES = 2**29  # of orders that are drawn ahead


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
        self._num_read = 0  # lanes that were read by themselves since the last epoch

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
        program, num_lanes = self.compiled.program, self.compiled.num_lanes
        count = program.traced.layout.num_kept
        # slots that were never used get a copy of the first network
        filler = next(iter(entries.values())).traced
        own = program.lane_state(filler)
        in_place = bool(self._state) and self._is_large and len(entries) <= num_lanes // 8
        state = [] if in_place else self._state_on_host() or _repeated(own, num_lanes)
        fresh = [np.array(rows) for rows in self._fresh] or _repeated(own[count:], num_lanes)
        constants = {name: np.array(rows) for name, rows in self._constants.items()} or {
            name: np.repeat(row[None], num_lanes, axis=0)
            for name, row in program.constants(filler).items()
        }
        for slot, lane in entries.items():
            own = program.lane_state(lane.traced)
            if in_place:
                self._state = _with_lane(self._state, np.int32(slot), own)
            else:
                _set_rows(state, slot, own)
            _set_rows(fresh, slot, own[count:])
            for name, row in program.constants(lane.traced).items():
                constants[name][slot] = row
        sharding = lane_sharding(self.mesh)
        if not in_place:
            self._state = [jax.device_put(rows, sharding) for rows in state]
        self._fresh = fresh
        self._constants = {name: jax.device_put(rows, sharding) for name, rows in constants.items()}

    def _state_on_host(self) -> list[np.ndarray]:
        return [np.array(rows) for rows in self._state]

    @abstractmethod
    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains an epoch in segments; yields (batches done, total) after each.

        Args:
            steps: batches in a segment; None for all.
        """

    def epoch_logs(self) -> list[EpochLogs]:
        """The metrics of the last epoch, for each occupied slot."""
        active = [(slot, lane) for slot, lane in enumerate(self.lanes) if lane is not None]
        reports, self._num_read = [], 0
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

    def state_of(self, slot: int) -> list[np.ndarray]:
        """The state leaves of a lane, on the host, in the shapes of its network.

        Raises:
            ValueError: the slot is empty.
        """
        lane = self.lanes[slot]
        if lane is None:
            raise ValueError(f"slot {slot} is empty")
        if self._is_large and self._num_read < len(self.lanes) // 8:
            self._num_read += 1
            leaves = [np.array(leaf) for leaf in _lane_of(self._state, np.int32(slot))]
        else:
            # all lanes are fetched once, and kept by JAX until they train on
            leaves = [np.array(np.asarray(leaf)[slot]) for leaf in self._state]
        return self.compiled.program.own_state(lane.traced, leaves)

    @property
    def _is_large(self) -> bool:
        """Whether moving all lanes between the device and the host would take long.

        On an H100 5 GB take 4 s, and a lane by itself about 2 ms; many lanes are faster together.
        On a CPU nothing is moved.
        """
        if self.mesh is not None or not _device_has_memory():
            return False
        return sum(rows.nbytes for rows in self._state) > _LARGE_BYTES

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
    _orders: dict[tuple[int, int, int], np.ndarray] = field(
        init=False, repr=False, default_factory=dict
    )  # of lanes, by seed, epoch and split

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
        self._prepare_orders()  # while the device computes
        self._logs = {name: np.asarray(log) for name, log in self._logs.items()}
        self._seconds = time.perf_counter() - started
        yield total, total

    def _order(self) -> np.ndarray:
        """The rows of each lane in order, int32 ``(num_lanes, rows)``."""
        idle = np.zeros(self.compiled.program.feed.num_train, dtype=np.int32)
        known, self._orders = self._orders, {}
        stack = []
        for lane in self.lanes:
            if lane is None:
                stack.append(idle)
                continue
            key = (lane.order_seed, lane.epoch, lane.split)
            if key not in known:
                known[key] = self._order_of(*key)
            stack.append(known[key])
        return np.stack(stack)

    def _prepare_orders(self) -> None:
        """Draws the orders of the next epoch ahead: of 4,096 lanes they take 0.4 s."""
        most = _ORDER_BYTES // max(1, 4 * self.compiled.program.feed.num_train)
        for lane in self.lanes:
            if lane is not None and lane.epoch + 1 < lane.epochs and len(self._orders) < most:
                key = (lane.order_seed, lane.epoch + 1, lane.split)
                if key not in self._orders:
                    self._orders[key] = self._order_of(*key)

    def _order_of(self, seed: int, epoch: int, split: int) -> np.ndarray:
        feed = self.compiled.program.feed
        order, own = feed.order(seed, epoch, self.shuffle), feed.data.rows(split)
        return order if own is None else own[0][order]

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


def _device_has_memory() -> bool:
    """Whether the device has a memory of its own, apart from the host's."""
    return jax.default_backend() != "cpu"


def _repeated(leaves: Sequence[np.ndarray], num_lanes: int) -> list[np.ndarray]:
    """The leaves of a network for each lane."""
    return [np.repeat(leaf[None], num_lanes, axis=0) for leaf in leaves]


def _set_rows(state: Sequence[np.ndarray], slot: int, leaves: Sequence[np.ndarray]) -> None:
    for rows, leaf in zip(state, leaves, strict=True):
        rows[slot] = leaf


@jax.jit
def _lane_of(state: Sequence[jax.Array], slot: Any) -> list[jax.Array]:
    """The leaves of a lane; compiled once for each program."""
    return [rows[slot] for rows in state]


@partial(jax.jit, donate_argnums=0)
def _with_lane(
    state: Sequence[jax.Array], slot: Any, leaves: Sequence[np.ndarray]
) -> list[jax.Array]:
    """The state with other leaves of a lane; compiled once for each program."""
    return [rows.at[slot].set(leaf) for rows, leaf in zip(state, leaves, strict=True)]
