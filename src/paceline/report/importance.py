"""What mattered, in words: a bar for each hyperparameter, and how far it can be believed."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from paceline.core import InvalidInput
from paceline.report import words
from paceline.report.evidence import evidence
from paceline.study import Record

if TYPE_CHECKING:
    from paceline.stats.forest import Quality
    from paceline.stats.importance import Share

_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MOST_BARS = 12
_LEAST = 0.01
_MOST_FOR_PAIRS = 15  # hyperparameters; of more, looking at every pair takes a second


def bars(record: Record) -> list[str]:
    """What mattered, as lines; one sentence where that cannot be told, nothing of a study that has not begun."""
    if record.created is None:
        return []
    if len(words.varying(record.space)) == 1:
        return ["What mattered: there is but one hyperparameter that varies."]
    known = evidence(record)
    best = "What mattered for being among the best tenth: how much of that each hyperparameter's value alone tells"
    best = f"{best} (95 % interval)."
    try:
        among = known.best()
        variance = known.variance()
    except InvalidInput as reason:
        why = f"{reason.passed}; it takes {reason.expected}."
        if known.num_stopped and "stopped early" in reason.passed:
            return [best, *_lines(among), f"What all scores vary by is not shown: {why}"]
        return [f"What mattered cannot be told: {why}"]
    quality = variance.quality
    if not quality.enough:
        return [best, *_lines(among), _doubt(quality)]
    head = "What mattered: the share of the scores' variance that each hyperparameter alone explains"
    lines = [f"{head} (95 % interval).", *_lines(variance.shares())]
    pairs = variance.interactions() if len(known.table.axes) <= _MOST_FOR_PAIRS else []
    lines += [f"Together beyond that: {told}." for told in [", ".join(_pairs(pairs))] if told]
    worst = f"{record.objective.metric} worse than {words.number(known.worst)} counts as that much"
    return [*lines, f"{_belief(quality)}; {worst}."]


def interval(share: "Share") -> str:
    """``48 % (41 to 55)``."""
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _lines(shares: "Sequence[Share]") -> Iterator[str]:
    ordered = sorted(shares, key=lambda share: -share.share)
    shown = ordered[:_MOST_BARS]
    width = max(len(share.names[0]) for share in shown)
    most = max(shown[0].share, 1e-9)
    for share in shown:
        yield f"  {share.names[0]:<{width}}  {_bar(share.share / most):<{_WIDTH}}  {interval(share)}"
    if len(ordered) > len(shown):
        yield f"  and {words.count(len(ordered) - len(shown), 'other')} below {100 * shown[-1].share:.0f} %"


def _bar(part: float) -> str:
    eighths = round(8 * _WIDTH * part)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _pairs(pairs: "Sequence[Share]") -> Iterator[str]:
    """The three strongest pairs of those that are surely there, and worth a word."""
    for pair in [pair for pair in pairs if pair.low > 0 and pair.share > _LEAST][:3]:
        yield f"{' × '.join(pair.names)} {interval(pair)}"


def _belief(quality: "Quality") -> str:
    share = math.floor(100 * quality.r2)
    trials = words.count(quality.num_trials, "trial")
    return (
        f"Behind this is a forest that foresees {share} % of the variance of {trials} it has not seen "
        f"(rank correlation {quality.rank_correlation:.2f})"
    )


def _doubt(quality: "Quality") -> str:
    return (
        f"What all scores vary by is not shown: a forest foresees {max(0, math.floor(100 * quality.r2))} % of the "
        f"variance of {words.count(quality.num_trials, 'trial')} it has not seen, and 30 % is the least to rely on."
    )
