"""What prepares the networks of some work and decides which of them train together."""

from dataclasses import dataclass
from typing import Self

from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.grouping import ProgramHint, structural_hint
from paceline.execute.lane_facts import LaneFacts
from paceline.execute.prepare import Preparation
from paceline.execute.work import NetworkWork
from paceline.train.example_files import ExampleFiles
from paceline.train.lane_count import LaneCount
from paceline.train.trace_cache import TraceCache


@dataclass(frozen=True, slots=True, eq=False)
class NetworkParts:
    """The parts of an executor of networks on this machine.

    Attributes:
        preparation: builds and traces networks.
        hint: expects which configurations share a program.
        lane_count: chooses numbers of lanes.
        expected: how many networks are expected to share a program.
    """

    preparation: Preparation
    hint: ProgramHint
    lane_count: LaneCount
    expected: ExpectedNetworks

    @classmethod
    def of(cls, work: NetworkWork, facts: LaneFacts | None = None) -> Self:
        """Of some work.

        Args:
            work: the work.
            facts: those of the study, if this is one of its engines; None for this machine's.
        """
        fused = work.backend == "jax"
        preparation = Preparation(
            work.build,
            work.data,
            work.options,
            work.space,
            work.loop_names,
            fused,
            work.discovery,
            TraceCache(ExampleFiles.of_machine()) if fused else None,
            work.callbacks,
            work.num_repeats,
        )
        found = LaneFacts.of_machine(fused) if facts is None else facts
        lane_count = LaneCount(
            found.device,
            found.capacity,
            work.options.memory or found.device.memory,
            work.one_by_one,
            None if facts is None else facts.at_once,
        )
        hint = structural_hint(work.structural, work.space)
        expected = ExpectedNetworks(work.space, hint, work.num_configs, work.num_repeats)
        return cls(preparation, hint, lane_count, expected)
