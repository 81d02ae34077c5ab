"""What people look at: the live display of a search, and what a study says when it is asked."""

from paceline.report.display import Display, watch
from paceline.report.show import Summary, read
from paceline.report.study import Study

__all__ = ["Display", "Study", "Summary", "read", "watch"]
