"""Losses as the model wants them: the order kept, the bad half pulled in, centred and scaled.

The half-rank warp of Vizier (Song et al., "The Vizier Gaussian process bandit algorithm" (2024)):
losses above the median become normal scores, scaled by the root mean square distance of the good
half from the median. So neither a diverged trial nor a plateau takes the model's eye off the good
ones, whose distances stay what they are.
"""

from dataclasses import dataclass

import numpy as np

from paceline.search.bayes.coordinates import Array


@dataclass(frozen=True, slots=True)
class Warp:
    """An increasing map from losses to model units: linear between knots, constant beyond them.

    Attributes:
        losses: knots, ascending.
        values: what they become; mean 0 and standard deviation 1 over the losses it was fitted to.
    """

    losses: Array
    values: Array

    @classmethod
    def of(cls, losses: Array) -> "Warp":
        """Fitted to finite losses [n], n at least 1."""
        from scipy.special import ndtri

        knots, counts = np.unique(losses, return_counts=True)
        median = float(np.median(losses))
        good = knots <= median
        spread = np.sqrt(np.average((knots[good] - median) ** 2, weights=counts[good]))
        scores = ndtri((np.cumsum(counts) - 0.5 * counts) / len(losses))
        values = np.where(good, knots - median, spread * np.maximum(scores, 0.0))
        mean = np.average(values, weights=counts)
        deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
        return cls(knots, (values - mean) / (deviation if deviation > 0 else 1.0))

    def change(self, losses: Array, step: Array) -> Array:
        """How far the warped losses go within a step, shape kept: up or down, whichever is
        further.
        """
        here = self(losses)
        furthest: Array = np.maximum(self(losses + step) - here, here - self(losses - step))
        return furthest

    def __call__(self, losses: Array) -> Array:
        """Warped losses, shape kept; infinity is the worst."""
        warped: Array = np.interp(losses, self.losses, self.values)
        return warped
