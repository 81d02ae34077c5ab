"""The measured gain of each change from the default configuration to the winner."""

from collections.abc import Iterator
from dataclasses import dataclass

from paceline.core import Side, Value
from paceline.report import words
from paceline.study import Record


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of one hyperparameter, changed alone.

    Attributes:
        name: of the hyperparameter.
        side: where it was changed: at the default configuration (towards the winner), or at the
            winner (back).
        before, after: its value.
        gain: by how much the winner's value is better, in the metric's unit; negative if worse.
        low, high: 95 % interval of the gain, over the pairs and for all changes together (Holm).
        p: of no difference, with the same correction.
        num_pairs: of seed and split, on which both were measured.
    """

    name: str
    side: Side
    before: Value
    after: Value
    gain: float
    low: float
    high: float
    p: float
    num_pairs: int

    @property
    def is_real(self) -> bool:
        """Whether the difference is significant at the level of 5 %."""
        return self.p <= 0.05


def gains_of(record: Record) -> list[Gain]:
    """Every change measured on at least two pairs, at the default first; empty without ablation."""
    import numpy as np

    from paceline.stats.paired_tests import compare_pairs

    ablation = record.ablation
    if ablation is None:
        return []
    sign = -record.objective.loss(1.0)
    configs = {
        Side.DEFAULT: record.trials[ablation.default].config,
        Side.WINNER: record.trials[ablation.winner].config,
    }
    found = []
    for side in Side:
        start, goal = configs[side], configs[Side.WINNER if side is Side.DEFAULT else Side.DEFAULT]
        towards = sign if side is Side.DEFAULT else -sign
        base = np.array(ablation.scores_of(side))
        for name in ablation.changes[side]:
            differences = towards * (np.array(ablation.scores_of(side, name)) - base)
            differences = differences[np.isfinite(differences)]
            if len(differences) > 1:
                found.append((name, side, start[name], goal[name], differences))
    share = ablation.validation_share if ablation.splits.differ else 0.0
    tested = compare_pairs([d for *_, d in found], share)
    return [
        Gain(name, side, before, after, one.mean, one.low, one.high, one.p_holm, len(d))
        for (name, side, before, after, d), one in zip(found, tested, strict=True)
    ]


def lines(record: Record) -> Iterator[str]:
    """The ablation as text, line by line; nothing without one."""
    ablation = record.ablation
    gains = gains_of(record)
    if ablation is None or not gains:
        return
    yield (
        f"What each change from the default (trial {ablation.default}) to the winner (trial "
        f"{ablation.winner}) is worth in {record.objective.metric}, measured with "
        f"{gains[0].num_pairs} {words.pairs(ablation.splits)}:"
    )
    width = max(len(gain.name) for gain in gains)
    for side, place in ((Side.DEFAULT, "made at the default"), (Side.WINNER, "kept at the winner")):
        own = sorted((gain for gain in gains if gain.side is side), key=lambda gain: -gain.gain)
        for gain in own:
            first, second = (
                (gain.before, gain.after) if side is Side.DEFAULT else (gain.after, gain.before)
            )
            interval = f"({words.number(gain.low)} to {words.number(gain.high)})"
            doubt = "" if gain.is_real else ", not significant"
            change = f"{words.value(first)} → {words.value(second)}"
            yield f"  {gain.name:<{width}}  {place}: {gain.gain:+.4g} {interval}{doubt}; {change}"
