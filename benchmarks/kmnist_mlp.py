"""The recipe `kmnist-mlp`: how long every configuration of its grid would take, and what a search
finds instead.
"""

from benchmarks.measure import Options, folder
from benchmarks.recipes import HEADINGS, METHOD, carried_out, row
from benchmarks.report import Finding, Result

OF_THE_GRID = """The exhaustive grid ({data}, 54,000 training images) is extrapolated from {share}:
{programs} of its {all_programs} programs (networks that differ in learning rate, weight decay and
epochs alone share one), as many of each width, drawn at random; process time, and {more:.1f} times
that of its search on top. The `smart` part runs on the same data; its best is held against the best
of that sample."""


def run(options: Options) -> Result:
    data = "fashion_mnist"
    with folder() as directory:
        sample, smart, predefined = (
            carried_out(what, data, options, directory)
            for what in ("sample", "smart", "predefined")
        )
    every = sample["wall_seconds"] + sample["search_seconds"] * (sample["factor"] - 1)
    told = {name: sample[name] for name in ("share", "programs", "all_programs")}
    return Result(
        title="Recipe kmnist-mlp",
        method=f"{METHOD} {OF_THE_GRID.format(data=data, more=sample['factor'] - 1, **told)}",
        findings=[
            Finding(
                "exhaustive, all of the grid (extrapolated)", every / 60, 60, 25, "min", "lower"
            ),
            Finding(
                "smart, of the time of all of them",
                100 * smart["search_seconds"] / every,
                5,
                1,
                "%",
                "lower",
            ),
            Finding(
                "smart, best below the sample's best by", sample["best"] - smart["best"], unit=""
            ),
        ],
        headings=HEADINGS,
        rows=[row("sample", sample), row("smart", smart), row("predefined", predefined)],
    )
