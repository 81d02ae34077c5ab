"""The content of a ladder: its rungs, the steps between them, and the conclusions."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from paceline.comparison.claims import mean_text, same_text
from paceline.core import Objective, Trial
from paceline.report import words
from paceline.stats.ranks import Estimate


@dataclass(frozen=True, slots=True)
class Rung:
    """One technique, trained with several seeds.

    Attributes:
        name: as passed.
        scores: of each seed, in the ladder's metric; empty if training failed.
        score: their mean with its interval.
        seconds: training time of all seeds; those that train together share the elapsed time
            equally.
        parameters: number of trainable parameters; None if unknown.
        trial: with its measurements: means over the seeds, and their spread.
    """

    name: str
    scores: tuple[float, ...]
    score: Estimate
    seconds: float
    parameters: int | None
    trial: Trial


@dataclass(frozen=True, slots=True)
class RungStep:
    """The difference between two rungs, compared seed by seed.

    Attributes:
        before, after: names of the rungs.
        difference: mean of after minus before, in the ladder's metric.
        low, high: its 95 % interval, simultaneous for all steps (Holm).
        p_holm: p value of no difference, corrected for the number of steps.
        is_better: whether the mean improved, significantly or not.
        is_real: whether the difference is significant at the 5 % level.
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
class LadderRecord:
    """Techniques added one after the other.

    Attributes:
        directory: of its study.
        metric: by which the rungs are compared: the test metric or, without a test set, the
            objective.
        objective: what is optimised.
        data: the data set's name.
        rungs: those that were measured, in order.
        steps: the comparisons.
        failed: why others were not measured, by name.
    """

    directory: Path
    metric: str
    objective: Objective
    data: str
    rungs: tuple[Rung, ...]
    steps: tuple[RungStep, ...]
    failed: Mapping[str, str]

    @cached_property
    def sentences(self) -> list[str]:
        """Which steps are significant, and notes for reading the figures."""
        return list(_sentences(self))

    def step_to(self, name: str) -> RungStep | None:
        """The step to a rung; None if there is none."""
        return next((step for step in self.steps if step.after == name), None)


def _sentences(ladder: LadderRecord) -> Iterator[str]:
    """The result in sentences: the best rung, each step, and what failed."""
    if not ladder.rungs:
        yield "No rung was measured."
        return
    best = min(ladder.rungs, key=lambda rung: ladder.objective.loss(rung.score.value))
    yield f"{best.name} has the best {ladder.metric}: {mean_text(best.score, best.scores)}."
    for rung in ladder.rungs:
        if rung is not best and len(set(rung.scores)) == 1:
            yield f"{rung.name}: {same_text(rung.scores)}."
    for step in ladder.steps:
        yield _step_text(step)
    if ladder.steps:
        counted = words.count(len(ladder.steps), "step")
        yield (
            "Steps are tested over the same seeds (paired t-test, 5 % level for "
            f"{counted} together by Holm)."
        )
    if not ladder.metric.startswith("test "):
        yield "The data have no test set: these are validation scores."
    for name, reason in ladder.failed.items():
        yield f"{name} failed: {reason}"


def _step_text(step: RungStep) -> str:
    known = "" if math.isnan(step.low) else f" (interval {step.low:+.4f} to {step.high:+.4f})"
    change = f"{step.before} to {step.after}: {step.difference:+.4f}{known}"
    if step.is_real:
        return f"{change}, a significant {'gain' if step.is_better else 'loss'}."
    return f"{change}, not significant (p {words.number(step.p_holm)})."
