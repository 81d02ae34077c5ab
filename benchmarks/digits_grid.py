"""The whole grid of 1,296 configurations on digits."""

from pathlib import Path

import numpy as np

from benchmarks import arrays
from benchmarks.measure import Options, Spread, ask, far_seed, folder, in_turn, number
from benchmarks.report import Finding, Result

SIZE = 1296
METHOD = """`search="grid"` over layers {{1, 2, 3}} × units {{16, 32, 64}} × 2 activations × 3
optimizers × 3 learning rates × 2 weight decays × batch {{32, 64}} × epochs {{5, 10}} on
scikit-learn's digits ({rows:,} training rows), scored by validation accuracy; whole processes,
empty cache. KerasTuner would need far too long for all of it: it trains {sample} random
configurations of the same space, and its time is scaled to 1,296, a projection and named so."""


def run(options: Options) -> Result:
    sample = 2 if options.quick else 24
    with folder() as directory:
        data = directory / "data.npz"
        if options.quick:
            # The grid is the same; it has so little to train on that only compiling is left.
            arrays.write_made_up(data, (64,), 64, classes=10)
        else:
            _write_digits(data)
        rows = len(arrays.read(data)["x"])
        request = {"space": "digits", "data": str(data), "epochs": 10, "batch_size": 32}
        ours = {**request, "search": "grid", "trials": 8 if options.quick else None, "seed": 1}
        answers = in_turn(
            {
                "paceline": (
                    options.repeats,
                    lambda _: ask("paceline", "benchmarks.ours.search", ours),
                ),
                "keras-jax": (
                    1,
                    lambda r: ask(
                        "keras-jax",
                        "benchmarks.peers.keras_tuner_search",
                        {**request, "trials": sample, "seed": far_seed(r)},
                    ),
                ),
            }
        )
    spent = Spread.of(answers["paceline"], "wall_seconds")
    peer = answers["keras-jax"][0]
    projected = (
        peer["wall_seconds"]
        - peer["search_seconds"]
        + peer["search_seconds"] / peer["trials"] * SIZE
    )
    counts = {answer["trials"] for answer in answers["paceline"]}
    return Result(
        title="The grid of 1,296 on digits",
        method=METHOD.format(rows=rows, sample=sample),
        findings=[
            Finding("the whole grid", spent.median / 60, 2.0, 1.0, "min", "lower"),
            Finding("faster than KerasTuner on Keras-JAX (projected)", projected / spent.median),
        ],
        headings=["side", "trials", "process, s", "programs compiled", "best validation accuracy"],
        rows=[
            [
                "paceline",
                ", ".join(map(str, sorted(counts))),
                str(spent),
                ", ".join(str(answer["programs_compiled"]) for answer in answers["paceline"]),
                number(Spread.of(answers["paceline"], "best").median),
            ],
            [
                "KerasTuner on Keras-JAX",
                str(peer["trials"]),
                f"{number(projected)} projected",
                "-",
                number(peer["best"]),
            ],
        ],
        environments=["paceline", "keras-jax"],
    )


def _write_digits(path: Path) -> None:
    """scikit-learn's digits: a fifth for testing, a tenth of the rest for validation."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")
    test, validation, train = np.split(np.random.default_rng(1).permutation(len(x)), [360, 504])
    arrays.write(path, (x[train], y[train]), (x[validation], y[validation]), (x[test], y[test]))
