"""The HTML pages of comparisons and ladders, made of the report's panels and figures."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paceline.comparison import claims
from paceline.comparison.claims import BudgetAxis
from paceline.comparison.comparison_record import ComparisonRecord
from paceline.comparison.ladder_record import LadderRecord, Rung
from paceline.report import words
from paceline.report.document import assemble
from paceline.report.page import parts
from paceline.report.page.parts import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    Cell,
    Figure,
    Panel,
    figure,
    label,
    paragraph,
    table,
)
from paceline.stats.ranks import Estimate
from paceline.store.files import write_text

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, GREY)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")
_POINTS = 60  # of a curve
# If the range of all scores is _WIDE times that of the fraction _MOST of them, a zoomed figure is
# added.
_MOST, _WIDE = 0.6, 5.0
_OUTSIDE = "Zoomed in: outliers are outside."


def write(comparison: ComparisonRecord) -> Path:
    """Writes ``comparison.html`` in the comparison's directory."""
    title = f"{comparison.objective.metric} on {comparison.data}: {len(comparison.methods)} methods"
    shown = [
        _answer(comparison),
        _search_panel(comparison),
        _resources(comparison),
        _differences(comparison),
    ]
    path = comparison.directory / "comparison.html"
    write_text(path, assemble(title, f"Comparison {comparison.directory}", shown))
    return path


def write_ladder(ladder: LadderRecord) -> Path:
    """Writes ``ladder.html`` in the ladder's directory."""
    title = f"Effect of each technique: {ladder.metric} on {ladder.data}"
    path = ladder.directory / "ladder.html"
    write_text(
        path, assemble(title, f"Ladder {ladder.directory}", [_rungs(ladder), _learning(ladder)])
    )
    return path


def _answer(comparison: ComparisonRecord) -> Panel:
    metric, values = claims.outcomes(comparison.methods, comparison.runs, comparison.objective)
    ordered = claims.final_results(comparison.methods, values, comparison.objective)
    columns = {
        one.method: [row[comparison.methods.index(one.method)] for row in values] for one in ordered
    }
    drawn = dots("outcomes", metric, columns, {one.method: one.score for one in ordered}, "method")
    rows = [[one.method, *_known(one.score), *_known(one.rank)] for one in ordered]
    heads = ["method", f"mean {metric}", "95 % interval", "average rank", "95 % interval"]
    cells = "".join(map(paragraph, comparison.sentences)) + "".join(one.place() for one in drawn)
    return Panel(
        "answer",
        "Which is best",
        cells + table(heads, rows, caption="Final results"),
        drawn,
    )


def _search_panel(comparison: ComparisonRecord) -> Panel:
    figures = tuple(_best_so_far(comparison, axis) for axis in ("trials", "epochs", "seconds"))
    budget_results = claims.budget_results(
        comparison.methods, comparison.runs, comparison.objective, comparison.axis
    )
    rows = [
        [
            Cell(f"{one.method}, {words.number(one.budget)} {one.axis}", one.method),
            *_known(one.score),
            *_known(one.iqm)[:1],
            *_known(one.rank),
        ]
        for one in budget_results
    ]
    metric = comparison.objective.metric
    heads = [
        "method and budget",
        f"mean of the best {metric}",
        "95 % interval",
        "interquartile mean",
        "average rank",
    ]
    body = "".join(one.place() for one in figures)
    body += table([*heads, "95 % interval"], rows, caption="At equal budgets", sortable=True)
    return Panel("way", "Progress of the searches", body, figures)


def _best_so_far(comparison: ComparisonRecord, axis: BudgetAxis) -> Figure:
    """Mean over seeds of the best score so far, with the range of the seeds."""
    traces: list[dict[str, Any]] = []
    runs = [run for run in comparison.runs if run.points]
    end = max((float(getattr(run.points[-1], axis)) for run in runs), default=0.0)
    grid = (
        [end * step / _POINTS for step in range(1, _POINTS + 1)]
        if axis != "trials" or end > _POINTS
        else [float(number) for number in range(1, int(end) + 1)]
    )
    for number, method in enumerate(comparison.methods):
        rows = []
        for at in grid:
            scores = [run.best_at(axis, at) for run in runs if run.method == method]
            known = [score for score in scores if score is not None]
            if known and len(known) == len(scores):
                rows.append((at, sum(known) / len(known), min(known), max(known)))
        traces += band(number, method, rows)
    metric = comparison.objective.metric
    alt = (
        f"Best {metric} so far against {axis}: mean over the seeds of each method, and their "
        "range as a band."
    )
    layout = {"xaxis": parts.axis(axis), "yaxis": parts.axis(f"best {metric} so far")}
    return figure(f"by_{axis}", traces, layout, alt)


def _resources(comparison: ComparisonRecord) -> Panel:
    metric = comparison.objective.metric
    rows = [
        [
            Cell(f"{run.method}, seed {run.seed}", f"{run.method} {run.seed:09d}"),
            _cell(run.score),
            run.trials,
            run.epochs,
            run.seconds,
            run.compilations,
            run.compiling,
            _cell(None if run.peak_bytes is None else run.peak_bytes / 2**20),
        ]
        for run in comparison.runs
    ]
    heads = [
        "run",
        f"best {metric}",
        "trials",
        "epochs",
        "seconds",
        "compilations",
        "compiling, s",
        "peak memory, MiB",
    ]
    note = paragraph(
        "The first method that uses a program compiles it; the order of the methods changes with "
        "the seed. Memory is that of the process, including what earlier runs left in it."
    )
    return Panel("used", "Resources", note + table(heads, rows, caption="All runs", sortable=True))


def _differences(comparison: ComparisonRecord) -> Panel:
    metric, values = claims.outcomes(comparison.methods, comparison.runs, comparison.objective)
    names = comparison.methods
    rows = [
        [
            f"{names[pair.first]} over {names[pair.second]}",
            *_known(pair.difference),
            _cell(pair.p),
            _cell(pair.p_holm),
            "significant" if pair.is_real else "not significant",
        ]
        for pair in claims.pairs(values, comparison.objective)
    ]
    heads = ["pair", f"better by ({metric})", "95 % interval", "p", "p (Holm)", "at the 5 % level"]
    body = table(heads, rows, caption="All pairs of methods on the same seeds", sortable=True)
    return Panel("differences", "Pairs of methods", body)


def _rungs(ladder: LadderRecord) -> Panel:
    columns = {rung.name: list(rung.scores) for rung in ladder.rungs}
    drawn = dots(
        "rungs", ladder.metric, columns, {rung.name: rung.score for rung in ladder.rungs}, "rung"
    )
    rows = []
    for rung in ladder.rungs:
        step = ladder.step_to(rung.name)
        cells: list[object] = [""] * 5
        if step is not None:
            difference = _known(Estimate(step.difference, step.low, step.high))
            cells = [
                step.before,
                *difference,
                _cell(step.p_holm),
                "significant" if step.is_real else "not significant",
            ]
        rows.append([rung.name, *_known(rung.score), *cells, rung.seconds])
    heads = [
        "rung",
        f"mean {ladder.metric}",
        "95 % interval",
        "compared with",
        "difference",
        "interval",
        "p (Holm)",
    ]
    body = "".join(map(paragraph, ladder.sentences)) + "".join(one.place() for one in drawn)
    body += table([*heads, "step", "seconds"], rows, caption="All rungs")
    return Panel("rungs", "Effect of each technique", body, drawn)


def _learning(ladder: LadderRecord) -> Panel:
    metric = ladder.objective.metric
    names = dict.fromkeys([metric.removeprefix("val_"), metric])
    figures = tuple(one for name in names for one in _curves(ladder.rungs, name))
    note = paragraph("Lines: the mean over seeds; bands: one standard deviation to either side.")
    return Panel(
        "learning", "Learning curves", note + "".join(one.place() for one in figures), figures
    )


def _curves(rungs: Sequence[Rung], metric: str) -> tuple[Figure, ...]:
    """The rungs' curves; a second, zoomed figure if there are outliers."""
    traces: list[dict[str, Any]] = []
    means: list[float] = []
    for number, rung in enumerate(rungs):
        rows = []
        for measured in rung.trial.measurements:
            mean, spread = measured.metrics.get(metric, math.nan), measured.spread.get(metric, 0.0)
            if math.isfinite(mean):
                rows.append((float(measured.epoch), mean, mean - spread, mean + spread))
        means += [row[1] for row in rows]
        traces += band(number, rung.name, rows)
    part = "validation" if metric.startswith("val_") else "training"
    alt = (
        f"{metric} ({part} part) after each epoch of every rung: mean over seeds, with one "
        "standard deviation."
    )
    layout = {"xaxis": parts.axis("epoch"), "height": 420}
    whole = figure(f"curve_{part}", traces, {**layout, "yaxis": parts.axis(metric)}, alt)
    near = _near(means)
    if near is None:
        return (whole,)
    close = {**layout, "yaxis": parts.axis(metric, range=near)}
    return whole, figure(f"curve_{part}_near", traces, close, f"{alt} {_OUTSIDE}")


def dots(
    name: str,
    metric: str,
    values: Mapping[str, Sequence[float]],
    means: Mapping[str, Estimate],
    what: str,
) -> tuple[Figure, ...]:
    """A row for each name: a dot for each seed, and a diamond with the interval of the mean.

    If outliers hide the differences of the others, a second figure is zoomed in.
    """
    seeds: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "one seed",
        "x": [],
        "y": [],
    }
    seeds["marker"] = {"symbol": "circle-open", "color": GREY, "size": 7}
    for method, found in values.items():
        for value in filter(math.isfinite, found):
            seeds["x"].append(value)
            seeds["y"].append(label(method))
    mean = _means_with_intervals(means)
    names = [label(method) for method in values]
    rows = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names[::-1],
        "automargin": True,
    }
    layout = {"height": 130 + 34 * len(names), "yaxis": rows}
    alt = (
        f"{metric} of each {what}: dots for single seeds, diamonds for means with their 95 % "
        "intervals."
    )
    whole = figure(name, [seeds, mean], {**layout, "xaxis": parts.axis(metric)}, alt)
    near = _near(seeds["x"])
    if near is None:
        return (whole,)
    close = {**layout, "xaxis": parts.axis(metric, range=near)}
    return whole, figure(f"{name}_near", [seeds, mean], close, f"{alt} {_OUTSIDE}")


def _means_with_intervals(means: Mapping[str, Estimate]) -> dict[str, Any]:
    """A trace of diamonds with horizontal intervals."""
    known = [(label(method), mean) for method, mean in means.items() if math.isfinite(mean.value)]
    up = [mean.high - mean.value if math.isfinite(mean.high) else 0.0 for _, mean in known]
    down = [mean.value - mean.low if math.isfinite(mean.low) else 0.0 for _, mean in known]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "mean and 95 % interval",
        "x": [m.value for _, m in known],
        "y": [method for method, _ in known],
        "marker": {"symbol": "diamond", "color": BLUE, "size": 11},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": up,
            "arrayminus": down,
            "color": BLUE,
        },
    }


def _near(values: Sequence[float]) -> list[float] | None:
    """The shortest range of most values, if the range of all is much wider; None otherwise."""
    found = sorted(values)
    held = math.ceil(_MOST * len(found))
    if held < 2:
        return None
    low, high = min(zip(found, found[held - 1 :], strict=False), key=lambda ends: ends[1] - ends[0])
    gap = 0.3 * (high - low)
    return [low - gap, high + gap] if 0 < _WIDE * (high - low) < found[-1] - found[0] else None


def _known(estimate: Estimate) -> list[Cell]:
    """A value and its interval as cells; empty if unknown."""
    return [_cell(estimate.value), Cell(claims.bounds(estimate), None)]


def _cell(value: float | None) -> Cell:
    """A number as a cell; empty if unknown."""
    return (
        Cell("", None) if value is None or math.isnan(value) else Cell(words.number(value), value)
    )


def band(
    number: int, name: str, rows: Sequence[tuple[float, float, float, float]]
) -> Iterator[dict[str, Any]]:
    """A line with a band from rows of x, y, low, high; ``number`` selects colour and symbol."""
    colour = _COLOURS[number % len(_COLOURS)]
    x = [row[0] for row in rows]
    outline = {
        "x": [*x, *x[::-1]],
        "y": [*(row[3] for row in rows), *(row[2] for row in rows[::-1])],
    }
    yield {
        "type": "scatter",
        "mode": "lines",
        "fill": "toself",
        "fillcolor": colour,
        "opacity": 0.15,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": name,
        **outline,
    }
    yield {
        "type": "scatter",
        "mode": "lines+markers" if len(rows) <= _POINTS // 2 else "lines",
        "name": label(name),
        "legendgroup": name,
        "x": x,
        "y": [row[1] for row in rows],
        "line": {
            "color": colour,
            "dash": _DASHES[number // len(_COLOURS) % len(_DASHES)],
            "width": 2,
        },
        "marker": {"symbol": _SYMBOLS[number % len(_SYMBOLS)], "size": 6},
    }
