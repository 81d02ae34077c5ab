"""A randomized search over a scikeras estimator: scikit-learn's and Paceline's."""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, folder, in_turn
from benchmarks.report import Finding, Result

CANDIDATES, FOLDS, EPOCHS = 20, 3, 10
SIDES = {"scikit-learn": "sklearn.model_selection", "Paceline": "paceline.sklearn"}
"""The module that has `RandomizedSearchCV` on each side."""

METHOD = """`RandomizedSearchCV` around scikeras' `KerasRegressor` on California Housing
({rows:,} rows, 8 features, standardised), as textbooks write it: `n_neurons` from
`np.arange(1, 100)`, `n_hidden` 0 to 3, `learning_rate` from `scipy.stats.reciprocal(3e-4, 3e-2)`,
SGD with `clipnorm=1`, {candidates} candidates × {folds} folds × {epochs} epochs in batches of 32,
scored by the mean squared error, and the best one fitted again. Both sides run the same script in
a process of their own with an empty cache of compiled models; only the import differs, and the same
`random_state` draws the same candidates. NumPy's whole numbers are passed on as plain ones on both
sides: Keras refuses them."""


def run(options: Options) -> Result:
    request = {"candidates": CANDIDATES, "folds": FOLDS, "epochs": EPOCHS}
    if options.quick:
        request = {"candidates": 3, "folds": 2, "epochs": 1}

    with folder() as directory:
        data = _write_data(directory, options.quick)

        def search(module: str, repeat: int) -> Answer:
            asked: dict[str, Any] = {**request, "data": str(data), "seed": repeat + 1}
            return ask("paceline", "benchmarks.ours.sklearn_search", {**asked, "module": module})

        times = {"scikit-learn": options.slow_repeats, "Paceline": options.repeats}
        sides = {side: (times[side], partial(search, SIDES[side])) for side in SIDES}
        answers = in_turn(sides)
        rows = len(arrays.read(data)["x"])
    seconds = {side: Spread.of(found, "wall_seconds") for side, found in answers.items()}
    ratio = seconds["scikit-learn"].median / seconds["Paceline"].median
    return Result(
        title="scikit-learn's RandomizedSearchCV around scikeras",
        method=METHOD.format(rows=rows, **request),
        findings=[Finding("times as fast", ratio, must=8.0, unit="×")],
        headings=["side", "process, s", "search, s", "best score", "score of the refit"],
        rows=[
            [
                side,
                str(seconds[side]),
                str(Spread.of(found, "seconds")),
                str(Spread.of(found, "best_score")),
                str(Spread.of(found, "score")),
            ]
            for side, found in answers.items()
        ],
        environments=["paceline"],
    )


def _write_data(directory: Path, quick: bool) -> Path:
    path = directory / "california.npz"
    if quick:
        arrays.write_made_up(path, (8,), 320, classes=None)
    else:
        arrays.write_named("california_housing", path, rows=11_610, test=0.1)
    return path
