"""Comparisons, read from their directories."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.comparison import comparison_tables, page
from paceline.comparison.claims import BudgetAxis
from paceline.comparison.comparison_record import ComparisonRecord
from paceline.comparison.directory import place_of, read_plan
from paceline.comparison.runs import MethodRun, read_run
from paceline.core import InvalidInput, Objective, StudyMismatch
from paceline.store import has_study, study_directory
from paceline.study.record.replay import read_record

if TYPE_CHECKING:
    import pandas as pd

    from paceline.report import Study


@dataclass(frozen=True)
class Comparison(ComparisonRecord):
    """Several methods on one task; its attributes are those of `ComparisonRecord`."""

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "Comparison":
        """Reads a comparison, finished or not.

        Raises:
            InvalidInput: no comparison there, or none of its studies has begun.
            StudyMismatch: its studies have different data.
        """
        path = study_directory(directory, "directory")
        plan = read_plan(path)
        found = []
        for method in plan["methods"]:
            for seed in plan["seeds"]:
                place = place_of(path, method, seed)
                if has_study(place):
                    found.append(
                        read_run(place, method, seed, plan["peak_bytes"].get(f"{method}/{seed}"))
                    )
        if not found:
            raise InvalidInput(
                f"no study of {path} has begun", expected="a comparison that has run for a moment"
            )
        _check_same_data(found)
        created = read_record(found[0].directory).created
        if created is None:
            raise InvalidInput(
                f"no study of {path} has begun", expected="a comparison that has run for a moment"
            )
        objective = Objective.of(created.objective["metric"], created.objective["direction"])
        name = str(created.data.get("name", "a function"))
        return cls(path, objective, name, tuple(plan["methods"]), tuple(found))

    def study(self, method: str, seed: int | None = None) -> "Study":
        """The study of a run; by default with the first seed."""
        from paceline.report import Study

        if method not in self.methods:
            raise InvalidInput(
                f"method is {method!r}", expected=f"one of {', '.join(self.methods)}"
            )
        return Study.open(place_of(self.directory, method, self.seeds[0] if seed is None else seed))

    def results(self) -> "pd.DataFrame":
        """One row per run: method, seed, best validation score, test metrics, and resources."""
        return comparison_tables.results(self)

    def curves(self) -> "pd.DataFrame":
        """One row per trial that ended in a run: trials, epochs, seconds so far, best score."""
        return comparison_tables.curves(self)

    def budgets(self, axis: BudgetAxis | None = None) -> "pd.DataFrame":
        """One row per method and budget: mean and interquartile mean over seeds, rank, bounds."""
        return comparison_tables.budgets(self, axis or self.axis)

    def differences(self) -> "pd.DataFrame":
        """One row per pair of methods: mean difference over seeds, interval, p by Holm."""
        return comparison_tables.differences(self)

    def save(self) -> Path:
        """Writes ``comparison.csv``, ``budgets.csv``, ``differences.csv`` and ``comparison.html``.

        Returns:
            Path of the page.
        """
        self.results().to_csv(self.directory / "comparison.csv", index=False)
        self.budgets().to_csv(self.directory / "budgets.csv", index=False)
        self.differences().to_csv(self.directory / "differences.csv", index=False)
        return page.write(self)


def _check_same_data(runs: Sequence[MethodRun]) -> None:
    """Checks that runs with one seed have the same data and split."""
    first: dict[int, MethodRun] = {}
    for run in runs:
        other = first.setdefault(run.seed, run)
        if run.fingerprint != other.fingerprint:
            raise StudyMismatch(
                f"{run.directory} has other data than {other.directory}",
                expected="one task for all methods",
                fix="Compare in another directory.",
            )
