"""Where the wall time went."""

from paceline.report import words
from paceline.report.page.parts import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    Figure,
    Panel,
    axis,
    figure,
    paragraph,
    table,
)
from paceline.report.show import Summary

_WHAT = {
    "training": ("at least one model is trained", BLUE, ""),
    "compiling": ("a model is compiled while none is trained", VERMILLION, "/"),
    "deciding": ("the search strategy or the schedule decides", GREEN, "x"),
    "other": ("loading, saving, testing, waiting", GREY, "."),
}


def panel(summary: Summary) -> Panel:
    """Time of training, compiling, deciding, and the rest."""
    timeline, record = summary.timeline, summary.record
    if timeline.seconds <= 0:
        return Panel("seconds", "Where the time went", paragraph("No time has been measured yet."))
    shown = seconds(summary)
    parts = {name: getattr(timeline, name) for name in _WHAT}
    rows = [
        [name, words.duration(spent), f"{spent / timeline.seconds:.0%}", _WHAT[name][0]]
        for name, spent in parts.items()
    ]
    listed = table(["part", "time", "share", "meaning"], rows, caption="Wall time of all sessions")
    sentences = []
    if record.compilations:
        shared = words.compiled(len(record.compilations), record.programs_compiled)
        spent = sum(one.seconds for one in record.compilations)
        sentences.append(
            f"{shared} Compilation took {words.duration(spent)}, part of it during training."
        )
    trained = sum(t.seconds for t in record.all_trials() if t.prefix_of is None)
    epochs = sum(len(t.measurements) for t in record.all_trials() if t.prefix_of is None)
    sentences.append(
        f"The trials trained {words.count(epochs, 'epoch')} in {words.duration(trained)} of "
        f"training time."
    )
    body = shown.place() + listed + "".join(map(paragraph, sentences))
    return Panel("seconds", "Where the time went", body, (shown,))


def seconds(summary: Summary) -> Figure:
    """The wall time as one bar."""
    timeline = summary.timeline
    parts = {name: getattr(timeline, name) for name in _WHAT}
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "x": [spent],
            "y": [""],
            "hovertemplate": f"{name} {words.duration(spent)}<extra></extra>",
            "name": name,
            "marker": {
                "color": _WHAT[name][1],
                "pattern": {"shape": _WHAT[name][2], "solidity": 0.2},
            },
        }
        for name, spent in parts.items()
    ]
    layout = {
        "barmode": "stack",
        "height": 170,
        "legend": {"traceorder": "normal"},
        "xaxis": axis("seconds"),
        "yaxis": {"visible": False},
    }
    said = ", ".join(f"{name} {words.duration(spent)}" for name, spent in parts.items())
    return figure("seconds", data, layout, f"The wall time as one bar: {said}.")
