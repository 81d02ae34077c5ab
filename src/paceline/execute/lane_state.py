"""The lanes of a cohort between two epochs: their variables on the host, their Keras callbacks."""

import traceback
from collections.abc import Mapping, Sequence

import numpy as np

from paceline.core.events import Event
from paceline.execute.base import Leaves
from paceline.execute.model_files import ModelFile
from paceline.execute.pending_network import PendingNetwork
from paceline.train.cohort import BaseCohort, EpochLogs
from paceline.train.lane_callbacks import LaneCallbacks, Rate


class LaneState:
    """The states of lanes on the host, each fetched at most once; learning rates may change."""

    def __init__(self, cohort: BaseCohort) -> None:
        """Fetches nothing yet."""
        self._cohort = cohort
        self._states: dict[int, list[np.ndarray]] = {}  # of lanes
        self._rates: dict[int, np.ndarray] = {}  # of all lanes, by leaf
        self._changed: set[int] = set()

    def leaves(self, slot: int) -> Leaves:
        """The variables of a lane, without those of metrics."""
        if slot not in self._states:
            self._states[slot] = self._cohort.state_of(slot)
            for leaf, rates in self._rates.items():  # changed ones may not be on the device yet
                self._states[slot][leaf] = np.array(rates[slot])
        layout = self._cohort.compiled.program.traced.layout
        return self._states[slot][: layout.num_kept]

    def rate(self, slot: int, leaf: int | None) -> Rate:
        """The learning rate of a lane.

        Args:
            slot: of the lane.
            leaf: which of its variables that is; None if no callback uses it.
        """
        if leaf is None:
            return None
        if leaf not in self._rates:
            self._rates[leaf] = self._cohort.rows(leaf)
        return np.array(self._rates[leaf][slot])

    def set_rate(self, slot: int, leaf: int | None, rate: Rate) -> None:
        """Sets the learning rate of a lane; the device has it after `commit`."""
        if leaf is None or rate == self._rates[leaf][slot]:
            return
        self._rates[leaf][slot] = rate
        self._changed.add(leaf)
        if slot in self._states:
            self._states[slot][leaf] = np.array(self._rates[leaf][slot])

    def commit(self) -> None:
        """Writes learning rates that have changed to the device."""
        for leaf in sorted(self._changed):
            self._cohort.set_rows(leaf, self._rates[leaf])
        self._changed.clear()


def begin_epoch(cohort: BaseCohort, in_slot: Mapping[int, PendingNetwork]) -> list[Event]:
    """Calls the callbacks of all lanes before an epoch; the events of those that raise."""
    state, events = LaneState(cohort), list[Event]()
    for slot, entry in in_slot.items():
        lane, callbacks = cohort.lanes[slot], entry.run.callbacks
        if lane is None or not isinstance(callbacks, LaneCallbacks):
            continue
        leaf = entry.prepared.rate_leaf
        try:
            rate = callbacks.begin_epoch(lane.epoch, state.rate(slot, leaf))
        except Exception:
            events += entry.run.fail(traceback.format_exc())
        else:
            state.set_rate(slot, leaf, rate)
    state.commit()
    return events


def end_epoch(
    logs: Sequence[EpochLogs], in_slot: Mapping[int, PendingNetwork], state: LaneState
) -> tuple[list[Event], dict[int, Mapping[str, float]]]:
    """Calls the callbacks of all lanes after an epoch.

    Returns:
        The events of those that raise, and the metrics of each lane.
    """
    events, metrics = list[Event](), {one.slot: one.metrics for one in logs}
    for one in logs:
        entry = in_slot[one.slot]
        callbacks, leaf = entry.run.callbacks, entry.prepared.rate_leaf
        if not isinstance(callbacks, LaneCallbacks):
            continue
        try:
            rate = state.rate(one.slot, leaf)
            metrics[one.slot], rate = callbacks.end_epoch(one.epoch - 1, one.metrics, rate)
        except Exception:
            events += entry.run.fail(traceback.format_exc())
        else:
            state.set_rate(one.slot, leaf, rate)
            for path, has_weights_only in callbacks.take_files().items():
                file = ModelFile(state.leaves(one.slot), has_weights_only)
                entry.run.files[path] = file
    state.commit()
    return events, metrics
