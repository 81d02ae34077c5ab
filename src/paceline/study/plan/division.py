"""Divides a study's rows into training and validation part, in the search and the final.

Fresh trainings (the final, the ablation) divide the rows in the same way as the search. Where the
search drew rows or folds, others are drawn with a seed for each pair; groups stay together. Where
nothing can be drawn without violating what was asked for (given validation data, time order,
blocks), they use the search's division with fresh seeds, and a note says so.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from paceline.core import Splits
from paceline.data import Split
from paceline.data.folds import Parts, order_of, other_folds, plain_name_of, repeated_folds
from paceline.data.pool import fresh_parts
from paceline.settings.evaluation import STANDARD_PAIRS
from paceline.study.inputs.stream_parts import StreamParts
from paceline.study.planned.retraining import FINAL, FOLDS, REPEATS, FreshSplits, seeds_of


@dataclass(frozen=True, eq=False)
class Division:
    """The divisions of a study's rows.

    Attributes:
        parts: the data, with the study's own split.
        repeats: number of trainings, each with its own seed, of each configuration in the search.
        folds: those of cross-validation, see `paceline.data.folds`; None for none.
        seed: that of the study.
    """

    parts: Split | StreamParts
    repeats: int
    folds: Any
    seed: int

    @cached_property
    def of_search(self) -> tuple[tuple[int, ...], tuple[Parts, ...] | None]:
        """Seed and rows of each training of a configuration; None: the study's own split."""
        seeds = (self.seed, *seeds_of(self.seed, REPEATS, self.repeats - 1))
        if not isinstance(self.parts, Split):
            return seeds, None
        if self.folds is None:
            others = fresh_parts(self.parts, seeds[1:])
            own = self.parts.val_rows
            return seeds, None if others is None or own is None else (
                (self.parts.train_rows, own),
                *others,
            )
        of_folds = seeds_of(self.seed, FOLDS, self.repeats)
        drawn = repeated_folds(self.parts, self.folds, of_folds)
        return tuple(seed for seed, own in zip(seeds, drawn, strict=True) for _ in own), tuple(
            part for own in drawn for part in own
        )

    def fresh(self, num_pairs: int) -> tuple[Parts, ...] | None:
        """The rows of each pair; None: the study's own split."""
        return self._fresh(num_pairs)[1]

    @cached_property
    def fresh_splits(self) -> FreshSplits:
        """How the pairs differ."""
        kind, parts = self._fresh(STANDARD_PAIRS)
        own = self.of_search[1]
        if parts is None:
            return FreshSplits(Splits.SAME, 0.0, self._why_none())
        share = statistics.fmean(len(held_out) / len(train) for train, held_out in parts)
        return FreshSplits(
            kind,
            share,
            self._why_none() if kind is Splits.SAME_FOLDS else "",
            *map(_sizes, (parts, own)),
        )

    def _fresh(self, num_pairs: int) -> tuple[Splits, tuple[Parts, ...] | None]:
        """The splits of the final's pairs, and what they differ in."""
        seeds, folds = seeds_of(self.seed, FINAL, num_pairs), self.folds
        if not isinstance(self.parts, Split):
            return Splits.SAME, None
        if folds is None:
            drawn = fresh_parts(self.parts, seeds)
            return (Splits.SAME if drawn is None else Splits.ROWS), drawn
        others = other_folds(self.parts, folds, seeds)
        if others is not None:
            return Splits.FOLDS, others
        own = self.of_search[1] or ()
        first = own[: len(own) // self.repeats]
        order = order_of(len(first))
        return Splits.SAME_FOLDS, tuple(
            first[order[pair % len(order)]] for pair in range(num_pairs)
        )

    def _why_none(self) -> str:
        """Why no other rows are drawn, if there might have been some."""
        folds = self.folds
        if folds is None:
            return ""
        fix = (
            " With shuffle=True they can."
            if type(folds).__name__ in ("KFold", "StratifiedKFold")
            else ""
        )
        return (
            f"No other folds can be drawn of {plain_name_of(folds)}, so the final trains on those "
            f"of the search, with fresh seeds.{fix}"
        )


def _sizes(parts: Sequence[Parts] | None) -> int:
    """Number of programs that a network needs for these divisions: one per pair of sizes."""
    return len({(len(train), len(held_out)) for train, held_out in parts}) if parts else 1
