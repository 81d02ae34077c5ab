"""Which workers ran the trials, and what works now: other processes, machines, or a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any

from paceline.core import Trial, TrialState
from paceline.report import words
from paceline.report.page.parts import Panel, paragraph, table
from paceline.report.show import Summary
from paceline.study.record.nodes import Nodes

_SHOWN_TRIALS = 8


def panel(summary: Summary) -> Panel | None:
    """The trials of each worker, and the nodes of a cluster; None if there is neither."""
    html = _nodes(summary.nodes) + _workers(summary)
    return Panel("workers", "Workers", html) if html else None


def _workers(summary: Summary) -> str:
    """The trials of each worker; empty if all ran in the study's own process."""
    of_worker: dict[str, list[Trial]] = {}
    for trial in summary.record.all_trials():
        if trial.worker is not None:
            of_worker.setdefault(trial.worker, []).append(trial)
    if not of_worker:
        return ""
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
    return said + table(headings, rows, caption="Trials by worker")


def _running(trials: Sequence[Trial]) -> str:
    """The trials that run, by number."""
    return _listed([one.number for one in trials if one.state is TrialState.RUNNING])


def _listed(trials: Sequence[int]) -> str:
    """Numbers of trials, the first ones of many."""
    numbers = list(map(str, trials))
    more = len(numbers) - _SHOWN_TRIALS
    return ", ".join(numbers[:_SHOWN_TRIALS]) + (f" and {more} more" if more > 0 else "")


def _lanes(trials: Sequence[Trial], lanes: Mapping[str, int]) -> str:
    """For how many networks the models are compiled that train now; empty if none is."""
    running = (one.program or "" for one in trials if one.state is TrialState.RUNNING)
    return ", ".join(map(str, sorted({lanes[key] for key in running if key in lanes})))


def _nodes(found: Nodes | None) -> str:
    """The nodes of a cluster now, also those without work; empty if nothing is known of them."""
    if found is None:
        return ""
    rows = []
    for node in found["nodes"]:
        name, workers = node["name"] or "waiting for room", node["workers"]
        rows += [
            [name, one["name"], _does(one, found["has_trials"]), _mebibytes(one["memory"])]
            for one in workers
        ] or [[name, "", "no worker of this study", ""]]
    headings = ["node", "machine and process", "what it does", "memory, MiB"]
    return table(headings, rows, caption="The cluster now")


def _does(worker: Mapping[str, Any], has_trials: bool) -> str:
    """What a worker does, as ``paceline cluster`` says it."""
    if not worker["name"]:
        return "has not started"
    if not worker["trials"]:
        return "idle"
    several = "s" if len(worker["trials"]) > 1 else ""
    does = f"trial{several} {_listed(worker['trials'])}" if has_trials else "trains"
    return f"{does} for {words.duration(worker['seconds'])}"


def _mebibytes(memory: int) -> float | str:
    return round(memory / 2**20) if memory else ""
