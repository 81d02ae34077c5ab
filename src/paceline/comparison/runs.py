"""One method with one seed, read from its study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paceline.core import TrialState
from paceline.core.events import EpochMeasured, TrialEnded
from paceline.report.show import Summary, read
from paceline.store import Stored, open_store
from paceline.study import Record
from paceline.study.record.timeline import timeline


@dataclass(frozen=True, slots=True)
class ProgressPoint:
    """The state of a search when one of its trials ended.

    Attributes:
        trials: number that had ended.
        epochs: trained so far; if a trial is trained several times, those of each training.
        seconds: wall time so far, without the time between two sessions.
        score: the best of the completed trials; None if there was none.
    """

    trials: int
    epochs: int
    seconds: float
    score: float | None


@dataclass(frozen=True, slots=True)
class MethodRun:
    """A method's study with one seed.

    Attributes:
        method: its name.
        seed: of everything random.
        directory: of the study.
        state: ``"finished"``, ``"running"``, ``"interrupted"`` or ``"killed"``.
        points: one for each trial that ended, in order of time.
        trials: number of trials.
        seconds: wall time of all sessions.
        compilations: programs compiled from scratch.
        compiling: seconds of compilation.
        peak_bytes: peak memory of the process meanwhile; None if it was not measured.
        score: of the best trial of the search.
        tests: metrics of its model on the test set; empty without one.
        fingerprint: of the data and their split.
        grid: number of points of the whole grid, if a grid was searched.
        is_timed: whether its budget was a time.
    """

    method: str
    seed: int
    directory: Path
    state: str
    points: tuple[ProgressPoint, ...]
    trials: int
    seconds: float
    compilations: int
    compiling: float
    peak_bytes: int | None
    score: float | None
    tests: Mapping[str, float]
    fingerprint: str
    grid: int | None = None
    is_timed: bool = False

    @property
    def epochs(self) -> int:
        """Total number of epochs trained."""
        return self.points[-1].epochs if self.points else 0

    def best_at(self, axis: str, budget: float) -> float | None:
        """The best score within a budget of trials, epochs or seconds; None if there is none."""
        reached = [point.score for point in self.points if getattr(point, axis) <= budget]
        return reached[-1] if reached else None


def read_run(directory: Path, method: str, seed: int, peak_bytes: int | None = None) -> MethodRun:
    """Reads the run from a study's directory.

    Raises:
        InvalidInput: no study there.
    """
    summary = read(directory)
    store = open_store(directory, writable=False)
    try:
        stored, strategy = list(store.events()), store.value("strategy") or {}
    finally:
        store.close()
    record = summary.record
    samples = strategy.get("samples") if strategy.get("strategy") == "grid" else None
    tested = {} if record.tested is None else dict(record.tested.metrics)
    return MethodRun(
        method,
        seed,
        directory,
        summary.state,
        points(stored, record),
        len(record.trials),
        summary.seconds,
        record.programs_compiled,
        sum(one.seconds for one in record.compilations),
        peak_bytes,
        None if record.best is None else record.best.score,
        tested,
        _fingerprint(summary),
        None if samples is None else record.space.grid_size(int(samples)),
        record.settings.search.seconds is not None,
    )


def points(stored: Sequence[Stored], record: Record) -> tuple[ProgressPoint, ...]:
    """The best score so far after each trial."""
    ended = timeline(stored).ended
    trainings = max((len(trial.scores) for trial in record.trials.values()), default=0) or 1
    found: list[ProgressPoint] = []
    epochs, best = 0, None
    for one in stored:
        if isinstance(one.event, EpochMeasured):
            epochs += trainings
        elif isinstance(one.event, TrialEnded):
            score = one.event.score if one.event.state is TrialState.COMPLETED else None
            if score is not None and record.objective.better(score, best):
                best = score
            found.append(
                ProgressPoint(len(found) + 1, epochs, ended.get(one.event.number, 0.0), best)
            )
    return tuple(found)


def _fingerprint(summary: Summary) -> str:
    created = summary.record.created
    return "" if created is None else str(created.data.get("fingerprint", ""))
