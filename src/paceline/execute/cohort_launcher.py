"""Starts the compilation of programs, and the training of their networks in cohorts."""

import queue
from collections.abc import Sequence

from paceline.core.events import Event, TrialEnded, TrialPaused, TrialStarted
from paceline.execute.base import ExecutorUpdate
from paceline.execute.block import Block
from paceline.execute.cohort_worker import CohortTask, CohortWorker, RejectedNetworks
from paceline.execute.model_files import ModelFiles
from paceline.execute.pending_network import PendingNetwork
from paceline.execute.program_cache import ProgramCache
from paceline.train.compiler import Compiler
from paceline.train.lane_count import AnyProgram, LaneCount

_MAX_BYTES_WAITING = 2**30  # of prepared networks that wait for a lane


class CohortLauncher:
    """Launches networks of the same program together."""

    def __init__(self, programs: ProgramCache, lane_count: LaneCount, is_streamed: bool) -> None:
        """Starts the threads.

        Args:
            programs: the programs.
            lane_count: how many networks train together.
            is_streamed: whether the data are batches of a stream, which has one reader at a time.
        """
        self._programs, self._lane_count, self._is_streamed = programs, lane_count, is_streamed
        num_cohorts = lane_count.num_cohorts
        self._compiler = Compiler(num_threads=lane_count.num_compilations)
        self._worker = CohortWorker(
            self._compiler,
            num_threads=1 if is_streamed else num_cohorts,
            memory=lane_count.own_memory,
        )
        self._bytes_waiting: dict[int, int] = {}

    @property
    def outbox(self) -> "queue.SimpleQueue[ExecutorUpdate | RejectedNetworks | ModelFiles]":
        """What has happened in the cohorts."""
        return self._worker.outbox

    @property
    def is_full(self) -> bool:
        """Whether so many networks wait for a lane that no more should be prepared."""
        return sum(self._bytes_waiting.values()) >= _MAX_BYTES_WAITING

    def launch_early(self, block: Block, key: str) -> None:
        """Launches networks of a block before all of it are prepared.

        Two networks show which constants vary: then the program is compiled, and each full cohort
        is launched. If trials arrive sequentially, each network is launched when it is ready.
        """
        networks = block.ready[key]
        if self._is_streamed:
            return
        if not self._lane_count.one_by_one:
            if len(networks) < 2 and not self._programs.is_known(key):
                return
            program, num_lanes = self._program(key, networks, block.size)
            self._compiler.request(program, num_lanes)
            if len(networks) < num_lanes:
                return
        self.launch(key, networks, block.size)
        block.ready[key] = []

    def launch(self, key: str, networks: Sequence[PendingNetwork], num_together: int) -> None:
        """Launches networks.

        Args:
            key: the key of their program.
            networks: the networks; those that were withdrawn are left out.
            num_together: networks that were submitted with them and may share the program.
        """
        for part in self._starting_together(networks):
            if current := [network for network in part if not network.run.is_over]:
                self._launch(key, current, num_together)

    def take(self, events: Sequence[Event]) -> None:
        """Follows which networks no longer wait for a lane."""
        for event in events:
            if isinstance(event, TrialStarted | TrialEnded | TrialPaused):
                self._bytes_waiting.pop(event.number, None)

    def stop(self) -> None:
        """Stops training, see `CohortWorker.stop`."""
        self._worker.stop()

    def close(self) -> None:
        """Ends the threads."""
        self._worker.stop()
        self._compiler.close()

    def _starting_together(
        self, networks: Sequence[PendingNetwork]
    ) -> list[Sequence[PendingNetwork]]:
        """Splits networks into those that may share a cohort: on a stream, those at one epoch."""
        if not self._is_streamed:
            return [networks]
        epochs = sorted({network.starts_at for network in networks}, reverse=True)
        return [[one for one in networks if one.starts_at == epoch] for epoch in epochs]

    def _launch(self, key: str, networks: Sequence[PendingNetwork], num_together: int) -> None:
        program, num_lanes = self._program(key, networks, num_together)
        self._compiler.request(program, num_lanes)
        for network in networks:
            self._bytes_waiting[network.run.leader.trial] = network.prepared.num_bytes
        num_bytes = self._lane_count.cohort_bytes(program, num_lanes)
        for part in self._lane_count.divide(networks, num_lanes):
            self._worker.train(CohortTask(program, num_lanes, part, num_bytes))

    def _program(
        self, key: str, networks: Sequence[PendingNetwork], num_together: int
    ) -> tuple[AnyProgram, int]:
        """The program of networks, and its number of lanes, see `ProgramCache.num_lanes`."""
        traced = [one.prepared.traced for one in networks if one.prepared.traced is not None]
        first = networks[0].prepared
        program = self._programs.program(key, traced, first)
        return program, self._programs.num_lanes(program, first.config, len(networks), num_together)
