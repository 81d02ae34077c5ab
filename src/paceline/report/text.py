"""A study as text for the terminal: sentences and tables."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from paceline.core import InvalidInput, Trial, TrialState, command_line
from paceline.core.commands import study_name
from paceline.core.texts import on_one_line
from paceline.report import ablation_gains, columns, model_text, verdict, words
from paceline.report.continuation import ways_to_continue
from paceline.report.importance_text import bars
from paceline.report.show import Summary, failures, states
from paceline.report.terminal import say
from paceline.settings.function import CLOSED
from paceline.study import Record

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SHOWN_TRIALS = 10
_SHOWN_FAILURES = 5
_MOST_FOR_IMPORTANCE = 20_000  # trials; with more, importance takes too long for a terminal
_COLUMN = 9  # least width of a column of the table, in characters


def show(summary: Summary, to: "Console") -> None:
    """Prints the whole study."""
    for line in _head(summary):
        say(to, line)
    first, completed = summary.first(_SHOWN_TRIALS)
    if completed > 1:
        to.print(trials_table(summary, first, to.width))
        if completed > len(first):
            more = words.count(completed - len(first), "more completed trial")
            say(to, f"and {more}; all of them with --json.")
    _final(summary, to)
    results = (*_best(summary), *_importance(summary), *ablation_gains.lines(summary.record))
    ends = (*_stopped(summary), *_failed(summary), *_compiled(summary), *model_text.kept(summary))
    for line in (*results, *ends, *columns.lines(summary.record), *_notes(summary)):
        say(to, line)
    if summary.state in ("interrupted", "killed"):
        for line in ways_to_continue(summary):
            say(to, line)


def result(summary: Summary, to: "Console") -> None:
    """Prints the result of a search that has ended."""
    for line in (*_head(summary), *_stopped(summary), *_failed(summary), *_compiled(summary)):
        say(to, line)
    _final(summary, to)
    for line in (*_best(summary), *columns.lines(summary.record), *_files(summary)):
        say(to, line)


def trial(summary: Summary, number: int, to: "Console") -> None:
    """Prints one trial: its configuration, its scores, and each decision with its reason.

    Raises:
        InvalidInput: the study has no such trial.
    """
    record = summary.record
    if number not in record.trials:
        expected = (
            f"0 to {len(record.trials) - 1}" if record.trials else "a trial; the study has none yet"
        )
        raise InvalidInput(f"trial is {number}", expected=expected)
    shown = record.trial(number)
    say(
        to,
        f"Trial {number} of {study_name(summary.directory)}, proposed by {shown.origin}, is "
        f"{shown.state}.",
    )
    width = max(map(len, shown.config), default=0)
    for name, value in shown.config.items():
        say(to, f"  {name:<{width}}  {words.value(value)}")
    if shown.worker is not None:
        say(to, f"It started on the worker {shown.worker}.")
    if number in record.moved:
        say(to, "The space was changed later: this trial lies outside of the current space.")
    metric = record.objective.metric
    decided: dict[int, list[str]] = {}
    for decision in record.decisions.get(number, ()):
        decided.setdefault(decision.epoch, []).append(f"{decision.action}: {decision.reason}")
    for measured in shown.measurements:
        score = f"{metric} {words.number(measured.metrics.get(metric, math.nan))}"
        decisions = "; ".join(decided.get(measured.epoch, []))
        after = f". {decisions}" if decisions else ""
        say(to, f"Epoch {measured.epoch} of {shown.epochs}: {score}{after}.")
    if number in record.early_ends and shown.prefix_of is None:
        say(to, f"It ended early: {record.early_ends[number]}.")
    if shown.prefix_of is not None:
        say(
            to,
            f"It was not trained: these are the first epochs of trial {shown.prefix_of}, which has "
            "the same configuration.",
        )
    if shown.error is not None:
        first, *more = shown.error.strip().splitlines() or ["no reason was recorded"]
        say(to, f"It failed: {first}")
        for line in more:  # indented: not a line of Paceline
            say(to, f"  {line}")


def single(summary: Summary, to: "Console") -> None:
    """Prints the result of training one configuration."""
    for line in (*_head(summary), *_best(summary, "Configuration"), *_files(summary)):
        say(to, line)


def trials_table(summary: Summary, trials: Sequence[Trial], width: int) -> "Table":
    """A table of trials: a column for each hyperparameter that varies, or one for all of them."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    varying = words.varying(summary.record.space)
    names = [name for name in varying if any(name in trial.config for trial in trials)]
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("trial", escape(summary.record.objective.metric), "epochs", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    apart = sum(max(_COLUMN, len(name) + 2) for name in names) + 4 * _COLUMN <= width
    for name in names if apart else ["configuration"]:
        table.add_column(escape(on_one_line(name)))
    for trial in trials:
        score, epochs = words.number(trial.score or 0.0), str(len(trial.measurements))
        cells = [str(trial.number), score, epochs, f"{trial.seconds:.1f}"]
        if apart:
            values = [
                words.value(trial.config[name]) if name in trial.config else "" for name in names
            ]
        else:
            values = [words.configuration(trial.config, names)]
        table.add_row(*cells, *map(escape, values))
    return table


def _final(summary: Summary, to: "Console") -> None:
    """Prints the result of the final, if there was one: sentences, and a row for each finalist."""
    from rich import box
    from rich.table import Table

    judged = verdict.verdict_of(summary.record)
    if judged is None:
        for note in summary.record.notes_of_final:
            say(to, note)
        return
    for sentence in verdict.sentences(judged, summary.record):
        say(to, sentence)
    rows = verdict.rows(judged, summary.record)
    if len(rows) < 2:
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in verdict.HEADINGS:
        table.add_column(heading, justify="right" if heading else "left")
    for row in rows:
        table.add_row(*row)
    to.print(table)


def _head(summary: Summary) -> Iterator[str]:
    """What the study optimises on which data, and its state."""
    record = summary.record
    if record.created is None:
        yield f"The study in {study_name(summary.directory)} has not begun."
        if summary.unstored and summary.writer is None:
            yield summary.unstored
        return
    data, objective = record.created.data, record.objective
    unit = "rows" if "rows" in data else "batches"
    counts = data.get(unit, {})
    parts = {"train": "training", "val": "validation", "test": "test"}
    sizes = [f"{counts[part]:,} {name} {unit}" for part, name in parts.items() if counts.get(part)]
    batches = data.get("batches", {})  # of a stream
    sizes += [
        f"{batches[part]:,} {name} batches" for part, name in parts.items() if batches.get(part)
    ]
    counted = f" ({', '.join(sizes)})" if sizes else ""
    yield (
        f"Study {study_name(summary.directory)}: {objective.direction} {objective.metric} on "
        f"{data['name']}{counted}."
    )
    reason = record.ended.reason if record.ended else ""
    state = {
        "running": f"It is running in {summary.writer}.",
        "killed": summary.death,
        "interrupted": f"It was {reason}.",
    }.get(summary.state) or f"It is finished: {reason}."
    if summary.state == "finished" and reason == CLOSED:
        has_ended = record.num_ended() == len(record.trials)
        state = "It is finished." if has_ended else "It is closed, with trials that have no result."
    counted = (
        ", ".join(f"{number:,} {name}" for name, number in states(record).items()) or "none yet"
    )
    yield (
        f"{state} {words.count(len(record.trials), 'trial')} ({counted}) in "
        f"{words.duration(summary.seconds)}."
    )


def _best(summary: Summary, title: str = "Best configuration") -> Iterator[str]:
    """The best configuration, and what was measured of it."""
    record, trial = summary.record, summary.record.best
    if trial is None:
        yield "No trial has completed yet."
        return
    yield f"{title} (trial {trial.number}):"
    width = max(map(len, trial.config), default=0)
    for name, value in trial.config.items():
        yield f"  {name:<{width}}  {words.value(value)}"
    kept = next((m for m in trial.measurements if m.epoch == trial.best_epoch), None)
    if kept is not None:
        validation = {
            name: score for name, score in kept.metrics.items() if name.startswith("val_")
        }
        place = "Measured, after step" if _has_no_data(record) else "Validation, after epoch"
        if record.final is not None:
            place = "In the search, after epoch"
        yield f"{place} {kept.epoch}: {words.metrics(validation or kept.metrics)}."
    if record.tested is not None and record.tested.number == trial.number:
        how = ", retrained on training and validation set" if record.tested.refitted else ""
        yield f"Test{how}: {words.metrics(record.tested.metrics)}."
    elif summary.state == "finished" and not _has_no_data(record):
        yield "Test: the data have no test set."


def _stopped(summary: Summary) -> Iterator[str]:
    record = summary.record
    stopped = [
        number for number, trial in record.trials.items() if trial.state is TrialState.STOPPED
    ]
    if not stopped:
        return
    after = Counter(len(record.trial(number).measurements) for number in stopped)
    counts = ", ".join(
        f"{number:,} after {words.count(epoch, 'epoch')}" for epoch, number in sorted(after.items())
    )
    yield (
        f"{words.count(len(stopped), 'trial')} stopped early: {counts}. "
        f"The reason for each: {command_line('show', summary.directory)} --trial N"
    )


def _importance(summary: Summary) -> list[str]:
    if len(summary.record.trials) <= _MOST_FOR_IMPORTANCE:
        return bars(summary.record)
    return [f"Importance is shown in the report: {command_line('report', summary.directory)}"]


def _has_no_data(record: Record) -> bool:
    """Whether it is a study of a function, or one whose trials are run by hand."""
    return record.created is not None and "kind" in record.created.data


def _failed(summary: Summary) -> Iterator[str]:
    found = failures(summary.record)
    for reason, numbers in found[:_SHOWN_FAILURES]:
        listed = ", ".join(map(str, numbers[:_SHOWN_FAILURES])) + (
            ", ..." if len(numbers) > _SHOWN_FAILURES else ""
        )
        yield f"{words.count(len(numbers), 'trial')} failed ({listed}): {reason}"
    if len(found) > _SHOWN_FAILURES:
        yield (
            f"and {words.count(len(found) - _SHOWN_FAILURES, 'other reason')}; all of them with "
            f"--json."
        )


def _compiled(summary: Summary) -> Iterator[str]:
    record = summary.record
    if record.compilations:
        shared = words.compiled(len(record.compilations), record.programs_compiled)
        took = words.duration(sum(c.seconds for c in record.compilations))
        yield f"{shared} Compilation took {took}."


def _notes(summary: Summary) -> Iterator[str]:
    shown = summary.record.notes_of_final
    for note in (note for note in summary.record.notes if note not in shown):
        yield f"Note: {note}"


def _files(summary: Summary) -> Iterator[str]:
    directory = summary.directory
    again = command_line("show", directory)
    yield f"The study is in {study_name(directory)}; to show it again: {again}"
    if (directory / "report.html").is_file():
        yield f"The report is {directory / 'report.html'}; open it in a browser."
    yield from model_text.lines(summary)
