"""Twelve scripts for KerasTuner, with KerasTuner and unchanged with `paceline run`."""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import environments, kept
from benchmarks.measure import Options, SideError, number
from benchmarks.report import Finding, Result
from paceline import load_study

SCRIPTS = Path(__file__).resolve().parent / "scripts"
_ALONE = ("fit", "by itself")
"""The programs of trials that trained alone."""
_Answer = dict[str, Any]

METHOD = """Twelve scripts of different character, written from the frequencies of features in
public scripts (`benchmarks/scripts`), each with KerasTuner 1.4.8 on Keras-JAX and unchanged with
`paceline run`, in an empty directory. After its search a script trains the best configuration
again, with Keras's own `fit` and five seeds, and evaluates it on held-out rows. Within noise: the
mean loss with Paceline is lower than that with KerasTuner, or higher by at most two standard errors
of the difference plus 10 % (a search of five to eighteen trials finds another good configuration
with each seed). Together: the study says of no trial of the search that `fit` trained it. Seconds:
processor seconds of the searches, for information; both sides run once. What a side has answered is
kept, and used again while the script, the peer's version and Paceline are the same, so that the
benchmark continues after an interruption."""


def run(options: Options) -> Result:
    names = sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem not in _HELPERS)
    if options.quick:
        names = names[:1]
    rows, together, equal, ratios = [], 0, 0, []
    for name in names:
        theirs, ours = _answer(name, "keras-jax"), _answer(name, environments.OURS)
        is_equal = _is_within_noise(ours["losses"], theirs["losses"])
        together, equal = together + ours["together"], equal + is_equal
        ratios.append(theirs["seconds"] / ours["seconds"])
        rows.append(
            [
                name,
                _spread(theirs["losses"]),
                _spread(ours["losses"]),
                "yes" if is_equal else "**no**",
                "yes" if ours["together"] else "no",
                number(theirs["seconds"]),
                number(ours["seconds"]),
            ]
        )
    many = len(names)
    return Result(
        title="Twelve scripts for KerasTuner",
        method=METHOD,
        findings=[
            Finding("best configurations as good", equal, many, unit=f" of {many}"),
            Finding("searches that train together", together, min(10, many), unit=f" of {many}"),
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
        rows=rows,
    )


_HELPERS = ("__init__", "finish")


def _answer(name: str, environment: str) -> _Answer:
    """What a script answers, now or when it ran before; see `_run`."""
    sources = [SCRIPTS / f"{name}.py", SCRIPTS / "finish.py"]
    return kept.answer(f"kt_scripts.{name}", environment, sources, lambda: _run(name, environment))


def _run(name: str, environment: str) -> _Answer:
    """Runs a script; what its last line of JSON says, and whether its trials trained together."""
    is_ours = environment == environments.OURS
    command = [str(environments.python(environment))]
    command += ["-m", "paceline", "run"] if is_ours else []
    command.append(str(SCRIPTS / f"{name}.py"))
    variables = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join(
            [str(SCRIPTS), *([str(environments.ROOT / "src")] if is_ours else [])]
        ),
    }
    with tempfile.TemporaryDirectory(prefix="script-") as folder:
        variables["PACELINE_CACHE"] = str(Path(folder) / "cache")
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


def _is_within_noise(ours: list[float], theirs: list[float]) -> bool:
    error = math.hypot(*(statistics.stdev(one) / math.sqrt(len(one)) for one in (ours, theirs)))
    best = statistics.mean(theirs)
    return statistics.mean(ours) <= best + 2 * error + 0.1 * abs(best)


def _spread(losses: list[float]) -> str:
    return f"{number(statistics.mean(losses))} (sd {number(statistics.stdev(losses))})"
