"""Twelve scripts for KerasTuner, with KerasTuner and unchanged with `paceline run`."""

import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scipy.stats import t

from benchmarks import environments, kept
from benchmarks.measure import Options, SideError, number
from benchmarks.report import Finding, Result
from paceline import load_study

SCRIPTS = Path(__file__).resolve().parent / "scripts"
_ALONE = ("fit", "by itself")
"""The programs of trials that trained alone."""
PEER = "keras-jax"
_Answer = dict[str, Any]

METHOD = """Twelve scripts of different character, written from the frequencies of features in
public scripts (`benchmarks/scripts`), each with KerasTuner 1.4.8 on Keras-JAX and unchanged with
`paceline run`, in an empty directory, {searches} times on either side: which configuration a search
finds best is partly chance. A seed that a script has is another one in each run; the others have
none. After its search a script trains the best configuration again, with Keras's own `fit` and
three seeds, and evaluates it on held-out rows; the loss of a search is the mean of these. Within
noise: the mean logarithm of the losses with Paceline is not larger than that with KerasTuner by a
one-sided t-test at 1 %, whose noise is the spread between searches of the same side (so about one
time in nine some row of twelve says "no" by chance, and a difference smaller than the spread is not
seen). The ratio of all scripts together, which does see one, is below it with its 95 % interval.
Together: the study says of no trial of the search that `fit` trained it. Seconds: processor seconds
of the searches, means, for information; two runs at a time. What a run has answered is kept, and
used again while the script, the peer's version and Paceline are the same, so that the benchmark
continues after an interruption."""

_SEARCHES = 3  # of each script on each side
_FAR = 1_000_003  # KerasTuner repeats the trials of near seeds
_Runs = dict[tuple[str, str], list[_Answer]]


def run(options: Options) -> Result:
    names = sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem not in _HELPERS)
    searches = _SEARCHES
    if options.quick:
        names, searches = names[:1], 2
    answers = _all_answers(names, searches)
    rows, together, equal, ratios, gaps = [], 0, 0, [], []
    for name in names:
        theirs, ours = answers[name, PEER], answers[name, environments.OURS]
        logs = [_log_losses(side) for side in (ours, theirs)]
        is_equal, is_together = _is_within_noise(*logs), all(one["together"] for one in ours)
        together, equal = together + is_together, equal + is_equal
        seconds = [statistics.mean(one["seconds"] for one in side) for side in (theirs, ours)]
        ratios.append(seconds[0] / seconds[1])
        gaps.append(statistics.mean(logs[0]) - statistics.mean(logs[1]))
        rows.append(
            [
                name,
                _spread(theirs),
                _spread(ours),
                "yes" if is_equal else "**no**",
                "yes" if is_together else "no",
                *map(number, seconds),
            ]
        )
    many = len(names)
    return Result(
        title="Twelve scripts for KerasTuner",
        method=METHOD.format(searches=searches),
        findings=[
            Finding("best configurations as good", equal, many, unit=f" of {many}"),
            Finding("searches that train together", together, min(10, many), unit=f" of {many}"),
            Finding("loss with Paceline over that with KerasTuner", math.exp(_mean(gaps)[0])),
            Finding("processor time of a search, median of the ratios", statistics.median(ratios)),
        ],
        headings=[
            "script",
            "loss, KerasTuner",
            "loss, Paceline",
            "within noise",
            "together",
            "s, KerasTuner",
            "s, Paceline",
        ],
        rows=[*rows, ["*ratio of all*", "1", _interval(gaps), "", "", "", ""]],
    )


def _all_answers(names: Sequence[str], searches: int) -> _Runs:
    """What all runs of all scripts answer, by script and side; two run at a time."""
    sides = (PEER, environments.OURS)
    for side in sides:
        environments.python(side)  # makes the environment
    each = [(name, side, k) for name in names for k in range(searches) for side in sides]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: _answer(*one), each))
    answers: _Runs = {}
    for (name, side, _), one in zip(each, found, strict=True):
        answers.setdefault((name, side), []).append(one)
    return answers


_HELPERS = ("__init__", "finish")


def _answer(name: str, environment: str, search: int) -> _Answer:
    """What a script answers, now or when it ran before; see `_run`."""
    sources = [SCRIPTS / f"{name}.py", SCRIPTS / "finish.py"]
    label = f"kt_scripts.{name}.{search}"
    return kept.answer(label, environment, sources, lambda: _run(name, environment, search))


def _run(name: str, environment: str, search: int) -> _Answer:
    """Runs a script; what its last line of JSON says, and whether its trials trained together."""
    is_ours = environment == environments.OURS
    command = [str(environments.python(environment))]
    command += ["-m", "paceline", "run"] if is_ours else []
    variables = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join(
            [str(SCRIPTS), *([str(environments.ROOT / "src")] if is_ours else [])]
        ),
    }
    with tempfile.TemporaryDirectory(prefix="script-") as folder:
        variables["PACELINE_CACHE"] = str(Path(folder) / "cache")
        script = Path(folder) / f"{name}.py"
        script.write_text(_with_seed((SCRIPTS / script.name).read_text(), search))
        command.append(str(script))
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=3600
        )
        together = is_ours and _trained_together(Path(folder))
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"seconds"')]
    if done.returncode or not lines:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise SideError(f"{name} in {environment} ended with {done.returncode}:\n{tail}")
    print(
        f"  {environment:<12} {name:<28} {time.perf_counter() - began:7.1f} s",
        file=sys.stderr,
        flush=True,
    )
    answer: _Answer = json.loads(lines[-1])
    return {**answer, "together": together}


def _trained_together(folder: Path) -> bool:
    """Whether no trial of the project in a folder was trained alone."""
    trials = [one for file in folder.rglob("study.db") for one in load_study(file.parent).trials]
    return bool(trials) and all(one.program not in _ALONE for one in trials)


def _with_seed(script: str, search: int) -> str:
    """A script with another seed, if it has one."""
    return re.sub(r"\bseed=(\d+)", lambda found: f"seed={int(found[1]) + _FAR * search}", script)


def _log_losses(runs: Sequence[_Answer]) -> list[float]:
    """The logarithm of the loss of each search's best configuration, the mean of its trainings."""
    return [math.log(statistics.mean(one["losses"])) for one in runs]


def _is_within_noise(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    variance = statistics.mean(map(statistics.variance, (ours, theirs)))
    error = math.sqrt(variance * (1 / len(ours) + 1 / len(theirs)))
    largest = float(t.ppf(0.99, len(ours) + len(theirs) - 2))
    return statistics.mean(ours) - statistics.mean(theirs) <= largest * error


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and half of its 95 % interval."""
    if len(values) < 2:
        return values[0], math.nan
    error = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), error * float(t.ppf(0.975, len(values) - 1))


def _interval(gaps: Sequence[float]) -> str:
    middle, half = _mean(gaps)
    return " ".join(
        f"{number(math.exp(one)) if math.isfinite(one) else '?'}{mark}"
        for one, mark in ((middle, ""), (middle - half, " to"), (middle + half, ""))
    )


def _spread(runs: Sequence[_Answer]) -> str:
    losses = sorted(statistics.mean(one["losses"]) for one in runs)
    return f"{number(statistics.mean(losses))} ({number(losses[0])}-{number(losses[-1])})"
