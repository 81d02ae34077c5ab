"""A study at one moment, for text, JSON, the report and the live page."""

import heapq
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from paceline.core import Trial, TrialState, last_line
from paceline.core.commands import study_name
from paceline.report import verdict
from paceline.store import open_store, study_directory
from paceline.store.paths import UNSTORED
from paceline.study import Record
from paceline.study.hooks.view import StudyView
from paceline.study.record.nodes import Nodes
from paceline.study.record.record import REPAIRED
from paceline.study.record.replay import fold
from paceline.study.record.timeline import Timeline

FORMAT = 1


@dataclass(frozen=True)
class Summary:
    """A study at one moment; another process may be writing it.

    Attributes:
        directory: where it is stored.
        record: everything that was recorded.
        seconds: wall time of all its sessions, as far as they were recorded.
        writer: the process of the session that runs now, in words; None if none does.
        timeline: where the seconds went.
        kept: the trials whose models are kept, and their bytes; None: as the store has it.
        nodes: what works for it now; None where nothing is known.
    """

    directory: Path
    record: Record
    seconds: float
    writer: str | None
    timeline: Timeline = field(default_factory=Timeline)
    kept: tuple[tuple[int, ...], int] | None = None
    nodes: Nodes | None = None

    @classmethod
    def of(cls, study: StudyView) -> "Summary":
        """A study as a callback sees it, in the process that runs it."""
        record, kept = study.record(), study.kept_models
        return cls(study.directory, record, study.seconds, None, study.timeline, kept)

    @property
    def state(self) -> str:
        """``"running"``, ``"finished"``, ``"interrupted"`` (on purpose, or
        repaired: its last events could not be read) or ``"killed"`` (the process died)."""
        ended = self.record.ended
        if ended is None:
            return "killed" if self.writer is None else "running"
        return "interrupted" if ended.reason in ("interrupted", REPAIRED) else "finished"

    @property
    def death(self) -> str:
        """Why a study in the state ``"killed"`` has not ended, as sentences."""
        return self.unstored or "Process died (killed, or power loss); what was measured is kept."

    @property
    def unstored(self) -> str:
        """What its last session could not store, as a sentence; empty if there is nothing."""
        if not (self.directory / UNSTORED).exists():
            return ""
        return (
            "Its process has ended while its database could not be used; what it could not store "
            f"is in {UNSTORED}, and is stored when the study continues on this machine."
        )

    @cached_property
    def ranked(self) -> list[Trial]:
        """The completed trials of the space, best first; earlier ones first where scores are
        equal.
        """
        return [self.record.trial(number) for _, number in sorted(self._losses())]

    def first(self, count: int) -> tuple[list[Trial], int]:
        """The first of `ranked`, without sorting all of them; and how many there are."""
        losses = self._losses()
        return [self.record.trial(number) for _, number in heapq.nsmallest(count, losses)], len(
            losses
        )

    def _losses(self) -> list[tuple[float, int]]:
        """The loss of each completed trial of the space, with its number."""
        record, done = self.record, TrialState.COMPLETED
        sign = 1.0 if record.created is None else record.objective.loss(1.0)
        scored = [
            (sign * t.score, n)
            for n, t in record.trials.items()
            if t.state is done and t.score is not None
        ]
        return [one for one in scored if one[1] not in record.moved] if record.moved else scored

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain JSON types; numbers that are not finite are None."""
        record, created = self.record, self.record.created
        body = {
            "format": FORMAT,
            "study": study_name(self.directory),
            "directory": str(self.directory),
            "state": self.state,
            "reason": record.ended.reason if record.ended else None,
            "objective": dict(created.objective) if created else None,
            "data": dict(created.data) if created else None,
            "settings": record.settings.to_json(),
            "space": record.space.to_json(),
            "trials": [_trial_json(trial, record) for trial in record.all_trials()],
            "best": _trial_json(record.best, record) if record.best else None,
            "test": dict(record.tested.metrics) if record.tested else None,
            "final": _final_json(record),
            "seconds": self.seconds,
            "programs_compiled": record.programs_compiled,
            "compilations": [
                {
                    "program": c.program,
                    "num_lanes": c.num_lanes,
                    "seconds": c.seconds,
                    "from_scratch": c.from_scratch,
                }
                for c in record.compilations
            ],
            "notes": list(record.notes),
            "versions": dict(record.sessions[-1].versions) if record.sessions else {},
        }
        finite: dict[str, Any] = _finite(body)
        return finite


def read(directory: str | os.PathLike[str]) -> Summary:
    """Reads a study, finished or not.

    Raises:
        InvalidInput: there is none.
    """
    path = study_directory(directory)
    store = open_store(path, writable=False)
    try:
        folded = fold(store)
        writer = None if folded.record.ended else store.running(store.value("writer"))
    finally:
        store.close()
    record, clock = folded.record, folded.clock
    return Summary(path, record, clock.seconds, writer, clock.timeline())


def failures(record: Record) -> list[tuple[str, list[int]]]:
    """Reasons of failures with the numbers of the trials, the most frequent first."""
    numbers: dict[str, list[int]] = {}
    for trial in record.trials.values():
        if trial.state is TrialState.FAILED:
            numbers.setdefault(last_line(trial.error), []).append(trial.number)
    return sorted(numbers.items(), key=lambda item: -len(item[1]))


def states(record: Record) -> Mapping[str, int]:
    """Number of trials in each state that occurs, by its name."""
    return {str(state): count for state, count in record.num_by_state.items()}


def _trial_json(trial: Trial, record: Record) -> dict[str, Any]:
    decisions, early = record.decisions.get(trial.number, ()), record.early_ends
    return {
        "number": trial.number,
        "config": dict(trial.config),
        "score": trial.score,
        "state": str(trial.state),
        "seconds": trial.seconds,
        "epochs": len(trial.measurements),
        "best_epoch": trial.best_epoch,
        "origin": trial.origin,
        "program": trial.program,
        "shares": trial.prefix_of,
        "error": trial.error,
        "metrics": dict(trial.measurements[-1].metrics) if trial.measurements else {},
        "decisions": [
            {"epoch": d.epoch, "action": str(d.action), "reason": d.reason} for d in decisions
        ],
        **({"in_space": trial.number not in record.moved} if record.moved else {}),
        **({"worker": trial.worker} if trial.worker is not None else {}),
        **({"ended_early": early[trial.number]} if trial.number in early else {}),
    }


def _final_json(record: Record) -> dict[str, Any] | None:
    judged = verdict.verdict_of(record)
    return None if judged is None else verdict.to_json(judged, record)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
