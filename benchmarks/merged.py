"""Networks of several widths in one program against the models that Keras ``fit`` trains.

The table says for each kind of layer, optimizer, loss, metric and data whether networks that differ
in their widths are merged, and if not, why.
"""

from collections.abc import Sequence
from operator import itemgetter

from benchmarks.measure import Answer, Options, ask
from benchmarks.report import Finding, Result

METHOD = """The table of the tests, `tests/train/kinds.py`: each row is one model that holds several
kinds of layers, optimizers, losses, metrics or data, {kinds} kinds in all. Its numbers of units,
filters, embedding columns and key columns follow from one width, and for attention the number of
heads, too. Networks of the widths {widths} train beside each other in one program that is larger
than all of them, each with other settings, for two epochs with validation in several batches; the
last batch of both is smaller. Each is compared with one call of `fit(epochs=2)` from the same seed
on the same batches. Differences are absolute, the largest over all values and all four networks: of
the weights of the model that is handed out, moving statistics included; of the optimizer's
variables; of the metrics of every epoch; and between the last validation score and `evaluate` of
the model that is handed out, divided by the size of the loss where that is far above 1. Rows in
half precision ({half})
are left out of the findings: their sums are rounded to three digits in another order."""


def run(options: Options) -> Result:
    answer = ask("paceline", "benchmarks.ours.merged", {"quick": options.quick}, minutes=60)
    rows = answer["rows"]
    exact = [row for row in rows if not row["alone"] and not row["is_half"]]
    kinds = [kind for row in rows for kind in row["kinds"].split(", ")]
    merged = [kind for row in rows if not row["alone"] for kind in row["kinds"].split(", ")]
    half = ", ".join(row["kinds"] for row in rows if row["is_half"])
    widths = ", ".join(map(str, answer["widths"]))
    return Result(
        title="Networks of several widths in one program",
        method=METHOD.format(kinds=len(set(kinds)), widths=widths, half=half or "none here"),
        findings=[
            *(_largest(exact, of, 1e-5, 1e-6) for of in ("weights", "optimizer", "metrics")),
            _largest(exact, "score", 1e-6, 1e-7),
            Finding("kinds merged", len(set(merged)), 60, unit="", better="higher"),
        ],
        headings=["kinds", "weights", "optimizer", "metrics", "score", "merged"],
        rows=[_cells(row) for row in rows],
    )


def _largest(rows: Sequence[Answer], of: str, must: float, aim: float) -> Finding:
    worst = max(rows, key=itemgetter(of))
    return Finding(f"{of}: largest ({worst['kinds']})", worst[of], must, aim, "", "lower")


def _cells(row: Answer) -> list[str]:
    if row["alone"]:
        return [row["kinds"], "", "", "", "", f"no: {row['alone']}"]
    figures = [f"{row[name]:.1e}" for name in ("weights", "optimizer", "metrics", "score")]
    return [row["kinds"], *figures, "yes"]
