"""The ladder of techniques and the handbook of methods: how long they take, and what they reach."""

from pathlib import Path
from typing import Any

from benchmarks.measure import Options, ask, folder, number
from benchmarks.report import Finding, Result

METHOD = """`mnist-ladder` (seven rungs, five seeds, ten epochs, 54,000 images, with ELU beside the
six of the published ladder) and all parts of `california-methods` (five methods on five seeds,
their final, the guide), each as `paceline recipe run` carries it out, in a process of its own with
an empty cache. Values are test accuracies and test RMSE (in 100,000 dollars), means over seeds with
95 % intervals; the RMSE held against the bound is that of the final's winner, trained on training
and validation part and tested once."""


def run(options: Options) -> Result:
    with folder() as directory:
        ladder = _ask("mnist-ladder", options, directory)
        methods = _ask("california-methods", options, directory)
    drop = next((step for step in ladder["steps"] if step[1] == "dropout"), None)
    rows = [
        [f"rung {name}", f"{mean:.4f}", f"{low:.4f} to {high:.4f}", ""]
        for name, mean, low, high in ladder["rungs"]
    ]
    rows += [
        [
            f"step {before} to {after}",
            f"{mean:+.4f}",
            f"{low:+.4f} to {high:+.4f}",
            "real" if real else "not shown",
        ]
        for before, after, mean, low, high, real in ladder["steps"]
    ]
    rows += [
        [
            f"method {name}",
            f"{mean:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{epochs:,.0f} epochs, {number(seconds)} s",
        ]
        for name, mean, low, high, _, epochs, seconds in methods["methods"]
    ]
    return Result(
        title="Ladder and handbook",
        method=METHOD,
        findings=[
            Finding("mnist-ladder, time", ladder["wall_seconds"] / 60, 4, 2, "min", "lower"),
            Finding(
                "mnist-ladder, what dropout changes (published: -7.6)",
                100 * (drop[2] if drop else 0),
                unit="points",
            ),
            Finding(
                "california-methods, test RMSE of the winner",
                methods["rmse"],
                0.52,
                0.48,
                "",
                "lower",
            ),
            Finding(
                "california-methods, time", methods["wall_seconds"] / 60, 10, None, "min", "lower"
            ),
        ],
        headings=["what", "mean", "interval", "remark"],
        rows=rows,
    )


def _ask(what: str, options: Options, directory: Path) -> dict[str, Any]:
    request = {"what": what, "quick": options.quick, "study": str(directory / what)}
    return ask("paceline", "benchmarks.ours.side_by_side", request, minutes=30)
