"""The winner and its rivals: what fresh trainings said of each finalist."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from paceline.core import Final, Trial
from paceline.report import words
from paceline.report.page.parts import BLUE, GREY, Cell, Figure, Panel, axis, figure, label, paragraph, table
from paceline.report.page.trials import shown
from paceline.report.show import Summary

_SHOWN = 10


def panel(summary: Summary) -> Panel:
    """Fresh scores of the finalists where there was a final; else the best scores of the search."""
    figures = tuple(one for one in (rivals(summary),) if one is not None)
    shown = "".join(one.place() for one in figures)
    body = "".join([shown, *_finalists(summary), *_search(summary), *_configurations(summary)])
    return Panel("winner", "The winner and its rivals", body, figures)


def rivals(summary: Summary) -> Figure | None:
    """Fresh scores of each finalist, a dot for each pair, and their mean; None where there are none."""
    final = summary.record.final
    if final is None or not any(map(math.isfinite, final.scores.values())):
        return None
    ordered = _ordered(summary, final)
    names = [label(_name(final, number)) for number in ordered]
    dots, means = _trace("one fresh training", "circle-open", GREY, 7), _trace("their mean", "diamond", BLUE, 12)
    for name, number in zip(names, ordered, strict=True):
        scores = [score for score in final.scores_of(number) if math.isfinite(score)]
        for score in scores:
            _add(dots, score, name, f"{name}: {words.number(score)}")
        if scores:
            mean = statistics.fmean(scores)
            _add(means, mean, name, f"{name}: mean {words.number(mean)}")
    metric = summary.record.objective.metric
    layout = {
        "height": 110 + 34 * len(names),
        "xaxis": axis(f"{metric}, fresh seeds{' and splits' if final.fresh_splits else ''}"),
        "yaxis": {"categoryorder": "array", "categoryarray": names[::-1], "automargin": True, "type": "category"},
    }
    alt = (
        f"Dots: {metric} of each of {words.count(len(ordered), 'finalist')} in up to "
        f"{words.count(final.num_pairs, 'fresh training')}; diamonds: the mean of each, the best above."
    )
    return figure("rivals", [dots, means], layout, alt)


def _trace(name: str, symbol: str, colour: str, size: int) -> dict[str, Any]:
    marker = {"symbol": symbol, "color": colour, "size": size, "line": {"width": 1.5, "color": colour}}
    return {
        "type": "scatter", "mode": "markers", "name": name, "marker": marker, "x": [], "y": [], "text": [],
        "hoverinfo": "text",
    }  # fmt: skip


def _add(trace: dict[str, Any], x: float, y: str, text: str) -> None:
    trace["x"].append(x)
    trace["y"].append(y)
    trace["text"].append(text)


def _ordered(summary: Summary, final: Final) -> list[int]:
    """The finalists, the winner first and the others by their mean."""
    loss = summary.record.objective.loss

    def place(number: int) -> tuple[bool, float]:
        scores = [score for score in final.scores_of(number) if math.isfinite(score)]
        return number != final.winner, loss(statistics.fmean(scores)) if scores else math.inf

    return sorted(final.finalists, key=place)


def _name(final: Final, number: int) -> str:
    roles = [role for role, whose in (("winner", final.winner), ("default", final.default)) if whose == number]
    return f"trial {number}" + (f" ({', '.join(roles)})" if roles else "")


def _finalists(summary: Summary) -> Iterator[str]:
    final = summary.record.final
    if final is None:
        yield paragraph(
            "There was no final, so nothing is known of these trials but the score that chose them.", "soft"
        )
        return
    if final.winner is None:
        yield paragraph(
            f"The final has no winner yet: {len(final.scores):,} of "
            f"{words.count(final.num_pairs * len(final.finalists), 'training')} are measured."
        )
    metric, rows = summary.record.objective.metric, []
    for number in _ordered(summary, final):
        scores = [score for score in final.scores_of(number) if math.isfinite(score)]
        mean = statistics.fmean(scores) if scores else math.nan
        spread = statistics.stdev(scores) if len(scores) > 1 else math.nan
        searched = summary.record.trials[number].score
        rows.append([
            Cell(_name(final, number), number), mean, spread, len(scores),
            math.nan if searched is None else searched,
        ])  # fmt: skip
    headings = ["finalist", f"mean {metric}", "standard deviation", "fresh trainings", "score in the search"]
    yield table(headings, rows, caption="The finalists, trained anew")


def _search(summary: Summary) -> Iterator[str]:
    """The best of the search, where there was no final to tell more."""
    ranked = summary.ranked
    if summary.record.final is not None or len(ranked) < 2:
        return
    names = words.varying(summary.record.space)
    rows = [[t.number, t.score, len(t.measurements), *_values(t, names)] for t in ranked[:_SHOWN]]
    metric = summary.record.objective.metric
    yield table(["trial", metric, "epochs", *names], rows, caption="The best scores of the search")


def _configurations(summary: Summary) -> Iterator[str]:
    """The winner's configuration, beside the default one where that was tried."""
    best, record = summary.record.best, summary.record
    if best is None:
        return
    default = next((t for t in record.trials.values() if t.origin == "default" and t.number != best.number), None)
    columns = [best] if default is None else [best, default]
    names = [f"trial {best.number}", *(["default"] if default else [])]
    rows = [[name, *_row(name, columns)] for name in dict.fromkeys(n for t in columns for n in t.config)]
    yield table(["hyperparameter", *names], rows, caption="The winner's configuration")


def _row(name: str, trials: Sequence[Trial]) -> list[str]:
    return [words.value(t.config[name]) if name in t.config else "not active" for t in trials]


def _values(trial: Trial, names: Sequence[str]) -> list[object]:
    return [shown(trial, name) for name in names]
