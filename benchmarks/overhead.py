"""What search and store cost per trial, against Optuna with SQLite."""

from functools import partial

from benchmarks.measure import Answer, Options, Spread, ask, far_seed, in_turn
from benchmarks.report import Finding, Result

TICK = 16

METHOD = """{trials:,} trials of an objective that costs nothing, five hyperparameters (units,
layers, dropout, L2, learning rate): wall time of asking and storing, divided by the number of
trials. Paceline: random search and its SQLite store, one trial at a time with a transaction when it
is asked for and one when it has ended, as Optuna does it; and {tick} trials at a time, which is
nearer to a study, whose ticks end for a whole cohort at once. Optuna: `study.optimize` with SQLite
storage, its random sampler and its default sampler (TPE)."""


def run(options: Options) -> Result:
    trials = 20 if options.quick else 1000

    def paceline(together: int, repeat: int) -> Answer:
        return ask(
            "paceline",
            "benchmarks.ours.overhead",
            {"trials": trials, "seed": repeat + 1, "together": together},
        )

    def optuna(sampler: str, repeat: int) -> Answer:
        request = {"trials": trials, "seed": far_seed(repeat), "sampler": sampler}
        return ask("optuna", "benchmarks.peers.optuna_overhead", request)

    sides = {
        "paceline, random": partial(paceline, 1),
        f"paceline, random, {TICK} together": partial(paceline, TICK),
        "Optuna, random": partial(optuna, "random"),
        "Optuna, TPE (its default)": partial(optuna, "default"),
    }
    answers = in_turn({name: (options.repeats, side) for name, side in sides.items()})
    cost = {name: Spread.of(found, "milliseconds") for name, found in answers.items()}
    ours, cohort, random, default = (cost[name].median for name in sides)
    return Result(
        title="Overhead of search and store",
        method=METHOD.format(trials=trials, tick=TICK),
        findings=[
            Finding(f"per trial at {trials:,} trials", ours, 2.0, 0.5, "ms", "lower"),
            Finding(f"per trial, {TICK} together", cohort, unit="ms", better="lower"),
            Finding("cheaper than Optuna with its random sampler", random / ours),
            Finding("cheaper than Optuna with its default sampler", default / ours),
        ],
        headings=["side", "milliseconds per trial"],
        rows=[[name, str(spread)] for name, spread in cost.items()],
        environments=["paceline", "optuna"],
    )
