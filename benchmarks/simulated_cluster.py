"""A study on a simulated cluster of 1,000 workers: what the driver needs for each result."""

from functools import partial

from benchmarks.measure import Answer, Options, Spread, ask, in_turn
from benchmarks.report import Finding, Result

METHOD = """{trials:,} trials of up to 27 epochs on {workers:,} workers whose time is virtual (an
epoch takes half a minute to two minutes of it): search, schedule (asha), loop, store and files are
the real ones. "Per result" is the wall time of the driver for each epoch that a worker reports,
from the call of `optimize` to its return, without that of the simulation; nothing is done in
parallel. "Idle" is the virtual time that workers wait, of all their time up to the last proposal.
Not in order, but for the last side."""


def run(options: Options) -> Result:
    workers, trials = (20, 60) if options.quick else (1000, 5000)

    def study(search: str, ordered: bool, repeat: int) -> Answer:
        request = {"workers": workers, "trials": trials, "search": search, "ordered": ordered}
        return ask("paceline", "benchmarks.ours.simulated_cluster", {**request, "seed": repeat + 1})

    sides = {
        "random": partial(study, "random", False),
        "bayes": partial(study, "bayes", False),
        "random, ordered": partial(study, "random", True),
    }
    answers = in_turn({name: (options.repeats, side) for name, side in sides.items()})
    cost = {name: Spread.of(found, "per_epoch") for name, found in answers.items()}
    idle = {name: Spread.of(found, "idle") for name, found in answers.items()}
    return Result(
        title="A simulated cluster of 1,000 workers",
        method=METHOD.format(trials=trials, workers=workers),
        findings=[
            finding
            for name in ("random", "bayes")
            for finding in (
                Finding(f"{name}: per result", cost[name].median, 2.0, unit="ms", better="lower"),
                Finding(
                    f"{name}: workers idle", 100 * idle[name].median, 1.0, unit="%", better="lower"
                ),
            )
        ],
        headings=["search", "ms per result", "ms per trial", "idle, share", "results"],
        rows=[
            [
                name,
                str(cost[name]),
                str(Spread.of(found, "per_trial")),
                str(idle[name]),
                str(Spread.of(found, "epochs")),
            ]
            for name, found in answers.items()
        ],
        environments=["paceline"],
    )
