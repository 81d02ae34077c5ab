"""Whether what a study says of its winner is true, in studies drawn from tables of real
trainings.
"""

from typing import Any

from benchmarks.measure import Answer, Options, ask
from benchmarks.report import Finding, Result

STUDIES = 1000
TRIALS = 32
TABLES = {name: f"benchmarks/trainings/{name}.npz" for name in ("digits", "california_housing")}
CASES = [(name, schedule) for name in TABLES for schedule in ("full", "asha")]
MEANS = ("measured", "equal")

METHOD = """{studies:,} studies of each kind, drawn from a table of real trainings and judged by
`paceline.stats.final_verdict.judge`. The table (`benchmarks/trainings/`, made by
`benchmarks.ours.trainings`) has 64 configurations of a network of two hidden layers, each trained
anew on 200 fresh pairs of a seed and a split, 9 epochs long. What is true of a configuration is its
mean over all pairs. A study has the default configuration and {others} of the others, drawn anew.
Its search trains all of them on one pair, as searches do: in full, or stopped by ASHA on the epochs
of the table. The best 7 by score of those that trained in full, and the default, train on 8 pairs
that it did not have. *Equal*: each epoch of each configuration is moved to the mean of all, which
leaves the noise of real trainings, with deviations that differ up to sixfold, and nothing to be
found. Coverage is how often the 95 % interval holds the winner's true mean; 1,000 studies tell it
to ±0.7 (one standard error). Width is against the plain t interval around the winner's mean.
Optimism is the reported value less the truth, larger being too good, in the unit of the metric:
ours (with the standard error that a study states beside it, and that of the mean over the studies),
that of the winner's plain mean, and that of the luckiest score of the search.

A winner is *steady* if none of its 200 trainings is ten deviations (by the median of absolute
deviations) off their median. On California Housing 15 of the 64 configurations are not, all of them
of rectified units: one district of the 3,000 has an average household 54 deviations above the mean,
and where it falls into the validation part such a network may be wrong by far. In 3 of 100 of their
trainings the loss is 1.2 to 7 in place of 0.4. Eight trainings show none of these in three finals
of four, and then no interval made of them can hold the mean of all. A final that shows one says
that its means and intervals are rough."""


def run(options: Options) -> Result:
    studies = 20 if options.quick else STUDIES
    found = {(*case, means): _ask(studies, *case, means) for means in MEANS for case in CASES}
    return Result(
        title="What is claimed of the winner, on real trainings",
        method=METHOD.format(studies=studies, others=TRIALS - 1),
        findings=[
            one for case, answer in found.items() for one in _findings(", ".join(case), answer)
        ],
        headings=[
            "data",
            "schedule",
            "true means",
            "finalists",
            "coverage, %",
            "plain t, %",
            "width",
            "steady winners, %",
            "coverage of these, %",
            "winner is better than default, %",
            "says so where it is, %",
            "says so where it is not, % of all",
            "best is among the tied, %",
            "deviation of one training, median",
            "optimism (in a study ±, of the mean ±)",
            "plain mean's",
            "luckiest score's",
        ],
        rows=[_row(*case, answer) for case, answer in found.items()],
    )


def _findings(case: str, answer: Answer) -> list[Finding]:
    off, wrong = abs(100 * answer["covered"] - 95), 100 * answer["said_wrongly"]
    bias = abs(answer["bias"])
    said = "says better than the default where the winner is not"
    stated = "our optimism over the standard error that a study states"
    mean = "the same over the standard error of the mean over the studies"
    return [
        Finding(f"coverage less 95 %, either way: {case}", off, 2.0, unit="%", better="lower"),
        Finding(
            f"the same where the winner is steady: {case}",
            abs(100 * answer["covered_steady"] - 95),
            unit="%",
        ),
        Finding(f"{said}: {case}", wrong, 5.0, unit="%", better="lower"),
        Finding(f"{stated}: {case}", bias / answer["error"], 1.0, better="lower"),
        Finding(f"{mean}: {case}", bias / answer["bias_error"], aim=2.0, better="lower"),
    ]


def _ask(studies: int, name: str, schedule: str, means: str) -> Answer:
    request: dict[str, Any] = {
        "table": TABLES[name],
        "schedule": schedule,
        "means": means,
        "trials": TRIALS,
        "finalists": 8,
        "pairs": 8,
        "studies": studies,
        "seed": 1,
    }
    return ask("paceline", "benchmarks.ours.drawn", request)


def _row(name: str, schedule: str, means: str, answer: Answer) -> list[str]:
    def percent(key: str) -> str:
        return "-" if answer[key] != answer[key] else f"{100 * answer[key]:.1f}"

    ours = f"{answer['bias']:+.5f} (±{answer['error']:.4f}, ±{answer['bias_error']:.5f})"
    shares = ("is_better", "said_where_better", "said_wrongly", "best_is_tied")
    return [
        name,
        schedule,
        means,
        f"{answer['finalists']:.1f}",
        percent("covered"),
        percent("plain_covered"),
        f"{answer['width']:.2f}",
        *map(percent, ("steady", "covered_steady", *shares)),
        f"{answer['spread']:.4f}",
        ours,
        f"{answer['plain_bias']:+.5f}",
        f"{answer['luckiest_bias']:+.5f}",
    ]
