"""A comparison as its user sees it: read from its directory, at any time."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from paceline.comparison import claims
from paceline.comparison.claims import Axis
from paceline.comparison.runs import Run, read_run
from paceline.core import InvalidInput, Objective, StudyMismatch
from paceline.store import has_study, study_directory
from paceline.store.files import remove, write_text
from paceline.study.record.replay import read_record

if TYPE_CHECKING:
    import pandas as pd

    from paceline.report import Study

NAME = "comparison.json"
_FORMAT = 1


@dataclass(frozen=True)
class _Plan:
    """What a comparison's directory says of itself."""

    methods: list[str]
    seeds: list[int]
    peak_bytes: dict[str, int] = field(default_factory=dict)


_PLAN = TypeAdapter(_Plan)


@dataclass(frozen=True)
class Comparison:
    """Methods side by side on one task.

    Attributes:
        directory: where it lives.
        objective: what is optimised.
        data: the data set's name.
        methods: their names, in the order asked for.
        runs: each method with each seed, as far as there is a study.
    """

    directory: Path
    objective: Objective
    data: str
    methods: tuple[str, ...]
    runs: tuple[Run, ...]

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "Comparison":
        """Reads a comparison, finished or not.

        Raises:
            InvalidInput: there is none, or none of its studies has begun.
            StudyMismatch: its studies are not of the same data.
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

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(sorted({run.seed for run in self.runs}))

    @cached_property
    def axis(self) -> Axis:
        """What budgets are told in: seconds under time limits, trials where all cost the same
        epochs, else epochs.
        """
        if any(run.is_timed for run in self.runs):
            return "seconds"
        each = {run.epochs / run.trials for run in self.runs if run.trials}
        return "trials" if len(each) == 1 else "epochs"

    @cached_property
    def sentences(self) -> list[str]:
        """Which is ahead, and what has to be known to read it."""
        said = claims.verdict(self.methods, self.runs, self.objective)
        return [*said, *claims.remarks(self.methods, self.runs)]

    def study(self, method: str, seed: int | None = None) -> "Study":
        """A run's study; of the first seed unless another is asked for."""
        from paceline.report import Study

        if method not in self.methods:
            raise InvalidInput(
                f"method is {method!r}", expected=f"one of {', '.join(self.methods)}"
            )
        return Study.open(place_of(self.directory, method, self.seeds[0] if seed is None else seed))

    def results(self) -> "pd.DataFrame":
        """One row a run: method, seed, best validation score, test metrics, and what it used."""
        from paceline.comparison import frames

        return frames.results(self)

    def curves(self) -> "pd.DataFrame":
        """One row for each trial that ended in a run: trials, epochs and seconds until then, and
        the best score.
        """
        from paceline.comparison import frames

        return frames.curves(self)

    def budgets(self, axis: Axis | None = None) -> "pd.DataFrame":
        """One row a method and budget: mean and interquartile mean of the best score over seeds,
        rank, intervals.
        """
        from paceline.comparison import frames

        return frames.budgets(self, axis or self.axis)

    def differences(self) -> "pd.DataFrame":
        """One row a pair of methods: mean difference of their outcomes on the same seeds, interval,
        p by Holm.
        """
        from paceline.comparison import frames

        return frames.differences(self)

    def save(self) -> Path:
        """Writes ``comparison.csv`` (the runs), ``budgets.csv``, ``differences.csv`` and
        ``comparison.html``.

        Returns:
            The page that was written.
        """
        from paceline.comparison import page

        self.results().to_csv(self.directory / "comparison.csv", index=False)
        self.budgets().to_csv(self.directory / "budgets.csv", index=False)
        self.differences().to_csv(self.directory / "differences.csv", index=False)
        return page.write(self)


def place_of(directory: Path, method: str, seed: int) -> Path:
    """Where the study of a method and a seed lives."""
    plain = "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in method)
    name = "-".join(part for part in plain.split("-") if part)
    return directory / (name.lstrip(".") or "method") / f"seed-{seed}"  # never ".."


def read_plan(directory: Path) -> dict[str, Any]:
    """What a comparison's directory says of itself.

    Raises:
        InvalidInput: it holds none.
    """
    try:
        return asdict(_PLAN.validate_json((directory / NAME).read_bytes()))
    except (OSError, ValueError):
        raise InvalidInput(
            f"{directory} holds no comparison", expected=f"a directory with a {NAME}"
        ) from None


def write_plan(
    directory: Path, methods: Sequence[str], seeds: Sequence[int], peak_bytes: Mapping[str, int]
) -> dict[str, Any]:
    """Writes down which runs there are; those that were there before stay."""
    directory.mkdir(parents=True, exist_ok=True)
    before: dict[str, Any] = {"methods": [], "seeds": [], "peak_bytes": {}}
    if (directory / NAME).exists():
        before = read_plan(directory)
    plan = {
        "format": _FORMAT,
        "methods": list(dict.fromkeys([*before["methods"], *methods])),
        "seeds": sorted({*before["seeds"], *seeds}),
        "peak_bytes": {**before["peak_bytes"], **peak_bytes},
    }
    write_text(directory / NAME, json.dumps(plan, indent=1))
    return plan


@contextmanager
def planned(directory: Path, methods: Sequence[str], seeds: Sequence[int]) -> Iterator[None]:
    """Writes down which runs there are, and takes it back where the first of them is refused."""
    path, is_new = directory / NAME, not directory.exists()
    before = path.read_text(encoding="utf-8") if path.exists() else None
    studies = set(directory.glob("*/seed-*"))
    write_plan(directory, methods, seeds, {})
    try:
        yield
    except InvalidInput:
        if set(directory.glob("*/seed-*")) == studies:
            if before is not None:
                write_text(path, before)
            else:
                remove(path)
            if is_new and not any(directory.iterdir()):
                directory.rmdir()
        raise


def _check_same_data(runs: Sequence[Run]) -> None:
    """Runs of one seed have the same data, split alike."""
    first: dict[int, Run] = {}
    for run in runs:
        other = first.setdefault(run.seed, run)
        if run.fingerprint != other.fingerprint:
            raise StudyMismatch(
                f"{run.directory} is of other data than {other.directory}",
                expected="one task for all methods",
                fix="Compare in another directory.",
            )
