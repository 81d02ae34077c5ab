"""What can be claimed of a final: who won, what it is worth, whom it beats and with whom it is
tied.

| symbol | meaning |
| --- | --- |
| J | pairs of a fresh seed and split on which every finalist in the running was trained |
| gain | the objective's metric, turned so that larger is better |

The winner has the best mean over the pairs. Its value and interval are those of
`paceline.stats.picked`, which take off the luck that made it the best; the rivals are compared with
it on the same pairs by `paceline.stats.pairs`. The winner was picked by these pairs, so that a
rival that falls behind is one that is not the best (as in Hsu's comparisons with the best, Annals
of Statistics 12, 1984); in a strict final half of the pairs pick and the others measure it.

The interval is for the mean over all seeds and splits of these data; the tests, by the share that
splits overlap, speak of other data of the same kind too.

A final is exact where nothing in it is random: no training can have depended on its seed, and each
finalist's scores are all the same, that of the search too. Then two finalists are tied only if
their scores are equal.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.core import Final, InvalidInput, Objective, Splits
from paceline.stats.bounds import clipped
from paceline.stats.pairs import compare, exact, signed_rank
from paceline.stats.picked import LEVEL, best_of, far_off, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Gains = Mapping[int, "NDArray[np.float64]"]

_FEWEST_STRICT = 4  # pairs that can be halved so that two remain to measure by
_FEWEST_SIGNED = 20  # pairs from which on Wilcoxon's test is told


@dataclass(frozen=True, slots=True)
class Rival:
    """A finalist beside the winner; numbers are NaN where they could not be had.

    Attributes:
        number: the trial.
        mean, sd: of its fresh scores, as measured.
        difference: by how much the winner is better on average, in the metric's unit; below 0 where
            it is worse.
        low, high: interval of the difference, at the level at which Holm's procedure looked at it.
        p, p_holm: of no difference; corrected for the number of rivals.
        tied: whether the data cannot tell it from the winner.
        p_signed_rank: Wilcoxon's, in a strict final of 20 pairs or more; else None.
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
    """What can be claimed of a final; numbers are NaN where nothing can.

    Attributes:
        winner: the finalist with the best mean over the fresh pairs.
        mean, sd: of its fresh scores, as measured on the pairs that are counted.
        expected: the mean without the luck that made it the best of its rivals.
        low, high: 95 % interval of the winner's true mean, around ``expected``.
        standard_error: of ``expected``.
        num_pairs: how many fresh trainings of each finalist that is.
        optimism: by how much the search's score of the winner was better than ``expected``; below 0
            where it was worse.
        optimism_error: its standard error.
        rivals: the other finalists, the best mean first; those that failed at the end.
        tied: those that the data cannot tell from the winner, itself first.
        beats_default: whether the winner is better than the user's default configuration; False
            where it is not shown, None where the default was not among the finalists or could not
            be compared.
        preferred: the smallest of the tied, where sizes were given: that is the one to take; else
            None.
        limits: what cannot be said, and why, in sentences.
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

    @property
    def recommended(self) -> int:
        """The finalist to take."""
        return self.winner if self.preferred is None else self.preferred


def judge(
    final: Final,
    objective: Objective,
    search_scores: Mapping[int, float],
    *,
    strict: bool = False,
    sizes: Mapping[int, float] | None = None,
) -> Verdict:
    """Says what the fresh trainings of a final show, however many of them there are yet.

    Args:
        final: finalists and their fresh scores.
        objective: what is optimised.
        search_scores: of each finalist, the score that the search saw; those that are not there are
            not spoken of.
        strict: half of the pairs pick the winner, the other half measure it and its rivals.
        sizes: of each finalist, what is preferred to be small; of those that are tied the smallest
            is ``preferred``.

    Raises:
        InvalidInput: the final has no finalists.
    """
    if not final.finalists:
        raise InvalidInput("the final has no finalists", expected="at least one")
    gains, limits = _in_the_running(final, objective)
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
    numbers = list(gains)
    scores = np.array([gains[number] for number in numbers])
    certain = _is_exact(
        final, gains, {number: -objective.loss(one) for number, one in search_scores.items()}
    )
    halved = strict and scores.shape[1] >= _FEWEST_STRICT and not certain
    if certain:
        place = int(np.argmax(scores[:, 0]))
        expected, error, half = float(scores[place, 0]), 0.0, 0.0
    elif halved:
        place, scores = int(np.argmax(scores[:, ::2].mean(axis=1))), scores[:, 1::2]
        expected, error, half = plain(scores[place])
    else:
        best = best_of(scores)
        place, expected, error, half = (
            best.place,
            best.expected,
            best.standard_error,
            best.half_width,
        )
    if not certain and not np.ptp(scores[place]):  # equal by chance, or since the metric is coarse
        error = half = math.nan
    winner, sign = numbers[place], objective.loss(-1.0)
    of_pairs = dict(zip(numbers, scores, strict=True))
    rivals = _rivals(final, of_pairs, winner, sign, signed=strict, certain=certain)
    own, value = scores[place], sign * expected
    searched = search_scores.get(winner, math.nan)
    beats = _beats_default(final, winner, rivals)
    tied = (winner, *(rival.number for rival in rivals if rival.tied))
    low, high = clipped(value - half, value + half, objective.metric, (sign * own).tolist())
    return Verdict(
        winner=winner,
        mean=sign * float(own.mean()),
        sd=_deviation(own),
        expected=value,
        low=low,
        high=high,
        standard_error=error,
        num_pairs=len(own),
        optimism=sign * (searched - value),
        optimism_error=error,
        rivals=rivals,
        tied=tied,
        beats_default=beats,
        preferred=_smallest(tied, sizes),
        limits=(
            *limits,
            *_limits(final, scores, place, strict=strict, halved=halved, certain=certain),
        ),
        exact=certain,
    )


def _in_the_running(final: Final, objective: Objective) -> tuple["Gains", list[str]]:
    """Gains of the finalists that can win, on the pairs that all of them have; and what is to be
    said of the rest.

    Pairs that are not measured to the end do not count. Who failed on a pair where another did not
    cannot win: the mean of those trainings that worked would hide it.
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
            "No fresh training gave a score, so nothing can be said of the winner.",
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
    others = sorted((n for n in gains if n != winner), key=lambda n: -float(gains[n].mean()))
    apart = [gains[winner] - gains[number] for number in others]
    signed = signed and final.num_pairs >= _FEWEST_SIGNED
    found = []
    share = final.validation_share if final.splits.differ else 0.0
    steady = [not (np.ptp(gains[winner]) or np.ptp(gains[number])) for number in others]
    compared = [exact(d) for d in apart] if certain else compare(apart, share, LEVEL, steady)
    for number, d, one in zip(others, apart, compared, strict=True):
        found.append(
            Rival(
                number,
                sign * float(gains[number].mean()),
                _deviation(gains[number]),
                one.mean,
                one.low,
                one.high,
                one.p,
                one.p_holm,
                tied=not one.p_holm <= LEVEL or one.mean < 0,
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
    """Of equals the one with the better mean."""
    return None if sizes is None else min(tied, key=lambda number: sizes.get(number, math.inf))


def _limits(
    final: Final,
    scores: "NDArray[np.float64]",
    place: int,
    *,
    strict: bool,
    halved: bool,
    certain: bool,
) -> list[str]:
    """What the number and kind of the trainings leave unsaid; scores are gains that count,
    ``place`` the winner's.
    """
    limits = []
    if far_off(scores).any() and not certain:
        limits.append(
            f"Single fresh trainings are far off the others. How often that happens, "
            f"{scores.shape[1]} of each "
            "cannot tell, so means and intervals are rough."
        )
    if len(scores) == 1:
        limits.append(
            "It is the only finalist that can be judged, so there is nothing to compare it with."
        )
    if scores.shape[1] == 1:
        limits.append(
            "One fresh training of each says nothing of how much another one would differ."
        )
    elif not certain and not np.any(np.ptp(scores, axis=1)):
        limits.append(
            "Each finalist's fresh trainings all gave the same score: the metric is too coarse to "
            "show how they differ."
        )
    elif not certain and not np.ptp(scores[place]):
        limits.append(
            "The winner's fresh trainings all gave the same score, so how much others would differ "
            "is not known."
        )
    if strict and not halved and not certain:
        limits.append(
            "There are too few fresh trainings for half of them to pick the winner and the other "
            "half to measure it."
        )
    if final.splits is Splits.SAME:
        limits.append(
            "All fresh trainings had the same split, that of the search, so all this holds for it "
            "only."
        )
    elif final.splits is Splits.SAME_FOLDS:
        limits.append(
            "All fresh trainings had the folds of the search, so all this holds for these folds "
            "only."
        )
    return limits


def _deviation(values: "NDArray[np.float64]") -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
