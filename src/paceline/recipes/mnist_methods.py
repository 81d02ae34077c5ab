"""Grid, random and Bayesian search with the same budget.

MNIST; a network of two hidden layers. Hyperparameters: units 32 to 512 in steps of 96, dropout 0 to
0.5, learning rate, batch size. Each method tries 30 configurations, each trained for 3 epochs on
54,000 images, with a learning rate that decays to 0 along a cosine.

grid, random, bayesian   The three searches. The grid is 2 x units, 3 x dropout, 5 x learning rate
                         with one batch size: more does not fit into 30.
compare                  The three winners and the default network, each retrained for 8 epochs on
                         three fresh seeds: accuracy and loss on the test images and training time,
                         with 95 % intervals. The best by validation is trained once more on all
                         60,000 images, tested, and saved.

A search's own best score is the luckiest of 30, so it is not compared. The test images affect no
decision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import paceline
import paceline.search
from paceline.recipes import RecipeRun, forecast, images, writing

METHODS, VALIDATION = ("grid", "random", "bayesian"), 0.1


@dataclass(frozen=True)
class Sizes:
    """Numbers of trials, epochs and rows."""

    trials: int = 30
    search_epochs: int = 3
    epochs: int = 8
    seeds: int = 3
    most_units: int = 512
    batch_sizes: tuple[int, ...] = (128, 256, 512)


FULL, QUICK, QUICK_ROWS = Sizes(), Sizes(3, 1, 2, 2, most_units=128, batch_sizes=(128, 256)), 2000


def points(sizes: Sizes) -> tuple[dict[str, Any], ...]:
    """A grid that fits into 30 trials; the batch size is not part of it."""
    return tuple(
        {"units": units, "dropout": dropout, "learning_rate": rate, "batch_size": 256}
        for units in (sizes.most_units, max(32, sizes.most_units // 4))
        for dropout in (0.25, 0.0, 0.5)
        for rate in (1e-3, 3e-4, 1e-4, 3e-3, 1e-2)
    )


def build_of(rows: int, epochs: int, most_units: int) -> Callable[[Any], Any]:
    """The build function for these training rows and epochs, with a decaying learning rate."""

    def build(hp: Any) -> Any:
        import keras

        units = hp.Int("units", 32, most_units, step=96, default=min(128, most_units))
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.2)
        peak = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
        model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
        for _ in range(2):
            model.add(keras.layers.Dense(units, activation="relu"))
            model.add(keras.layers.Dropout(dropout))
        model.add(keras.layers.Dense(10, activation="softmax"))
        rate = keras.optimizers.schedules.CosineDecay(peak, epochs * rows // hp.get("batch_size"))
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    return build


def grid(run: RecipeRun) -> None:
    """Thirty points of a grid."""
    _search(run, "grid", paceline.search.Given(points(QUICK if run.quick else FULL)))


def random(run: RecipeRun) -> None:
    """Thirty random configurations."""
    _search(run, "random", "random")


def bayesian(run: RecipeRun) -> None:
    """Thirty configurations, chosen by a Gaussian process."""
    _search(run, "bayesian", "bayes")


def _search(run: RecipeRun, part: str, search: Any) -> None:
    data, sizes = images.load(run, QUICK_ROWS), QUICK if run.quick else FULL
    _check_budget(run, part, points(sizes)[: sizes.trials], data, sizes.search_epochs)
    study = paceline.tune(
        build_of(_rows(data), sizes.search_epochs, sizes.most_units),
        data,
        search=search,
        trials=sizes.trials,
        schedule="full",
        final=False,
        **_settings(run, sizes, sizes.search_epochs),
    )
    writing.table(run, "trials", writing.ranked(study), shown=5)
    run.say(f"{len(study.trials)} trials in {forecast.duration(study.seconds)}.")


def compare(run: RecipeRun) -> None:
    """Compares the winners and the default network on fresh seeds; saves the best."""
    data, sizes = images.load(run, QUICK_ROWS), QUICK if run.quick else FULL
    studies = {part: run.study_of(part) for part in METHODS}
    configs = {part: dict(study.best.config) for part, study in studies.items()}
    configs["default"] = studies["random"].space.default()
    _check_budget(run, "compare", list(configs.values()) * (sizes.seeds + 1), data, sizes.epochs)
    study = paceline.tune(
        build_of(_rows(data), sizes.epochs, sizes.most_units),
        data,
        search=paceline.search.Given(tuple(configs.values())),
        repeats=sizes.seeds,
        test_trials=True,
        final=False,
        refit=True,
        **_settings(run, sizes, sizes.epochs),
    )
    rows = [
        _row(name, _trial_of(study, config), studies.get(name)) for name, config in configs.items()
    ]
    run.say(
        "Each from fresh seeds: test accuracy, test loss and seconds of training, with 95 % "
        "intervals."
    )
    writing.table(run, "comparison", pd.DataFrame(rows))
    _draw(run, studies, rows)
    for name, config in configs.items():
        run.say(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in config.items()))
    writing.best(run, study, data)


def _row(name: str, trial: Any, search: paceline.Study | None) -> dict[str, Any]:
    """The result of one configuration, as a row of the comparison."""
    row: dict[str, Any] = {"method": name}
    for metric in ("accuracy", "loss"):
        row |= _interval(metric, [test[metric] for test in trial.tests])
    clock = np.diff([0.0, *(measured.seconds for measured in trial.measurements)])  # of each epoch
    row |= _interval("seconds", clock * len(clock) / len(trial.tests))
    return row | {
        "luckiest_val_accuracy": None if search is None else search.best.score,
        "search_seconds": None if search is None else search.seconds,
    }


def _interval(name: str, values: Any) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), writing.mean(values, name), strict=True))


def _draw(run: RecipeRun, studies: dict[str, paceline.Study], rows: list[dict[str, Any]]) -> None:
    lines = []
    for number, (part, study) in enumerate(studies.items()):
        scores = [trial.score for trial in study.trials if trial.score is not None]
        lines.append(
            writing.line(
                number, part, range(1, len(scores) + 1), np.maximum.accumulate(scores).tolist()
            )
        )
    axes = {"xaxis_title": "trials", "yaxis_title": "validation accuracy"}
    writing.picture(run, "searches", lines, title="Best so far of each search", **axes)
    names, shares = [row["method"] for row in rows], [row["accuracy"] for row in rows]
    up = [row["accuracy_high"] - row["accuracy"] for row in rows]
    down = [row["accuracy"] - row["accuracy_low"] for row in rows]
    none = np.isnan(up)  # where all seeds are equal
    up, down = (np.where(none, 0.0, ends).tolist() for ends in (up, down))
    bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
    points = writing.line(0, "test accuracy", names, shares, mode="markers", error_y=bars)
    writing.picture(
        run, "comparison", [points], title="Test accuracy of each winner, with 95 % intervals"
    )


def _trial_of(study: paceline.Study, config: dict[str, Any]) -> Any:
    return next(trial for trial in study.trials if dict(trial.config) == config)


def _settings(run: RecipeRun, sizes: Sizes, epochs: int) -> dict[str, Any]:
    """Settings of all parts."""
    return {
        "objective": "val_accuracy",
        "epochs": epochs,
        "batch_size": paceline.Choice(list(sizes.batch_sizes)),
        "validation": VALIDATION,
        "budget": run.budget,
        "seed": run.seed,
        "study": run.directory,
        "display": run.display,
    }


def _rows(data: Any) -> int:
    return int(data.num_rows * (1 - VALIDATION))


def _check_budget(
    run: RecipeRun, part: str, configs: Sequence[dict[str, Any]], data: Any, epochs: int
) -> None:
    work = [
        forecast.Training(
            c["units"] * (784 + c["units"] + 10),
            _rows(data),
            epochs,
            c["batch_size"],
            (c["units"], c["batch_size"]),
        )
        for c in configs
    ]
    forecast.check(
        run.budget, part, 0.0 if (run.directory / "study.db").exists() else forecast.seconds(work)
    )
