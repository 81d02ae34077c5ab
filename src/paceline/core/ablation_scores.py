"""The record of an ablation: winner and default configuration, changed one value at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from paceline.core.final_scores import Splits
from paceline.core.items import AsItems


class Side(StrEnum):
    """The configuration that is changed: the default (towards the winner), or the winner."""

    DEFAULT = "default"
    WINNER = "winner"


@dataclass(frozen=True, slots=True)
class Ablation:
    """Scores of configurations that differ from the default or the winner in one hyperparameter.

    All are trained on the same pairs of a fresh seed and a fresh split.
    Attributes:
        default: number of the trial of the default configuration.
        winner: number of the winning trial.
        num_pairs: pairs of a fresh seed and a fresh split, from 0.
        splits: what the pairs differ in beside their seed.
        validation_share: rows of the validation part over rows of the training part, on average
            over the splits.
        changes: names of the hyperparameters that are changed at each side.
        scores: of (side, name, pair); the name is empty for default and winner themselves.
    """

    default: int
    winner: int
    num_pairs: int
    splits: Splits
    validation_share: float
    changes: Mapping[Side, tuple[str, ...]]
    scores: Annotated[Mapping[tuple[Side, str, int], float], AsItems()] = field(
        default_factory=dict
    )

    @property
    def missing(self) -> list[tuple[Side, str, int]]:
        """(side, name, pair) that has no score yet, pair by pair."""
        every = [
            (side, name, pair)
            for pair in range(self.num_pairs)
            for side in Side
            for name in ("", *self.changes[side])
        ]
        return [key for key in every if key not in self.scores]

    def scores_of(self, side: Side, name: str = "") -> list[float]:
        """The scores of one change on each pair; NaN where there is none."""
        return [self.scores.get((side, name, pair), math.nan) for pair in range(self.num_pairs)]
