"""A simulated cluster of a thousand workers: what the driver needs, and how long workers wait."""

from functools import partial

from benchmarks.measure import Answer, Options, Spread, ask, in_turn
from benchmarks.report import Finding, Result

METHOD = """{workers:,} simulated workers, a function with four hyperparameters that takes about
{seconds:g} s for each epoch (log-normal between configurations), unordered, a real search and a
real store (SQLite) under a virtual clock, which also runs while the driver works. The time of the
driver is everything between two calls of the executor, divided by the number of epochs that were
measured. A worker is idle from the end of its trial until the driver has submitted another one,
also at the beginning; counted until the last proposal. Random search: {trials:,} trials of one
epoch. ASHA: {trials:,} trials of at most nine epochs. The default search (a Gaussian process):
{few:,} trials of one epoch."""


def run(options: Options) -> Result:
    workers, trials, few = (20, 60, 30) if options.quick else (1000, 10_000, 4000)
    common = {"workers": workers, "seconds": 60.0}
    sides = {
        "random search": {"search": "random", "schedule": "full", "trials": trials, "epochs": 1},
        "random search, ASHA": {
            "search": "random",
            "schedule": "asha",
            "trials": trials,
            "epochs": 9,
        },
        "default search": {"search": "auto", "schedule": "full", "trials": few, "epochs": 1},
    }

    def side(request: dict[str, object], repeat: int) -> Answer:
        return ask("paceline", "benchmarks.ours.cluster", {**common, **request, "seed": repeat + 1})

    answers = in_turn(
        {name: (options.repeats, partial(side, request)) for name, request in sides.items()}
    )
    cost = {name: Spread.of(found, "driver_milliseconds") for name, found in answers.items()}
    idle = {name: Spread.of(found, "idle") for name, found in answers.items()}
    return Result(
        title=f"A simulated cluster of {workers:,} workers",
        method=METHOD.format(workers=workers, seconds=60.0, trials=trials, few=few),
        findings=[
            finding
            for name in sides
            for finding in (
                Finding(f"driver, {name}", cost[name].median, 2.0, unit="ms", better="lower"),
                Finding(f"idle workers, {name}", idle[name].median, 1.0, unit="%", better="lower"),
            )
        ],
        headings=["search", "driver, ms per result", "idle, %"],
        rows=[[name, str(cost[name]), str(idle[name])] for name in sides],
    )
