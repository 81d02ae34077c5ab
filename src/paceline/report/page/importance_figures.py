"""Figures of importance and partial dependence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from paceline.core import InvalidInput
from paceline.report import words
from paceline.report.evidence import evidence
from paceline.report.importance_text import interval, reliability, unknown
from paceline.report.page.parts import (
    BLUE,
    GREEN,
    GREY,
    Cell,
    Figure,
    axis,
    figure,
    label,
    paragraph,
    table,
)
from paceline.report.show import Summary

if TYPE_CHECKING:
    from paceline.stats.partial_dependence import PartialDependence
    from paceline.stats.variance_analysis import Share, VarianceAnalysis

_SHOWN_PAIRS = 5
_LEAST_SHARE = 0.005  # lower end of the interval of a pair that is listed
_SHOWN_CURVES, _COLUMNS = 6, 3


@dataclass(frozen=True)
class Importance:
    """The importance of a study's hyperparameters.

    Attributes:
        variance: the analysis of the variance of scores.
        reliability: how reliable it is, as a sentence.
    """

    variance: "VarianceAnalysis"
    reliability: str

    @cached_property
    def shares(self) -> "Sequence[Share]":
        """Of the variance of scores."""
        return self.variance.shares()

    @cached_property
    def best(self) -> "Sequence[Share]":
        """Of being among the best tenth of the space."""
        return self.variance.best()


def importance_of(summary: Summary) -> Importance | str:
    """The importance, or a sentence that says why it is unknown."""
    record = summary.record
    if not words.varying(record.space):
        return "Importance cannot be computed: no hyperparameter varies."
    if summary.state == "running":  # too slow for a page that is updated every few seconds
        return "Importance is shown when the study has ended."
    known = evidence(record)
    try:
        variance = known.variance()
    except InvalidInput as reason:
        return unknown(reason)
    if variance.quality.doubt:
        return f"Importance is not shown: {variance.quality.doubt}."
    return Importance(variance, reliability(known, variance, record))


def importance(summary: Summary) -> Figure | None:
    """The shares as bars with 95 % intervals; None if they are unknown."""
    found = importance_of(summary)
    return None if isinstance(found, str) else bars(found)


def bars(found: Importance) -> Figure:
    """Both shares of each hyperparameter, the largest at the top."""
    groups = [
        ("of being among the best tenth", BLUE, "", found.best),
        ("of the variance of scores", GREEN, "/", found.shares),
    ]
    order = sorted(found.shares, key=lambda share: share.share)
    names = [label(share.names[0]) for share in order]
    data = [_bar(name, colour, pattern, shares) for name, colour, pattern, shares in groups]
    layout = {
        "barmode": "group",
        "showlegend": True,
        "height": 120 + 22 * len(groups) * len(names),
        "xaxis": axis(
            "share that this hyperparameter alone explains", range=[0, 1], tickformat=".0%"
        ),
        "yaxis": {
            "automargin": True,
            "type": "category",
            "categoryorder": "array",
            "categoryarray": names,
        },
    }
    top = "; ".join(f"{share.names[0]} {interval(share)}" for share in order[::-1][:3])
    alt = (
        "Share of scores after full training, over the whole space, that each hyperparameter alone "
        f"explains, with 95 % intervals. The first are {top}."
    )
    return figure("importance", data, layout, alt)


def beside(found: Importance) -> Iterator[str]:
    """Text beside the figure: its reliability, and interactions."""
    yield paragraph(found.reliability)
    pairs = [pair for pair in found.variance.interactions() if pair.low >= _LEAST_SHARE]
    if pairs:
        rows = [
            [" × ".join(pair.names), Cell(interval(pair), float(pair.share))]
            for pair in pairs[:_SHOWN_PAIRS]
        ]
        yield table(
            ["pair", "share beyond that of each alone"],
            rows,
            caption="Interactions",
        )


def dependence(summary: Summary) -> Figure | None:
    """Partial dependence on the most important hyperparameters; None if that is unknown."""
    found = importance_of(summary)
    return None if isinstance(found, str) else curves(summary, found)


def curves(summary: Summary, found: Importance) -> Figure:
    """As `dependence`, given the importance."""
    from paceline.stats.partial_dependence import partial_dependence as of

    objective, space = summary.record.objective, summary.record.space
    order = sorted(found.shares, key=lambda share: -share.share)[:_SHOWN_CURVES]
    metric, data = objective.metric, []
    layout: dict[str, Any] = {"height": 70 + 250 * -(-len(order) // _COLUMNS), "showlegend": False}
    for place, share in enumerate(order):
        name = share.names[0]
        one, ends = of(found.variance, name), axes(place, len(order))
        sign, mark = objective.loss(1.0), "" if place == 0 else str(place + 1)
        logarithmic = getattr(space.by_label.get(name), "sampling", "linear") == "log"
        kind = (
            "category"
            if not one.ordered or isinstance(one.values[0], str | bool)
            else "log"
            if logarithmic
            else "linear"
        )
        layout[f"xaxis{mark}"] = axis(name, domain=ends[0], anchor=f"y{mark}", type=kind)
        layout[f"xaxis{mark}"] |= (
            {"dtick": 1, "exponentformat": "power"} if kind == "log" else {"nticks": 5}
        )
        layout[f"yaxis{mark}"] = axis(
            metric if place % _COLUMNS == 0 else "", domain=ends[1], anchor=f"x{mark}"
        )
        layout[f"yaxis{mark}"] |= {"matches": "y"} if mark else {}
        data += _curve(one, sign, f"x{mark}", f"y{mark}", name)
    alt = (
        f"The mean {metric} at each value of {', '.join(share.names[0] for share in order)}, over "
        "uniform values of the others, with 95 % bands. Crosses: fewer than three trials are near."
    )
    return figure("dependence", data, layout, alt)


def axes(place: int, number: int) -> tuple[list[float], list[float]]:
    """The place of a small figure: its part of the width, and of the height."""
    columns, rows = min(_COLUMNS, number), -(-number // _COLUMNS)
    column, row = place % _COLUMNS, place // _COLUMNS
    width, height = 1 / columns, 1 / rows
    below = 1 - (row + 1) * height
    return [column * width, (column + 0.82) * width], [below + 0.3 * height, below + height]


def _curve(
    found: "PartialDependence", sign: float, x: str, y: str, name: str
) -> list[dict[str, Any]]:
    """The traces of a partial dependence: a line in a band, or points with bars for a choice."""
    values = [
        value if found.ordered and not isinstance(value, str | bool) else label(words.value(value))
        for value in found.values
    ]
    mean, low, high = ((sign * each).tolist() for each in (found.mean, found.low, found.high))
    texts = [
        f"{label(name)} {label(words.value(value))}: {words.number(score)} "
        f"({words.number(min(ends))} to {words.number(max(ends))}); {words.count(number, 'trial')} "
        f"near"
        for value, score, ends, number in zip(
            found.values, mean, zip(low, high, strict=True), found.num_trials, strict=True
        )
    ]
    here = {"type": "scatter", "xaxis": x, "yaxis": y, "hoverinfo": "text", "x": values}
    symbols = ["circle" if known else "x-thin-open" for known in found.supported]
    marker = {"color": BLUE, "symbol": symbols, "size": 4 if found.ordered else 8}
    if not found.ordered:
        above = [abs(end - score) for end, score in zip(high, mean, strict=True)]
        bars = {"type": "data", "array": above, "color": GREY}
        return [
            {**here, "mode": "markers", "y": mean, "text": texts, "marker": marker, "error_y": bars}
        ]
    edge = {**here, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    band = {"fill": "tonexty", "fillcolor": "rgba(86,180,233,0.25)"}
    middle = {
        "mode": "lines+markers",
        "y": mean,
        "text": texts,
        "marker": marker,
        "line": {"color": BLUE, "width": 2},
    }
    return [{**edge, "y": low}, {**edge, "y": high, **band}, {**here, **middle}]


def _bar(name: str, colour: str, pattern: str, shares: "Sequence[Share]") -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "hoverinfo": "text",
        "textposition": "none",
        "y": [label(share.names[0]) for share in shares],
        "x": [share.share for share in shares],
        "text": [f"{label(share.names[0])}: {interval(share)}" for share in shares],
        "marker": {"color": colour, "pattern": {"shape": pattern, "solidity": 0.3}},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, share.high - share.share) for share in shares],
            "arrayminus": [max(0.0, share.share - share.low) for share in shares],
            "color": "#767676",
            "width": 4,
        },
    }
