"""Model-steps per second of the 8-30-30-10 MLP, against Keras-JAX ``fit`` at its best
``steps_per_execution``.
"""

from benchmarks import arrays
from benchmarks.measure import Options, Spread, ask, folder, in_turn
from benchmarks.report import Finding, Result

EXECUTIONS = (0, 10, 50, 100, 200, 500)
"""Values of ``steps_per_execution``; 0 leaves it to Keras. All divide an epoch, so that no rest is
compiled apart.
"""

METHOD = """The MLP 8→30→30→10 (ReLU, softmax, Adam) at batch 32 on made-up data, {rows:,} rows.
Keras: `fit` without validation, all epochs but the first, for each `steps_per_execution`. Paceline:
{trials} trials that differ in learning rate, all of one program, through `tune` with the engine's
own choice of lanes; the slope between a study of {short} epochs and one of {long}, so that building
and compiling cancel while what an epoch costs beside its steps (evaluation on 64 rows, storing)
counts against us."""


def run(options: Options) -> Result:
    rows, trials, short, long, epochs = (
        (1600, 4, 1, 100, 3) if options.quick else (32_000, 64, 2, 10, 20)
    )
    executions = [0, 10, 50] if options.quick else list(EXECUTIONS)
    with folder() as directory:
        data = str(arrays.write_made_up(directory / "data.npz", (8,), rows, classes=10))
        common = {"space": "mlp", "data": data, "batch_size": 32}
        ours = {**common, "trials": trials, "epochs": [short, long]}
        peer = {**common, "epochs": epochs, "steps_per_execution": executions}
        answers = in_turn(
            {
                "paceline": (
                    options.repeats,
                    lambda r: ask("paceline", "benchmarks.ours.rate", {**ours, "seed": r + 1}),
                ),
                "keras-jax": (
                    options.repeats,
                    lambda _: ask("keras-jax", "benchmarks.peers.keras_fit", peer),
                ),
            }
        )
    rate = Spread.of(answers["paceline"], "rate")
    fit = {
        n: Spread(tuple(answer["rates"][str(n)] for answer in answers["keras-jax"]))
        for n in executions
    }
    best = max(fit, key=lambda n: fit[n].median)
    rows_ = [
        [f"Keras-JAX fit, steps_per_execution {n or 'default'}", str(found)]
        for n, found in fit.items()
    ]
    return Result(
        title="Model-steps per second of a small MLP",
        method=METHOD.format(rows=rows, trials=trials, short=short, long=long),
        findings=[
            Finding(
                f"against fit at its best (steps_per_execution {best})",
                rate.median / fit[best].median,
                3.0,
                6.0,
            ),
            Finding("against fit at its default", rate.median / fit[0].median),
        ],
        headings=["side", "model-steps per second"],
        rows=[["paceline", str(rate)], *rows_],
        environments=["paceline", "keras-jax"],
    )
