"""The final of eight finalists on eight fresh pairs, against training the sixty-four one by one."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, folder, in_turn, number
from benchmarks.report import Finding, Result

OURS, PEER = "paceline", "Keras-JAX fit"

METHOD = """Eight configurations of one structure (784-128-128-10 on MNIST, Adam, batch 32; learning
rate and dropout differ), {epochs} epochs, {rows:,} rows of which a tenth validates. Ours: from the
first to the last event of the final of a study, compiling with an empty cache included: 64
trainings, each on a seed and split of its own. The peer: Keras `fit` on Keras-JAX, as a person
would write it in a loop: the same build function, a split and a seed of its own for each,
validation after each epoch; {sample} of the 64 were trained one after another in one process and
their time was multiplied by {times}."""


def run(options: Options) -> Result:
    epochs, sample = (1, 2) if options.quick else (3, 16)
    with folder() as directory:
        data = directory / "data.npz"
        if options.quick:
            arrays.write_made_up(data, (784,), 640, classes=10)
        else:
            arrays.write_named("mnist", data, rows=54_000)
        rows = len(arrays.read(data)["x"])
        request = {"data": str(data), "epochs": epochs, "batch_size": 32, "sample": sample}
        ours, peer = (
            partial(_side, {**request}, environment, module)
            for environment, module in (
                ("paceline", "benchmarks.ours.final"),
                ("keras-jax", "benchmarks.peers.keras_fit_final"),
            )
        )
        answers = in_turn({OURS: (options.slow_repeats, ours), PEER: (options.slow_repeats, peer)})
    seconds = {side: Spread.of(own, "seconds") for side, own in answers.items()}
    means = [float(answer["mean_score"]) for side in answers.values() for answer in side]
    return Result(
        title="The final: 64 fresh trainings",
        method=METHOD.format(epochs=epochs, rows=rows, sample=sample, times=number(64 / sample)),
        findings=[
            Finding(
                "faster than one by one through fit",
                seconds[PEER].median / seconds[OURS].median,
                must=3.0,
                unit="×",
            ),
            Finding(
                "mean validation accuracy, largest difference between runs", max(means) - min(means)
            ),
        ],
        headings=["side", "seconds", "mean validation accuracy"],
        rows=[
            [side, str(seconds[side]), ", ".join(number(answer["mean_score"]) for answer in own)]
            for side, own in answers.items()
        ],
        environments=["paceline", "keras-jax"],
    )


def _side(request: Mapping[str, Any], environment: str, module: str, repeat: int) -> Answer:
    return ask(environment, module, {**request, "seed": repeat + 1})
