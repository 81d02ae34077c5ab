"""What people look at: the live display of a search, and what a study says when it is asked."""

from paceline.report.display import Display, watch
from paceline.report.show import Summary, read

__all__ = ["Display", "Summary", "read", "watch"]
