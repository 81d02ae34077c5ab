"""Exports of a study of 1,000 trials to other tools."""

from functools import partial

from benchmarks.measure import Answer, Options, Spread, ask, in_turn
from benchmarks.report import Finding, Result

TOOLS = {
    "tensorboard": "TensorBoard",
    "mlflow": "MLflow (SQLite)",
    "optuna": "Optuna (SQLite)",
    "csv": "CSV tables",
    "parquet": "Parquet tables",
    "wandb": "Weights & Biases, offline",
}

METHOD = """A study of {trials:,} trials of a function with ten steps, five hyperparameters and two
metrics, exported after it has ended: wall time from reading the study to the last byte written, in
a process that has imported nothing of the tool before."""


def run(options: Options) -> Result:
    trials = 20 if options.quick else 1000

    def export(tool: str, repeat: int) -> Answer:
        request = {"trials": trials, "seed": repeat + 1, "tool": tool}
        return ask("paceline", "benchmarks.ours.exports", request)

    sides = {tool: (options.repeats, partial(export, tool)) for tool in TOOLS}
    answers = in_turn(sides)
    seconds = {tool: Spread.of(found, "seconds") for tool, found in answers.items()}
    return Result(
        title="Exports of a study of 1,000 trials",
        method=METHOD.format(trials=trials),
        findings=[
            Finding(TOOLS[tool], spread.median, must=10.0, unit="s", better="lower")
            for tool, spread in seconds.items()
        ],
        headings=["tool", "seconds"],
        rows=[[TOOLS[tool], str(spread)] for tool, spread in seconds.items()],
        environments=["paceline"],
    )
