"""Ladders, read from their directories."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from paceline.comparison import page
from paceline.comparison.ladder_record import LadderRecord, Rung, RungStep
from paceline.core import InvalidInput, Objective, Trial, last_line
from paceline.settings.rules import FromMemory
from paceline.stats.bounds import estimate_scores
from paceline.stats.paired_tests import compare_pairs
from paceline.store import study_directory
from paceline.study.record.record import Record
from paceline.study.record.replay import read_record

if TYPE_CHECKING:
    import pandas as pd

NAME = "ladder.json"
RUNG = "rung"
"""The hyperparameter whose value is the rung's name."""

_LEVEL = 0.05


@dataclass(frozen=True)
class _LadderFile:
    """Content of ``ladder.json``."""

    rungs: list[str]
    steps: list[tuple[str, str]]


_FILE = TypeAdapter(_LadderFile)


@dataclass(frozen=True)
class Ladder(LadderRecord):
    """Techniques added one after the other; its attributes are those of `LadderRecord`."""

    def summary(self) -> "pd.DataFrame":
        """One row per rung: mean, interval, the step to it with interval and p value, resources."""
        import pandas as pd

        rows = []
        for rung in self.rungs:
            step = self.step_to(rung.name)
            rows.append(
                {
                    "rung": rung.name,
                    self.metric: rung.score.value,
                    "low": rung.score.low,
                    "high": rung.score.high,
                    "seeds": len(rung.scores),
                    "from": step.before if step else None,
                    "step": step.difference if step else None,
                    "step_low": step.low if step else None,
                    "step_high": step.high if step else None,
                    "p_holm": step.p_holm if step else None,
                    "real": step.is_real if step else None,
                    "seconds": rung.seconds,
                    "parameters": rung.parameters,
                }
            )
        return pd.DataFrame(rows)

    def scores(self) -> "pd.DataFrame":
        """One row per rung and seed: its score, and its metrics on the test set."""
        import pandas as pd

        rows = []
        for rung in self.rungs:
            tests = rung.trial.tests or ({},) * len(rung.scores)
            for seed, (score, measured) in enumerate(zip(rung.scores, tests, strict=True)):
                columns = {f"test_{name}": value for name, value in sorted(measured.items())}
                rows.append({"rung": rung.name, "seed": seed, "score": score, **columns})
        return pd.DataFrame(rows)

    def curves(self) -> "pd.DataFrame":
        """One row per rung and epoch: mean of each metric over the seeds, and ``*_sd`` columns."""
        import pandas as pd

        rows = [
            {
                "rung": rung.name,
                "epoch": m.epoch,
                **m.metrics,
                **{f"{name}_sd": sd for name, sd in m.spread.items()},
            }
            for rung in self.rungs
            for m in rung.trial.measurements
        ]
        return pd.DataFrame(rows)

    def save(self) -> Path:
        """Writes ``ladder.csv``, ``ladder_seeds.csv``, ``ladder_curves.csv`` and ``ladder.html``.

        Returns:
            Path of the page.
        """
        self.summary().to_csv(self.directory / "ladder.csv", index=False)
        self.scores().to_csv(self.directory / "ladder_seeds.csv", index=False)
        self.curves().to_csv(self.directory / "ladder_curves.csv", index=False)
        return page.write_ladder(self)


def read_ladder(directory: str | os.PathLike[str]) -> Ladder:
    """Reads a ladder from its directory.

    Raises:
        InvalidInput: no ladder there.
    """
    path = study_directory(directory, "directory")
    try:
        plan = _FILE.validate_json((path / NAME).read_bytes())
    except (OSError, ValueError):
        raise InvalidInput(
            f"{path} contains no ladder", expected=f"a directory with a {NAME}"
        ) from None
    record = read_record(path)
    trials = {str(trial.config.get(RUNG)): trial for trial in record.all_trials()}
    known = {name: trials[name] for name in plan.rungs if name in trials}
    failed = {name: last_line(trial.error) for name, trial in known.items() if trial.score is None}
    metric, scores = _scores(
        record, {name: trial for name, trial in known.items() if name not in failed}
    )
    rungs = tuple(
        Rung(
            name,
            found,
            estimate_scores(found, metric),
            known[name].seconds,
            known[name].parameters,
            known[name],
        )
        for name, found in scores.items()
    )
    name = str(record.created.data.get("name", "")) if record.created else ""
    wanted = [
        (before, after) for before, after in plan.steps if before in scores and after in scores
    ]
    share = 0.0 if metric.startswith("test ") else _share(record)
    return Ladder(
        path,
        metric,
        record.objective,
        name,
        rungs,
        _steps(scores, wanted, record.objective, share),
        failed,
    )


def _scores(
    record: Record, trials: Mapping[str, Trial]
) -> tuple[str, dict[str, tuple[float, ...]]]:
    """The metric, and its value for each rung and seed."""
    metric = record.objective.metric.removeprefix("val_")
    if all(
        trial.tests and all(metric in test for test in trial.tests) for trial in trials.values()
    ):
        found = {
            name: tuple(test[metric] for test in trial.tests) for name, trial in trials.items()
        }
        return f"test {metric}", found
    return record.objective.metric, {name: trial.scores for name, trial in trials.items()}


def _share(record: Record) -> float:
    """Validation rows per training row if each seed has its own split; 0 otherwise."""
    evaluation = record.settings.evaluation
    rows = record.created.data.get("rows", {}) if record.created else {}
    folds = evaluation.folds
    if isinstance(folds, int):
        return 1 / (folds - 1)
    given = isinstance(evaluation.validation, FromMemory) and folds is None
    return 0.0 if given or not rows.get("train") else float(rows["val"]) / float(rows["train"])


def _steps(
    scores: Mapping[str, tuple[float, ...]],
    wanted: Sequence[tuple[str, str]],
    objective: Objective,
    share: float,
) -> tuple[RungStep, ...]:
    """Paired t-tests over the seeds with Holm's correction; ``share`` as in `compare_pairs`."""
    differences = [np.subtract(scores[after], scores[before]) for before, after in wanted]
    found = compare_pairs(differences, share) if wanted else []
    return tuple(
        RungStep(
            before,
            after,
            d.mean,
            d.low,
            d.high,
            d.p_holm,
            objective.loss(d.mean) < 0,
            d.p_holm <= _LEVEL,
        )
        for (before, after), d in zip(wanted, found, strict=True)
    )
