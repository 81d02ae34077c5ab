"""Studies side by side: `compare` runs several ways to search on one task, `ladder` what each technique brings."""

from paceline.comparison.compare import compare
from paceline.comparison.comparison import Comparison
from paceline.comparison.ladder import Ladder, ladder, read_ladder

__all__ = ["Comparison", "Ladder", "compare", "ladder", "read_ladder"]
