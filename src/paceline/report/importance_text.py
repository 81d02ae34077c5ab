"""Importance of the hyperparameters as text: bars, and how reliable they are."""

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
    """The importance as lines; a sentence if it is unknown, nothing if the study has not begun."""
    if record.created is None:
        return []
    if len(words.varying(record.space)) == 1:
        return ["Importance: only one hyperparameter varies."]
    known = evidence(record)
    try:
        variance = known.variance()
    except InvalidInput as reason:
        return [unknown(reason)]
    if variance.quality.doubt:
        return [f"Importance is not shown: {variance.quality.doubt}."]
    head = (
        "Importance: the share of the variance of scores after full training that each "
        "hyperparameter alone explains (95 % interval)."
    )
    pairs = ", ".join(_pairs(variance.interactions()))
    interactions = [f"Interactions beyond that: {pairs}."] if pairs else []
    return [head, *_lines(variance.shares()), *interactions, reliability(known, variance, record)]


def unknown(reason: InvalidInput) -> str:
    """Why the importance is unknown, as a sentence."""
    return f"Importance cannot be computed: {reason.passed}; it takes {reason.expected}."


def interval(share: "Share") -> str:
    """``48 % (41 to 55)``."""
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def reliability(known: Evidence, variance: "VarianceAnalysis", record: Record) -> str:
    """How well the model behind the shares predicts, and what it was not fitted to."""
    quality, objective = variance.quality, record.objective
    trials = words.count(quality.num_trials, "trial")
    parts = [
        f"It is based on a model of the scores after each epoch of {trials}, "
        f"{quality.num_full:,} of them trained in full; it explains "
        f"{math.floor(100 * quality.r2)} % of the variance of held-out trials"
    ]
    cap = variance.scaled.cap
    if cap is not None:
        parts.append(
            f"{objective.metric} worse than {words.number(objective.loss(cap))} counts as that much"
        )
    remark = f" {known.remark}" if known.remark else ""
    return f"{'; '.join(parts)}.{remark}"


def _lines(shares: "Sequence[Share]") -> Iterator[str]:
    ordered = sorted(shares, key=lambda share: -share.share)
    shown = ordered[:_MOST_BARS]
    width = max(len(share.names[0]) for share in shown)
    for share in shown:
        yield f"  {share.names[0]:<{width}}  {_bar(share.share):<{_WIDTH}}  {interval(share)}"
    if len(ordered) > len(shown):
        yield (
            f"  and {words.count(len(ordered) - len(shown), 'other')} below "
            f"{100 * shown[-1].share:.0f} %"
        )


def _bar(part: float) -> str:
    eighths = round(8 * _WIDTH * part)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _pairs(pairs: "Sequence[Share]") -> Iterator[str]:
    """The three strongest pairs of those whose share is certainly above 1 %."""
    for pair in [pair for pair in pairs if pair.low > _LEAST][:3]:
        yield f"{' × '.join(pair.names)} {interval(pair)}"
