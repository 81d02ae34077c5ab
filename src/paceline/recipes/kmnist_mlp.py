"""An MLP for cursive Japanese characters: given configurations, your own, and a full grid.

Kuzushiji-MNIST has 60,000 + 10,000 images of 28 x 28 grey pixels and ten classes; a tenth of the
training images is for validation. (`--data fashion_mnist`, `kmnist_mini` or `mnist` take others.)

predefined   Eight configurations that differ in layers, neurons, activation, optimizer, learning
             rate, batch size, weight decay and epochs. All are compared by validation and test
             accuracy; the best by validation alone is retrained on training and validation images
             together and tested once.
yours        Asks for each hyperparameter, or takes it from --set; trains and tests that network.
exhaustive   All 1,296 combinations of a grid: 3 x layers, 3 x neurons, 2 x activation, 3 x
             optimizer, 3 x learning rate, 2 x batch size, 2 x weight decay, 5 or 10 epochs. It
             forecasts the duration, first from the number of steps, then from a random sample. It
             can be stopped at any time and resumes when it is run again. It ends with the ranked
             table, the mean effect of each hyperparameter, and the best network.
smart        The search `auto` on the same grid, with 20 trials instead of 1,296, and how close it
             came. The schedule decides how many epochs a trial gets, up to 10.

Three things make `exhaustive` a matter of minutes, and none of them needs a line here: networks
that differ in numbers alone (learning rate, weight decay) train together as one compiled program;
those of 5 epochs are the first epochs of those of 10; and nothing is compiled or trained twice, not
even after a stop.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

import paceline
import paceline.search
from paceline.recipes import RecipeRun, forecast, images, writing

VALIDATION = 0.1
QUICK_ROWS, QUICK_PREDEFINED = 2000, 4
SMART_TRIALS = 20

GRID: dict[str, tuple[Any, ...]] = {
    "layers": (1, 2, 3),
    "neurons": (32, 64, 128),
    "activation": ("relu", "sigmoid"),
    "optimizer": ("sgd", "adam", "rmsprop"),
    "learning_rate": (1e-4, 1e-3, 1e-2),
    "batch_size": (32, 64),
    "weight_decay": (0.0, 5e-4),
    "epochs": (5, 10),
}
QUICK_GRID = {
    **GRID,
    "layers": (1, 2),
    "neurons": (32,),
    "activation": ("relu",),
    "optimizer": ("adam",),
    "batch_size": (64,),
    "epochs": (2, 4),
}

PREDEFINED: tuple[dict[str, Any], ...] = tuple(
    dict(zip(GRID, row, strict=True))
    for row in (
        # layers, neurons, activation, optimizer, learning rate, batch size, weight decay, epochs
        (1, 64, "relu", "sgd", 1e-2, 32, 0.0, 10),
        (2, 64, "sigmoid", "sgd", 1e-1, 32, 0.0, 10),
        (2, 128, "relu", "momentum", 1e-2, 64, 5e-4, 10),
        (2, 128, "relu", "nesterov", 1e-2, 64, 5e-4, 10),
        (3, 64, "sigmoid", "rmsprop", 1e-3, 64, 0.0, 10),
        (3, 128, "relu", "rmsprop", 1e-3, 128, 5e-4, 15),
        (2, 256, "relu", "adam", 1e-3, 128, 5e-4, 15),
        (3, 256, "relu", "nadam", 5e-4, 128, 5e-4, 15),
    )
)


def build(hp: Any) -> Any:
    """A network of `predefined` or `yours`: every hyperparameter has a range."""
    return network(
        hp.Int("layers", 1, 5, default=2),
        hp.Int("neurons", 8, 512, default=128),
        hp.Choice("activation", ["relu", "sigmoid"]),
        hp.Choice("optimizer", ["adam", "sgd", "rmsprop", "nadam", "momentum", "nesterov"]),
        hp.Float("learning_rate", 1e-5, 1.0, sampling="log", default=1e-3),
        hp.Float("weight_decay", 0.0, 0.1, default=0.0),
    )


LOOP: dict[str, Any] = {
    "batch_size": paceline.Int("batch_size", 8, 512, default=64),
    "epochs": paceline.Int("epochs", 1, 50, default=10),
}


# A common first choice; if a grid lacks a value, its own first value is used.
DEFAULT = {
    "layers": 2,
    "neurons": 64,
    "activation": "relu",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
}


def build_of(grid: Mapping[str, Sequence[Any]]) -> Callable[[Any], Any]:
    """The build function of a grid's networks."""
    defaults = {
        name: value if value in grid[name] else grid[name][0] for name, value in DEFAULT.items()
    }
    return lambda hp: network(
        *(hp.Choice(name, list(grid[name]), default=defaults[name]) for name in defaults)
    )


def network(
    layers: int,
    neurons: int,
    activation: str,
    optimizer: str,
    learning_rate: float,
    weight_decay: float,
) -> Any:
    """The compiled network of 28 x 28 images and ten classes."""
    import keras

    hidden = [keras.layers.Dense(neurons, activation=activation) for _ in range(layers)]
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            *hidden,
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    of_momentum = {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
    kinds = {
        "adam": keras.optimizers.Adam,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
    }
    kind = kinds.get(optimizer, keras.optimizers.SGD)
    rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    model.compile(
        kind(**rates, **of_momentum.get(optimizer, {})),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def predefined(run: RecipeRun) -> None:
    """Compares eight given configurations."""
    data = images.load(run, QUICK_ROWS)
    configs = (
        tuple({**config, "epochs": 2} for config in PREDEFINED[:QUICK_PREDEFINED])
        if run.quick
        else PREDEFINED
    )
    _check_budget(run, "predefined", configs, data)
    study = paceline.tune(
        build,
        data,
        objective="val_accuracy",
        search=paceline.search.Given(configs),
        **LOOP,
        validation=VALIDATION,
        final=False,
        refit=True,
        test_trials=True,
        budget=run.budget,
        seed=run.seed,
        study=run.directory,
        display=run.display,
    )
    table = writing.ranked(study)
    tests = {trial.number: trial.tests[0]["accuracy"] for trial in study.trials if trial.tests}
    table.insert(3, "test_accuracy", table["trial"].map(tests))
    writing.table(run, "configurations", table)
    writing.best(run, study, data)


def yours(run: RecipeRun) -> None:
    """Trains one configuration of the user."""
    hp = paceline.HyperParameters()
    build(hp)  # records the hyperparameters
    config = run.choose(paceline.Space([*hp.space, *LOOP.values()]))
    data = images.load(run, QUICK_ROWS)
    # each has a directory of its own: a repeated one is not trained again
    run = replace(run, directory=run.directory / "-".join(str(value) for value in config.values()))
    _check_budget(run, "yours", [config], data)
    study = paceline.tune(
        build,
        data,
        objective="val_accuracy",
        search=paceline.search.Given((config,)),
        **LOOP,
        validation=VALIDATION,
        final=False,
        refit=False,
        budget=run.budget,
        seed=run.seed,
        study=run.directory,
        display=run.display,
    )
    writing.best(run, study, data)


def exhaustive(run: RecipeRun) -> None:
    """Trains every configuration of the grid."""
    data = images.load(run, QUICK_ROWS)
    grid = QUICK_GRID if run.quick else GRID
    configs, sampled = shuffled(grid, run.seed)
    settings: dict[str, Any] = {
        "objective": "val_accuracy",
        "search": paceline.search.Given(tuple(configs)),
        "validation": VALIDATION,
        "batch_size": paceline.Choice(list(grid["batch_size"])),
        "epochs": paceline.Choice(list(grid["epochs"])),
        "seed": run.seed,
        "study": run.directory,
        "display": run.display,
    }
    began = time.monotonic()
    if _num_trained(run) < sampled:
        _train_sample(run, data, grid, configs, sampled, settings)
    needed = forecast.remaining(paceline.load_study(run.directory), configs, alike="neurons")
    run.say(f"By the speed so far, {forecast.duration(needed)} to go.")
    budget = None if run.budget is None else run.budget - (time.monotonic() - began)
    forecast.check(budget, "exhaustive", needed)
    study = paceline.tune(
        build_of(grid),
        data,
        trials=len(configs),
        budget=budget,
        final=2 if run.quick else 4,
        refit=True,
        **settings,
    )
    run.say(
        f"{len(study.trials):,} of {len(configs):,} configurations, "
        f"{forecast.duration(study.seconds)} in all."
    )
    table = writing.ranked(study)
    writing.table(run, "ranked", table)
    writing.effects(run, table, "val_accuracy", [name for name in grid if len(grid[name]) > 1])
    writing.best(run, study, data)


def _train_sample(
    run: RecipeRun,
    data: paceline.data.Dataset,
    grid: Mapping[str, Sequence[Any]],
    configs: Sequence[Mapping[str, Any]],
    sampled: int,
    settings: Mapping[str, Any],
) -> None:
    """Trains the first ``sampled`` configurations, to measure the speed."""
    needed = _needed(configs, data)
    run.say(
        f"{len(configs):,} configurations; by their steps and this machine's speed, "
        f"{forecast.duration(needed)}."
    )
    forecast.check(run.budget, "exhaustive", needed)
    run.say(f"Measuring the speed on {sampled} of them, drawn at random; they count.")
    paceline.tune(
        build_of(grid),
        data,
        trials=sampled,
        budget=run.budget,
        final=False,
        refit=False,
        **settings,
    )


def smart(run: RecipeRun) -> None:
    """Searches the grid instead of training all of it."""
    data = images.load(run, QUICK_ROWS)
    grid, trials = (QUICK_GRID, 6) if run.quick else (GRID, SMART_TRIALS)
    everything = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    _check_budget(run, "smart", everything[:: len(everything) // trials], data)
    study = paceline.tune(
        build_of(grid),
        data,
        objective="val_accuracy",
        search="auto",
        trials=trials,
        validation=VALIDATION,
        batch_size=paceline.Choice(list(grid["batch_size"])),
        epochs=max(grid["epochs"]),
        final=False,
        refit=True,
        budget=run.budget,
        seed=run.seed,
        study=run.directory,
        display=run.display,
    )
    writing.table(run, "trials", writing.ranked(study), shown=5)
    writing.best(run, study, data)
    _compare(run, study)


def _compare(run: RecipeRun, study: paceline.Study) -> None:
    """How close the search came to the best of all, if all have been trained."""
    try:
        every = paceline.load_study(run.directory.parent / "exhaustive")
    except paceline.InvalidInput:
        run.say("Run part exhaustive to compare it with the best of all.")
        return
    scores = {_key(trial.config): trial.score for trial in every.trials if trial.score is not None}
    found = {**study.best.config, "epochs": study.best.epochs}
    score, most = scores.get(_key(found)), max(scores.values(), default=0.0)
    if score is None:
        run.say(f"Part exhaustive has not trained this configuration yet ({len(scores):,} so far).")
        return
    rank = 1 + sum(other > score for other in scores.values())
    run.say(f"It ranks {rank} of all {len(scores):,}: {score:.4f}; the best of all has {most:.4f}.")
    final = every.record.final
    if final is not None and final.scores:
        spread = float(
            np.mean([np.nanstd(final.scores_of(number), ddof=1) for number in final.finalists])
        )
        run.say(
            f"Two trainings of one configuration differ by {spread * np.sqrt(2):.4f} (standard "
            f"deviation), so the difference of {most - score:.4f} is "
            f"{_verdict(most - score, spread)}."
        )
    run.say(f"It took {100 * study.seconds / every.seconds:.1f} % of the time of all of them.")


def _verdict(difference: float, spread: float) -> str:
    return "within the noise" if difference <= 2 * np.sqrt(2) * spread else "more than noise"


# -- duration


def _num_trained(run: RecipeRun) -> int:
    try:
        return paceline.load_study(run.directory).record.num_ended()
    except paceline.InvalidInput:
        return 0


def _check_budget(
    run: RecipeRun, part: str, configs: Sequence[Mapping[str, Any]], data: Any
) -> None:
    forecast.check(run.budget, part, 0.0 if _num_trained(run) else _needed(configs, data))


def _needed(configs: Sequence[Mapping[str, Any]], data: Any) -> float:
    """Forecast in seconds for all of these configurations; shorter ones are part of longer ones."""
    rows = round(data.num_rows * (1 - VALIDATION))
    return forecast.seconds(
        forecast.Training(
            _multiply_adds(config), rows, config["epochs"], config["batch_size"], program(config)
        )
        for config in forecast.longest(configs)
    )


def _multiply_adds(config: Mapping[str, Any]) -> int:
    layers, neurons = config["layers"], config["neurons"]
    return int(784 * neurons + (layers - 1) * neurons**2 + 10 * neurons)


def program(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Equal for configurations that share a compiled program, so that they train together."""
    return tuple(
        config[name] for name in ("layers", "neurons", "activation", "optimizer", "batch_size")
    )


def _key(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(config[name] for name in GRID)


def shuffled(grid: Mapping[str, Sequence[Any]], seed: int) -> tuple[list[dict[str, Any]], int]:
    """Every configuration, a random sample of one in 18 programs of each width first.

    A sample of whole programs is representative of the speed, since compilation is by program and
    its configurations train together.

    Returns:
        The configurations, and the size of the sample.
    """
    every = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    programs = list(dict.fromkeys(map(program, every)))
    order = np.random.default_rng(seed).permutation(len(programs)).tolist()
    of_width = [
        [programs[place] for place in order if programs[place][1] == width]
        for width in grid["neurons"]
    ]
    first = {program for alike in of_width for program in alike[: math.ceil(len(alike) / 18)]}
    sample = [config for config in every if program(config) in first]
    return sample + [config for config in every if program(config) not in first], len(sample)
