"""The head of the live page: the study's state and its latest trials; small and cheap."""

import math
from itertools import islice
from typing import Any

from paceline.core import Trial
from paceline.report import Summary, words
from paceline.report.continuation import ways_to_continue
from paceline.web.study_reader import StudyReader

LATEST = 12
"""Number of trials in the head."""


def head(reader: StudyReader) -> dict[str, Any]:
    """The head as JSON types.

    ``state``, ``sentence``, ``seconds`` (wall time so far), ``facts`` (pairs of a name and a text),
    ``metric`` and ``latest``, the trials that changed last: ``number, state, epochs, score,
    config``.
    """
    summary, record = reader.summary, reader.summary.record
    if record.created is None:
        return {
            "state": "waiting",
            "sentence": "The study has not begun.",
            "seconds": 0.0,
            "facts": [],
            "metric": "",
            "latest": [],
        }
    names = words.varying(record.space)
    latest = [record.trial(number) for number in islice(reversed(reader.recent), LATEST)]
    return {
        "state": summary.state,
        "sentence": _sentence(summary),
        "seconds": summary.seconds,
        "facts": _facts(summary),
        "metric": record.objective.metric,
        "latest": [_row(trial, record.objective.metric, names) for trial in latest],
    }


def _sentence(summary: Summary) -> str:
    record = summary.record
    if summary.state == "running":
        return f"Running in {summary.writer}."
    if summary.state in ("killed", "interrupted"):
        ended = record.ended  # "interrupted" or "repaired"
        kept = f"{ended.reason.capitalize()}; what was measured is kept." if ended else ""
        return f"{kept or summary.death} {'. '.join(ways_to_continue(summary))}"
    return f"Finished: {record.ended.reason if record.ended else ''}."


def _facts(summary: Summary) -> list[tuple[str, str]]:
    record = summary.record
    states = record.num_by_state
    facts = [
        ("objective", f"{record.objective.direction} {record.objective.metric}"),
        ("trials", f"{len(record.trials):,}"),
        *((state, f"{states[state]:,}") for state in sorted(states)),
    ]
    if record.best is not None and record.best.score is not None:
        facts.append(("best", f"{words.number(record.best.score)} (trial {record.best.number})"))
    if record.final is not None:
        every = len(record.final.finalists) * record.final.num_pairs
        facts.append(
            ("final", f"{every - len(record.final.missing):,} of {words.count(every, 'training')}")
        )
    return facts


def _row(trial: Trial, metric: str, names: list[str]) -> dict[str, Any]:
    score = trial.score
    if score is None and trial.measurements:
        score = trial.measurements[-1].metrics.get(metric, math.nan)
    return {
        "number": trial.number,
        "state": str(trial.state),
        "epochs": f"{len(trial.measurements)} of {trial.epochs}",
        "score": "" if score is None else words.number(score),
        "config": words.configuration(trial.config, names),
    }
