"""A convolutional network, tuned by random and Bayesian search, compared with the default one.

MNIST. Hyperparameters: the learning rate, 1e-3 to 1e-2; the number of convolution layers, 2, 4 or
6; the filters of each of them, 16, 32 or 64; dropout, 0 to 0.5. Layers are 3 x 3 with ReLU, and the
image is halved after the first, the third, the fifth and the last, so that most of the work is at
14 x 14 pixels, and a processor can train it.

random, bayesian   12 configurations each, one epoch of 54,000 images with a decaying learning rate.
winner             The better of the two winners, and the default network, trained for 5 epochs:
                   test accuracy of both with 95 % intervals. The winner is then retrained on all
                   60,000 images, tested, and saved.

The filters of a layer matter only if the layer exists: `hp.conditional_scope` declares that to the
search.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

import paceline
import paceline.search
from paceline.recipes import RecipeRun, forecast, images, writing

VALIDATION, BATCH_SIZE, QUICK_ROWS = 0.1, 64, 600
TRIALS, QUICK_TRIALS = 12, 2
SEARCH_EPOCHS, EPOCHS, QUICK_EPOCHS = 1, 5, 2
LAYERS, FILTERS = (2, 4, 6), (16, 32, 64)
QUICK_LAYERS, QUICK_FILTERS = (2, 4), (8,)
SHARE = 0.25  # of the speed of a matrix product that convolutions reach


def build_of(
    rows: int, epochs: int, depths: Sequence[int], filters: Sequence[int]
) -> Callable[[Any], Any]:
    """The build function for these training rows and epochs, with a decaying learning rate."""

    def build(hp: Any) -> Any:
        import keras

        model = keras.Sequential([keras.Input((28, 28)), keras.layers.Reshape((28, 28, 1))])
        layers = hp.Choice("layers", list(depths))
        for number in range(1, max(depths) + 1):
            with hp.conditional_scope("layers", [depth for depth in depths if depth >= number]):
                width = hp.Choice(
                    f"filters_{number}", list(filters), default=filters[min(1, len(filters) - 1)]
                )
            if number <= layers:
                model.add(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
                if number in _halving(layers):
                    model.add(keras.layers.MaxPooling2D(2))
        model.add(keras.layers.Flatten())
        model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, default=0.25)))
        model.add(keras.layers.Dense(10, activation="softmax"))
        peak = hp.Float("learning_rate", 1e-3, 1e-2, sampling="log", default=1e-3)
        rate = keras.optimizers.schedules.CosineDecay(peak, epochs * rows // BATCH_SIZE)
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    return build


def _halving(layers: int) -> tuple[int, ...]:
    """The layers after which the image is halved."""
    return {2: (1, 2), 4: (1, 3, 4), 6: (1, 3, 5)}[layers]


def random(run: RecipeRun) -> None:
    """Twelve random configurations."""
    _search(run, "random")


def bayesian(run: RecipeRun) -> None:
    """Twelve configurations, chosen by a Gaussian process."""
    _search(run, "bayes")


def _search(run: RecipeRun, search: str) -> None:
    data = images.load(run, QUICK_ROWS)
    _check_budget(
        run, [{"layers": 4}] * (QUICK_TRIALS if run.quick else TRIALS), SEARCH_EPOCHS, data
    )
    study = paceline.tune(
        _build(run, data, SEARCH_EPOCHS),
        data,
        search=search,
        trials=QUICK_TRIALS if run.quick else TRIALS,
        epochs=SEARCH_EPOCHS,
        final=False,
        **_settings(run),
    )
    writing.table(run, "trials", writing.ranked(study), shown=5)
    run.say(f"{len(study.trials)} trials in {forecast.duration(study.seconds)}.")


def winner(run: RecipeRun) -> None:
    """Trains the winner and the default network in full."""
    data, epochs = images.load(run, QUICK_ROWS), QUICK_EPOCHS if run.quick else EPOCHS
    searched = max(
        (run.study_of(part) for part in ("random", "bayesian")),
        key=lambda study: study.best.score or 0.0,
    )
    tuned, default = dict(searched.best.config), searched.space.default()
    _check_budget(run, [tuned, tuned, default], epochs, data)
    study = paceline.tune(
        _build(run, data, epochs),
        data,
        search=paceline.search.Given((tuned, default)),
        epochs=epochs,
        schedule="full",
        final=False,
        refit=True,
        test_trials=True,
        **_settings(run),
    )
    rows = []
    for trial in study.trials:
        right = round(trial.tests[0]["accuracy"] * len(data.y_test))
        share, low, high = writing.proportion(right, len(data.y_test))
        rows.append(
            {
                "network": "default" if dict(trial.config) == default else "tuned",
                "val_accuracy": trial.score,
                "test_accuracy": share,
                "low": low,
                "high": high,
                "seconds": trial.seconds,
                **trial.config,
            }
        )
    run.say(
        f"Both trained for {epochs} epochs on the training images: test accuracy with 95 % "
        "intervals."
    )
    writing.table(run, "comparison", pd.DataFrame(rows))
    lines = [
        writing.line(
            number,
            str(row["network"]),
            range(1, epochs + 1),
            [m.metrics["val_accuracy"] for m in t.measurements],
        )
        for number, (row, t) in enumerate(zip(rows, study.trials, strict=True))
    ]
    writing.picture(run, "training", lines, title="Validation accuracy", xaxis_title="epochs")
    writing.best(run, study, data)


def _build(run: RecipeRun, data: Any, epochs: int) -> Callable[[Any], Any]:
    sizes = (QUICK_LAYERS, QUICK_FILTERS) if run.quick else (LAYERS, FILTERS)
    return build_of(int(data.num_rows * (1 - VALIDATION)), epochs, *sizes)


def _settings(run: RecipeRun) -> dict[str, Any]:
    """Settings of all parts."""
    return {
        "objective": "val_accuracy",
        "batch_size": BATCH_SIZE,
        "validation": VALIDATION,
        "budget": run.budget,
        "seed": run.seed,
        "study": run.directory,
        "display": run.display,
    }


def _check_budget(run: RecipeRun, configs: list[dict[str, Any]], epochs: int, data: Any) -> None:
    rows = int(data.num_rows * (1 - VALIDATION))
    work = [
        forecast.Training(sum(_multiply_adds(config)), rows, epochs, BATCH_SIZE, number)
        for number, config in enumerate(configs)
    ]
    done = (run.directory / "study.db").exists()
    forecast.check(run.budget, run.directory.name, 0.0 if done else forecast.seconds(work, SHARE))


def _multiply_adds(config: Mapping[str, Any]) -> Iterator[int]:
    """Of each convolution for one image."""
    before, pixels = 1, 28
    for number in range(1, config["layers"] + 1):
        width = config.get(f"filters_{number}", 32)
        yield 9 * before * width * pixels**2
        before, pixels = width, pixels // 2 if number in _halving(config["layers"]) else pixels
