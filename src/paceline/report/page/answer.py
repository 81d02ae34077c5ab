"""The answer, in a few sentences."""

import math
from collections.abc import Iterator

from paceline.report import words
from paceline.report.page.finalists import verdict_of
from paceline.report.page.parts import Panel, facts, paragraph
from paceline.report.show import Summary, states


def panel(summary: Summary) -> Panel:
    """What the study found, and what it was."""
    told = "".join(map(paragraph, sentences(summary)))
    return Panel("answer", "The answer", f'<div class="answer">{told}</div>{facts(_facts(summary))}')


def sentences(summary: Summary) -> list[str]:
    """The answer: that of the final where there was one, else what the search alone can say."""
    record, best = summary.record, summary.record.best
    if record.created is None:
        return ["The study has not begun."]
    if best is None or best.score is None:
        return [_nothing(summary)]
    told = _of_final(summary) or _of_search(summary)
    if record.tested is not None and record.tested.metrics:
        told.append(f"On the test part its model measured {words.metrics(record.tested.metrics)}.")
    return told


def _of_search(summary: Summary) -> list[str]:
    best = summary.record.best
    if best is None or best.score is None:
        return []
    told = [f"Trial {best.number} has the best {summary.record.objective.metric}, {words.number(best.score)}."]
    completed = len(summary.ranked)
    told.append(
        f"It is the luckiest of {words.count(completed, 'score')}, so expect less of it on new data."
        if completed > 1
        else "It is the only trial that completed, so there is nothing to compare it with."
    )
    return told


def _of_final(summary: Summary) -> list[str]:
    """What the final claims: who won and what it is worth; who is tied with it; how lucky the search's score was."""
    final, verdict = summary.record.final, verdict_of(summary)
    if final is None or final.winner is None or verdict is None or not math.isfinite(verdict.mean):
        return []
    metric, winner = summary.record.objective.metric, verdict.winner
    fresh, known = words.count(verdict.num_pairs, "fresh training"), math.isfinite(verdict.low + verdict.high)
    interval = f", 95 % interval {words.number(verdict.low)} to {words.number(verdict.high)}" if known else ""
    told = [f"Trial {winner} is the winner: {metric} {words.number(verdict.mean)} over {fresh}{interval}."]
    tied = [str(number) for number in verdict.tied if number != winner]
    if tied:
        noun = "trials" if len(tied) > 1 else "trial"
        told.append(f"The data cannot tell it from {noun} {', '.join(tied)}: they are tied.")
    if final.winner != winner:
        told.append(f"Of those that are tied, trial {final.winner} is the one that was preferred, and it is taken.")
    if final.default == winner:
        told.append("It is the default configuration: the search found nothing better.")
    elif verdict.beats_default is not None:
        said = "It is better than" if verdict.beats_default else "Nothing shows that it is better than"
        told.append(f"{said} the default configuration.")
    searched = summary.record.trials[winner].score
    if searched is not None and math.isfinite(verdict.optimism):
        side = "better" if verdict.optimism > 0 else "worse"
        told.append(
            f"The search had seen {words.number(searched)} for it, which is {words.number(abs(verdict.optimism))} {side} "
            f"than what is to be expected of it (standard error {words.number(verdict.optimism_error)})."
        )
    return told


def _nothing(summary: Summary) -> str:
    counted = states(summary.record)
    if counted.get("failed") and counted["failed"] == len(summary.record.trials):
        return "All trials failed, so there is no answer; why is said below."
    return "No trial has completed yet, so there is no answer."


def _facts(summary: Summary) -> Iterator[tuple[str, object]]:
    record, created = summary.record, summary.record.created
    if created is None:
        return
    yield "Objective", f"{record.objective.direction} {record.objective.metric}"
    yield "Data", created.data.get("name", "a function")
    counted = ", ".join(f"{number:,} {name}" for name, number in states(record).items())
    yield "Trials", f"{len(record.trials):,} ({counted})" if counted else "none yet"
    yield "Time", words.duration(summary.seconds)
    yield "State", {"killed": "killed half-way; what was measured is kept"}.get(summary.state, summary.state)
