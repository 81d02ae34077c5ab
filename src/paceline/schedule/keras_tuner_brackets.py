"""Hyperband with the brackets of KerasTuner.

| symbol | meaning |
| --- | --- |
| R, eta | epochs of a full training (``max_epochs``), reduction factor (``factor``) |
| s | bracket: its number of halvings, from floor(log_eta R) down to 0 |
| r | round of a bracket, from 0 to s |

Sizes differ from those of Li et al. (`paceline.schedule.Hyperband`): round r of bracket s has
ceil(ceil(1 + log_eta R) / (s + 1) eta^(s - r)) trials, and each trains to epoch
ceil(R / eta^(s - r)).
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from paceline.schedule.halving import Synchronous, TrialGroup, whole_log
from paceline.schedule.schedule import register


@register
@dataclass(frozen=True, slots=True)
class KerasTunerHyperband(Synchronous):
    """The brackets of KerasTuner's Hyperband, the one with most halvings first, in turn."""

    name: ClassVar[str] = "keras_tuner_hyperband"

    def size(self, epochs: int, halvings: int, round_: int) -> int:
        """How many trials a round of a bracket has."""
        last = math.ceil(1 + math.log(epochs, self.eta)) / (halvings + 1)
        return math.ceil(last * float(self.eta) ** (halvings - round_))

    def brackets(self, epochs: int) -> tuple[tuple[int, int], ...]:
        """Number of trials and of halvings of each bracket."""
        most = whole_log(epochs, self.eta)
        return tuple((self.size(epochs, s, 0), s) for s in range(most, -1, -1))

    def num_trials(self, epochs: int) -> int:
        """How many trials all brackets have together."""
        return sum(size for size, _ in self.brackets(epochs))

    def group(self, number: int, epochs: int) -> TrialGroup:
        """The bracket of a trial."""
        start = number - number % self.num_trials(epochs)
        sizes = self.brackets(epochs)
        firsts = accumulate((size for size, _ in sizes), initial=start)
        groups = (
            TrialGroup(first, size, s, epochs)
            for first, (size, s) in zip(firsts, sizes, strict=False)
        )
        return next(group for group in groups if number in group.numbers)

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        """The epochs of the rounds of its bracket."""
        halvings = self.group(number, epochs).halvings
        return tuple(sorted({self._epochs(epochs, halvings, r) for r in range(halvings + 1)}))

    def num_promoted(self, group: TrialGroup, epoch: int, arrived: int) -> int:
        """The size of the next round."""
        rounds = range(group.halvings)
        done = max(r for r in rounds if self._epochs(group.epochs, group.halvings, r) <= epoch)
        return min(arrived, self.size(group.epochs, group.halvings, done + 1))

    def _epochs(self, epochs: int, halvings: int, round_: int) -> int:
        return math.ceil(epochs / float(self.eta) ** (halvings - round_))
