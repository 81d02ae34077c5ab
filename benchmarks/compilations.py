"""How often a study compiles, the first time and when it is run again."""

from pathlib import Path
from typing import Any

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, folder
from benchmarks.report import Finding, Result

STRUCTURES = 12
"""Layers 1-3 times four widths: every other hyperparameter of the space is a number and must not
cost a program.
"""

METHOD = """The California Housing space ({trials} random trials, {epochs} epochs of {rows:,}
made-up rows) has 12 structures; dropout, learning rate and L2 are numbers. The same study is run
twice, as two processes that share a cache directory which is empty at first. "Programs compiled" is
the study's own count; beside it what JAX reports: how many kernels XLA was asked for, small ones
too, and how many of them the persistent cache did not answer. A structure is two programs for each
number of lanes that was chosen for it: the steps, and the end of an epoch with its validation."""


def run(options: Options) -> Result:
    trials, epochs, rows = (4, 1, 320) if options.quick else (64, 2, 3200)
    first, second = [], []
    with folder() as directory:
        data = arrays.write_made_up(directory / "data.npz", (8,), rows, classes=None)
        request: dict[str, Any] = {
            "space": "california",
            "trials": trials,
            "epochs": epochs,
            "batch_size": 32,
            "seed": 1,
        }
        request["data"] = str(data)
        for repeat in range(options.repeats):
            cache = directory / f"cache-{repeat}"
            cache.mkdir()
            first.append(_study(request, cache))
            second.append(_study(request, cache))
    compiled_first = Spread.of(first, "programs_compiled")
    compiled = Spread.of(second, "programs_compiled")
    saved = Spread.of(first, "wall_seconds").median / Spread.of(second, "wall_seconds").median
    return Result(
        title="Compilations of a study",
        method=METHOD.format(trials=trials, epochs=epochs, rows=rows),
        findings=[
            Finding(
                "programs compiled by the second run",
                compiled.median,
                must=0,
                unit="",
                better="lower",
            ),
            Finding(
                f"programs compiled by the first run ({STRUCTURES} structures)",
                compiled_first.median,
                unit="",
            ),
            Finding("second run faster by", saved),
        ],
        headings=[
            "run",
            "programs compiled",
            "kernels asked of XLA",
            "not answered by the cache",
            "process, s",
        ],
        rows=[_row("first, empty cache", first), _row("second, the same study", second)],
    )


def _study(request: dict[str, Any], cache: Path) -> Answer:
    answer = ask("paceline", "benchmarks.ours.search", request, cache=cache)
    return {**answer, "xla_compiled": answer["xla_asked"] - answer["xla_cached"]}


def _row(name: str, answers: list[Answer]) -> list[str]:
    keys = ("programs_compiled", "xla_asked", "xla_compiled", "wall_seconds")
    return [name, *(str(Spread.of(answers, key)) for key in keys)]
