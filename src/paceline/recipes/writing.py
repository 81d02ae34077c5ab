"""Files of recipes beside their studies: tables as CSV, figures as HTML; and their messages."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paceline.recipes import RecipeRun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    import paceline

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
"""Colours of Okabe and Ito."""
_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")


def table(run: RecipeRun, name: str, frame: "pd.DataFrame", shown: int = 10) -> None:
    """Writes ``name.csv``, and prints its first rows."""
    run.directory.mkdir(parents=True, exist_ok=True)
    frame.to_csv(run.directory / f"{name}.csv", index=False)
    if shown:
        text = frame.head(shown).to_string(
            index=False, float_format=lambda number: f"{number:.4g}", na_rep=""
        )
        run.say(text)
        more = "" if len(frame) <= shown else f"; the first {shown} of {len(frame):,}"
        run.say(f"({run.directory / f'{name}.csv'}{more})\n")


def trials(run: RecipeRun, study: "paceline.Study") -> None:
    """Writes ``trials.csv``: every trial, the best first."""
    table(run, "trials", ranked(study), shown=0)


def ranked(study: "paceline.Study") -> "pd.DataFrame":
    """Completed trials, the best first: rank, trial, score, seconds, and the hyperparameters."""
    frame = study.trials_dataframe()
    objective = study.record.objective
    frame = frame[frame["state"] == "completed"].drop(columns="epochs")
    frame = frame.iloc[frame["score"].map(objective.loss).argsort(kind="stable")]
    settings = {f"config_{name}": name for name in study.space.names}
    frame = frame.rename(columns={"number": "trial", "score": objective.metric, **settings})
    frame.insert(0, "rank", range(1, len(frame) + 1))
    return frame[["rank", "trial", objective.metric, "seconds", *settings.values()]]


def picture(run: RecipeRun, name: str, traces: Sequence[Mapping[str, Any]], **layout: Any) -> None:
    """Writes ``name.html``: a figure of Plotly traces that works offline."""
    import plotly.graph_objects as go

    run.directory.mkdir(parents=True, exist_ok=True)
    style = {"template": "plotly_white", "colorway": _COLOURS, "font": {"size": 15}, **layout}
    figure = go.Figure(data=list(traces), layout=style)
    figure.write_html(run.directory / f"{name}.html", include_plotlyjs="directory")


def line(number: int, name: str, x: Sequence[Any], y: Sequence[Any], **more: Any) -> dict[str, Any]:
    """A line for `picture`; ``number`` selects its colour, dash and symbol."""
    dashes = ("solid", "dash", "dot", "dashdot")
    style = {
        "line": {"color": _COLOURS[number % len(_COLOURS)], "dash": dashes[number % len(dashes)]},
        "marker": {"symbol": _SYMBOLS[number % len(_SYMBOLS)], "size": 7},
    }
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        **style,
        **more,
    }


def proportion(correct: int, of: int) -> tuple[float, float, float]:
    """A proportion with its 95 % interval: Wilson's score interval (JASA 22, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(correct, of).proportion_ci(method="wilson")
    return correct / of, float(interval.low), float(interval.high)


def mean(values: Sequence[float], metric: str) -> tuple[float, float, float]:
    """A mean with Student's 95 % interval; see `student`."""
    import numpy as np

    numbers = np.asarray(values, dtype=np.float64)
    return float(numbers.mean()), *student(numbers, metric, 1 / len(numbers))


def one_more(values: Sequence[float], metric: str) -> tuple[float, float]:
    """The 95 % prediction interval of one more value, if all are normal; see `student`."""
    import numpy as np

    numbers = np.asarray(values, dtype=np.float64)
    return student(numbers, metric, 1 + 1 / len(numbers))


def student(values: "np.ndarray[Any, Any]", metric: str, variance: float) -> tuple[float, float]:
    """Student's 95 % interval around the mean, clipped to the metric's range.

    Args:
        values: float (n,).
        metric: its name, such as ``"test accuracy"``; see `paceline.stats.bounds.clip_interval`.
        variance: of the quantity in the interval, in variances of one value.

    Returns:
        Its ends; both NaN for a single value, and if all values are equal, as there is no spread.
    """
    import numpy as np
    from scipy.stats import t

    from paceline.stats.bounds import clip_interval

    if len(values) < 2 or not np.ptp(values):
        return float("nan"), float("nan")
    half = float(t.ppf(0.975, len(values) - 1)) * values.std(ddof=1) * np.sqrt(variance)
    return clip_interval(
        float(values.mean() - half), float(values.mean() + half), metric, values.tolist()
    )


def predicted(study: "paceline.Study", x: Any) -> "np.ndarray[Any, Any]":
    """The classes that a study's best model predicts, int (rows,)."""
    import numpy as np

    found: np.ndarray[Any, Any] = np.argmax(
        study.best_model().predict(x, batch_size=512, verbose=0), axis=1
    )
    return found


def confusion(run: RecipeRun, truth: Any, found: Any, class_names: Sequence[str]) -> None:
    """Writes ``confusion.csv`` and ``confusion.html``; prints the most frequent mistakes."""
    import numpy as np
    import pandas as pd

    size = max(len(class_names), int(max(np.max(truth), np.max(found))) + 1)
    names = (
        list(class_names) if len(class_names) == size else [str(number) for number in range(size)]
    )
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (np.asarray(truth), np.asarray(found)), 1)
    frame = pd.DataFrame(counts, columns=names)
    frame.insert(0, "truth", names)
    table(run, "confusion", frame, shown=0)
    text = [[str(count) for count in row] for row in counts.tolist()]
    cells = {
        "z": np.log1p(counts).tolist(),
        "text": text,
        "texttemplate": "%{text}",
        "showscale": False,
    }
    heat = {"type": "heatmap", "x": names, "y": names, "colorscale": "Blues", **cells}
    axes = {"xaxis_title": "predicted", "yaxis": {"title": "true", "autorange": "reversed"}}
    picture(
        run,
        "confusion",
        [heat],
        title="Confusion matrix of the test set",
        width=800,
        height=750,
        **axes,
    )
    mistakes = np.where(np.eye(size, dtype=bool), 0, counts)
    worst = [
        divmod(int(place), size) for place in np.argsort(-mistakes, axis=None, kind="stable")[:3]
    ]
    listed = "; ".join(
        f"{names[i]} as {names[j]} ({mistakes[i, j]})" for i, j in worst if mistakes[i, j]
    )
    run.say(
        f"Confusion matrix: {run.directory / 'confusion.csv'}. Most frequent mistakes: "
        f"{listed or 'none'}."
    )


def best(run: RecipeRun, study: "paceline.Study", data: Any) -> float:
    """Prints a study's best network and its scores with confusion matrix; returns test accuracy."""
    chosen, tested = study.best, study.record.tested
    run.say(
        "Best configuration: "
        + ", ".join(f"{name} {value}" for name, value in chosen.config.items())
    )
    found = predicted(study, data.x_test)
    share, low, high = proportion(int((found == data.y_test).sum()), len(found))
    is_refitted = tested is not None and tested.refitted
    how = (
        "retrained on training and validation images"
        if is_refitted
        else "as trained on the training images"
    )
    run.say(
        f"Validation accuracy {chosen.score:.4f}. Test accuracy {share:.4f} (95 % interval "
        f"{low:.4f} to {high:.4f}),"
    )
    run.say(f"{how}; the model is {study.directory / 'best.keras'}.")
    confusion(run, data.y_test, found, data.class_names)
    return share


def effects(run: RecipeRun, frame: "pd.DataFrame", metric: str, names: Sequence[str]) -> None:
    """Writes the mean effect of each value over all others, for a full grid.

    Over a full grid the means are exact, and a hyperparameter's share is the variance of its means
    over the variance of all scores: the main effects of an analysis of variance.

    Args:
        run: where to write ``effects.csv`` and ``effects.html``.
        frame: a row for each configuration of the grid.
        metric: the column that is explained.
        names: the columns of the hyperparameters.
    """
    import pandas as pd

    total = float(frame[metric].var(ddof=0))
    rows, shares = [], {}
    for name in names:
        groups = frame.groupby(name)[metric]
        shares[name] = float(groups.transform("mean").var(ddof=0)) / total if total > 0 else 0.0
        rows += [
            {
                "hyperparameter": name,
                "value": value,
                "mean": scores.mean(),
                "best": scores.max(),
                "share": shares[name],
            }
            for value, scores in groups
        ]
    means = pd.DataFrame(rows).sort_values("share", ascending=False, kind="stable")
    run.say(
        f"{metric} by the values of each hyperparameter, over all the others; share: of the "
        "variance explained."
    )
    table(run, "effects", means, shown=len(means))
    ordered = sorted(names, key=lambda name: shares[name])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [shares[name] for name in ordered],
        "y": ordered,
    }
    picture(run, "effects", [bars], title="Share of the variance explained", xaxis_tickformat=".0%")
