"""What proposals cost in a study that has many trials, against Optuna's samplers."""

from functools import partial

from benchmarks.measure import Answer, Options, Spread, ask, in_turn
from benchmarks.report import Finding, Result

DIMENSIONS = 10

METHOD = """Wall time of asking in a study of {dimensions} continuous hyperparameters that has
{many:,} or {more:,} completed trials (a noisy bowl), in a process that had proposed before, as in a
study; nothing is trained. Paceline proposes the {batch} at once, Optuna in turn with none of them
ended; its GP was asked for {few} instead of {batch}."""


def run(options: Options) -> Result:
    many, more, batch, few = (50, 100, 8, 1) if options.quick else (500, 1000, 64, 2)

    def side(
        environment: str, module: str, search: str, trials: int, count: int, repeat: int
    ) -> Answer:
        request = {
            "search": search,
            "seed": repeat,
            "dimensions": DIMENSIONS,
            "trials": trials,
            "count": count,
        }
        return ask(environment, module, request)

    ours = partial(side, "paceline", "benchmarks.ours.proposals", "auto")
    tpe = partial(side, "optuna", "benchmarks.peers.optuna_proposals", "tpe")
    gp = partial(side, "optuna", "benchmarks.peers.optuna_proposals", "gp")
    sides = {
        f"paceline: {batch} at {many:,} trials": (options.repeats, partial(ours, many, batch)),
        f"paceline: 1 at {more:,} trials": (options.repeats, partial(ours, more, 1)),
        f"Optuna TPE: {batch} at {many:,} trials": (options.repeats, partial(tpe, many, batch)),
        f"Optuna TPE: 1 at {more:,} trials": (options.repeats, partial(tpe, more, 1)),
        f"Optuna GP: {few} at {many:,} trials": (options.slow_repeats, partial(gp, many, few)),
        f"Optuna GP: 1 at {more:,} trials": (options.slow_repeats, partial(gp, more, 1)),
    }
    cost = {name: Spread.of(answers, "seconds") for name, answers in in_turn(sides).items()}
    at_once, single, tpe_batch, tpe_single, gp_few, gp_single = (
        spread.median for spread in cost.values()
    )
    return Result(
        title="Proposals in a study that has many trials",
        method=METHOD.format(dimensions=DIMENSIONS, many=many, more=more, batch=batch, few=few),
        findings=[
            Finding(
                f"{batch} proposals at {many:,} trials, {DIMENSIONS} dimensions",
                at_once,
                1.0,
                0.3,
                "s",
                "lower",
            ),
            Finding(f"one proposal at {more:,} trials", 1000 * single, 50, 10, "ms", "lower"),
            Finding(
                f"a proposal cheaper than Optuna TPE's, {batch} at {many:,} trials",
                tpe_batch / at_once,
            ),
            Finding(
                f"a proposal cheaper than Optuna TPE's, one at {more:,} trials", tpe_single / single
            ),
            Finding(
                f"a proposal cheaper than Optuna GP's at {many:,} trials",
                gp_few / few / (at_once / batch),
            ),
            Finding(
                f"a proposal cheaper than Optuna GP's, one at {more:,} trials", gp_single / single
            ),
        ],
        headings=["side", "seconds"],
        rows=[[name, str(spread)] for name, spread in cost.items()],
        environments=["paceline", "optuna"],
    )
