"""Running the sides of a benchmark in turn, each in a process of its own, and summing up what they
took.
"""

import compileall
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import environments

T = TypeVar("T")
Answer = dict[str, Any]
"""The JSON object that a side prints, with ``wall_seconds`` of its whole process added."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        repeats: runs of Paceline and of the quick peers.
        slow_repeats: runs of the peers that take minutes.
        quick: tiny sizes on made-up data, to see that everything works; the figures mean nothing.
    """

    repeats: int = 3
    slow_repeats: int = 2
    quick: bool = False

    def smoke(self) -> "Options":
        """The same with everything run once at tiny sizes."""
        return replace(self, repeats=1, slow_repeats=1, quick=True)


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one thing."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, answers: list[Answer], key: str) -> "Spread":
        return cls(tuple(float(answer[key]) for answer in answers))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        spread = (
            f" ({number(low)}-{number(high)}, n={len(self.values)})"
            if len(self.values) > 1
            else " (n=1)"
        )
        return number(self.median) + spread


def number(value: float) -> str:
    """Three significant digits, thousands grouped."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1e}" if abs(value) < 1e-3 else f"{value:#.3g}".rstrip(".")


class SideError(RuntimeError):
    """One side of a benchmark did not answer."""


def ask(
    environment: str,
    module: str,
    request: Mapping[str, Any],
    *,
    cache: Path | None = None,
    minutes: float = 30,
    sources: Path | None = None,
) -> Answer:
    """Runs ``python -m module '<request>'`` in an environment and reads the JSON line it prints
    last.

    Args:
        environment: name of the environment, as `environments.python` knows it.
        module: a program of this package that prints one JSON object.
        request: what it is to do.
        cache: the user's cache directory of that process: an empty one makes it start as on a new
            machine.
        minutes: after how long to give up.
        sources: a folder with the package in it, to be run in place of the one that is installed.
    """
    arguments = ["-m", module, json.dumps(request)]
    name = module.removeprefix("benchmarks.")
    return run_side(
        environment, arguments, name=name, cache=cache, minutes=minutes, sources=sources
    )


def run_side(
    environment: str,
    arguments: Sequence[str],
    *,
    name: str,
    cache: Path | None = None,
    minutes: float = 30,
    sources: Path | None = None,
    directory: Path = environments.ROOT,
) -> Answer:
    """Runs Python in an environment and reads the JSON line that it prints last.

    Args:
        environment, cache, minutes, sources: as in `ask`.
        arguments: of the interpreter.
        name: what it is called in messages.
        directory: its working directory.
    """
    command = [str(environments.python(environment)), *arguments]
    with tempfile.TemporaryDirectory(prefix="benchmark-cache-") as fresh:
        variables = _variables(environment, cache or Path(fresh))
        if sources is not None:
            variables["PYTHONPATH"] = str(sources)
        if environment == environments.OURS:
            _calibrate(Path(variables["PACELINE_CACHE"]))
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=directory,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60 * minutes,
        )
        seconds = time.perf_counter() - start
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise SideError(f"{name} in {environment} ended with {done.returncode}:\n{tail}")
    answer: Answer = json.loads(lines[-1])
    print(
        f"  {environment:<12} {name:<28} {seconds:7.1f} s",
        file=sys.stderr,
        flush=True,
    )
    return {**answer, "wall_seconds": seconds}


def _calibrate(cache: Path) -> None:
    """Puts the machine's lane capacity, measured once for an installation and not for each study,
    into a cache, and writes the bytecode of our modules, as an installation does.
    """
    compileall.compile_dir(environments.ROOT / "src", quiet=1)
    cache.mkdir(parents=True, exist_ok=True)
    known = _lane_capacity()
    if known.exists():  # the capacity of a GPU is not measured
        shutil.copy(known, cache / "lanes.json")


@functools.cache
def _lane_capacity() -> Path:
    """The file with the machine's lane capacity. It holds one for each version of JAX, so that of
    the version that runs is measured if it is not there yet."""
    kept = environments.ROOT / ".venvs" / "calibration" / "lanes.json"
    measure = "from paceline.train.calibration import capacity; capacity()"
    variables = {**os.environ, "KERAS_BACKEND": "jax", "PACELINE_CACHE": str(kept.parent)}
    python = str(environments.python(environments.OURS))
    subprocess.run([python, "-c", measure], env=variables, check=True)
    return kept


def _variables(environment: str, cache: Path) -> dict[str, str]:
    """Environment variables of a side: its Keras backend, no chatter, and its own cache
    directory.
    """
    backend = {"keras-tf": "tensorflow", "keras-torch": "torch"}.get(environment, "jax")
    kept = {
        k: v
        for k, v in os.environ.items()
        # an installed package has bytecode; ours is a checkout, whose bytecode `_calibrate` writes
        if k not in {"JAX_COMPILATION_CACHE_DIR", "KERASTUNER_TUNER_ID", "PYTHONDONTWRITEBYTECODE"}
    }
    return {
        **kept,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XDG_CACHE_HOME": str(cache),
        "PACELINE_CACHE": str(cache),
    }


def in_turn(sides: Mapping[str, tuple[int, Callable[[int], T]]]) -> dict[str, list[T]]:
    """Runs the sides in turn (A B A B ...), so that a slow minute of the machine hits all of them.

    Args:
        sides: for each side how often it runs, and the function that runs it, given the number of
            the repeat.
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    for repeat in range(max(times for times, _ in sides.values())):
        for name, (times, run) in sides.items():
            if repeat < times:
                found[name].append(run(repeat))
    return found


def far_seed(repeat: int) -> int:
    """A seed for KerasTuner: never 0, which it takes for none, and far from the others, since it
    draws value ``j`` of trial ``t`` from ``Random(seed + t * d + j)``, so that near seeds repeat
    each other's trials."""
    return 1_000_003 * (repeat + 1)


@contextmanager
def folder() -> Iterator[Path]:
    """A directory for what a benchmark hands from one process to another."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        yield Path(name)
