"""Which trials say what mattered, and what their losses count as; see ``docs/design/0010-importance.md``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.core import InvalidInput, Trial, TrialState
from paceline.stats.table import Table
from paceline.study import Record

if TYPE_CHECKING:
    from paceline.stats.importance import Share, Variance

_EVEN = ("sobol", "random", "grid")
_DIVERGED = "diverged"
_LEAST_EVEN = 20  # trials drawn evenly, below which shares of the whole space are guesses


@dataclass(frozen=True, eq=False)
class Evidence:
    """The trials of a study that can say what mattered.

    Attributes:
        table: of them.
        losers: those that cannot be among the best, since they were stopped early or diverged, shape [n].
        worst: the score that all worse ones count as.
        num_even: how many were drawn evenly over the space, not where a search expected something.
        num_stopped: how many were stopped early.
    """

    table: Table
    losers: np.ndarray[tuple[int], np.dtype[np.bool_]]
    worst: float
    num_even: int = 0
    num_stopped: int = 0

    def best(self) -> "list[Share]":
        """What each hyperparameter tells of being among the best tenth; see `paceline.stats.ped_anova`.

        Raises:
            InvalidInput: too little is known.
        """
        from paceline.stats import ped_anova

        self._check_even()
        return ped_anova.shares(self.table, self.losers)

    def variance(self) -> "Variance":
        """What the scores vary by; see `paceline.stats.importance`.

        Raises:
            InvalidInput: too little is known.
        """
        from paceline.stats.importance import Variance

        if self.num_stopped:
            raise InvalidInput(
                f"{self.num_stopped} of {len(self.table.losses)} trials were stopped early",
                expected="trials that all train in full (schedule='full'), since a stopped one's score is unknown",
            )
        self._check_even()
        return Variance.of(self.table)

    def _check_even(self) -> None:
        """Trials that a search chose by earlier scores say little of the space where it did not look.

        Raises:
            InvalidInput: too few others.
        """
        chosen = len(self.table.losses) - self.num_even
        if self.num_even < _LEAST_EVEN and chosen > self.num_even:
            raise InvalidInput(
                f"only {self.num_even} of {len(self.table.losses)} trials were drawn evenly over the space",
                expected=f"at least {_LEAST_EVEN} that the search did not choose by earlier scores",
            )


def evidence(record: Record) -> Evidence:
    """The evidence of a study, at any moment of its life."""
    if record.created is None:
        return Evidence(Table.of(record.space, [], []), np.zeros(0, dtype=bool), math.nan)
    trials = [t for t in record.trials.values() if _counts(t) and _fits(t, record)]
    loss = record.objective.loss
    known = [(t, loss(t.score) if _has_score(t) and t.score is not None else math.inf) for t in trials]
    worst = _worst(known, record.default)
    losses = [min(worst, value) for _, value in known]
    even = [t.origin in _EVEN for t, _ in known]
    table = Table.of(record.space, [t.config for t, _ in known], losses, even=even)
    losers = np.array([t.state is not TrialState.COMPLETED for t, _ in known], dtype=bool)
    stopped = sum(t.state is TrialState.STOPPED for t, _ in known)
    return Evidence(table, losers, loss(worst), sum(even), stopped)


def _counts(trial: Trial) -> bool:
    if trial.state is TrialState.FAILED:
        return (trial.error or "").startswith(_DIVERGED)
    return trial.state.is_final and _has_score(trial)


def _has_score(trial: Trial) -> bool:
    return trial.score is not None and math.isfinite(trial.score)


def _fits(trial: Trial, record: Record) -> bool:
    """Whether the space as it is now still has the trial's values."""
    try:
        record.space.complete(trial.config)
    except InvalidInput:
        return False
    return True


def _worst(known: Sequence[tuple[Trial, float]], default: Trial | None) -> float:
    """The default configuration's loss, but not less than the median's; without one, that of the third quartile."""
    finite = {trial.number: loss for trial, loss in known if math.isfinite(loss)}
    if not finite:
        return 0.0
    losses = list(finite.values())
    if default is None or default.number not in finite:
        return float(np.quantile(losses, 0.75))
    return max(finite[default.number], float(np.median(losses)))
