"""What the promise "same seed, same study" costs where a function runs in several processes."""

from benchmarks.measure import Answer, Options, Spread, ask, far_seed
from benchmarks.ours.ordered import SECONDS
from benchmarks.report import Finding, Result

METHOD = """A function that waits (median {seconds} s, log-normal with σ) is called {trials} times
in so many worker processes, in order (the default: what a call found is heeded in the order of the
trials) and with `ordered=False`, with the same seed. Seconds from the first start to the last end,
{repeats} seeds; ratios are medians. Twice as many calls as workers are in flight where neither a
model nor a schedule decides (`random`), else as many as workers (`bayes`)."""
CASES = [
    (search, workers, sigma)
    for search in ("random", "bayes")
    for workers in (2, 4)
    for sigma in (0.2, 0.7)
]


def run(options: Options) -> Result:
    trials, cases = (6, CASES[:1]) if options.quick else (40, CASES)
    ratios, rows = {}, []
    for case in cases:
        answers = [_ask(*case, trials, repeat) for repeat in range(options.repeats)]
        ratio = Spread(tuple(answer["in_order"] / answer["out_of_order"] for answer in answers))
        sides = [str(Spread.of(answers, side)) for side in ("in_order", "out_of_order")]
        rows.append([f"{case[0]}, {case[1]} workers, σ = {case[2]}", *sides, str(ratio)])
        ratios[case] = ratio.median
    return Result(
        title="What order costs with worker processes",
        method=METHOD.format(seconds=SECONDS, trials=trials, repeats=options.repeats),
        findings=[
            Finding(
                f"{search}, time in order over time out of order, the worst case",
                max(found),
                better="lower",
            )
            for search in ("random", "bayes")
            if (found := [ratio for case, ratio in ratios.items() if case[0] == search])
        ],
        headings=["case", "in order, s", "out of order, s", "ratio"],
        rows=rows,
    )


def _ask(search: str, workers: int, sigma: float, trials: int, repeat: int) -> Answer:
    request = {
        "search": search,
        "workers": workers,
        "sigma": sigma,
        "trials": trials,
        "seed": far_seed(repeat),
    }
    return ask("paceline", "benchmarks.ours.ordered", request)
