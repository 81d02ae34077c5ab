"""Importance of the hyperparameters, and how the score depends on them."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from paceline.core import Configuration, Trial, TrialState
from paceline.report import words
from paceline.report.ablation_gains import gains_of
from paceline.report.page.importance_figures import bars, beside, curves, importance_of
from paceline.report.page.parts import BLUE, GREY, Figure, Panel, figure, label, paragraph, table
from paceline.report.show import Summary
from paceline.space import Space

_INACTIVE = -0.12  # height of a value that is not active, below the least
_LEAST = 3  # completed trials needed for the figure of configurations
_MOST_LINES = 250
_SHARE, _MOST_BEST = 0.1, 10  # of the trials, those that are drawn as the best


def panel(summary: Summary) -> Panel:
    """Importance, partial dependence, ablation, and all configurations as parallel coordinates."""
    body, figures = [], []
    found = importance_of(summary)
    if isinstance(found, str):
        body.append(paragraph(found))
    else:
        figures.append(bars(found))
        body += [figures[-1].place(), *beside(found)]
        figures.append(curves(summary, found))
        body.append(figures[-1].place())
    body += list(_ablation(summary))
    shown = configurations(summary)
    if shown is not None:
        figures.append(shown)
        body.append(shown.place())
    return Panel("mattered", "Hyperparameter importance", "".join(body), tuple(figures))


def _ablation(summary: Summary) -> Iterator[str]:
    """The measured gain of each change from the default to the winner, as a table."""
    gains, metric = gains_of(summary.record), summary.record.objective.metric
    if not gains:
        return
    yield paragraph(
        f"Measured by training with one change at a time, each on {gains[0].num_pairs} fresh pairs "
        f"of seed and split: by how much the winner's value is better in {metric}, with 95 % "
        f"intervals that hold simultaneously."
    )
    headings = (
        "hyperparameter",
        "changed at the",
        "from",
        "to",
        "gain",
        "lowest",
        "highest",
        "significant",
    )
    rows = [
        (
            gain.name,
            str(gain.side),
            words.value(gain.before),
            words.value(gain.after),
            f"{gain.gain:+.4g}",
            words.number(gain.low),
            words.number(gain.high),
            "yes" if gain.is_real else "no",
        )
        for gain in gains
    ]
    yield table(headings, rows, caption="Measured ablation")


def configurations(summary: Summary) -> Figure | None:
    """Parallel coordinates: each trial a line through its values; None for too few trials."""
    record, ranked = (
        summary.record,
        [t for t in summary.ranked if math.isfinite(t.score or math.nan)],
    )
    names = words.varying(record.space)
    members = (trial for number, trial in record.trials.items() if number not in record.moved)
    stopped = [t for t in members if t.state is TrialState.STOPPED]
    if len(ranked) + len(stopped) < _LEAST or not ranked or len(names) < 2:  # 1: no lines
        return None
    num_best = min(_MOST_BEST, max(1, round(_SHARE * (len(ranked) + len(stopped)))))
    best, others = ranked[:num_best], ranked[num_best:]
    every = max(1, math.ceil((len(others) + len(stopped)) / _MOST_LINES))
    groups = {"stopped early": stopped[::every], "the others": others[::every], _named(best): best}
    looks = (("dot", GREY, 1, 0.5), ("solid", GREY, 1.2, 0.6), ("solid", BLUE, 2.5, 1))
    data = [
        {
            **_lines(record.space, names, trials),
            "name": name,
            "opacity": opacity,
            "line": {"dash": dash, "color": colour, "width": width},
        }
        for (name, trials), (dash, colour, width, opacity) in zip(
            groups.items(), looks, strict=True
        )
        if trials
    ]
    ticks = {"tickvals": list(range(len(names))), "ticktext": [label(one) for one in names]}
    height = {
        "tickvals": [_INACTIVE, 0, 1],
        "ticktext": ["not active", "least", "largest"],
        "range": [-0.2, 1.05],
    }
    layout = {
        "height": 420,
        "yaxis": {"automargin": True, "zeroline": False, **height},
        "xaxis": {
            "automargin": True,
            "zeroline": False,
            "range": [-0.3, len(names) - 0.7],
            **ticks,
        },
    }
    thinned = f" One in {every} of the thin lines is drawn." if every > 1 else ""
    alt = (
        f"Trials as lines through their values of {words.count(len(names), 'hyperparameter')}, "
        f"each from its least to its largest; thick: {_named(best)}. Where the thick lines meet, "
        f"the value is important.{thinned}"
    )
    return figure("configurations", data, layout, alt)


def _named(best: Sequence[Trial]) -> str:
    return f"the {len(best)} best trials" if len(best) > 1 else "the best trial"


def _height(space: Space, name: str, config: Configuration) -> float:
    """Position of a value between the least and the largest possible, 0 to 1."""
    for h in space.variants(name):
        if h.admits(config[name]) and space.may_be_active(h, config):
            # not 0 and 1 where values are few: coordinates are the middles of cells
            low, high = (h.to_unit(h.from_unit(end)) for end in (0.0, 1.0))
            return (h.to_unit(config[name]) - low) / (high - low) if high > low else 0.5
    return _INACTIVE


def _lines(space: Space, names: Sequence[str], trials: Sequence[Trial]) -> dict[str, Any]:
    """Many trials as one trace, with a gap after each."""
    x: list[int | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for trial in trials:
        for index, name in enumerate(names):
            value = trial.config.get(name)
            x.append(index)
            y.append(_INACTIVE if value is None else _height(space, name, trial.config))
            shown = words.value(value) if value is not None else "not active"
            texts.append(f"trial {trial.number}: {label(name)} {label(shown)}")
        x.append(None)
        y.append(None)
        texts.append("")
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "text": texts, "hoverinfo": "text"}
