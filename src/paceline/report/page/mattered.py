"""What mattered: which hyperparameters decide the score, and how."""

import math
from collections.abc import Sequence
from typing import Any

from paceline.core import Trial, TrialState
from paceline.report import words
from paceline.report.page.parts import BLUE, GREY, Figure, Panel, figure, label, paragraph
from paceline.report.show import Summary
from paceline.space import Space

_INACTIVE = -0.12  # where a value would be that is not active, below the least one
_LEAST = 3  # completed trials for a picture of configurations
_MOST_LINES = 250
_SHARE = 0.1  # of the trials that are called the best


def panel(summary: Summary) -> Panel:
    """Importance, dependence, and all configurations beside each other."""
    figures = tuple(one for one in (configurations(summary),) if one is not None)
    said = "" if figures else paragraph("Too few trials have completed to say what mattered.")
    return Panel("mattered", "What mattered", said + "".join(one.place() for one in figures), figures)


def configurations(summary: Summary) -> Figure | None:
    """Parallel coordinates: each trial a line through its values; None where there are too few to compare."""
    record, ranked = summary.record, [t for t in summary.ranked if math.isfinite(t.score or math.nan)]
    names = words.varying(record.space)
    stopped = [t for t in record.trials.values() if t.state is TrialState.STOPPED]
    if len(ranked) + len(stopped) < _LEAST or not ranked or not names:
        return None
    num_best = max(1, round(_SHARE * (len(ranked) + len(stopped))))
    best, others = ranked[:num_best], ranked[num_best:]
    every = max(1, math.ceil((len(others) + len(stopped)) / _MOST_LINES))
    groups = {"stopped early": stopped[::every], "the others": others[::every], _named(best): best}
    looks = (("dot", GREY, 1, 0.5), ("solid", GREY, 1.2, 0.6), ("solid", BLUE, 2.5, 1))
    data = [
        {**_lines(record.space, names, trials), "name": name, "opacity": opacity,
         "line": {"dash": dash, "color": colour, "width": width}}
        for (name, trials), (dash, colour, width, opacity) in zip(groups.items(), looks, strict=True) if trials
    ]  # fmt: skip
    ticks = {"tickvals": list(range(len(names))), "ticktext": [label(one) for one in names]}
    height = {"tickvals": [_INACTIVE, 0, 1], "ticktext": ["not active", "least", "largest"], "range": [-0.2, 1.05]}
    layout = {
        "height": 420, "yaxis": {"automargin": True, "zeroline": False, **height},
        "xaxis": {"automargin": True, "zeroline": False, "range": [-0.3, len(names) - 0.7], **ticks},
    }  # fmt: skip
    thinned = f" Of the thin lines one in {every} is drawn." if every > 1 else ""
    alt = (
        f"Trials as lines through their values of {words.count(len(names), 'hyperparameter')}, each from its least to "
        f"its largest; thick: {_named(best)}. Where the thick lines meet, the value mattered.{thinned}"
    )
    return figure("configurations", data, layout, alt)


def _named(best: Sequence[Trial]) -> str:
    return f"the {len(best)} best trials" if len(best) > 1 else "the best trial"


def _lines(space: Space, names: Sequence[str], trials: Sequence[Trial]) -> dict[str, Any]:
    """Many trials as one trace: a gap after each."""
    x: list[int | None] = []
    y: list[float | None] = []
    told: list[str] = []
    for trial in trials:
        for index, name in enumerate(names):
            value = trial.config.get(name)
            active = value is not None and space[name].admits(value)
            x.append(index)
            y.append(space[name].to_unit(value) if value is not None and active else _INACTIVE)
            shown = words.value(value) if value is not None else "not active"
            told.append(f"trial {trial.number}: {label(name)} {label(shown)}")
        x.append(None)
        y.append(None)
        told.append("")
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "text": told, "hoverinfo": "text"}
