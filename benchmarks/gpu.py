"""Model-steps per second against the number of lanes, on a GPU where there is one."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import arrays
from benchmarks.measure import Answer, Options, ask, folder, number
from benchmarks.report import Finding, Result

NETWORKS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "784-128-64-10": ("wide mlp", (784,)),
    "8-30-30-10": ("mlp", (8,)),
    "CNN 32-64": ("cnn 32-64", (28, 28, 1)),
}
"""Names of spaces, and shapes of their inputs."""

LANES = (1, 4, 16, 64, 256, 1024, 4096)
GRID, GRID_EPOCHS = 1296, 648 * 10

METHOD = """The engine's own compiled programs (Adam, batch 32, made-up data of {rows:,} rows),
trained for {seconds} s with each number of lanes, validation on 64 rows and reading of the metrics
included; beside them serial Keras `fit` on the same device, at the best `steps_per_execution` of
{executions}. The limit of a network is taken from memory: a step reads and writes its state (the
weights and Adam's two moments) three times over, at the bandwidth that a copy reaches on the device
in the same process. The grid of 1,296 configurations (see "digits_grid") on Fashion-MNIST,
{fashion_rows:,} training rows: 648 trainings of 10 epochs, whose first five are the other trials.
It is stopped after {budget} s, and its time is scaled by the share of all epochs that were trained
(made-up rows of the same shape where the data cannot be had; standard error then says so). Each
side is a process of its own with an empty cache."""


def run(options: Options) -> Result:
    quick = options.quick
    rows, seconds, budget = (96, 0.1, 6) if quick else (2048, 1.0, 75)
    executions = [0] if quick else [0, 50]
    lanes = LANES[:2] if quick else LANES
    minutes = {"784-128-64-10": 0.45, "8-30-30-10": 0.3, "CNN 32-64": 0.35}
    with folder() as directory:
        found, fit = {}, {}
        for name, (space, shape) in NETWORKS.items():
            data = directory / f"{space}.npz"
            arrays.write_made_up(data, shape, rows, classes=10)
            common = {"space": space, "data": str(data), "batch_size": 32}
            measured = {"lanes": lanes, "seconds": seconds, "minutes": minutes[name]}
            found[name] = ask("paceline", "benchmarks.ours.lanes", {**common, **measured})
            peer = {"epochs": 3, "steps_per_execution": executions}
            fit[name] = ask("paceline", "benchmarks.peers.keras_fit", {**common, **peer})
        grid, fashion_rows = _grid(directory, budget, quick)
    share = grid["epochs"] / GRID_EPOCHS
    findings = [_finding(name, found[name], fit[name]) for name in NETWORKS]
    projected = grid["search_seconds"] / share / 60
    how = "measured" if share == 1 else f"from {share:.0%}"
    what = f"1,296 configurations on Fashion-MNIST ({how})"
    findings.append(Finding(what, projected, 25, 18, "min", "lower"))
    device = found["784-128-64-10"]["device"]
    return Result(
        title=f"Lanes on {device}",
        method=METHOD.format(
            rows=rows,
            seconds=seconds,
            executions=executions,
            fashion_rows=fashion_rows,
            budget=budget,
        ),
        findings=findings,
        headings=[
            "network",
            "lanes",
            "model-steps per second",
            "share of the limit, %",
            "compiled in, s",
        ],
        rows=[row for name in NETWORKS for row in _rows(name, found[name], fit[name])],
        environments=["paceline"],
    )


def _grid(directory: Path, budget: float, quick: bool) -> tuple[Answer, int]:
    """The search of the grid, and its number of training rows."""
    data = directory / "fashion.npz"
    if quick:
        arrays.write_made_up(data, (784,), 96, classes=10)
    else:
        try:
            arrays.write_named("fashion_mnist", data, rows=54_000)
        except Exception as error:  # a machine without the data and without a network
            print(f"  made-up rows in place of Fashion-MNIST: {error}", file=sys.stderr, flush=True)
            arrays.write_made_up(data, (784,), 54_000, classes=10, held_out=6_000)
    request: dict[str, Any] = {"space": "fashion", "data": str(data), "search": "grid", "seed": 1}
    request |= {"trials": 6 if quick else GRID, "budget": f"{budget}s"}
    rows = len(arrays.read(data)["x"])
    return ask(
        "paceline", "benchmarks.ours.search", {**request, "epochs": 10, "batch_size": 32}
    ), rows


def _finding(name: str, found: Answer, fit: Answer) -> Finding:
    best, rate = max(found["rates"].items(), key=lambda item: item[1])
    ratio = rate / max(fit["rates"].values())
    return Finding(f"{name}, {int(best):,} lanes against serial fit", ratio)


def _rows(name: str, found: Answer, fit: Answer) -> list[list[str]]:
    limit = found["bandwidth"] / (3 * found["state_bytes"])
    rows = [
        [
            name,
            f"{int(lanes):,}",
            number(rate),
            number(100 * rate / limit),
            number(found["compile_seconds"][lanes]),
        ]
        for lanes, rate in found["rates"].items()
    ]
    skipped = found["skipped"].items()
    rows += [[name, f"{int(lanes):,}", reason, "-", "-"] for lanes, reason in skipped]
    return [*rows, [name, "serial fit", number(max(fit["rates"].values())), "-", "-"]]
