"""The record of the final: finalists retrained on fresh seeds and splits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from paceline.core.items import AsItems


class Splits(StrEnum):
    """The splits of the data in fresh trainings, which always have fresh seeds."""

    ROWS = "rows"
    """Each pair splits the rows anew as the study did: at random, groups kept together."""
    FOLDS = "folds"
    """Each pair takes one fold of newly drawn folds."""
    SAME_FOLDS = "same folds"
    """Each pair takes one of the study's own folds, since no others of their kind can be drawn."""
    SAME = "same split"
    """All pairs have the study's own split into training and validation rows."""

    @property
    def are_fresh(self) -> bool:
        """Whether these splits were not used by the search."""
        return self in (Splits.ROWS, Splits.FOLDS)

    @property
    def differ(self) -> bool:
        """Whether the pairs differ in their rows, and not only in their seeds."""
        return self is not Splits.SAME


@dataclass(frozen=True, slots=True)
class Final:
    """Finalists, each retrained on the same pairs of a fresh seed and a fresh split.

    Attributes:
        finalists: numbers of the trials whose configurations these are, the most promising first.
        default: the finalist with the user's default configuration; None if it is not among them.
        num_pairs: pairs of a fresh seed and a fresh split, from 0; all finalists train on each.
        splits: what the pairs differ in beside their seed.
        validation_share: rows of the validation part over rows of the training part, on average
            over the splits.
        scores: the objective's metric of (finalist, pair), if measured; NaN if training failed.
        seconds: training time of (finalist, pair), if measured.
        winner: the finalist that won; None until the final has ended.
        seeded: whether the seed may have mattered in any training; False if a function never used
            ``hp.seed``.
    """

    finalists: tuple[int, ...]
    default: int | None
    num_pairs: int
    splits: Splits
    validation_share: float
    scores: Annotated[Mapping[tuple[int, int], float], AsItems()] = field(default_factory=dict)
    seconds: Annotated[Mapping[tuple[int, int], float], AsItems()] = field(default_factory=dict)
    winner: int | None = None
    seeded: bool = True

    @property
    def missing(self) -> list[tuple[int, int]]:
        """(finalist, pair) that has no score yet, pair by pair."""
        every = [(number, pair) for pair in range(self.num_pairs) for number in self.finalists]
        return [key for key in every if key not in self.scores]

    def scores_of(self, number: int) -> list[float]:
        """A finalist's score on each pair; NaN where there is none."""
        return [self.scores.get((number, pair), math.nan) for pair in range(self.num_pairs)]
