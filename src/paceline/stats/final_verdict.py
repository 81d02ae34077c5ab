"""Computes what a final shows: the winner, its expected score, and its comparison with the others.

| symbol | meaning |
| --- | --- |
| J | pairs of a fresh seed and split on which every eligible finalist was trained |
| gain | the objective's metric, with the sign that makes larger better |

The winner has the best mean over the pairs. Its expected score and interval are those of
`paceline.stats.selection_bias`, corrected for the selection; the rivals are compared with it on the
same pairs by `paceline.stats.paired_tests`. Since these pairs selected the winner, a rival that is
significantly worse is not the best (as in Hsu's comparisons with the best, Annals of Statistics 12,
1984); in a strict final half of the pairs select and the others measure.

The interval is for the mean over all seeds and splits of this data; the tests, through the overlap
of splits, also refer to other data of the same kind.

A final is exact if nothing in it is random: no training can depend on its seed, and all scores of a
finalist are equal, including that of the search. Then two finalists are tied only if their scores
are equal.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.core import Final, InvalidInput, Objective, Splits, markup
from paceline.stats.bounds import clip_interval
from paceline.stats.paired_tests import compare_pairs, exact_difference
from paceline.stats.ranks import signed_rank
from paceline.stats.selection_bias import LEVEL, outliers, select_best, t_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Gains = Mapping[int, "NDArray[np.float64]"]

_MIN_STRICT = 4  # pairs, so that two remain to measure
_MIN_SIGNED = 20  # pairs for Wilcoxon's test


@dataclass(frozen=True, slots=True)
class Rival:
    """A finalist compared with the winner; numbers are NaN if unknown.

    Attributes:
        number: the trial.
        mean, sd: of its fresh scores, as measured.
        difference: by how much the winner is better on average, in the metric's unit; negative if
            it is worse.
        low, high: interval of the difference, at its level in Holm's procedure.
        p, p_holm: p-value of no difference; corrected for the number of rivals.
        tied: whether the difference from the winner is not significant.
        p_signed_rank: of Wilcoxon's test, in a strict final of 20 pairs or more; else None.
    """

    number: int
    mean: float
    sd: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    tied: bool
    p_signed_rank: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a final; numbers are NaN if unknown.

    Attributes:
        winner: the finalist with the best mean over the fresh pairs.
        mean, sd: of its fresh scores, as measured on the pairs that count.
        expected: the mean corrected for the selection.
        low, high: 95 % interval of the winner's true mean, around ``expected``.
        standard_error: of ``expected``.
        num_pairs: number of fresh trainings of each finalist that count.
        optimism: by how much the search's score of the winner was better than ``expected``;
            negative if it was worse.
        optimism_error: its standard error.
        rivals: the other finalists, by mean, with those that failed at the end.
        tied: those without significant difference from the winner, which comes first.
        beats_default: whether the winner is significantly better than the default configuration;
            None if that was not a finalist or cannot be compared.
        preferred: the smallest of the tied, if sizes are given: the one to use; else None.
        limits: limitations of the result, as sentences.
        exact: whether nothing in the final is random, so that its scores are exact.
    """

    winner: int
    mean: float
    sd: float
    expected: float
    low: float
    high: float
    standard_error: float
    num_pairs: int
    optimism: float
    optimism_error: float
    rivals: tuple[Rival, ...] = ()
    tied: tuple[int, ...] = ()
    beats_default: bool | None = None
    preferred: int | None = None
    limits: tuple[str, ...] = ()
    exact: bool = False

    def _repr_html_(self) -> str:
        """The finalists, the best mean first."""
        rows = [(self.winner, self.mean, self.sd, math.nan, "", "winner"), *map(_row, self.rivals)]
        interval = _interval(self.low, self.high)
        headings = ["trial", "mean", "deviation", "worse by", "interval", "result"]
        facts = {"expected score": self.expected, "95 % interval": interval}
        parts = [
            markup.heading(f"Recommended: trial {self.recommended}, of {len(rows)} finalists"),
            markup.facts([*facts.items(), ("fresh trainings of each finalist", self.num_pairs)]),
            markup.table(headings, rows),
        ]
        return "".join([*parts, *map(markup.paragraph, self.limits)])

    @property
    def recommended(self) -> int:
        """The finalist to use."""
        return self.winner if self.preferred is None else self.preferred


def _row(rival: Rival) -> tuple[int, float, float, float, str, str]:
    interval, result = _interval(rival.low, rival.high), "tied" if rival.tied else ""
    return rival.number, rival.mean, rival.sd, rival.difference, interval, result


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:.4g} to {high:.4g}"


def judge(
    final: Final,
    objective: Objective,
    search_scores: Mapping[int, float],
    *,
    strict: bool = False,
    sizes: Mapping[int, float] | None = None,
) -> Verdict:
    """Computes the result of a final, which may be incomplete.

    Args:
        final: finalists and their fresh scores.
        objective: what is optimised.
        search_scores: the score of each finalist in the search, if known.
        strict: half of the pairs select the winner, the other half measure it and its rivals.
        sizes: a size of each finalist; the smallest of the tied is ``preferred``.

    Raises:
        InvalidInput: the final has no finalists.
    """
    if not final.finalists:
        raise InvalidInput("the final has no finalists", expected="at least one")
    gains, limits = _eligible(final, objective)
    if not gains:
        nothing = (math.nan,) * 6
        return Verdict(
            final.finalists[0],
            *nothing,
            num_pairs=0,
            optimism=math.nan,
            optimism_error=math.nan,
            tied=final.finalists[:1],
            limits=tuple(limits),
        )
    signed = {number: -objective.loss(score) for number, score in search_scores.items()}
    certain = _is_exact(final, gains, signed)
    estimate = _estimate(gains, strict=strict, certain=certain)
    winner, sign, scores = estimate.winner, objective.loss(-1.0), estimate.scores
    rivals = _rivals(final, scores, winner, sign, signed=strict, certain=certain)
    own, value, half = scores[winner], sign * estimate.expected, estimate.half_width
    tied = (winner, *(rival.number for rival in rivals if rival.tied))
    low, high = clip_interval(value - half, value + half, objective.metric, (sign * own).tolist())
    limits += _limits(final, estimate, strict=strict, certain=certain)
    return Verdict(
        winner=winner,
        mean=sign * float(own.mean()),
        sd=_deviation(own),
        expected=value,
        low=low,
        high=high,
        standard_error=estimate.standard_error,
        num_pairs=len(own),
        optimism=sign * (search_scores.get(winner, math.nan) - value),
        optimism_error=estimate.standard_error,
        rivals=rivals,
        tied=tied,
        beats_default=_beats_default(final, winner, rivals),
        preferred=_smallest(tied, sizes),
        limits=tuple(limits),
        exact=certain,
    )


@dataclass(frozen=True, slots=True)
class _WinnerEstimate:
    """The winner and its expected gain.

    Attributes:
        winner: the trial.
        scores: the gains that count, of each eligible finalist.
        expected, standard_error, half_width: of the winner's gain; NaN if unknown.
        is_halved: whether half of the pairs selected the winner, so that the others count.
    """

    winner: int
    scores: "Gains"
    expected: float
    standard_error: float
    half_width: float
    is_halved: bool


def _estimate(gains: "Gains", *, strict: bool, certain: bool) -> _WinnerEstimate:
    """Selects the winner and estimates its expected gain."""
    numbers, scores = list(gains), np.array(list(gains.values()))
    halved = strict and scores.shape[1] >= _MIN_STRICT and not certain
    if certain:
        place = int(np.argmax(scores[:, 0]))
        expected, error, half = float(scores[place, 0]), 0.0, 0.0
    elif halved:
        place, scores = int(np.argmax(scores[:, ::2].mean(axis=1))), scores[:, 1::2]
        expected, error, half = t_interval(scores[place])
    else:
        best = select_best(scores)
        place, expected = best.place, best.expected
        error, half = best.standard_error, best.half_width
    # equal by chance, or because the metric is coarse
    if not certain and not np.ptp(scores[place]):
        error = half = math.nan
    counted = dict(zip(numbers, scores, strict=True))
    return _WinnerEstimate(numbers[place], counted, expected, error, half, halved)


def _eligible(final: Final, objective: Objective) -> tuple["Gains", list[str]]:
    """Gains of the eligible finalists, on the pairs that all of them have; and notes on the others.

    Incomplete pairs do not count. A finalist that failed on a pair where another did not cannot
    win: its mean over the other trainings would hide the failures.
    """
    pairs = [
        p
        for p in range(final.num_pairs)
        if all((number, p) in final.scores for number in final.finalists)
    ]
    limits = []
    if len(pairs) < final.num_pairs:
        done = f"only {len(pairs)}" if pairs else "none"
        are = "is" if len(pairs) == 1 else "are"
        limits.append(
            f"The final is not finished: {done} of the {final.num_pairs} fresh trainings of each "
            f"finalist {are} done."
        )
    gains = {
        number: np.array(
            [-objective.loss(final.scores[number, pair]) for pair in pairs], dtype=float
        )
        for number in final.finalists
    }
    worked = {number: np.isfinite(gain) for number, gain in gains.items()}
    most = max(final.finalists, key=lambda number: int(worked[number].sum()))
    counted = worked[most]
    if not counted.any():
        return {}, [
            *limits,
            "No fresh training gave a score, so there is no winner.",
        ]
    if not counted.all():
        limits.append(
            f"In {int((~counted).sum())} of {len(pairs)} fresh trainings even the most reliable "
            f"finalist failed."
        )
    running = {
        number: gain[counted] for number, gain in gains.items() if worked[number][counted].all()
    }
    for number in final.finalists:
        if number not in running:
            failed = int((~worked[number]).sum())
            limits.append(
                f"Trial {number} failed in {failed} of {len(pairs)} fresh trainings, so it cannot "
                f"win."
            )
    return running, limits


def _is_exact(final: Final, gains: "Gains", searched: Mapping[int, float]) -> bool:
    if final.seeded or any(len(gain) < 2 or np.ptp(gain) for gain in gains.values()):
        return False
    return all(searched.get(number, gain[0]) == gain[0] for number, gain in gains.items())


def _rivals(
    final: Final, gains: "Gains", winner: int, sign: float, *, signed: bool, certain: bool
) -> tuple[Rival, ...]:
    """Compares the winner with the other finalists; they are ordered by their mean."""
    others = sorted((n for n in gains if n != winner), key=lambda n: -float(gains[n].mean()))
    apart = [gains[winner] - gains[number] for number in others]
    signed = signed and final.num_pairs >= _MIN_SIGNED
    found = []
    share = final.validation_share if final.splits.differ else 0.0
    steady = [not (np.ptp(gains[winner]) or np.ptp(gains[number])) for number in others]
    compared = (
        [exact_difference(d) for d in apart]
        if certain
        else compare_pairs(apart, share, LEVEL, steady)
    )
    for number, d, test in zip(others, apart, compared, strict=True):
        found.append(
            Rival(
                number,
                sign * float(gains[number].mean()),
                _deviation(gains[number]),
                test.mean,
                test.low,
                test.high,
                test.p,
                test.p_holm,
                tied=not test.p_holm <= LEVEL or test.mean < 0,
                p_signed_rank=signed_rank(d) if signed else None,
            )
        )
    for number in final.finalists:
        if number not in gains:
            scores = np.array([score for score in final.scores_of(number) if math.isfinite(score)])
            mean = float(scores.mean()) if len(scores) else math.nan
            found.append(Rival(number, mean, _deviation(scores), *(math.nan,) * 5, tied=False))
    return tuple(found)


def _beats_default(final: Final, winner: int, rivals: tuple[Rival, ...]) -> bool | None:
    if final.default == winner:
        return False
    default = next((rival for rival in rivals if rival.number == final.default), None)
    if default is None or math.isnan(default.p_holm):
        return None
    return not default.tied


def _smallest(tied: tuple[int, ...], sizes: Mapping[int, float] | None) -> int | None:
    """The smallest of the tied; of equal sizes the one with the better mean."""
    return None if sizes is None else min(tied, key=lambda number: sizes.get(number, math.inf))


def _limits(final: Final, estimate: _WinnerEstimate, *, strict: bool, certain: bool) -> list[str]:
    """Limitations due to the number and kind of the trainings."""
    scores = np.array(list(estimate.scores.values()))
    limits = []
    if outliers(scores).any() and not certain:
        limits.append(
            f"Single fresh trainings are outliers. {scores.shape[1]} trainings of each finalist "
            "are too few to estimate how often that happens, so means and intervals are rough."
        )
    if len(scores) == 1:
        limits.append(
            "It is the only finalist with scores, so there is nothing to compare it with."
        )
    if scores.shape[1] == 1:
        limits.append("One fresh training of each does not show how much another one would differ.")
    elif not certain and not np.any(np.ptp(scores, axis=1)):
        limits.append(
            "Each finalist's fresh trainings all gave the same score: the metric is too coarse to "
            "show how they differ."
        )
    elif not certain and not np.ptp(estimate.scores[estimate.winner]):
        limits.append(
            "The winner's fresh trainings all gave the same score, so it is unknown how much "
            "others would differ."
        )
    if strict and not estimate.is_halved and not certain:
        limits.append(
            "There are too few fresh trainings to select the winner by one half and measure it by "
            "the other half."
        )
    if final.splits is Splits.SAME:
        limits.append(
            "All fresh trainings used the split of the search, so the result holds for this split "
            "only."
        )
    elif final.splits is Splits.SAME_FOLDS:
        limits.append(
            "All fresh trainings used the folds of the search, so the result holds for these folds "
            "only."
        )
    return limits


def _deviation(values: "NDArray[np.float64]") -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
