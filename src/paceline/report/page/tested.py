"""The best model on the test set: metrics, confusion matrix or residuals, worst rows."""

from collections.abc import Iterator

import numpy as np

from paceline.report import words
from paceline.report.page.parts import (
    BLUE,
    GREY,
    VERMILLION,
    Figure,
    Panel,
    axis,
    figure,
    label,
    paragraph,
    table,
    text,
)
from paceline.report.page.pictures import look_like_images, pictures
from paceline.report.show import Summary
from paceline.study.planned.test_predictions import Tested, read_tested

_MOST_CLASSES = 100  # of a confusion matrix that can be read
_NUMBERED = 20  # classes up to which each cell shows its count
_MOST_DOTS = 2000
_CONFUSED, _LISTED_WORST = 10, 12


def panel(summary: Summary) -> Panel:
    """Metrics on the test set, and predictions."""
    record, found = summary.record, read_tested(summary.directory)
    title = "Test set"
    if record.tested is None or not record.tested.metrics:
        return Panel("tested", title, paragraph(_nothing(summary)))
    again = ", retrained on training and validation set together" if record.tested.refitted else ""
    said = paragraph(
        f"The model of trial {record.tested.number}{again}, measured once: "
        f"{words.metrics(record.tested.metrics)}."
    )
    if found is None:
        return Panel(
            "tested",
            title,
            said + paragraph("Its predictions were not kept.", "soft"),
        )
    figures = tuple(one for one in figures_of(found) if one is not None)
    listed = _class_tables(found) if found.task == "classification" else _number_tables(found)
    body = "".join([said, *(one.place() for one in figures), *listed, *_worst(found)])
    return Panel("tested", title, body, figures)


def figures_of(tested: Tested) -> list[Figure | None]:
    """The figures for this task."""
    if tested.task == "classification":
        return [confusion(tested)]
    return [predicted(tested), residuals(tested)]


def confusion(tested: Tested) -> Figure | None:
    """The confusion matrix; None for more classes than can be read."""
    counts = _counts(tested)
    if len(counts) > _MOST_CLASSES:
        return None
    names = [label(_class_name(tested, index)) for index in range(len(counts))]
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    shown = [[f"{count:,}" if count else "" for count in row] for row in counts.tolist()]
    texts = [
        [
            f"{names[i]} predicted as {names[j]}: {count:,} ({share[i, j]:.1%})"
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(counts.tolist())
    ]
    side = max(320, min(760, 34 * len(counts) + 110))
    data = {
        "type": "heatmap",
        "z": share.tolist(),
        "x": names,
        "y": names,
        "zmin": 0,
        "zmax": 1,
        "hovertext": texts,
        "hoverinfo": "text",
        "colorscale": "Cividis",
        "colorbar": {"title": {"text": "share of the row"}},
        "xgap": 1,
        "ygap": 1,
        **({"text": shown, "texttemplate": "%{text}"} if len(counts) <= _NUMBERED else {}),
    }
    layout = {
        "height": side,
        "xaxis": axis("predicted", type="category"),
        "yaxis": axis("true", type="category", autorange="reversed"),
    }
    right = int(np.trace(counts))
    alt = (
        f"Confusion matrix of {len(counts)} classes: a row for each true class, a column for each "
        f"predicted class; {right:,} of {counts.sum():,} rows are on the diagonal (correct)."
    )
    return figure("confusion", [data], layout, alt)


def predicted(tested: Tested) -> Figure:
    """Predicted against true, of the first output."""
    truth, said = _first(tested)
    low, high = float(min(truth.min(), said.min())), float(max(truth.max(), said.max()))
    every = max(1, -(-len(truth) // _MOST_DOTS))
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "rows",
            "x": truth[::every].tolist(),
            "y": said[::every].tolist(),
            "marker": {"color": BLUE, "size": 5, "opacity": 0.5},
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "predicted = true",
            "x": [low, high],
            "y": [low, high],
            "line": {"color": VERMILLION, "dash": "dash", "width": 2},
            "hoverinfo": "skip",
        },
    ]
    layout = {"height": 440, "xaxis": axis("true"), "yaxis": axis("predicted")}
    alt = "Predicted against true value, a dot for each row; equal on the dashed line."
    return figure("predicted", data, layout, alt + _only(tested))


def residuals(tested: Tested) -> Figure:
    """Histogram of the residuals of the first output."""
    truth, said = _first(tested)
    counts, edges = np.histogram(said - truth, bins=50)
    bar = {
        "type": "bar",
        "x": ((edges[1:] + edges[:-1]) / 2).tolist(),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": BLUE, "line": {"width": 0.5, "color": GREY}},
        "name": "rows",
    }
    layout = {
        "height": 300,
        "xaxis": axis("predicted minus true"),
        "yaxis": axis("rows"),
        "bargap": 0,
    }
    off = said - truth
    alt = (
        f"Histogram of the residuals, predicted minus true: mean "
        f"{words.number(float(off.mean()))}, "
        f"standard deviation {words.number(float(off.std()))}."
    )
    return figure("residuals", [bar], layout, alt + _only(tested))


def _nothing(summary: Summary) -> str:
    created = summary.record.created
    if created is not None and "kind" in created.data:
        return "The study is of a function: there is no test set."
    if summary.record.tested is not None or summary.state == "finished":
        return "The data have no test set."
    return "The test set is used once, at the end."


def _counts(tested: Tested) -> np.ndarray:
    """Rows by true class and predicted class, int (c, c)."""
    size = 1 + int(max(tested.truth.max(), tested.predicted.max(), len(tested.class_names) - 1))
    flat = np.bincount(
        tested.truth.astype(np.int64) * size + tested.predicted, minlength=size * size
    )
    return flat.reshape(size, size)


def _class_name(tested: Tested, index: int) -> str:
    return tested.class_names[index] if index < len(tested.class_names) else str(index)


def _class_tables(tested: Tested) -> Iterator[str]:
    counts = _counts(tested)
    right, true, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid="ignore"):  # what is nowhere predicted has no precision
        measured = np.stack(
            [right / said, right / true, 2 * right / (true + said)], axis=1
        ).tolist()
    rows = [
        [_class_name(tested, index), *each, int(true[index])] for index, each in enumerate(measured)
    ]
    yield table(
        ["class", "precision", "recall", "F1", "rows"], rows, caption="Each class", sortable=True
    )
    wrong = counts - np.diag(right)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSED]
    pairs = [divmod(int(place), len(counts)) for place in order]
    confused = [
        [_class_name(tested, true), _class_name(tested, said), int(wrong[true, said])]
        for true, said in pairs
        if wrong[true, said]
    ]
    if confused:
        yield table(["true", "taken for", "rows"], confused, caption="Most often confused")


def _number_tables(tested: Tested) -> Iterator[str]:
    truth, said = (each.astype(np.float64) for each in (tested.truth, tested.predicted))
    rows = []
    for index in range(truth.shape[1]):
        off, total = (
            said[:, index] - truth[:, index],
            ((truth[:, index] - truth[:, index].mean()) ** 2).sum(),
        )
        r2 = 1 - (off**2).sum() / total if total else float("nan")
        mean = [float((off**2).mean()) ** 0.5, float(np.abs(off).mean()), float(r2)]
        rows.append([f"output {index}" if truth.shape[1] > 1 else "target", *mean, len(truth)])
    yield table(
        ["", "RMSE", "mean absolute error", "R²", "rows"],
        rows,
        caption="How far off the predictions are",
    )


def _worst(tested: Tested) -> Iterator[str]:
    """The rows that were predicted worst: as pictures where they look like that, else as a
    table.
    """
    found = enumerate(tested.worst.tolist())
    wrong = [
        (at, place)
        for at, place in found
        if tested.task == "regression" or _is_wrong(tested, place)
    ]
    if not wrong:
        return
    inputs = tested.worst_inputs
    if inputs is not None and look_like_images(inputs.shape[1:]):
        shown = pictures(inputs)
        yield f"<h3>{'Furthest off' if tested.task == 'regression' else 'Worst classified'}</h3>"
        listed = "".join(_picture(tested, shown[at], place) for at, place in wrong)
        yield f'<ul class="examples">{listed}</ul>'
        return
    rows = [
        [int(tested.rows[place]), _prediction_text(tested, place)]
        for _, place in wrong[:_LISTED_WORST]
    ]
    yield table(
        ["row", "what happened"], rows, caption="Rows of the test part that were predicted worst"
    )


def _picture(tested: Tested, source: str, place: int) -> str:
    said, row = text(_prediction_text(tested, place)), f"row {tested.rows[place]:,}"
    return (
        f'<li><img src="{source}" alt="{row}: {said}" width="96" height="96">{said}<br>'
        f'<span class="soft">{row}</span></li>'
    )


def _is_wrong(tested: Tested, place: int) -> bool:
    return bool(tested.truth[place] != tested.predicted[place])


def _prediction_text(tested: Tested, place: int) -> str:
    if tested.task == "regression":
        both = (tested.truth[place], tested.predicted[place])
        true, said = (", ".join(words.number(float(value)) for value in values) for values in both)
        return f"{true} taken for {said}"
    right, taken = int(tested.truth[place]), int(tested.predicted[place])
    sure = (
        ""
        if tested.probabilities is None
        else f" ({float(tested.probabilities[place, taken]):.0%} sure)"
    )
    return f"{_class_name(tested, right)} taken for {_class_name(tested, taken)}{sure}"


def _first(tested: Tested) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of the first output, where both are finite."""
    truth, said = tested.truth[:, 0].astype(np.float64), tested.predicted[:, 0].astype(np.float64)
    known = np.isfinite(truth) & np.isfinite(said)
    return (truth[known], said[known]) if known.any() else (np.zeros(1), np.zeros(1))


def _only(tested: Tested) -> str:
    return " The first output only." if tested.truth.shape[1] > 1 else ""
