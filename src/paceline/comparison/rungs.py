"""`ladder`: what each technique brings. A ladder is one study: each rung a trial, each seed a lane
of its program.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from paceline import api
from paceline.comparison.claims import listed, mean_told, same_told
from paceline.core import (
    InvalidInput,
    Objective,
    Trial,
    checks,
    knows_its_arguments,
    last_line,
    shown,
)
from paceline.report import words
from paceline.report.going_on import interruptible_runs
from paceline.search import Given
from paceline.stats import pairs
from paceline.stats.bounds import estimate_of_scores
from paceline.stats.ranks import Estimate
from paceline.store import study_directory
from paceline.store.files import write_text
from paceline.study.asking import fresh_directory
from paceline.study.record.record import Record
from paceline.study.record.replay import read_record

if TYPE_CHECKING:
    import pandas as pd

NAME = "ladder.json"
_RUNG = "rung"
_FORMAT = 1
_LEVEL = 0.05


@dataclass(frozen=True)
class _Plan:
    """What a ladder's directory says of itself."""

    rungs: list[str]
    steps: list[tuple[str, str]]


_PLAN = TypeAdapter(_Plan)


@dataclass(frozen=True, slots=True)
class Rung:
    """One technique, trained on several seeds.

    Attributes:
        name: as given.
        scores: of each seed, in the ladder's metric; empty where training failed.
        score: their mean with its interval.
        seconds: training time of all seeds; those that train side by side share the clock in equal
            parts.
        parameters: how many numbers the network learns; None where that is not known.
        trial: with its measurements: means over the seeds, and their spread.
    """

    name: str
    scores: tuple[float, ...]
    score: Estimate
    seconds: float
    parameters: int | None
    trial: Trial


@dataclass(frozen=True, slots=True)
class Step:
    """From one rung to another, seed by seed.

    Attributes:
        before, after: names of the rungs.
        difference: mean of after minus before, in the ladder's metric.
        low, high: its interval; at 95 % for all steps together, as Holm's procedure has it.
        p_holm: of no difference, corrected for the number of steps.
        is_better: whether the mean became better, real or not.
        is_real: whether the difference is more than luck, at the 5 % level.
    """

    before: str
    after: str
    difference: float
    low: float
    high: float
    p_holm: float
    is_better: bool
    is_real: bool


@dataclass(frozen=True)
class Ladder:
    """Techniques one after the other.

    Attributes:
        directory: of its study.
        metric: what the rungs are compared by: the test metric, or where there is no test part the
            objective.
        objective: what is optimised.
        data: the data set's name.
        rungs: in the order given, those that were measured.
        steps: what was compared with what.
        failed: why others were not measured, by name.
    """

    directory: Path
    metric: str
    objective: Objective
    data: str
    rungs: tuple[Rung, ...]
    steps: tuple[Step, ...]
    failed: Mapping[str, str]

    @cached_property
    def sentences(self) -> list[str]:
        """Which steps are real, and what has to be known to read it."""
        return list(_told(self))

    def step_to(self, name: str) -> Step | None:
        """The step that leads to a rung; None where there is none."""
        return next((step for step in self.steps if step.after == name), None)

    def summary(self) -> "pd.DataFrame":
        """One row a rung: mean and interval, the step that led there with its interval and p,
        seconds, parameters.
        """
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
        """One row a rung and seed: its score, and what it measured on the test part."""
        import pandas as pd

        rows = []
        for rung in self.rungs:
            tests = rung.trial.tests or ({},) * len(rung.scores)
            for seed, (score, measured) in enumerate(zip(rung.scores, tests, strict=True)):
                told = {f"test_{name}": value for name, value in sorted(measured.items())}
                rows.append({"rung": rung.name, "seed": seed, "score": score, **told})
        return pd.DataFrame(rows)

    def curves(self) -> "pd.DataFrame":
        """One row a rung and epoch: each metric's mean over the seeds, and its standard deviation
        as ``*_sd``.
        """
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
            The page that was written.
        """
        from paceline.comparison import page

        self.summary().to_csv(self.directory / "ladder.csv", index=False)
        self.scores().to_csv(self.directory / "ladder_seeds.csv", index=False)
        self.curves().to_csv(self.directory / "ladder_curves.csv", index=False)
        return page.write_ladder(self)


_OWN = ("build", "search", "trials", "repeats", "test_trials", "start_with", "prior", "learn_from")
"""Arguments of `paceline.tune` that follow from what a ladder is."""


@knows_its_arguments(*(name for name in api.ARGUMENTS if name not in _OWN))
def ladder(
    rungs: Mapping[str, Callable[[Any], Any]],
    data: Any,
    *,
    steps: Sequence[tuple[str, str]] | None = None,
    seeds: int = 5,
    objective: Any = None,
    study: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Ladder:
    """What each technique brings: every rung trained on several seeds, and which steps between them
    are real.

    Example::

        ladder = paceline.ladder({"naive": naive, "he_normal": he_normal, "relu": relu}, "mnist", seeds=5, epochs=10)
        ladder.sentences, ladder.summary(), ladder.curves()

    Rungs are compared seed by seed: with one seed all of them have the same split into training and
    validation part. They are compared on the test part, which decides nothing. Called again with
    the same ``study``, it goes on where it stopped.

    Args:
        rungs: ``build(hp)`` of each technique by its name; hyperparameters that they ask for are at
            their defaults.
        data: as in `paceline.tune`.
        steps: which rungs to compare, as pairs of names (before, after); None for each with the one
            before it.
        seeds: how many; at least 2, so that it can be said how sure anything is.
        objective: as in `paceline.tune`; None for ``val_accuracy``, or ``val_loss`` of amounts.
        study: the directory in which everything is kept; None for a new one in the system's
            temporary folder.
        **options: further arguments of `paceline.tune`, such as ``epochs`` and ``batch_size``.

    Returns:
        The ladder; it has been saved as ``ladder.csv`` and ``ladder.html`` in its directory.

    Raises:
        InvalidInput: anything that cannot be used.
        StudyMismatch: the directory holds another study.
    """
    names = _checked(rungs)
    seeds = checks.whole_number("seeds", seeds, at_least=2)
    wanted = _pairs(names, steps)
    directory = fresh_directory() if study is None else study_directory(study)
    if data is None:
        raise InvalidInput("data is None", expected="data, as paceline.tune takes them")

    def build(hp: Any) -> Any:
        return rungs[hp.Choice(_RUNG, names)](hp)

    asked = {
        "schedule": "full",
        "final": False,
        "refit": False,
        **options,
        "study": directory,
        "trials": len(names),
        "search": Given(tuple({_RUNG: name} for name in names)),
        "repeats": seeds,
        "test_trials": True,
    }
    api.check(build, data, **asked, objective="val_loss" if objective is None else objective)
    if objective is None:
        data, objective = _usual(data, options)
    with interruptible_runs(directory):
        api.tune(build, data, objective=objective, **asked)
    write_text(
        directory / NAME, json.dumps({"format": _FORMAT, "rungs": names, "steps": wanted}, indent=1)
    )
    found = read_ladder(directory)
    found.save()
    return found


def read_ladder(directory: str | os.PathLike[str]) -> Ladder:
    """The ladder that was saved in a directory.

    Raises:
        InvalidInput: there is none.
    """
    path = study_directory(directory, "directory")
    try:
        plan = _PLAN.validate_json((path / NAME).read_bytes())
    except (OSError, ValueError):
        raise InvalidInput(
            f"{path} holds no ladder", expected=f"a directory with a {NAME}"
        ) from None
    record = read_record(path)
    trials = {str(trial.config.get(_RUNG)): trial for trial in record.all_trials()}
    known = {name: trials[name] for name in plan.rungs if name in trials}
    failed = {name: last_line(trial.error) for name, trial in known.items() if trial.score is None}
    metric, scores = _scores(
        record, {name: trial for name, trial in known.items() if name not in failed}
    )
    rungs = tuple(
        Rung(
            name,
            found,
            estimate_of_scores(found, metric),
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
    """The metric, and each rung's value of it with each seed."""
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
    """Rows of validation over training part, where each seed has a split of its own; the test part
    is one for all.
    """
    settings, rows = record.settings, record.created.data.get("rows", {}) if record.created else {}
    folds = (settings.get("replication") or {}).get("folds")
    if isinstance(folds, int):
        return 1 / (folds - 1)
    given = (settings.get("source") or {}).get("validation") is None and folds is None
    return 0.0 if given or not rows.get("train") else float(rows["val"]) / float(rows["train"])


def _steps(
    scores: Mapping[str, tuple[float, ...]],
    wanted: Sequence[tuple[str, str]],
    objective: Objective,
    share: float,
) -> tuple[Step, ...]:
    """Paired t-tests over the seeds, with Holm's correction; ``share`` as in
    `paceline.stats.pairs`.
    """
    differences = [np.subtract(scores[after], scores[before]) for before, after in wanted]
    found = pairs.compare(differences, share) if wanted else []
    return tuple(
        Step(
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


def _told(ladder: Ladder) -> Iterator[str]:
    if not ladder.rungs:
        yield "No rung was measured, so nothing can be said."
        return
    best = min(ladder.rungs, key=lambda rung: ladder.objective.loss(rung.score.value))
    yield f"{best.name} has the best {ladder.metric}: {mean_told(best.score, best.scores)}."
    for rung in ladder.rungs:
        if rung is not best and len(set(rung.scores)) == 1:
            yield f"{rung.name}: {same_told(rung.scores)}."
    for step in ladder.steps:
        yield _step_told(step)
    if ladder.steps:
        counted = words.count(len(ladder.steps), "step")
        yield f"Steps are tested over the same seeds (paired t, 5 % level for {counted} together by Holm)."
    if not ladder.metric.startswith("test "):
        yield "The data have no test part: these are validation scores."
    for name, reason in ladder.failed.items():
        yield f"{name} failed: {reason}"


def _step_told(step: Step) -> str:
    known = "" if math.isnan(step.low) else f" (interval {step.low:+.4f} to {step.high:+.4f})"
    change = f"{step.before} to {step.after}: {step.difference:+.4f}{known}"
    if step.is_real:
        return f"{change}, a real {'gain' if step.is_better else 'loss'}."
    return f"{change}; no difference is shown (p {words.number(step.p_holm)})."


def _checked(rungs: Mapping[str, Callable[[Any], Any]]) -> list[str]:
    is_ladder = isinstance(rungs, Mapping) and len(rungs) >= 2
    if not is_ladder or not all(
        isinstance(name, str) and callable(rung) for name, rung in rungs.items()
    ):
        raise InvalidInput(
            f"rungs is {shown(rungs)}",
            expected="a dict of at least two functions build(hp), by their names",
        )
    return list(rungs)


def _pairs(names: Sequence[str], steps: Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    if steps is None:
        return list(pairwise(names))
    is_listed = isinstance(steps, list | tuple)
    pairs_of = (
        [tuple(step) if isinstance(step, list | tuple) else () for step in steps]
        if is_listed
        else [()]
    )
    if not all(
        len(pair) == 2 and pair[0] != pair[1] and all(one in names for one in pair)
        for pair in pairs_of
    ):
        raise InvalidInput(
            f"steps is {shown(steps)}", expected=f"pairs of different rungs among {listed(names)}"
        )
    return [(before, after) for before, after in pairs_of]


def _usual(data: Any, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The data, loaded, and the objective that is usual for them."""
    from paceline.data import load

    known = ("target", "data_dir", "test", "sample_weight", "groups", "task", "seed")
    found = load(data, **{name: options[name] for name in known if options.get(name) is not None})
    return found, "val_accuracy" if getattr(found, "task", None) == "classification" else "val_loss"
