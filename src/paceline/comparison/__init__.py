"""Comparisons of studies: `compare` for search methods, `ladder` for training techniques."""

from paceline.comparison.comparison_result import Comparison
from paceline.comparison.ladder_result import Ladder, read_ladder
from paceline.comparison.methods import compare
from paceline.comparison.rungs import ladder

__all__ = ["Comparison", "Ladder", "compare", "ladder", "read_ladder"]
