"""The recipe `mnist-methods`: grid, random and Bayesian search, and what the best of them reaches."""

from benchmarks.measure import Options, folder
from benchmarks.recipes import HEADINGS, METHOD, carried_out, row
from benchmarks.report import Finding, Result


def run(options: Options) -> Result:
    with folder() as directory:
        methods = carried_out("mnist-methods", "mnist", options, directory)
    return Result(
        title="Recipe mnist-methods",
        method=METHOD,
        findings=[
            Finding("test accuracy of the best", methods["accuracy"] * 100, 98.3, 98.6, "%"),
            Finding("time", methods["wall_seconds"] / 60, 10, None, "min", "lower"),
        ],
        headings=HEADINGS,
        rows=[row("all three methods, and their comparison", methods)],
    )
