"""The finalists as figures and as a table: scores, and differences from the winner."""

import math
import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from paceline.core import Final
from paceline.report import words
from paceline.report.page.parts import (
    BLUE,
    GREY,
    VERMILLION,
    Cell,
    Figure,
    axis,
    figure,
    label,
    paragraph,
    table,
)
from paceline.report.show import Summary
from paceline.report.verdict import HEADINGS, rows, verdict_of

if TYPE_CHECKING:
    from paceline.stats.final_verdict import Verdict


def rivals(summary: Summary) -> Figure | None:
    """Fresh scores of each finalist, a dot for each pair, and their mean; None if there are
    none.
    """
    final, verdict = summary.record.final, _verdict(summary)
    if final is None or verdict is None:
        return None
    ordered = _ordered(summary, final)
    names = {number: label(_name(final, number)) for number in ordered}
    dots, means = (
        _trace("one fresh training", "circle-open", GREY, 7),
        _trace("their mean", "diamond", BLUE, 12),
    )
    for number, name in names.items():
        for score in _scores(final, number):
            _add(dots, score, name, f"{name}: {words.number(score)}")
        if scores := _scores(final, number):
            mean = statistics.fmean(scores)
            _add(means, mean, name, f"{name}: mean {words.number(mean)}")
    data, metric = [dots, means], summary.record.objective.metric
    alt = (
        f"Dots: {metric} of each of {words.count(len(ordered), 'finalist')} in up to "
        f"{words.count(final.num_pairs, 'fresh training')}; diamonds: the mean of each, the best "
        f"at the top."
    )
    if math.isfinite(verdict.low) and math.isfinite(verdict.high):
        data.append(_interval(verdict, names[verdict.winner]))
        best = names[verdict.winner]
        alt += f" Bar: 95 % interval of {best}, corrected for its selection: {_range(verdict)}."
    layout = {
        "height": 110 + 34 * len(names),
        "yaxis": _rows(list(names.values())),
        "xaxis": axis(f"{metric}, {words.pairs(final.splits)}"),
    }
    return figure("rivals", data, layout, alt)


_AT_ZERO = {
    "type": "line",
    "x0": 0,
    "x1": 0,
    "y0": 0,
    "y1": 1,
    "yref": "paper",
    "line": {"dash": "dot", "color": GREY},
}


def differences(summary: Summary) -> Figure | None:
    """Differences between the winner and the others, with intervals; None if unknown."""
    final, verdict = summary.record.final, _verdict(summary)
    if final is None or verdict is None:
        return None
    known = [
        rival for rival in verdict.rivals if math.isfinite(rival.low) and math.isfinite(rival.high)
    ]
    if not known:
        return None
    tied, behind = (
        _trace("tied with the winner", "circle-open", BLUE, 10),
        _trace("worse", "square", VERMILLION, 9),
    )
    for trace, members in (
        (tied, [r for r in known if r.tied]),
        (behind, [r for r in known if not r.tied]),
    ):
        for rival in members:
            name = label(_name(final, rival.number))
            said = (
                f"{words.number(rival.difference)} ({words.number(rival.low)} to "
                f"{words.number(rival.high)})"
            )
            _add(trace, rival.difference, name, f"{name}: {said}, p = {words.number(rival.p_holm)}")
        trace["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [r.high - r.difference for r in members],
            "arrayminus": [r.difference - r.low for r in members],
            "color": GREY,
        }
    names = [label(_name(final, rival.number)) for rival in known]
    metric, best = summary.record.objective.metric, _name(final, verdict.winner)
    layout = {
        "height": 110 + 30 * len(names),
        "shapes": [_AT_ZERO],
        "yaxis": _rows(names),
        "showlegend": True,
        "xaxis": axis(f"by how much {best} is better, in {metric}"),
    }
    alt = (
        f"By how much {best} is better than each other finalist, on the same pairs of seed and "
        f"split, with simultaneous intervals (Holm). Open circles: no significant difference."
    )
    return figure("differences", [trace for trace in (tied, behind) if trace["x"]], layout, alt)


def finalists(summary: Summary) -> Iterator[str]:
    """The finalists as a table, or why there is none."""
    final, verdict = summary.record.final, _verdict(summary)
    if final is None:
        yield paragraph(_no_final(summary), "soft")
        yield from map(paragraph, summary.record.notes_of_final)
        return
    if final.winner is None:
        yield paragraph(
            f"The final has no winner yet: {len(final.scores):,} of "
            f"{words.count(final.num_pairs * len(final.finalists), 'training')} are measured."
        )
    if verdict is not None:
        cells = [[_cell(shown) for shown in row] for row in rows(verdict, summary.record)]
        yield table(HEADINGS, cells, caption="The finalists, retrained")


def _no_final(summary: Summary) -> str:
    """Why there is no final to show: it comes later, or there was none."""
    if not summary.record.settings.evaluation.num_pairs or summary.state == "finished":
        return (
            "There is no final, so all scores are those of the search, which are optimistic "
            "estimates."
        )
    return (
        "The final comes after the search: the most promising trials are retrained on fresh seeds "
        "and splits."
    )


def _cell(shown: str) -> Cell | str:
    """A number as a cell, so that it is aligned right."""
    try:
        return Cell(shown, float(shown))
    except ValueError:
        return shown


def _verdict(summary: Summary) -> "Verdict | None":
    """The verdict on the final so far; None if nothing has been measured."""
    final = summary.record.final
    measured = final is not None and any(map(math.isfinite, final.scores.values()))
    return verdict_of(summary.record) if measured else None


def _interval(verdict: "Verdict", name: str) -> dict[str, Any]:
    trace = _trace("95 % interval of the best", "line-ns-open", VERMILLION, 14)
    _add(
        trace,
        verdict.expected,
        name,
        f"{name}: {words.number(verdict.expected)} ({_range(verdict)})",
    )
    ends = {
        "array": [verdict.high - verdict.expected],
        "arrayminus": [verdict.expected - verdict.low],
    }
    bar = {"type": "data", "symmetric": False, "color": VERMILLION, "thickness": 3, "width": 8}
    return {**trace, "error_x": {**bar, **ends}}


def _range(verdict: "Verdict") -> str:
    return f"{words.number(verdict.low)} to {words.number(verdict.high)}"


def _rows(names: list[str]) -> dict[str, Any]:
    """An axis with a row for each name, the first at the top."""
    return {
        "categoryorder": "array",
        "categoryarray": names[::-1],
        "automargin": True,
        "type": "category",
    }


def _trace(name: str, symbol: str, colour: str, size: int) -> dict[str, Any]:
    marker = {
        "symbol": symbol,
        "color": colour,
        "size": size,
        "line": {"width": 1.5, "color": colour},
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "marker": marker,
        "x": [],
        "y": [],
        "text": [],
        "hoverinfo": "text",
    }


def _add(trace: dict[str, Any], x: float, y: str, text: str) -> None:
    trace["x"].append(x)
    trace["y"].append(y)
    trace["text"].append(text)


def _scores(final: Final, number: int) -> list[float]:
    return [score for score in final.scores_of(number) if math.isfinite(score)]


def _ordered(summary: Summary, final: Final) -> list[int]:
    """The finalists, the winner first and the others by their mean."""
    loss = summary.record.objective.loss

    def place(number: int) -> tuple[bool, float]:
        scores = _scores(final, number)
        return number != final.winner, loss(statistics.fmean(scores)) if scores else math.inf

    return sorted(final.finalists, key=place)


def _name(final: Final, number: int) -> str:
    roles = [
        role
        for role, whose in (("winner", final.winner), ("default", final.default))
        if whose == number
    ]
    return f"trial {number}" + (f" ({', '.join(roles)})" if roles else "")
