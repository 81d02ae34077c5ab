"""Programs for networks of several sizes, see `paceline.train.merging`."""

from collections.abc import Sequence
from dataclasses import dataclass

from paceline.train.array_program import ArrayProgram
from paceline.train.lifted_evaluation import OverrideLookup
from paceline.train.merged_lanes import MergedLanes
from paceline.train.merging.structure import CannotMerge, Sizes, Structure
from paceline.train.stream_feed import StreamFeed
from paceline.train.stream_program import StreamProgram
from paceline.train.traced_model import TracedModel


@dataclass(frozen=True, eq=False)
class MergedProgram(MergedLanes, ArrayProgram):
    """A program for arrays whose lanes have sizes of their own."""


@dataclass(frozen=True, eq=False)
class MergedStreamProgram(MergedLanes, StreamProgram):
    """A program for a stream whose lanes have sizes of their own."""

    def later(
        self, name: str, traced: Sequence[TracedModel], known: StreamProgram | None
    ) -> "MergedStreamProgram":
        """The program of a part that first occurred now, see `StreamProgram.later`."""
        known = known if isinstance(known, MergedStreamProgram) else None
        try:
            structure = self._with_part(name, traced[0]) if known is None else known.structure
            for model in traced:
                structure.check_part(name, model)
        except CannotMerge as error:
            raise self.differing(name) from error
        models = [model.only(name) for model in traced]
        if known is not None and all(known.covers(model) for model in models):
            return known
        return MergedStreamProgram.of(
            structure, self.largest, self.ragged, models, self.overrides, known
        )

    def _with_part(self, name: str, traced: TracedModel) -> Structure:
        """The structure of a part, which must have the sizes and the layout of this one.

        All parts of a network are related, since a part that does not use some weights says nothing
        of their sizes.
        """
        structure = Structure.of(traced)
        structure.check_differing(self.ragged)
        shapes = [
            [one.layout(self.largest, self.largest, self.ragged).shape(axes) for axes in one.leaves]
            for one in (self.structure, structure)
            if len(one.free_axes) == len(self.largest)
        ]
        if shapes[1:] != shapes[:1]:
            raise CannotMerge("its batches relate sizes in another way")
        return structure.only(name)


def merge(
    structure: Structure,
    largest: Sizes,
    ragged: Sequence[int],
    networks: Sequence[TracedModel],
    overrides: OverrideLookup | None = None,
    known: MergedLanes | None = None,
) -> MergedProgram | MergedStreamProgram:
    """The program for arrays or for a stream, see `MergedLanes.of`."""
    is_stream = isinstance(structure.traced.feed, StreamFeed)
    kind = MergedStreamProgram if is_stream else MergedProgram
    return kind.of(structure, largest, ragged, networks, overrides, known)
