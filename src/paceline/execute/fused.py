"""Trains cohorts in worker threads while the caller's thread builds and traces further networks."""

import queue
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from paceline.core import interrupts, process_state
from paceline.core.events import Event, Noted, SpaceChanged
from paceline.execute.base import ExecutorUpdate, Job, SnapshotReference, TrainingConfig
from paceline.execute.block import Block, blocks_of
from paceline.execute.cohort_launcher import CohortLauncher
from paceline.execute.cohort_worker import RejectedNetworks
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.fit_queue import FitQueue
from paceline.execute.grouping import ProgramHint, group_by_training
from paceline.execute.merging import NetworkMerging
from paceline.execute.model_files import ModelFiles
from paceline.execute.open_trials import OpenTrials
from paceline.execute.pending_network import PendingNetwork
from paceline.execute.prepare import FailedBuild, Preparation, PreparedNetwork
from paceline.execute.program_cache import ProgramCache
from paceline.execute.withdrawn import WithdrawnTrials
from paceline.train.array_feed import ArrayFeed
from paceline.train.lane_count import LaneCount
from paceline.train.traced_model import TracedModel

_RESUMED_FIT = (
    "trials trained with fit continue with the same variables and random numbers as without the "
    "interruption; other state of their models, losses or optimizers, such as a counter in Python, "
    "starts again"
)


class FusedExecutor:
    """Trains jobs that share a program together, in cohorts.

    Jobs are prepared in blocks that a `ProgramHint` expects to share a program, so which trials
    train together does not depend on the speed of the machine. Networks of one program are
    launched together; those that cannot be traced are trained with ``fit``, in the caller's thread.
    """

    def __init__(
        self,
        preparation: Preparation,
        options: TrainingConfig,
        hint: ProgramHint,
        lane_count: LaneCount,
        expected: ExpectedNetworks,
    ) -> None:
        """Starts the threads."""
        self._on_close = ExitStack()
        self._on_close.enter_context(process_state.fewer_collections())
        self._preparation, self._options, self._hint = preparation, options, hint
        self._merging = NetworkMerging(
            preparation, expected, options.merge, lane_count.cohort_memory
        )
        self._programs = ProgramCache(preparation, hint, self._merging, lane_count, expected)
        self._launcher = CohortLauncher(self._programs, lane_count, preparation.is_streamed)
        self._trials = OpenTrials()
        self._blocks: deque[Block] = deque()
        self._fit_queue = FitQueue()
        self._withdrawn = WithdrawnTrials()
        self._noted: set[str] = set()  # reasons of notes, each of which is noted once

    def submit(
        self,
        jobs: Sequence[Job],
        snapshots: Mapping[int, SnapshotReference],
        scores: Mapping[int, Sequence[float]],
    ) -> None:
        """Adds jobs; those with a snapshot continue from it."""
        self._trials.add(jobs, snapshots, scores)
        groups = group_by_training(jobs)
        self._add_blocks([group for group in groups if not self._is_paused(group)])
        self._resume([group for group in groups if self._is_paused(group)])

    def forget(self, trials: Sequence[int]) -> None:
        """Frees paused networks, which will not continue."""
        self._trials.forget(trials)

    @property
    def num_waiting(self) -> int:
        """Jobs whose model has not been built."""
        return sum(block.num_waiting for block in self._blocks)

    @property
    def is_idle(self) -> bool:
        """Whether every job has ended or paused."""
        return not self._trials.numbers

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        """Returns what happened; until then, prepares jobs and trains those that need ``fit``."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self.is_idle:
            interrupts.check()
            updates = self._drain(0.0)
            if not updates and self._blocks and not self._launcher.is_full:
                updates = self._prepare_next()
            elif not updates and self._may_fit():
                updates = self._fit_queue.advance()
            elif not updates:
                updates = self._drain(min(until - time.monotonic(), 1.0))
            for update in updates:
                self._launcher.take(update.events)
                self._trials.take(update.events)
            if updates or time.monotonic() >= until:
                return updates
        return []

    def stop(self) -> list[ExecutorUpdate]:
        """Stops training; the last updates have a snapshot of every running trial."""
        self._blocks.clear()
        self._launcher.stop()
        return self._drain(0.0)

    def close(self) -> None:
        """Ends the threads."""
        self._launcher.close()
        self._on_close.close()
        process_state.return_memory_at_end()

    # -- preparing

    def _is_paused(self, group: list[Job]) -> bool:
        return self._trials.is_paused(group[-1].trial)

    def _add_blocks(self, groups: Sequence[list[Job]]) -> None:
        self._blocks.extend(blocks_of(groups, self._hint))

    def _resume(self, groups: Sequence[list[Job]]) -> None:
        """Launches paused networks, which are already traced."""
        by_program: dict[str, list[PendingNetwork]] = {}
        for group in groups:
            network = self._trials.resume(group)
            if network.prepared.traced is None:
                self._fit_queue.add(network)
            else:
                by_program.setdefault(network.run.program, []).append(network)
        for key, networks in by_program.items():
            self._launcher.launch(key, networks, len(networks))

    def _prepare_next(self) -> list[ExecutorUpdate]:
        """Prepares the next networks of the current block; launches the rest at its end."""
        block = self._blocks[0]
        events: list[Event] = []
        before = self._preparation.space
        group = block.groups.popleft()
        leader = group[-1].trial
        for prepared in self._preparation.prepare(group):
            events += self._take_prepared(prepared, block)
        events += [Noted(note) for note in self._merging.notes]
        self._merging.notes.clear()
        if self._preparation.space != before:
            events.insert(0, SpaceChanged(self._preparation.space.to_json(), leader))
        # before the rest of the block starts to train
        wrong = [*self._preparation.take_wrong(), *self._merging.take_refuted()]
        withdrawn = self._withdraw(list(dict.fromkeys(wrong)))
        if not block.groups:
            self._blocks.popleft()
            for key, networks in block.ready.items():
                self._launcher.launch(key, networks, block.size)
        return [*([ExecutorUpdate(tuple(events))] if events else []), *withdrawn]

    def _take_prepared(self, prepared: PreparedNetwork | FailedBuild, block: Block) -> list[Event]:
        """Adds a network to those of its program, or to the queue of ``fit``."""
        if isinstance(prepared, FailedBuild):
            return list(prepared.events)
        if prepared.traced is None:
            return self._queue_fit(prepared)
        note = _validation_note(prepared, prepared.traced)
        events = self._note_once(note, note) if note else []
        assigned, key = self._merging.assign(prepared)
        if isinstance(assigned, FailedBuild):
            return [*events, *assigned.events]
        if assigned.traced is None:
            return [*events, *self._queue_fit(assigned)]
        traced = self._programs.share_code(assigned.traced, key)
        network = self._trials.begin(replace(assigned, traced=traced), key, self._options)
        block.ready.setdefault(key, []).append(network)
        self._launcher.launch_early(block, key)
        return events

    def _withdraw(self, wrong: Sequence[int]) -> list[ExecutorUpdate]:
        """Trains trials again that trained with wrong steps, where nothing was reported of them.

        Others that are open fail, those that are paused when they are submitted again.
        """
        if not wrong:
            return []
        again = self._trials.withdraw_unreported(wrong)
        self._add_blocks(again)
        rest = set(wrong).difference(job.trial for group in again for job in group)
        paused = set(filter(self._trials.is_paused, rest))
        self._preparation.refuse(paused)
        self._trials.forget(sorted(paused))
        return [self._withdrawn.add(sorted(rest - paused), self._trials.numbers)]

    def _note_once(self, reason: str, note: str) -> list[Event]:
        """A note, unless there was one for the same reason."""
        if reason in self._noted:
            return []
        self._noted.add(reason)
        return [Noted(note)]

    # -- training with fit

    def _may_fit(self) -> bool:
        """Whether a network waits for ``fit`` and may train now.

        A dataset has one reader at a time, and cohorts come first.
        """
        is_free = not self._preparation.is_streamed or (
            self._trials.numbers <= self._fit_queue.trials
        )
        return bool(self._fit_queue) and is_free

    def _queue_fit(self, prepared: PreparedNetwork) -> list[Event]:
        network = self._trials.begin(prepared, "fit", self._options)
        self._fit_queue.add(network)
        number, reason = prepared.leader.trial, prepared.fit_reason
        note = f"trial {number} and similar ones are trained one by one with fit: {reason}"
        events = self._note_once(reason, note)
        if network.snapshot is not None:
            events += self._note_once(_RESUMED_FIT, _RESUMED_FIT)
        return events

    def _reject(self, rejected: RejectedNetworks) -> list[ExecutorUpdate]:
        """Rebuilds networks whose program failed, to train them with ``fit``."""
        events: list[Event] = []
        for network in rejected.entries:
            if network.run.is_over:  # withdrawn
                continue
            self._trials.begin_again(network)
            rebuilt = self._preparation.rebuild(network.prepared, rejected.reason)
            events += (
                rebuilt.events if isinstance(rebuilt, FailedBuild) else self._queue_fit(rebuilt)
            )
        return [ExecutorUpdate(tuple(events))]

    # -- updates

    def _drain(self, seconds: float) -> list[ExecutorUpdate]:
        """What the cohorts have sent; waits up to ``seconds`` if that is nothing yet."""
        updates: list[ExecutorUpdate] = []
        outbox = self._launcher.outbox
        try:
            item = outbox.get(timeout=seconds) if seconds > 0 else outbox.get_nowait()
            while True:
                if isinstance(item, RejectedNetworks):
                    updates += self._reject(item)
                elif isinstance(item, ModelFiles):
                    updates += item.written(self._preparation)
                else:
                    updates.append(self._withdrawn.without(item))
                item = outbox.get_nowait()
        except queue.Empty:
            return updates


def _validation_note(prepared: PreparedNetwork, traced: TracedModel) -> str:
    """A note if scores depend on the batches of the validation; empty if they do not."""
    feed = prepared.feed
    if not traced.unmerged_reason or not isinstance(feed, ArrayFeed):
        return ""
    size = feed.validation_batch_size or feed.batch_size
    return (
        f"Validation uses batches of {size} rows, as fit does. evaluate(..., "
        f"batch_size={size}) gives the same scores; larger batches might not, since "
        f"{traced.unmerged_reason}."
    )
