"""The final: the closing cohort, in which the finalists train anew."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from paceline.core.items import AsItems


class Splits(StrEnum):
    """What fresh trainings are trained on and validated with, beside their fresh seeds."""

    ROWS = "rows"
    """Each pair divides the rows anew, as the study did: by chance, with groups kept together."""
    FOLDS = "folds"
    """Each pair takes one fold of folds that are drawn anew, as the study's were."""
    SAME_FOLDS = "same folds"
    """Each pair takes one of the study's own folds, since no others of their kind can be drawn."""
    SAME = "same split"
    """All pairs have the study's own division into training and validation part."""

    @property
    def are_fresh(self) -> bool:
        """Whether the search has not seen them."""
        return self in (Splits.ROWS, Splits.FOLDS)

    @property
    def differ(self) -> bool:
        """Whether the pairs differ in their rows, and not only in their seeds."""
        return self is not Splits.SAME


@dataclass(frozen=True, slots=True)
class Final:
    """Finalists, each trained anew on the same pairs of a fresh seed and a fresh split.

    Attributes:
        finalists: numbers of the trials whose configurations these are, the most promising first.
        default: the finalist that is the user's default configuration; None where it is not among
            them.
        num_pairs: pairs of a fresh seed and a fresh split, from 0; all finalists train on each.
        splits: what the pairs differ in beside their seed.
        validation_share: rows of the validation part over rows of the training part, on average
            over the splits.
        scores: the objective's metric of (finalist, pair), where it was measured; NaN where
            training failed.
        seconds: training time of (finalist, pair), where it was measured.
        winner: the finalist that won; None before the end.
        seeded: whether the seed may have mattered in any of them: not where a function never asked
            for ``hp.seed``.
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
        """What is still to be measured: (finalist, pair), pair by pair."""
        every = [(number, pair) for pair in range(self.num_pairs) for number in self.finalists]
        return [one for one in every if one not in self.scores]

    def scores_of(self, number: int) -> list[float]:
        """A finalist's score on each pair, NaN where there is none."""
        return [self.scores.get((number, pair), math.nan) for pair in range(self.num_pairs)]
