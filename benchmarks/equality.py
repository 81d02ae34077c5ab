"""Weights of cohorts against weights of Keras ``fit``, after an epoch."""

from collections.abc import Sequence
from operator import itemgetter

from benchmarks.measure import Answer, Options, ask, number
from benchmarks.report import Finding, Result

METHOD = """One epoch of 1,000 rows at batch 32 (the last batch is shorter), three lanes that differ in learning rate,
L2, clipping norm, label smoothing and seed, as one program against three calls of `fit(shuffle=False)`. The figure is
the largest absolute difference of any weight, moving statistics included; the largest weights are about {scale}. MLP
20→32→16 and CNN with 4 and 8 filters, classification and regression; plain, batch norm, L2, clipping by norm, label
smoothing, and all of them. The cases cover each optimizer with each network and with all options at once, and each
option with each network. Layers before a batch norm have no bias: it would be taken out again, its gradient is
rounding errors only, and Adam and its like turn those into whole steps, so that not even two correct programs agree
on it; the cases that keep it are given for the record and not held against the bound."""


def run(options: Options) -> Result:
    cases = ask("paceline", "benchmarks.ours.equality", {"quick": options.quick}, minutes=60)["cases"]
    determined = [case for case in cases if case["determined"]]
    rest = [case for case in cases if not case["determined"]]
    what, difference = _worst(determined)
    what_rest, difference_rest = _worst(rest)
    return Result(
        title="Equality with Keras fit",
        method=METHOD.format(scale=number(max(case["scale"] for case in cases))),
        findings=[
            Finding(f"largest of {len(determined)} cases ({what})", difference, 1e-5, 1e-6, "", "lower"),
            Finding(f"largest of {len(rest)} with undetermined biases ({what_rest})", difference_rest, unit=""),
        ],
        headings=["optimizer", "network", "option", "largest difference"],
        rows=_rows(determined),
    )


def _worst(cases: Sequence[Answer]) -> tuple[str, float]:
    """The name of the case with the largest difference, and the difference."""
    worst = max(cases, key=itemgetter("difference"))
    return f"{worst['optimizer']}, {worst['network']}, {worst['option']}", float(worst["difference"])


def _rows(cases: Sequence[Answer]) -> list[list[str]]:
    return [[*itemgetter("optimizer", "network", "option")(case), f"{case['difference']:.1e}"] for case in cases]
