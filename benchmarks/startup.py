"""How long the command line takes to answer."""

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import environments
from benchmarks.measure import Options, Spread, in_turn
from benchmarks.report import Finding, Result


def run(options: Options) -> Result:
    runs = 2 if options.quick else 20
    commands = {
        "paceline --help": [str(Path(sys.executable).with_name("paceline")), "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "optuna --help": [str(environments.python("optuna").with_name("optuna")), "--help"],
        "python -c 'import keras'": [
            sys.executable,
            "-c",
            "import os; os.environ['KERAS_BACKEND'] = 'jax'; import keras",
        ],
    }
    for command in commands.values():  # once unmeasured, so that byte code and files are there
        _seconds(command, 0)
    found = in_turn(
        {name: (runs, partial(_seconds, command)) for name, command in commands.items()}
    )
    spent = {name: Spread(tuple(seconds)) for name, seconds in found.items()}
    return Result(
        title="Start-up of the command line",
        method=f"Wall time of the whole process, output thrown away, in turn; {runs} runs each "
        f"after one not counted.",
        findings=[
            Finding("paceline --help", spent["paceline --help"].median, 0.3, 0.15, "s", "lower")
        ],
        headings=["command", "seconds"],
        rows=[[f"`{name}`", str(seconds)] for name, seconds in spent.items()],
        environments=["paceline", "optuna"],
    )


def _seconds(command: Sequence[str], _: int) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - start
