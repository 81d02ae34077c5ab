"""A cohort that trains on a stream: every batch is loaded once and seen by all lanes."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from paceline.train.cohort import Lane, Lockstep
from paceline.train.compiler import lane_sharding
from paceline.train.stream import Window
from paceline.train.stream_program import StreamCompiled, everywhere
from paceline.train.trace import END


@dataclass(eq=False)
class StreamCohort(Lockstep):
    """Lanes that start together and see the same batches in the order in which the dataset gives
    them.

    Attributes:
        tell: told of each program that had to be compiled for a batch shape met in the middle of an
            epoch.
    """

    compiled: StreamCompiled
    tell: Callable[[StreamCompiled], None] = lambda _: None

    @property
    def free(self) -> list[int]:
        """All slots or none: a dataset may change from epoch to epoch, so all lanes are at the same
        one.
        """
        return list(range(len(self.lanes))) if all(lane is None for lane in self.lanes) else []

    def fill(self, entries: Mapping[int, Lane]) -> None:
        """Puts networks into slots, each starting from its traced state."""
        if entries:
            self._constants = {}  # those of parts that came late are of the networks before
        super().fill(entries)

    def advance(self, steps: int | None = None) -> Iterator[tuple[int, int]]:
        """Trains one epoch in segments of ``steps`` batches, yielding (batches done, batches in
        all) after each.

        Raises:
            BatchFailed: the dataset raised, or gave no batch.
        """
        feed = self.compiled.program.feed
        total, done, started, window = feed.num_steps, 0, time.perf_counter(), Window()
        self._logs = {}
        trained: list[Any] = []
        for kind in feed.sources:
            if kind == "test":
                trained, self._state = self._state, self._ended()
            logs: dict[str, Any] = {}
            with closing(feed.epoch(kind, everywhere(self.mesh))) as batches:
                for name, batch in batches:
                    logs = self._step(name, batch)
                    window.add(list(logs.values()))
                    done += 1
                    if done % (steps or total) == 0 and done < total:
                        yield done, total
            prefix = "val_" if kind == "test" else ""
            self._logs |= {f"{prefix}{name}": np.asarray(log) for name, log in logs.items()}
            if kind == "test":
                self._state = self.compiled.program.traced.resumed(trained, self._state)
            self._reset_metrics()
        self._seconds = time.perf_counter() - started
        yield total, total

    def _ended(self) -> list[Any]:
        """The lanes as they would be handed out if their training ended here."""
        traced = self.compiled.program.traced
        if END not in traced.parts:
            return self._state
        changed = sorted(traced.parts[END].changes(traced.layout))
        ended = dict(
            zip(changed, self.compiled.steps[END](self._state, self._constants[END]), strict=True)
        )
        return [ended.get(i, leaf) for i, leaf in enumerate(self._state)]

    def _step(self, name: str, batch: list[jax.Array]) -> dict[str, Any]:
        """One batch for all lanes; gives the logs so far, each ``(num_lanes,)``."""
        compiled = self.compiled if name in self.compiled.steps else self._later(name)
        self._state, logs = compiled.steps[name](self._state, self._constants[name], batch)
        return dict(zip(compiled.program.traced.parts[name].log_names, logs, strict=True))

    def _later(self, name: str) -> StreamCompiled:
        """The program of a part whose shape was met only now; the lanes' constants for it are put
        in place.
        """
        known = self.compiled.later.get(name)
        if known is not None and name in self._constants:
            return known
        lanes = {slot: lane.traced for slot, lane in enumerate(self.lanes) if lane is not None}
        compiled, late = self.compiled.extended(name, list(lanes.values()))
        if compiled is not known:
            self.tell(compiled)
        rows = np.repeat(compiled.program.constants(late[0])[name][None], len(self.lanes), axis=0)
        for slot, one in zip(lanes, late, strict=True):
            rows[slot] = compiled.program.constants(one)[name]
        self._constants[name] = jax.device_put(rows, lane_sharding(self.mesh))
        return compiled

    def _reset_metrics(self) -> None:
        """Brings the metrics of all lanes back to their start: no program of its own."""
        fresh = self.fresh_metrics()
        self._state = [*self._state[: len(self._state) - len(fresh)], *fresh]
