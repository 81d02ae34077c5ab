"""A study as text: sentences and a table, for people at a terminal."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from paceline.core import InvalidInput, Trial, TrialState, command_line
from paceline.core.texts import on_one_line
from paceline.report import ablation, columns, models, verdict, words
from paceline.report.going_on import how_to_go_on
from paceline.report.importance import bars
from paceline.report.show import Summary, failures, states
from paceline.report.terminal import say
from paceline.study import Record

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SHOWN_TRIALS = 10
_SHOWN_FAILURES = 5
_MOST_FOR_IMPORTANCE = (
    20_000  # trials; of more, reading them takes as long as people wait for an answer
)
_COLUMN = 9  # characters that a column of the table takes at least


def show(summary: Summary, to: "Console") -> None:
    """The whole study."""
    for line in _head(summary):
        say(to, line)
    first, completed = summary.first(_SHOWN_TRIALS)
    if completed > 1:
        to.print(trials_table(summary, first, to.width))
        if completed > len(first):
            more = words.count(completed - len(first), "more completed trial")
            say(to, f"and {more}; all of them with --json.")
    _final(summary, to)
    told = (*_best(summary), *_mattered(summary), *ablation.lines(summary.record))
    ends = (*_stopped(summary), *_failed(summary), *_compiled(summary), *models.kept(summary))
    for line in (*told, *ends, *columns.lines(summary.record), *_notes(summary)):
        say(to, line)
    if summary.state in ("interrupted", "killed"):
        for line in how_to_go_on(summary):
            say(to, line)


def result(summary: Summary, to: "Console") -> None:
    """What a search came to, at its end."""
    for line in (*_head(summary), *_stopped(summary), *_failed(summary), *_compiled(summary)):
        say(to, line)
    _final(summary, to)
    for line in (*_best(summary), *columns.lines(summary.record), *_files(summary)):
        say(to, line)


def trial(summary: Summary, number: int, to: "Console") -> None:
    """One trial: what it is, how it did, and why it went on or ended.

    Raises:
        InvalidInput: the study has no such trial.
    """
    record = summary.record
    if number not in record.trials:
        expected = (
            f"0 to {len(record.trials) - 1}" if record.trials else "a trial; the study has none yet"
        )
        raise InvalidInput(f"trial is {number}", expected=expected)
    one = record.trial(number)
    say(to, f"Trial {number} of {summary.directory}, proposed by {one.origin}, is {one.state}.")
    width = max(map(len, one.config), default=0)
    for name, value in one.config.items():
        say(to, f"  {name:<{width}}  {words.value(value)}")
    if number in record.moved:
        say(to, "The space was changed after it, and it is none of the space as it stands.")
    metric = record.objective.metric
    said: dict[int, list[str]] = {
        decision.epoch: [] for decision in record.decisions.get(number, ())
    }
    for decision in record.decisions.get(number, ()):
        said[decision.epoch].append(f"{decision.action}: {decision.reason}")
    for measured in one.measurements:
        told = "; ".join(said.get(measured.epoch, []))
        score = f"{metric} {words.number(measured.metrics.get(metric, math.nan))}"
        say(to, f"Epoch {measured.epoch} of {one.epochs}: {score}{'. ' + told if told else ''}.")
    if one.prefix_of is not None:
        say(
            to,
            f"It was not trained: these are the first epochs of trial {one.prefix_of}, which has the "
            "same configuration.",
        )
    if one.error is not None:
        first, *more = one.error.strip().splitlines() or ["no reason was recorded"]
        say(to, f"It failed: {first}")
        for line in more:  # set in, so that it is no sentence of ours
            say(to, f"  {line}")


def single(summary: Summary, to: "Console") -> None:
    """What training one configuration came to."""
    for line in (*_head(summary), *_best(summary, "Configuration"), *_files(summary)):
        say(to, line)


def trials_table(summary: Summary, trials: Sequence[Trial], width: int) -> "Table":
    """Trials as rows: a column for each hyperparameter that varies, or one for all where they would
    not fit.
    """
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
        told = [str(trial.number), score, epochs, f"{trial.seconds:.1f}"]
        if apart:
            values = [
                words.value(trial.config[name]) if name in trial.config else "" for name in names
            ]
        else:
            values = [words.configuration(trial.config, names)]
        table.add_row(*told, *map(escape, values))
    return table


def _final(summary: Summary, to: "Console") -> None:
    """What the final says, where there is one: sentences, and the finalists as rows."""
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
    record = summary.record
    if record.created is None:
        yield f"The study in {summary.directory} has not begun."
        return
    data, objective = record.created.data, record.objective
    unit = "rows" if "rows" in data else "batches"
    counts = data.get(unit, {})
    parts = {"train": "training", "val": "validation", "test": "test"}
    told = [f"{counts[part]:,} {name} {unit}" for part, name in parts.items() if counts.get(part)]
    batches = data.get("batches", {})  # of a stream
    told += [
        f"{batches[part]:,} {name} batches" for part, name in parts.items() if batches.get(part)
    ]
    counted = f" ({', '.join(told)})" if told else ""
    yield f"Study {summary.directory}: {objective.direction} {objective.metric} on {data['name']}{counted}."
    state = {
        "running": f"It is running in process {summary.writer}.",
        "killed": "Process died (killed, or power loss); what was measured is kept.",
        "interrupted": f"It was {record.ended.reason if record.ended else ''}.",
    }.get(summary.state) or f"It is finished: {record.ended.reason if record.ended else ''}."
    counted = (
        ", ".join(f"{number:,} {name}" for name, number in states(record).items()) or "none yet"
    )
    yield f"{state} {words.count(len(record.trials), 'trial')} ({counted}) in {words.duration(summary.seconds)}."


def _best(summary: Summary, title: str = "Best configuration") -> Iterator[str]:
    record, trial = summary.record, summary.record.best
    if trial is None:
        yield "No trial has completed yet, so there is no best one."
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
        if record.final is not None:  # what it scored there was told before
            place = "In the search, after epoch"
        yield f"{place} {kept.epoch}: {words.metrics(validation or kept.metrics)}."
    if record.tested is not None and record.tested.number == trial.number:
        how = ", trained anew on training and validation part" if record.tested.refitted else ""
        yield f"Test{how}: {words.metrics(record.tested.metrics)}."
    elif summary.state == "finished" and not _has_no_data(record):
        yield "Test: the data have no test part, so nothing was measured on it."


def _stopped(summary: Summary) -> Iterator[str]:
    record = summary.record
    stopped = [
        number for number, trial in record.trials.items() if trial.state is TrialState.STOPPED
    ]
    if not stopped:
        return
    after = Counter(len(record.trial(number).measurements) for number in stopped)
    told = ", ".join(
        f"{number:,} after {words.count(epoch, 'epoch')}" for epoch, number in sorted(after.items())
    )
    yield (
        f"{words.count(len(stopped), 'trial')} did not go on to the end: {told}. "
        f"Why, for each: {command_line('show', summary.directory)} --trial N"
    )


def _mattered(summary: Summary) -> list[str]:
    if len(summary.record.trials) <= _MOST_FOR_IMPORTANCE:
        return bars(summary.record)
    return [f"What mattered is told in the report: {command_line('report', summary.directory)}"]


def _has_no_data(record: Record) -> bool:
    """Whether it is a study of a function, or one that is told by hand."""
    return record.created is not None and "kind" in record.created.data


def _failed(summary: Summary) -> Iterator[str]:
    found = failures(summary.record)
    for reason, numbers in found[:_SHOWN_FAILURES]:
        listed = ", ".join(map(str, numbers[:_SHOWN_FAILURES])) + (
            ", ..." if len(numbers) > _SHOWN_FAILURES else ""
        )
        yield f"{words.count(len(numbers), 'trial')} failed ({listed}): {reason}"
    if len(found) > _SHOWN_FAILURES:
        yield f"and {words.count(len(found) - _SHOWN_FAILURES, 'other reason')}; all of them with --json."


def _compiled(summary: Summary) -> Iterator[str]:
    compilations = summary.record.compilations
    if compilations:
        programs = len({c.program for c in compilations})
        scratch = summary.record.programs_compiled
        took = words.duration(sum(c.seconds for c in compilations))
        yield (
            f"{words.count(programs, 'program')} trained the trials. "
            f"{words.count(scratch, 'compilation')} from scratch, {took} of compiling in all."
        )


def _notes(summary: Summary) -> Iterator[str]:
    told = summary.record.notes_of_final  # with the final
    for note in (note for note in summary.record.notes if note not in told):
        yield f"Note: {note}"


def _files(summary: Summary) -> Iterator[str]:
    directory = summary.directory
    yield f"Everything is in {directory}; look at it again with: {command_line('show', directory)}"
    if (directory / "report.html").is_file():
        yield f"The report is {directory / 'report.html'}; open it in a browser."
    yield from models.lines(summary)
