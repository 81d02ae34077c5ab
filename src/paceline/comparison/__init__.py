"""Studies side by side: `compare` runs several ways to search on one task, `ladder` what each
technique brings.
"""

from paceline.comparison.methods import compare
from paceline.comparison.result import Comparison
from paceline.comparison.rungs import Ladder, ladder, read_ladder

__all__ = ["Comparison", "Ladder", "compare", "ladder", "read_ladder"]
