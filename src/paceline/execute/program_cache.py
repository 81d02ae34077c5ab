"""The programs of an executor, by key."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax

from paceline.core import Configuration
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.grouping import ProgramHint
from paceline.execute.merging import Bucket, NetworkMerging
from paceline.execute.prepare import Preparation, PreparedNetwork
from paceline.train.array_program import ArrayProgram
from paceline.train.lane_count import AnyProgram, LaneCount
from paceline.train.merged_lanes import MergedLanes
from paceline.train.merged_program import MergedProgram, merge
from paceline.train.primitive_overrides import find_override
from paceline.train.program import lifted_constants
from paceline.train.stream_feed import StreamFeed
from paceline.train.stream_program import StreamProgram
from paceline.train.traced_model import TracedModel


class ProgramCache:
    """Creates programs, and replaces those that do not cover a network.

    Args:
        preparation: traces probe configurations.
        hint: expects which configurations share a program.
        merging: decides which networks share a program with others of other sizes.
        lane_count: chooses numbers of lanes.
        expected: how many networks are expected to share a program.
    """

    def __init__(
        self,
        preparation: Preparation,
        hint: ProgramHint,
        merging: NetworkMerging,
        lane_count: LaneCount,
        expected: ExpectedNetworks,
    ) -> None:
        self._preparation, self._hint, self._merging = preparation, hint, merging
        self._lane_count, self._expected = lane_count, expected
        self._programs: dict[str, AnyProgram] = {}
        self._num_lanes: dict[str, int] = {}

    def is_known(self, key: str) -> bool:
        """Whether there is a program with this key."""
        return key in self._programs

    def share_code(self, traced: TracedModel, key: str) -> TracedModel:
        """The network with the code of its program, if there is one for arrays that covers it."""
        known = self._programs.get(key)
        return known.share_code(traced) if isinstance(known, ArrayProgram) else traced

    def program(
        self, key: str, traced: Sequence[TracedModel], prepared: PreparedNetwork
    ) -> AnyProgram:
        """The program of networks with this key.

        Args:
            key: their key.
            traced: the networks.
            prepared: one of them.
        """
        known = self._programs.get(key)
        if known is not None and all(known.covers(network) for network in traced):
            return known
        networks = list(traced) if known is None else [known.traced, *traced]
        bucket = self._merging.bucket(key)
        if known is None and not self._preparation.is_streamed:
            # several networks show which sizes vary, but not that a rate of 0.5 may be another one
            of_floats = not self._lane_count.one_by_one
            probe = self._preparation.probe(prepared, self._hint, bucket is not None, of_floats)
            networks += [] if probe is None else [probe]
        self._programs[key] = program = _program(networks, prepared, bucket, known)
        return program

    def num_lanes(
        self, program: AnyProgram, config: Configuration, num_waiting: int, num_together: int
    ) -> int:
        """The number of lanes of a program: always the same one, except on a stream.

        Args:
            program: the program.
            config: the configuration of a network.
            num_waiting: networks that wait for the program.
            num_together: networks that were submitted with them and may share it.
        """
        if self._preparation.is_streamed:
            return self._lane_count.for_stream(program, num_waiting)
        if program.key not in self._num_lanes:
            self._num_lanes[program.key] = self._lane_count.choose(
                program,
                self._expected.numbers(config, num_together),
                more_come=self._expected.num_configs is None,
            )
        return self._num_lanes[program.key]


def _program(
    networks: Sequence[TracedModel],
    prepared: PreparedNetwork,
    bucket: Bucket | None,
    known: AnyProgram | None,
) -> AnyProgram:
    """A program for networks, with the inputs of the one known so far."""
    overrides = partial(find_override, platform=jax.default_backend())
    epochs = prepared.leader.epochs
    if bucket is not None:
        same = known if isinstance(known, MergedLanes) else None
        merged = merge(bucket.structure, bucket.largest, bucket.ragged, networks, overrides, same)
        return replace(merged, epochs=epochs) if isinstance(merged, MergedProgram) else merged
    if isinstance(prepared.feed, StreamFeed):
        return StreamProgram.covering(networks, overrides)
    lifted = lifted_constants(networks)
    if known is not None:
        lifted = lifted.joined(known.lifted)
    return ArrayProgram(networks[0], lifted, overrides, epochs=epochs)
