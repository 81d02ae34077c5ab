"""Which workers ran the trials: the processes of other machines, or of a cluster."""

from collections.abc import Mapping, Sequence

from paceline.core import Trial, TrialState
from paceline.report import words
from paceline.report.page.parts import Panel, paragraph, table
from paceline.report.show import Summary

_SHOWN_TRIALS = 8


def panel(summary: Summary) -> Panel | None:
    """The trials of each worker; None if all trials ran in the study's own process."""
    of_worker: dict[str, list[Trial]] = {}
    for trial in summary.record.all_trials():
        if trial.worker is not None:
            of_worker.setdefault(trial.worker, []).append(trial)
    if not of_worker:
        return None
    lanes: dict[str, int] = {}
    for compiled in summary.record.compilations:
        lanes[compiled.program] = max(compiled.num_lanes, lanes.get(compiled.program, 1))
    machines = len({name.partition(":")[0] for name in of_worker})
    rows = [
        [
            name,
            _running(trials),
            _lanes(trials, lanes),
            sum(one.state is not TrialState.RUNNING for one in trials),
            words.duration(sum(one.seconds for one in trials)),
        ]
        for name, trials in sorted(of_worker.items())
    ]
    where = f"{words.count(len(of_worker), 'worker')} on {words.count(machines, 'machine')}"
    headings = [
        "machine and process",
        "running now",
        "networks trained at once",
        "other trials",
        "training time",
    ]
    said = paragraph(f"The trials started on {where}.")
    return Panel("workers", "Workers", said + table(headings, rows, caption="Trials by worker"))


def _running(trials: Sequence[Trial]) -> str:
    """The trials that run, by number."""
    numbers = [str(one.number) for one in trials if one.state is TrialState.RUNNING]
    more = len(numbers) - _SHOWN_TRIALS
    return ", ".join(numbers[:_SHOWN_TRIALS]) + (f" and {more} more" if more > 0 else "")


def _lanes(trials: Sequence[Trial], lanes: Mapping[str, int]) -> str:
    """For how many networks the models are compiled that train now; empty if none is."""
    running = (one.program or "" for one in trials if one.state is TrialState.RUNNING)
    return ", ".join(map(str, sorted({lanes[key] for key in running if key in lanes})))
