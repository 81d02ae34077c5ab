"""Warping of losses for the model: order preserved, bad half compressed, centred and scaled.

The half-rank warp of Vizier (Song et al., "The Vizier Gaussian process bandit algorithm" (2024)):
losses above the median become normal scores, scaled by the root mean square distance of the good
half from the median. Diverged trials and plateaus then do not dominate the model, and distances
between good trials are unchanged.
"""

from dataclasses import dataclass

import numpy as np

from paceline.search.bayes.coordinates import Array


@dataclass(frozen=True, slots=True)
class Warp:
    """An increasing map from losses to model units: linear between knots, constant outside.

    Attributes:
        losses: knots, ascending.
        values: their images; mean 0 and standard deviation 1 over the losses it was fitted to.
    """

    losses: Array
    values: Array

    @classmethod
    def of(cls, losses: Array) -> "Warp":
        """Fits the warp to finite losses [n], n at least 1."""
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
        """Larger change of the warped losses within a step, up or down; shape kept."""
        here = self(losses)
        furthest: Array = np.maximum(self(losses + step) - here, here - self(losses - step))
        return furthest

    def __call__(self, losses: Array) -> Array:
        """Warped losses, shape kept; infinity is the worst."""
        warped: Array = np.interp(losses, self.losses, self.values)
        return warped
