"""What mattered, as figures: the shares that each hyperparameter explains, with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from paceline.core import InvalidInput
from paceline.report import words
from paceline.report.evidence import evidence
from paceline.report.importance import belief, interval, untold
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
_LEAST_SHARE = 0.005  # that the share of a pair which is listed surely has
_SHOWN_CURVES, _COLUMNS = 6, 3


@dataclass(frozen=True)
class Importance:
    """What is known of the importance of a study's hyperparameters.

    Attributes:
        variance: what the scores vary by.
        belief: how far that can be believed, as a sentence.
    """

    variance: "VarianceAnalysis"
    belief: str

    @cached_property
    def shares(self) -> "Sequence[Share]":
        """Of the variance of scores."""
        return self.variance.shares()

    @cached_property
    def best(self) -> "Sequence[Share]":
        """Of being among the best tenth of the space."""
        return self.variance.best()


def importance_of(summary: Summary) -> Importance | str:
    """The importance, or a sentence on why there is none."""
    record = summary.record
    if not words.varying(record.space):
        return "What mattered cannot be told: no hyperparameter varies."
    if (
        summary.state == "running"
    ):  # it takes longer than a page that is made every few seconds should
        return "What mattered is told when the study has ended."
    known = evidence(record)
    try:
        variance = known.variance()
    except InvalidInput as reason:
        return untold(reason)
    if variance.quality.doubt:
        return f"What mattered is not shown: {variance.quality.doubt}."
    return Importance(variance, belief(known, variance, record))


def importance(summary: Summary) -> Figure | None:
    """The shares as bars with 95 % intervals; None where they cannot be told."""
    found = importance_of(summary)
    return None if isinstance(found, str) else bars(found)


def bars(found: Importance) -> Figure:
    """Both shares of each hyperparameter, the largest above."""
    groups = [
        ("of being among the best tenth", BLUE, "", found.best),
        ("of what scores vary by", GREEN, "/", found.shares),
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
        "How much each hyperparameter's value alone explains of scores after full training, over "
        "the whole space, "
        f"with 95 % intervals. The first are {top}."
    )
    return figure("importance", data, layout, alt)


def beside(found: Importance) -> Iterator[str]:
    """What belongs beside the figure: how far it can be believed, and pairs."""
    yield paragraph(found.belief)
    pairs = [pair for pair in found.variance.interactions() if pair.low >= _LEAST_SHARE]
    if pairs:
        rows = [
            [" × ".join(pair.names), Cell(interval(pair), float(pair.share))]
            for pair in pairs[:_SHOWN_PAIRS]
        ]
        yield table(
            ["pair", "share beyond what each does alone"],
            rows,
            caption="Pairs that do more together",
        )


def dependence(summary: Summary) -> Figure | None:
    """The mean score at each value of the hyperparameters that matter most; None where that cannot
    be told.
    """
    found = importance_of(summary)
    return None if isinstance(found, str) else curves(summary, found)


def curves(summary: Summary, found: Importance) -> Figure:
    """As `dependence`, of an importance that is there already."""
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
        f"The mean {metric} at each value of {', '.join(share.names[0] for share in order)}, all "
        f"else drawn evenly, "
        "with 95 % bands. Crosses: fewer than three trials lie near, so that it is a guess."
    )
    return figure("dependence", data, layout, alt)


def axes(place: int, number: int) -> tuple[list[float], list[float]]:
    """Where a small picture lies: its part of the width, and of the height."""
    columns, rows = min(_COLUMNS, number), -(-number // _COLUMNS)
    column, row = place % _COLUMNS, place // _COLUMNS
    width, height = 1 / columns, 1 / rows
    below = 1 - (row + 1) * height
    return [column * width, (column + 0.82) * width], [below + 0.3 * height, below + height]


def _curve(
    found: "PartialDependence", sign: float, x: str, y: str, name: str
) -> list[dict[str, Any]]:
    values = [
        value if found.ordered and not isinstance(value, str | bool) else label(words.value(value))
        for value in found.values
    ]
    mean, low, high = ((sign * each).tolist() for each in (found.mean, found.low, found.high))
    told = [
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
            {**here, "mode": "markers", "y": mean, "text": told, "marker": marker, "error_y": bars}
        ]
    edge = {**here, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    band = {"fill": "tonexty", "fillcolor": "rgba(86,180,233,0.25)"}
    middle = {
        "mode": "lines+markers",
        "y": mean,
        "text": told,
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
