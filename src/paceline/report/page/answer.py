"""The result of the study in a few sentences."""

from collections.abc import Iterator

from paceline.report import words
from paceline.report.page.parts import Panel, facts, paragraph
from paceline.report.show import Summary, states
from paceline.report.verdict import sentences as said
from paceline.report.verdict import verdict_of


def panel(summary: Summary) -> Panel:
    """The result, and what was studied."""
    result = "".join(map(paragraph, sentences(summary)))
    return Panel("answer", "Result", f'<div class="answer">{result}</div>{facts(_facts(summary))}')


def sentences(summary: Summary) -> list[str]:
    """The result of the final if there was one, else of the search."""
    record, best = summary.record, summary.record.best
    if record.created is None:
        return ["The study has not begun.", *filter(None, [summary.unstored])]
    if best is None or best.score is None:
        return [_nothing(summary)]
    result = _of_final(summary) or _of_search(summary)
    if record.tested is not None and record.tested.metrics:
        result.append(f"Its model on the test set: {words.metrics(record.tested.metrics)}.")
    return result


def _of_search(summary: Summary) -> list[str]:
    best = summary.record.best
    if best is None or best.score is None:
        return []
    result = [
        f"Trial {best.number} has the best {summary.record.objective.metric}, "
        f"{words.number(best.score)}."
    ]
    completed = len(summary.ranked)
    result.append(
        f"It is the best of {words.count(completed, 'score')}, which is an optimistic estimate: "
        f"expect less on new data."
        if completed > 1
        else "It is the only trial that has completed."
    )
    return [*result, *summary.record.notes_of_final]


def _of_final(summary: Summary) -> list[str]:
    """The result of the final, once it has ended."""
    final, verdict = summary.record.final, verdict_of(summary.record)
    if final is None or final.winner is None or verdict is None:
        return []
    return said(verdict, summary.record)


def _nothing(summary: Summary) -> str:
    counted = states(summary.record)
    if counted.get("failed") and counted["failed"] == len(summary.record.trials):
        return "All trials failed; the reasons are below."
    return "No trial has completed yet."


def _facts(summary: Summary) -> Iterator[tuple[str, object]]:
    record, created = summary.record, summary.record.created
    if created is None:
        return
    yield "Objective", f"{record.objective.direction} {record.objective.metric}"
    yield "Data", created.data.get("name", "a function")
    counted = ", ".join(f"{number:,} {name}" for name, number in states(record).items())
    yield "Trials", f"{len(record.trials):,} ({counted})" if counted else "none yet"
    yield "Time", words.duration(summary.seconds)
    yield (
        "State",
        {"killed": "killed; all measurements are kept"}.get(summary.state, summary.state),
    )
