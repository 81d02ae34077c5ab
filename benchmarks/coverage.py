"""Whether what a study says of its winner is true, in simulated studies."""

from typing import Any

from benchmarks.measure import Answer, Options, ask
from benchmarks.report import Finding, Result

STUDIES = 1000
MEANS = ("equal", "close", "spread")
MAIN: dict[str, Any] = {
    "noise": "normal",
    "finalists": 8,
    "pairs": 8,
    "share": 0.3,
    "seed": 1,
    "strict": False,
    "overlap": 0.0,
}
OTHERS: dict[str, dict[str, Any]] = {
    "nothing in common": {"share": 0.0},
    "60 % in common": {"share": 0.6},
    "splits that overlap, 1:9": {"overlap": 1 / 9},
    "heavy tails": {"noise": "heavy"},
    "unequal deviations": {"noise": "unequal"},
    "3 finalists, 4 pairs": {"finalists": 3, "pairs": 4},
    "strict, 30 pairs": {"pairs": 30, "strict": True},
}

METHOD = """{studies:,} simulated studies of each kind, judged by
`paceline.stats.final_verdict.judge`. A
search scores 64 configurations once each; the best 7 by score and the default configuration (one of
the 64) train on 8 fresh pairs of seed and split; the winner is the best mean. Deviation of one
training 0.002, as of small networks on MNIST, 30 % of its variance common to all trainings on one
pair. True means of the 64: *equal*; *close*, normal with half of that deviation; *spread*, with ten
times it. Coverage is how often the 95 % interval holds the winner's true mean; 1,000 studies tell
it to ±0.7 (one standard error). Width is against the plain t interval around the winner's mean.
"Better than the default" is said of the winner where all are equal, with Holm's correction and
independent pairs (overlapping splits are corrected for, so they say it less). Optimism is the
reported value less the truth, in deviations of one training: ours (with the standard error that a
study states beside it, and that of the simulation's mean), that of the winner's plain mean, and
that of the luckiest score of the search."""


def run(options: Options) -> Result:
    studies = 20 if options.quick else STUDIES
    main = {means: _ask(studies, means, {}) for means in MEANS}
    rows = [_row("as described", means, answer) for means, answer in main.items()]
    for name, change in OTHERS.items():
        rows += [_row(name, means, _ask(studies, means, change)) for means in MEANS]
    return Result(
        title="What is claimed of the winner",
        method=METHOD.format(studies=studies),
        findings=[*_findings(main)],
        headings=[
            "noise",
            "true means",
            "coverage, %",
            "plain t, %",
            "width",
            "says better than default, %",
            "wrongly, %",
            "best is among the tied, %",
            "some are not tied, %",
            "optimism (in a study ±, of the mean ±)",
            "plain mean's",
            "luckiest score's",
        ],
        rows=rows,
    )


def _findings(main: dict[str, Answer]) -> list[Finding]:
    found = []
    for means, answer in main.items():
        off = abs(100 * answer["covered"] - 95)
        found.append(
            Finding(
                f"coverage less 95 %, either way, {means}", off, must=2.0, unit="%", better="lower"
            )
        )
    wrong = 100 * main["equal"]["claimed"]
    found.append(
        Finding(
            "says better than the default where all are equal",
            wrong,
            must=5.0,
            unit="%",
            better="lower",
        )
    )
    for means, answer in main.items():
        what = f"our optimism over the standard error that a study states, {means}"
        found.append(Finding(what, abs(answer["bias"]) / answer["error"], must=1.0, better="lower"))
        what = f"the same over the standard error of the simulation's mean, {means}"
        found.append(
            Finding(what, abs(answer["bias"]) / answer["bias_error"], aim=2.0, better="lower")
        )
    return found


def _ask(studies: int, means: str, change: dict[str, Any]) -> Answer:
    return ask(
        "paceline",
        "benchmarks.ours.coverage",
        {**MAIN, **change, "means": means, "studies": studies},
    )


def _row(name: str, means: str, answer: Answer) -> list[str]:
    shares = [
        f"{100 * answer[key]:.1f}"
        for key in ("claimed", "wrongly_claimed", "best_is_tied", "some_left_out")
    ]
    ours = f"{answer['bias']:+.3f} (±{answer['error']:.2f}, ±{answer['bias_error']:.3f})"
    return [
        name,
        means,
        f"{100 * answer['covered']:.1f}",
        f"{100 * answer['plain_covered']:.1f}",
        f"{answer['width']:.2f}",
        *shares,
        ours,
        f"{answer['plain_bias']:+.2f}",
        f"{answer['luckiest_bias']:+.2f}",
    ]
