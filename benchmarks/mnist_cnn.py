"""The recipe `mnist-cnn`: a convolutional network, found by random and by Bayesian search."""

from benchmarks.measure import Options, folder
from benchmarks.recipes import HEADINGS, METHOD, carried_out, row
from benchmarks.report import Finding, Result


def run(options: Options) -> Result:
    with folder() as directory:
        cnn = carried_out("mnist-cnn", "mnist", options, directory)
    return Result(
        title="Recipe mnist-cnn",
        method=METHOD,
        findings=[
            Finding("test accuracy", cnn["accuracy"] * 100, 99.0, 99.4, "%"),
            Finding("time", cnn["wall_seconds"] / 60, 30, None, "min", "lower"),
        ],
        headings=HEADINGS,
        rows=[row("both searches, and the winner trained anew", cnn)],
    )
