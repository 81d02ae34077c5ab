"""What mattered, in words: a bar for each hyperparameter, and how far it can be believed."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from paceline.core import InvalidInput
from paceline.report import words
from paceline.report.evidence import Evidence, evidence
from paceline.study import Record

if TYPE_CHECKING:
    from paceline.stats.variance_analysis import Share, VarianceAnalysis

_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MOST_BARS = 12
_LEAST = 0.01


def bars(record: Record) -> list[str]:
    """What mattered, as lines; one sentence where that cannot be told, nothing of a study that has
    not begun.
    """
    if record.created is None:
        return []
    if len(words.varying(record.space)) == 1:
        return ["What mattered: there is but one hyperparameter that varies."]
    known = evidence(record)
    try:
        variance = known.variance()
    except InvalidInput as reason:
        return [untold(reason)]
    if variance.quality.doubt:
        return [f"What mattered is not shown: {variance.quality.doubt}."]
    head = "What mattered: the share of the variance of scores after full training that each hyperparameter alone"
    lines = [f"{head} explains (95 % interval).", *_lines(variance.shares())]
    lines += [
        f"Together beyond that: {told}."
        for told in [", ".join(_pairs(variance.interactions()))]
        if told
    ]
    return [*lines, f"{belief(known, variance, record)}"]


def untold(reason: InvalidInput) -> str:
    """Why nothing can be told, as a sentence."""
    return f"What mattered cannot be told: {reason.passed}; it takes {reason.expected}."


def interval(share: "Share") -> str:
    """``48 % (41 to 55)``."""
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def belief(known: Evidence, variance: "VarianceAnalysis", record: Record) -> str:
    """How well the model behind the shares foresees, and what it was not shown, in one or more
    sentences.
    """
    quality, objective = variance.quality, record.objective
    trials = words.count(quality.num_trials, "trial")
    told = [
        f"Behind this is a model of the scores after each epoch of {trials}, {quality.num_full:,} "
        f"of them trained in "
        f"full; it foresees {math.floor(100 * quality.r2)} % of the variance of trials that it has "
        f"not seen"
    ]
    cap = variance.scaled.cap
    if cap is not None:
        told.append(
            f"{objective.metric} worse than {words.number(objective.loss(cap))} counts as that much"
        )
    remark = f" {known.remark}" if known.remark else ""
    return f"{'; '.join(told)}.{remark}"


def _lines(shares: "Sequence[Share]") -> Iterator[str]:
    ordered = sorted(shares, key=lambda share: -share.share)
    shown = ordered[:_MOST_BARS]
    width = max(len(share.names[0]) for share in shown)
    for share in shown:
        yield f"  {share.names[0]:<{width}}  {_bar(share.share):<{_WIDTH}}  {interval(share)}"
    if len(ordered) > len(shown):
        yield f"  and {words.count(len(ordered) - len(shown), 'other')} below {100 * shown[-1].share:.0f} %"


def _bar(part: float) -> str:
    eighths = round(8 * _WIDTH * part)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _pairs(pairs: "Sequence[Share]") -> Iterator[str]:
    """The three strongest pairs of those that are surely there, and worth a word."""
    for pair in [pair for pair in pairs if pair.low > _LEAST][:3]:
        yield f"{' × '.join(pair.names)} {interval(pair)}"
