"""Bayesian optimisation of mixed spaces with conditional and categorical hyperparameters."""

from paceline.search.bayes.bayes import Bayes
from paceline.search.bayes.belief import Belief, Normal, Prior, Weights
from paceline.search.bayes.promising import promising

__all__ = ["Bayes", "Belief", "Normal", "Prior", "Weights", "promising"]
