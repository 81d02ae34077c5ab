"""Models that cohorts train against the models that Keras ``fit`` trains, over two epochs."""

from collections.abc import Sequence
from operator import itemgetter

from benchmarks.measure import Answer, Options, ask
from benchmarks.report import Finding, Result

METHOD = """Two epochs of {rows} rows in batches of {size} (the last one smaller), {held_out} rows
held out in several batches. Each row of the table is one model that holds several kinds of layers,
optimizers, losses, metrics or data, {kinds} kinds in all: the table is that of the tests,
`tests/train/kinds.py`, compiled as users' programs are. Two lanes differ in one number that takes
the place of several settings, and the lane that the program was not traced with is compared with
one call of `fit(epochs=2)` from the same seed on the same batches. Differences are absolute, the
largest over all values: of the weights of the model that is handed out, moving statistics included;
of the optimizer's variables; of the metrics of every epoch; and between the last validation score
and `evaluate` of the model that is handed out. The score of a loss that is far above 1 is divided
by its size ({sized}). What cannot train in a cohort trains alone, for the reason given."""


def run(options: Options) -> Result:
    answer = ask("paceline", "benchmarks.ours.equality", {"quick": options.quick}, minutes=60)
    rows = answer["rows"]
    sized = "; ".join(f"{row['kinds']}: {row['size']:g}" for row in rows if row["size"] != 1)
    count = len({kind for row in rows for kind in row["kinds"].split(", ")})
    numbers = {name: answer[name] for name in ("rows_trained", "size", "held_out")}
    return Result(
        title="Equality with Keras fit",
        method=METHOD.format(
            rows=numbers["rows_trained"],
            size=numbers["size"],
            held_out=numbers["held_out"],
            kinds=count,
            sized=sized or "none here",
        ),
        findings=[
            _largest(rows, "weights", 1e-5, 1e-6),
            _largest(rows, "optimizer", 1e-5, 1e-6),
            _largest(rows, "metrics", 1e-5, 1e-6),
            _largest(rows, "score", 1e-6, 1e-7),
            Finding("kinds", count, 60, unit="", better="higher"),
        ],
        headings=["kinds", "weights", "optimizer", "metrics", "score", "trains"],
        rows=[_cells(row) for row in rows],
    )


def _largest(rows: Sequence[Answer], of: str, must: float, aim: float) -> Finding:
    worst = max(rows, key=itemgetter(of))
    return Finding(f"{of}: largest ({worst['kinds']})", worst[of], must, aim, "", "lower")


def _cells(row: Answer) -> list[str]:
    figures = [f"{row[name]:.1e}" for name in ("weights", "optimizer", "metrics", "score")]
    return [row["kinds"], *figures, f"alone: {row['alone']}" if row["alone"] else "in a cohort"]
