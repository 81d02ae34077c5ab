"""The programs of an executor, by key."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax

from paceline.execute.merging import Bucket, NetworkMerging
from paceline.execute.prepare import Preparation, PreparedNetwork, ProgramHint
from paceline.train.array_program import ArrayProgram
from paceline.train.merged_program import MergedProgram
from paceline.train.primitive_overrides import find_override
from paceline.train.program import lifted_constants
from paceline.train.stream_feed import StreamFeed
from paceline.train.stream_program import StreamProgram
from paceline.train.traced_model import TracedModel

AnyProgram = ArrayProgram | StreamProgram


class ProgramCache:
    """Creates programs, and replaces those that do not cover a network.

    Args:
        preparation: traces probe configurations.
        hint: expects which configurations share a program.
        merging: decides which networks share a program with others of other sizes.
        probes: whether to trace a probe for a new program: if trials arrive sequentially, only one
            network is known then, which does not show which constants vary.
    """

    def __init__(
        self,
        preparation: Preparation,
        hint: ProgramHint,
        merging: NetworkMerging,
        probes: bool,
    ) -> None:
        self._preparation, self._hint, self._merging = preparation, hint, merging
        self._probes = probes and not preparation.is_streamed
        self._programs: dict[str, AnyProgram] = {}

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
        if known is None and self._probes:
            probe = self._preparation.probe(prepared, self._hint, bucket is not None)
            networks += [] if probe is None else [probe]
        self._programs[key] = program = _program(networks, prepared, bucket, known)
        return program


def _program(
    networks: Sequence[TracedModel],
    prepared: PreparedNetwork,
    bucket: Bucket | None,
    known: AnyProgram | None,
) -> AnyProgram:
    """A program for networks, with the inputs of the one known so far."""
    overrides = partial(find_override, platform=jax.default_backend())
    if isinstance(prepared.feed, StreamFeed):
        return StreamProgram.of(networks, overrides)
    epochs = prepared.leader.epochs
    if bucket is not None:
        known = known if isinstance(known, MergedProgram) else None
        merged = MergedProgram.of(
            bucket.structure, bucket.largest, bucket.ragged, networks, overrides, known
        )
        return replace(merged, epochs=epochs)
    lifted = lifted_constants(networks)
    if known is not None:
        lifted = {
            name: tuple(sorted({*numbers, *known.lifted[name]})) for name, numbers in lifted.items()
        }
    return ArrayProgram(networks[0], lifted, overrides, epochs=epochs)
