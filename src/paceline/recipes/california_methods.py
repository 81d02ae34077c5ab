"""Five methods of tuning a network for a table, California Housing, and which to use when.

Median house values of 20,640 districts, in 100,000 dollars; a fifth of them are the test set, which
affects no decision. Hidden layers 0 to 3, neurons 1 to 100 in steps of 33, learning rate,
optimizer; 27 epochs with a decaying learning rate. The location of a district is given to every
network also as waves of random lengths (Tancik et al., "Fourier features let networks learn high
frequency functions", NeurIPS 2020).

methods   On five seeds, each with its own split and initial weights:
          baseline   the default network, trained once
          random     8 random configurations, each with threefold cross-validation: 24 trainings
          grid       a grid of up to 27 points around the winner of `random`, whose cost adds to it
          hyperband  36 random configurations, most of which stop early
          gp         24 configurations, chosen by a Gaussian process
          Each winner is retrained on training and validation rows and tested. RMSE and R2 with
          intervals, resources, convergence (comparison.csv, budgets.csv, comparison.html);
          importance and interactions of the hyperparameters (importance.csv, interactions.csv).
winner    What the methods found, and the default network, retrained on fresh seeds and splits; the
          winner is trained on training and validation rows together, tested once, and saved as
          best.keras.
guide     Which method to use when (guide.md): sentences generated from the measured figures.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

import paceline
import paceline.data
import paceline.search
from paceline.comparison import Comparison
from paceline.recipes import RecipeRun, images, writing

EPOCHS, BATCH_SIZE, VALIDATION = 27, 128, 0.1
SEEDS, TRAININGS, FOLDS, HYPERBAND = 5, 24, 3, 36
QUICK_ROWS, QUICK_EPOCHS, QUICK_SEEDS, QUICK_TRAININGS, QUICK_HYPERBAND = 1500, 3, 2, 6, 4
OBJECTIVE = "val_rmse"
TARGET = 0.01  # a validation RMSE within this distance of the best counts as equally good


def build_of(rows: int, epochs: int, few: bool = False) -> Callable[[Any], Any]:
    """The build function for these training rows and epochs, with a decaying learning rate."""

    def build(hp: Any) -> Any:
        import keras
        from keras import layers, ops

        depth = hp.Int("layers", 1 if few else 0, 1 if few else 3, default=1)
        with hp.conditional_scope("layers", list(range(1, 2 if few else 4))):
            # each number of them is another program
            neurons = hp.Int("neurons", 1, 100, step=99 if few else 33, default=100 if few else 34)
        name = hp.Choice("optimizer", ["adam"] if few else ["adam", "sgd"])
        peak = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
        inputs = keras.Input((8,))
        x = inputs / ops.sqrt(1 + ops.square(inputs / 3))  # a few districts are outliers: clip at 3
        drawn = keras.initializers.RandomNormal(stddev=8.0)
        waves = layers.Dense(16, use_bias=False, trainable=False, kernel_initializer=drawn)
        location = waves(x[:, 6:])
        x = layers.Concatenate()([x, ops.sin(location), ops.cos(location)])
        for _ in range(depth):
            x = layers.Dense(neurons, activation="relu", kernel_initializer="he_normal")(x)
        model = keras.Model(inputs, layers.Dense(1)(x))
        rate = keras.optimizers.schedules.CosineDecay(peak, epochs * rows // BATCH_SIZE)
        adam = name == "adam"
        optimizer = (
            keras.optimizers.Adam(rate)
            if adam
            else keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
        )
        metrics = [
            keras.metrics.RootMeanSquaredError(name="rmse"),
            keras.metrics.R2Score(name="r2"),
        ]
        model.compile(optimizer, "mse", metrics=metrics)
        return model

    return build


def methods(run: RecipeRun) -> None:
    """Compares the five methods."""
    data, epochs = _load(run), QUICK_EPOCHS if run.quick else EPOCHS
    trainings = QUICK_TRAININGS if run.quick else TRAININGS
    seeds = QUICK_SEEDS if run.quick else SEEDS
    found = paceline.compare(
        build_of(int(data.num_rows * (1 - VALIDATION)), epochs, run.quick),
        data,
        objective=OBJECTIVE,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation=VALIDATION,
        standardize=True,
        refit=not run.quick,
        display=run.display,
        directory=run.directory,
        seeds=[run.seed + number for number in range(seeds)],
        budget=_share(run, 5 * seeds),
        say=run.say,
        methods={
            "baseline": {"search": paceline.search.Given(({},)), "trials": 1},
            "random": {
                "search": "random",
                "schedule": "full",
                "folds": FOLDS,
                "trials": trainings // FOLDS,
            },
            "hyperband": {
                "search": "random",
                "schedule": "hyperband",
                "trials": QUICK_HYPERBAND if run.quick else HYPERBAND,
            },
            "gp": {"search": "bayes", "schedule": "full", "trials": trainings},
            "grid": around_the_winner,
        },
    )
    for sentence in found.sentences:
        run.say(sentence)
    writing.table(run, "methods", outcomes(found))
    writing.table(run, "budgets", found.budgets("epochs"), shown=0)
    _what_mattered(run, found)
    run.say(f"Figures: {run.directory / 'comparison.html'}.")


def around_the_winner(_: int, earlier: Mapping[str, paceline.Study]) -> dict[str, Any]:
    """A grid around the winner of the random search with the same seed."""
    study = earlier["random"]
    best, space = study.best.config, study.space
    points = [
        {**best, "layers": layers, "neurons": neurons, "learning_rate": rate}
        for layers in _near(space["layers"], int(best["layers"]))
        for neurons in _near(space["neurons"], int(best.get("neurons", space["neurons"].default)))
        for rate in (float(best["learning_rate"]) * factor for factor in (1.0, 0.5, 2.0))
        if 1e-4 <= rate <= 1e-1
    ]
    return {"search": paceline.search.Given(tuple(points))}


def _near(hyperparameter: Any, value: int) -> list[int]:
    """A value and its neighbours one step below and above."""
    near = (value, value - hyperparameter.step, value + hyperparameter.step)
    return [
        number for number in near if hyperparameter.min_value <= number <= hyperparameter.max_value
    ]


def outcomes(found: Comparison) -> pd.DataFrame:
    """One row per method: test RMSE and R2 with intervals over the seeds, and mean resources."""
    frame, rows = found.results(), []
    for name, runs in frame.groupby("method", sort=False):
        row: dict[str, Any] = {"method": name}
        for metric in ("rmse", "r2"):
            mean, low, high = writing.mean(runs[f"test_{metric}"].tolist(), metric)
            row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        used = {
            column: runs[column].mean()
            for column in ("trials", "epochs", "seconds", "compilations")
        }
        rows.append(row | used)
    return pd.DataFrame(rows).sort_values("rmse", ignore_index=True)


def _what_mattered(run: RecipeRun, found: Comparison) -> None:
    """Importance and interactions, from the Gaussian process's trials with the first seed."""
    study = found.study("gp")
    try:
        run.say("Importance, from the trials of gp with the first seed:")
        writing.table(run, "importance", study.importance())
        writing.table(run, "interactions", study.interactions(), shown=3)
    except paceline.InvalidInput as few:
        run.say(f"Importance cannot be computed: {few}")


def winner(run: RecipeRun) -> None:
    """Compares the methods' winners and the default network on fresh seeds."""
    data, found = _load(run), _compared(run)
    epochs = QUICK_EPOCHS if run.quick else EPOCHS
    first, loss = found.seeds[0], found.objective.loss
    studies = [
        found.study(name, seed)
        for name in found.methods
        for seed in found.seeds
        if _has(found, name, seed)
    ]
    tried = {study.space.key(study.best.config): study.best.config for study in studies}
    ordered = sorted(studies, key=lambda study: loss(study.best.score or 0.0))
    best = list(dict.fromkeys(study.space.key(study.best.config) for study in ordered))
    configs = ({}, *(tried[key] for key in best[: 2 if run.quick else 7]))
    study = paceline.tune(
        build_of(int(data.num_rows * (1 - VALIDATION)), epochs, run.quick),
        data,
        objective=OBJECTIVE,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation=VALIDATION,
        standardize=True,
        schedule="full",
        search=paceline.search.Given(configs),
        final=2 if run.quick else 8,
        refit=True,
        seed=first,
        budget=run.budget,
        study=run.directory,
        display=run.display,
    )
    writing.table(run, "trials", writing.ranked(study), shown=3)
    run.say(f"The winner: {dict(study.best.config)}.")
    tested = study.record.tested
    if tested is not None:
        run.say(
            f"Test set, used once: RMSE {tested.metrics['rmse']:.4f}, R2 "
            f"{tested.metrics['r2']:.4f}."
        )
    run.say(f"Report: {run.directory / 'report.html'}; model: {run.directory / 'best.keras'}.")


def guide(run: RecipeRun) -> None:
    """Which method to use when."""
    found = _compared(run)
    text = "\n".join(
        ["# Which method to use when", "", *(f"- {line}" for line in advice(found)), ""]
    )
    run.directory.mkdir(parents=True, exist_ok=True)
    (run.directory / "guide.md").write_text(text, "utf-8")
    run.say(text)


def advice(found: Comparison) -> Iterator[str]:
    """Sentences generated from the measured figures."""
    frame = outcomes(found).set_index("method")
    rows: dict[str, Any] = {str(name): frame.loc[name] for name in frame.index}
    best, base = next(iter(rows)), rows["baseline"]
    yield (
        f"If there is time for one training only: the default network, RMSE {base['rmse']:.3f} in "
        f"{base['seconds']:.0f} s. Tuning improves it by up to "
        f"{base['rmse'] - rows[best]['rmse']:.3f} ({best})."
    )
    yield from _best_methods(found, rows)
    yield from _limited(found)
    if "grid" in rows and "random" in rows:
        before, after = rows["random"]["rmse"], rows["grid"]["rmse"]
        change = "improved it" if after < before else "did not improve it"
        yield (
            f"After a random search: a grid around its winner {change}, {before:.3f} to "
            f"{after:.3f}."
        )
    if "random" in rows:
        yield (
            "With few rows: cross-validation, whose score is a mean over folds; "
            f"{rows['random']['trials']:.0f} configurations took "
            f"{rows['random']['epochs']:,.0f} epochs."
        )


def _best_methods(found: Comparison, rows: Mapping[str, Any]) -> Iterator[str]:
    """Which methods are significantly worse than the best, and the fastest of the others."""
    best = next(iter(rows))
    pairs = found.differences()
    real = pairs[pairs["real"] & ((pairs["first"] == best) | (pairs["second"] == best))]
    beaten = sorted({*real["first"], *real["second"]} - {best})
    tied = [name for name in rows if name != best and name not in beaten]
    if beaten:
        yield (
            f"If only the result matters: {best}, significantly better than {', '.join(beaten)}."
        )
    if tied:
        took = {name: float(rows[name]["seconds"]) for name in (best, *tied)}
        if "grid" in took and "random" in rows:  # the grid is placed around its winner
            took["grid"] += float(rows["random"]["seconds"])
        quick = min(took, key=lambda name: took[name])
        yield (
            f"With {len(found.seeds)} seeds {best} does not differ significantly from "
            f"{', '.join(tied)}: of these {quick} took the fewest seconds ({took[quick]:.0f})."
        )


def _limited(found: Comparison) -> Iterator[str]:
    """The cost of each method until it was close to the best."""
    for axis, what in (("epochs", "epochs of training"), ("seconds", "seconds")):
        needed = {
            name: needs
            for name in found.methods
            if (needs := _needed(found, name, axis)) is not None
        }
        if needed:
            listed = ", ".join(
                f"{name} {spent:,.0f}"
                for name, spent in sorted(needed.items(), key=lambda item: item[1])
            )
            yield (
                f"If {what} are limited: spent until the validation RMSE was within {TARGET} of "
                "the best that any method found with that seed, for the grid including the random "
                "search before it (median of the seeds; methods that are not named did not reach "
                f"it with most seeds): {listed}."
            )


def _needed(found: Comparison, method: str, axis: str) -> float | None:
    """Median over seeds of what a method spent until it was close to the best.

    For the grid, the cost of the random search is added. None if it was never close with most
    seeds.
    """
    spent = []
    for _, runs in found.curves().groupby("seed"):
        goal = runs["score"].min() + TARGET
        before = runs[runs["method"] == "random"][axis].max() if method == "grid" else 0.0
        there = runs[(runs["method"] == method) & (runs["score"] <= goal)]
        spent.append(float(there[axis].min() + before) if len(there) else float("inf"))
    median = float(pd.Series(spent).median())
    return median if median < float("inf") else None


def _compared(run: RecipeRun) -> Comparison:
    directory = run.directory.parent / "methods"
    try:
        return Comparison.open(directory)
    except paceline.InvalidInput:
        raise paceline.InvalidInput(
            f"{directory} contains no comparison",
            expected="part methods to have been run before this one",
        ) from None


def _has(found: Comparison, method: str, seed: int) -> bool:
    return any(
        (run.method, run.seed) == (method, seed) and run.score is not None for run in found.runs
    )


def _share(run: RecipeRun, runs: int) -> float | None:
    """Share of the budget for each of a number of runs."""
    return None if run.budget is None else run.budget / runs


def _load(run: RecipeRun) -> paceline.data.Dataset:
    """The data, with the test set that all methods share.

    Raises:
        MissingData: it is not on this machine and could not be downloaded.
        InvalidInput: not a table with a numeric target.
    """
    found = paceline.data.load(run.data, data_dir=run.data_dir, seed=run.seed)
    if (
        found.task != "regression"
        or found.x.ndim != 2
        or found.x.shape[1] != 8
        or found.x_test is None
    ):
        raise paceline.InvalidInput(
            f"--data is {run.data!r}", expected="california_housing, eight features and a target"
        )
    if not run.quick:
        return found
    chosen, tested = (
        images.some(len(found.x), QUICK_ROWS, run.seed),
        images.some(len(found.x_test), QUICK_ROWS, run.seed),
    )
    few = (found.x[chosen], found.y[chosen], found.x_test[tested], found.y_test[tested])
    small: paceline.data.Dataset = paceline.data.load(few, task="regression")
    return small
