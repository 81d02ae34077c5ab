"""The trials as a sortable table: all of them, or a sample if they are many."""

import math

from paceline.core import Trial
from paceline.report import words
from paceline.report.drawn import drawn
from paceline.report.page.parts import Cell, Panel, paragraph, table
from paceline.report.show import Summary

_MOST_ROWS = 2_000


def panel(summary: Summary) -> Panel:
    """A row for each trial, in the order of their numbers."""
    record = summary.record
    if not record.trials:
        return Panel("trials", "Trials", paragraph("There is no trial yet."))
    chosen = drawn(list(record.trials), [trial.number for trial in summary.ranked], _MOST_ROWS)
    trials = [record.trial(number) for number in chosen.numbers]
    names = words.varying(record.space)
    if record.moved:  # hyperparameters of earlier spaces come last
        names += dict.fromkeys(n for t in trials for n in t.config if n not in record.space)
    headings = [
        "trial",
        summary.record.objective.metric,
        "state",
        "epochs",
        "seconds",
        "proposed by",
        *names,
    ]
    repeated = any(len(trial.scores) > 1 for trial in trials)
    if repeated:
        headings.insert(2, "standard error")
    rows = [_row(trial, names, repeated, trial.number in record.moved) for trial in trials]
    hint = paragraph("Click a heading to sort; click again to reverse.", "soft")
    remark = chosen.remark("trials", "listed").strip()
    whole = (
        [paragraph(f"{remark} All of them: study.trials_dataframe(), or paceline show --json.")]
        if remark
        else []
    )
    listed = table(
        headings, rows, caption="A sample of the trials" if remark else "All trials", sortable=True
    )
    return Panel("trials", "Trials", "".join([*whole, hint, listed]))


def shown(trial: Trial, name: str) -> object:
    """A trial's value of a hyperparameter as a cell; empty if it is not active."""
    value = trial.config.get(name)
    if value is None:
        return ""
    number = isinstance(value, float | int) and not isinstance(value, bool)
    return Cell(words.value(value), float(value)) if number else words.value(value)


def _row(trial: Trial, names: list[str], repeated: bool, is_of_before: bool) -> list[object]:
    score = "" if trial.score is None or not math.isfinite(trial.score) else trial.score
    error = [trial.standard_error or ""] if repeated else []
    seconds = Cell(f"{trial.seconds:.1f}", trial.seconds)
    values = [shown(trial, name) for name in names]
    state = f"{trial.state}, in an earlier space" if is_of_before else str(trial.state)
    return [
        trial.number,
        score,
        *error,
        state,
        len(trial.measurements),
        seconds,
        trial.origin,
        *values,
    ]
