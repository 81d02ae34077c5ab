"""The content of a comparison: its runs, and the conclusions from them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from paceline.comparison import claims
from paceline.comparison.claims import BudgetAxis
from paceline.comparison.runs import MethodRun
from paceline.core import Objective


@dataclass(frozen=True)
class ComparisonRecord:
    """Several methods on one task.

    Attributes:
        directory: where it is stored.
        objective: what is optimised.
        data: the data set's name.
        methods: their names, in the order passed.
        runs: each method with each seed, if there is a study.
    """

    directory: Path
    objective: Objective
    data: str
    methods: tuple[str, ...]
    runs: tuple[MethodRun, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(sorted({run.seed for run in self.runs}))

    @cached_property
    def axis(self) -> BudgetAxis:
        """The unit of budgets: seconds, or trials if all cost the same epochs, or else epochs."""
        if any(run.is_timed for run in self.runs):
            return "seconds"
        each = {run.epochs / run.trials for run in self.runs if run.trials}
        return "trials" if len(each) == 1 else "epochs"

    @cached_property
    def sentences(self) -> list[str]:
        """Which method is best, and notes for reading the figures."""
        said = claims.verdict(self.methods, self.runs, self.objective)
        return [*said, *claims.remarks(self.methods, self.runs)]
