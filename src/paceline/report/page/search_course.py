"""The course of the search: best score so far, learning curves, and when trials ended."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from paceline.core import Trial, TrialState
from paceline.report import words
from paceline.report.curves import Progress, by_chance, progress
from paceline.report.drawn import drawn
from paceline.report.page.parts import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    Figure,
    Panel,
    axis,
    figure,
    label,
    paragraph,
    scores_range,
)
from paceline.report.show import Summary

# a page stays small and a browser quick
_MOST_DOTS, _MOST_STEPS = 2_000, 500  # completed trials, and improvements of the best score
_MOST_CURVES, _MOST_POINTS = 1_000, 8_000  # learning curves, and epochs of all of them together
_BEST_CURVES = 5
_LEAST_BY_CHANCE, _POINTS_BY_CHANCE = 3, 100
_MANY_CURVES = 100  # more are drawn finer
_STATES = {
    TrialState.COMPLETED: (BLUE, "", "circle"),
    TrialState.STOPPED: (GREY, "/", "x-thin-open"),
    TrialState.FAILED: (VERMILLION, "x", "triangle-up"),
}


def panel(summary: Summary) -> Panel:
    """Every figure for which the study has the numbers."""
    trials = summary.record.all_trials()
    made = (best_so_far(summary), learning_curves(summary, trials), ends(trials))
    figures = tuple(one for one in made if one is not None)
    said = "" if figures else paragraph("No trial has been measured yet.")
    return Panel(
        "search", "Course of the search", said + "".join(one.place() for one in figures), figures
    )


def best_so_far(summary: Summary) -> Figure | None:
    """The best score so far against trials, epochs and seconds; None if no trial has completed."""
    record, found = summary.record, progress(summary.record, summary.timeline.ended)
    completed = np.flatnonzero(np.isfinite(found.scores))
    if not len(completed):
        return None
    places = {found.trials[i].number: int(i) for i in completed}
    chosen = drawn(list(places), [trial.number for trial in summary.ranked], _MOST_DOTS)
    dots = [
        (i + 1, float(found.scores[i]), found.trials[i])
        for i in map(places.__getitem__, chosen.numbers)
    ]
    steps, num_better = _steps(found, int(completed[0]))
    best = steps[-1][3]
    metric = record.objective.metric
    data: list[dict[str, Any]] = [_dots(dots, metric), *_chance(summary)]
    data += [
        _best_line(steps, index, unit)
        for index, unit in enumerate(("trials", "epochs", "seconds"), start=1)
    ]
    reach = scores_range(found.scores[completed].tolist())
    reach = None if reach is None else [min(reach[0], best), max(reach[1], best)]
    layout = {
        "yaxis": axis(metric, range=reach),
        **{
            f"xaxis{index}": axis(
                unit,
                rangemode="tozero",
                domain=[(index - 1) * 0.35, (index - 1) * 0.35 + 0.3],
                anchor="y",
            )
            for index, unit in enumerate(
                ("trials that ended", "epochs trained", "seconds"), start=1
            )
        },
    }
    alt = (
        f"The best {metric} so far, against trials that ended, epochs trained and seconds: "
        f"{words.number(best)} after {words.count(len(found.trials), 'trial')}, "
        f"{steps[-1][1]:,.0f} epochs and "
        f"{words.duration(steps[-1][2])}. Circles: the score of each completed trial."
        + chosen.remark("completed trials")
        + (
            f" {_MOST_STEPS:,} of {num_better:,} improvements are drawn."
            if num_better > _MOST_STEPS
            else ""
        )
        + (" Dashed: the expected best of so many random trials." if len(data) > 4 else "")
    )
    return figure("best_so_far", data, layout, alt)


def _best_line(steps: Sequence[Sequence[float]], index: int, unit: str) -> dict[str, Any]:
    """The best score so far against one of the three axes."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "showlegend": index == 1,
        "hoverinfo": "text",
        "x": [step[index - 1] for step in steps],
        "y": [step[3] for step in steps],
        "text": [
            f"best {words.number(step[3])} after {step[index - 1]:,.0f} {unit}" for step in steps
        ],
        "line": {"shape": "hv", "color": BLUE, "width": 2.5},
        "xaxis": f"x{index}",
        "yaxis": "y",
    }


def _steps(found: Progress, first: int) -> tuple[list[list[float]], int]:
    """Trials, epochs, seconds and best score at each improvement from the index ``first`` on.

    Returns:
        The steps, a sample of them if they are many; and the number of improvements.
    """
    counts = np.arange(1, len(found.trials) + 1)
    table = np.column_stack([counts, found.epochs, found.seconds, found.best])
    better = np.flatnonzero(np.diff(found.best[first:])) + first + 1
    chosen = better[np.linspace(0, len(better) - 1, min(len(better), _MOST_STEPS)).astype(int)]
    steps: list[list[float]] = table[[first, *chosen, len(counts) - 1]].tolist()
    return steps, len(better)


def learning_curves(summary: Summary, trials: Sequence[Trial]) -> Figure | None:
    """The objective after each epoch, of all trials; None if nothing has been measured."""
    metric = summary.record.objective.metric
    curves = {t.number: _curve(t, metric) for t in trials if t.prefix_of is None}
    curves = {number: curve for number, curve in curves.items() if curve}
    if not curves:
        return None
    ranked = [t.number for t in summary.ranked if t.number in curves]
    chosen = drawn(list(curves), ranked, _MOST_CURVES)
    thin = max(1, math.ceil(sum(len(curves[number]) for number in chosen.numbers) / _MOST_POINTS))
    best, shown = (
        ranked[:_BEST_CURVES],
        [summary.record.trials[number] for number in chosen.numbers],
    )
    groups = {
        "stopped early": [t.number for t in shown if t.state is TrialState.STOPPED],
        "completed": [
            t.number for t in shown if t.state is TrialState.COMPLETED and t.number not in best
        ],
        "not ended": [t.number for t in shown if not t.state.is_final],
        f"the {len(best)} best" if len(best) > 1 else "the best": best,
    }
    fine = 1.2 if len(shown) <= _MANY_CURVES else 0.5
    looks = [
        ("dot", GREY, fine, 0.6),
        ("solid", GREY, fine, 0.7),
        ("dash", GREEN, fine, 0.8),
        ("solid", BLUE, 2.5, 1),
    ]
    data = []
    for (name, numbers), (dash, colour, width, opacity) in zip(groups.items(), looks, strict=True):
        if trace := _lines(curves, numbers, 1 if numbers is best else thin):
            line = {"dash": dash, "color": colour, "width": width}
            data.append({**trace, "name": name, "opacity": opacity, "line": line})
    reach = _reach(summary, curves, best)
    layout = {"xaxis": axis("epoch"), "yaxis": axis(metric, range=reach), "height": 400}
    alt = (
        f"{metric} after each epoch of {words.count(len(curves), 'trial')}: thick lines are the "
        f"best trials, dotted ones were stopped early. Outliers are outside of the range."
        + chosen.remark("curves")
        + (" Epochs are thinned." if thin > 1 else "")
    )
    return figure("learning_curves", data, layout, alt)


def _reach(
    summary: Summary, curves: dict[int, list[tuple[int, float]]], best: Sequence[int]
) -> list[float] | None:
    """The range of the axis: the best trials' curves, and the ends of three quarters of all."""
    loss = summary.record.objective.loss
    lasts = sorted((curve[-1][1] for curve in curves.values()), key=loss)
    shown = [score for number in best for _, score in curves[number]] + lasts[
        : -(-3 * len(lasts) // 4)
    ]
    low, high = min(shown), max(shown)
    gap = 0.05 * (high - low)
    return [low - gap, high + gap] if gap > 0 else None


def ends(trials: Sequence[Trial]) -> Figure | None:
    """Number of trials that ended after each epoch, by state; None if all ended after the same."""
    counts = {
        state: Counter(len(t.measurements) for t in trials if t.state is state) for state in _STATES
    }
    after = sorted({epoch for count in counts.values() for epoch in count})
    if len(after) < 2:
        return None
    data = [
        {
            "type": "bar",
            "x": [str(epoch) for epoch in after],
            "y": [count[epoch] for epoch in after],
            "name": str(state),
            "marker": {"color": _STATES[state][0], "pattern": {"shape": _STATES[state][1]}},
        }
        for state, count in counts.items()
        if count
    ]
    counted = "; ".join(
        f"{sum(count.values()):,} {state} "
        f"({', '.join(f'{n:,} after {e}' for e, n in sorted(count.items())[:8])})"
        for state, count in counts.items()
        if count
    )
    layout = {
        "barmode": "stack",
        "height": 300,
        "xaxis": axis("epochs trained", type="category"),
        "yaxis": axis("trials"),
    }
    return figure("ends", data, layout, f"How many trials ended after how many epochs: {counted}.")


def _dots(scores: Sequence[tuple[int, float, Trial]], metric: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "completed trials",
        "hoverinfo": "text",
        "x": [count for count, _, _ in scores],
        "y": [score for _, score, _ in scores],
        "text": [
            f"trial {t.number}: {label(metric)} {words.number(score)}" for _, score, t in scores
        ],
        "marker": {"symbol": "circle-open", "color": GREY, "size": 6},
        "xaxis": "x1",
        "yaxis": "y",
    }


def _chance(summary: Summary) -> list[dict[str, Any]]:
    """The expected best of n trials of random or Sobol search, if there are some."""
    counts, scores = by_chance(summary.record, _POINTS_BY_CHANCE)
    if not len(counts) or counts[-1] < _LEAST_BY_CHANCE:
        return []
    expected = scores.tolist()
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "expected best of random trials",
            "hoverinfo": "text",
            "x": list(counts),
            "y": expected,
            "xaxis": "x1",
            "yaxis": "y",
            "text": [
                f"expected best of {count:,} random trials: {words.number(score)}"
                for count, score in zip(counts, expected, strict=True)
            ],
            "line": {"dash": "dash", "color": VERMILLION, "width": 2},
        }
    ]


def _curve(trial: Trial, metric: str) -> list[tuple[int, float]]:
    points = ((m.epoch, m.metrics.get(metric, math.nan)) for m in trial.measurements)
    return [(epoch, score) for epoch, score in points if math.isfinite(score)]


def _lines(
    curves: dict[int, list[tuple[int, float]]], numbers: Sequence[int], thin: int
) -> dict[str, Any] | None:
    """Many curves as one trace, with a gap after each."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[int] = []
    for number in numbers:
        curve = curves.get(number)
        if not curve:
            continue
        points = [
            point
            for index, point in enumerate(curve)
            if index % thin == 0 or index == len(curve) - 1
        ]
        x += [*(epoch for epoch, _ in points), None]
        y += [*(score for _, score in points), None]
        texts += [number] * (len(points) + 1)
    if not x:
        return None
    mode = "lines+markers" if all(len(curves.get(n, ())) < 2 for n in numbers) else "lines"
    said = "trial %{text}, epoch %{x}: %{y:.4g}<extra></extra>"
    return {
        "type": "scatter",
        "mode": mode,
        "x": x,
        "y": y,
        "text": texts,
        "hovertemplate": said,
        "marker": {"size": 4},
    }
