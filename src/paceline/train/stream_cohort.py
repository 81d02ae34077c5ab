"""A cohort that trains on a stream: each batch is loaded once and used by all lanes."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from paceline.train.cohort import BaseCohort, Lane
from paceline.train.sharding import lane_sharding, replicated
from paceline.train.stream_feed import InFlightLimit
from paceline.train.stream_program import CompiledStreamProgram
from paceline.train.traced_model import END


@dataclass(eq=False)
class StreamCohort(BaseCohort):
    """Lanes that start together and use the same batches, in the order of the dataset.

    Attributes:
        on_compiled: called with each program compiled for a batch shape that first occurred during
            an epoch.
    """

    compiled: CompiledStreamProgram
    on_compiled: Callable[[CompiledStreamProgram], None] = lambda _: None

    @property
    def free(self) -> list[int]:
        """All slots or none: since datasets may change, lanes are at the same epoch."""
        return list(range(len(self.lanes))) if all(lane is None for lane in self.lanes) else []

    def fill(self, entries: Mapping[int, Lane]) -> None:
        """Puts networks into slots, each with its traced state."""
        if entries:
            self._constants = {}  # constants of later parts belong to the previous networks
        super().fill(entries)

    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains an epoch in segments; yields (batches done, total) after each.

        Args:
            steps: batches in a segment; None for all.

        Raises:
            BatchFailed: the dataset raised an error or returned an invalid batch.
        """
        feed = self.compiled.program.feed
        total, done, started, in_flight = feed.num_steps, 0, time.perf_counter(), InFlightLimit()
        self._logs = {}
        epoch = next((lane.epoch for lane in self.lanes if lane is not None), 0)
        trained: list[Any] = []
        for kind in feed.sources:
            if kind == "test":
                trained, self._state = self._state, self._with_end()
            logs: dict[str, Any] = {}
            with closing(feed.epoch(kind, replicated(self.mesh), epoch)) as batches:
                for name, batch in batches:
                    logs = self._step(name, batch)
                    in_flight.add(list(logs.values()))
                    done += 1
                    if done % (steps or total) == 0 and done < total:
                        yield done, total
            prefix = "val_" if kind == "test" else ""
            self._logs |= {f"{prefix}{name}": np.asarray(log) for name, log in logs.items()}
            if kind == "test":
                self._state = self.compiled.program.traced.undo_end(trained, self._state)
            self._reset_metrics()
        self._seconds = time.perf_counter() - started
        yield total, total

    def _with_end(self) -> list[Any]:
        """The lanes as they would be if training ended now."""
        traced = self.compiled.program.traced
        if END not in traced.parts:
            return self._state
        changed = sorted(traced.parts[END].changed_leaves(traced.layout))
        constants = self.compiled.program.of_part(END, self._constants)
        leaves = self.compiled.steps[END](self._state, constants)
        ended = dict(zip(changed, leaves, strict=True))
        return [ended.get(i, leaf) for i, leaf in enumerate(self._state)]

    def _step(self, name: str, batch: list[jax.Array]) -> dict[str, Any]:
        """Trains all lanes on a batch; returns the logs so far, each ``(num_lanes,)``."""
        compiled = self.compiled if name in self.compiled.steps else self._later(name)
        constants = compiled.program.of_part(name, self._constants)
        self._state, logs = compiled.steps[name](self._state, constants, batch)
        return dict(zip(compiled.program.traced.parts[name].log_names, logs, strict=True))

    def _later(self, name: str) -> CompiledStreamProgram:
        """The program of a part that first occurred during an epoch; sets the lanes' constants."""
        known = self.compiled.later.get(name)
        if known is not None and name in self._constants:
            return known
        lanes = {slot: lane.traced for slot, lane in enumerate(self.lanes) if lane is not None}
        compiled, models = self.compiled.extend(name, list(lanes.values()))
        if compiled is not known:
            self.on_compiled(compiled)
        own = [compiled.program.constants(model) for model in models]
        for key, first in own[0].items():
            rows = np.repeat(first[None], len(self.lanes), axis=0)
            for slot, constants in zip(lanes, own, strict=True):
                rows[slot] = constants[key]
            self._constants[key] = jax.device_put(rows, lane_sharding(self.mesh))
        return compiled

    def _reset_metrics(self) -> None:
        """Resets the metrics of all lanes, without compiling a function for it."""
        fresh = self.fresh_metrics()
        self._state = [*self._state[: len(self._state) - len(fresh)], *fresh]
