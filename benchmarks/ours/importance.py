"""What is said of simulated studies whose truth is known: learning curves that depend on the
configuration.

The cases of `TUNED` were looked at while the surrogate's priors and thresholds were chosen; studies
of those of `HELD_OUT` were made afterwards only, and nothing was changed by what came out.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.ours.simulated import Search, Task
from paceline.core import Configuration, InvalidInput, TrialState
from paceline.report.evidence import evidence
from paceline.schedule import create as schedule_of
from paceline.search import Grid
from paceline.search import create as search_of
from paceline.space import Choice, Condition, Float, Int, Space
from paceline.stats.axes import Array
from paceline.stats.scales import CAP
from paceline.stats.table import Table
from paceline.study import Record

SEARCHES = ("random", "sobol", "grid", "bayes", "cmaes")
SCHEDULES = ("full", "median", "halving", "hyperband", "asha")
_POPULATION = 1 << 15
_GRID_SAMPLES = 3


def even(u: float) -> float:
    """A coordinate in [0, 1] as a number of mean 0 and variance 1."""
    return math.sqrt(12) * (u - 0.5)


def valley(u: float, at: float) -> float:
    """A parabola around ``at``, of mean 0 and variance 1 over [0, 1]."""
    mean = 1 / 3 - at + at * at
    square = ((1 - at) ** 5 + at**5) / 5
    return ((u - at) ** 2 - mean) / math.sqrt(square - mean**2)


def power_law(epochs: int, exponent: float) -> Array:
    """What is still to go of a power law's way: 1 after the first epoch, 0 after the last."""
    e = np.arange(1, epochs + 1)
    return np.asarray((e**-exponent - epochs**-exponent) / (1 - epochs**-exponent))


def exponential(epochs: int, time: float) -> Array:
    """The same of an exponential."""
    e = np.arange(1, epochs + 1)
    return np.asarray(1 - (1 - np.exp(-e / time)) / (1 - np.exp(-epochs / time)))


def log_coordinate(value: Any, low: float, high: float) -> float:
    """A value on a logarithmic axis, in [0, 1]."""
    return math.log(float(value) / low) / math.log(high / low)


NETWORK = {
    "rate": Float(1e-5, 1e-1, sampling="log", default=1e-3),
    "units": Float(16, 256, sampling="log", default=64),
    "dropout": Float(0, 0.5, default=0.1),
    "decay": Float(1e-6, 1e-2, sampling="log", default=1e-4),
}


def _of_network(config: Configuration) -> tuple[float, float, float, float]:
    """Coordinates of rate, units, dropout and decay."""
    return (
        log_coordinate(config["rate"], 1e-5, 1e-1),
        log_coordinate(config["units"], 16, 256),
        float(config["dropout"]) / 0.5,
        log_coordinate(config["decay"], 1e-6, 1e-2),
    )


# -- looked at while settings were chosen


def slow_rates() -> Task:
    """The rate explains 80 %; small ones begin slower, so that curves cross; the decay does
    nothing.
    """

    def losses(config: Configuration, epochs: int) -> Array:
        rate, units, dropout, _ = _of_network(config)
        end = math.sqrt(0.8) * valley(rate, 0.6) - math.sqrt(0.12) * even(units)
        end += math.sqrt(0.08) * valley(dropout, 0.3)
        return end + 2 * (1 + 1.5 * (1 - rate)) * power_law(epochs, 0.7)

    return Task(Space(NETWORK), losses)


def late_effects() -> Task:
    """Dropout and decay have no good effect at first, and 40 % at the end."""

    def losses(config: Configuration, epochs: int) -> Array:
        rate, units, dropout, decay = _of_network(config)
        left = exponential(epochs, 6.0)
        late = math.sqrt(0.2) * (valley(dropout, 0.6) + even(decay))
        own = math.sqrt(0.5) * valley(rate, 0.55) * (1 + 0.8 * left)
        size = -math.sqrt(0.1) * even(units) * (1 - 0.7 * left)
        return np.asarray(own + size + late * (1 - left) + (0.8 * dropout + 3) * left)

    return Task(Space(NETWORK), losses)


def kinds() -> Task:
    """A category with its own scale of the rate, and a number that is there with one of its values
    only.
    """
    space = Space(
        {
            "rate": Float(1e-4, 1e-1, sampling="log", default=1e-3),
            "kind": Choice(["sgd", "adam", "lion"]),
            "momentum": Float(0, 1, conditions=[Condition("kind", "sgd")]),
            "layers": Int(1, 3),
            "dropout": Float(0, 0.5),
        }
    )
    own = {"sgd": 1.5**0.5, "adam": -(1.5**0.5), "lion": 0.0}
    joint = {"sgd": 0.5**0.5, "adam": 0.5**0.5, "lion": -(2**0.5)}

    def losses(config: Configuration, epochs: int) -> Array:
        rate, kind = even(log_coordinate(config["rate"], 1e-4, 1e-1)), str(config["kind"])
        end = (
            math.sqrt(0.37) * rate
            + math.sqrt(0.13) * own[kind]
            + math.sqrt(0.15) * rate * joint[kind]
        )
        if "momentum" in config:
            end += math.sqrt(0.23 * 3) * even(float(config["momentum"]))
        end += math.sqrt(0.12 * 1.5) * (float(config["layers"]) - 2)
        return np.asarray(end + (3 + 0.8 * (kind == "sgd")) * power_law(epochs, 0.5))

    return Task(space, losses)


def cliff() -> Task:
    """Above a rate that falls with the units nothing is learnt: a fifth of the space is one
    plateau.
    """

    def losses(config: Configuration, epochs: int) -> Array:
        rate, units, _, _ = _of_network(config)
        if rate + 0.15 * units > 0.85:
            return np.full(epochs, 6.0)
        return 0.5 * valley(rate, 0.5) - 0.3 * even(units) + 3 * power_law(epochs, 0.7)

    return Task(Space(NETWORK), losses)


def noise() -> Task:
    """No hyperparameter does anything."""
    return Task(
        Space(NETWORK), lambda _, epochs: 3 * power_law(epochs, 0.7), of_seed=0.6, of_epoch=0.6
    )


# -- held out


def speeds() -> Task:
    """Every configuration has its own speed: small rates end better than large ones, and take
    longer.
    """
    space = Space({**NETWORK, "clip": Float(0.1, 10, sampling="log")})

    def losses(config: Configuration, epochs: int) -> Array:
        rate, units, _, decay = _of_network(config)
        end = (
            0.9
            * (math.log1p(math.exp(9 * (rate - 0.45))) + 2 * math.log1p(math.exp(9 * (0.3 - rate))))
            / 1.9
        )
        end += -0.45 * even(units) + 0.35 * valley(decay, 0.7)
        time = 1.0 * 10 ** (1 - rate)
        return end + 2.5 * exponential(epochs, time)

    return Task(space, losses)


def coupled() -> Task:
    """The best rate grows with the batch, so that much of what they do they do together."""
    space = Space(
        {
            "rate": Float(1e-4, 1e-1, sampling="log", default=3e-3),
            "batch": Choice([16, 32, 64, 128, 256], default=32),
            "units": Float(16, 256, sampling="log", default=64),
            "augment": Choice([True, False]),
            "momentum": Float(0.5, 0.99, default=0.9),
        }
    )

    def losses(config: Configuration, epochs: int) -> Array:
        rate, batch = (
            log_coordinate(config["rate"], 1e-4, 1e-1),
            log_coordinate(config["batch"], 16, 256),
        )
        units = log_coordinate(config["units"], 16, 256)
        end = 6.5 * (rate - 0.3 - 0.4 * batch) ** 2 - 0.3 * even(units)
        late = -0.4 if config["augment"] else 0.4  # augmentation slows training and pays in the end
        left = power_law(epochs, 0.6)
        return end * (1 + 0.6 * left) + late * (1 - 1.8 * left) + 2 * left

    return Task(space, losses)


def optimizers() -> Task:
    """Three optimizers with the best rate at another place each, a nested condition, and depth."""
    space = Space(
        {
            "optimizer": Choice(["adam", "sgd", "rmsprop"]),
            "rate": Float(1e-5, 1.0, sampling="log", default=1e-3),
            "momentum": Float(0.0, 0.99, default=0.9, conditions=[Condition("optimizer", "sgd")]),
            "depth": Int(1, 6, default=2),
            "skip": Choice([True, False], conditions=[Condition("depth", [4, 5, 6])]),
        }
    )
    best = {"adam": 0.42, "sgd": 0.75, "rmsprop": 0.38}
    own = {"adam": -0.35, "sgd": 0.3, "rmsprop": 0.05}

    def losses(config: Configuration, epochs: int) -> Array:
        kind, rate = str(config["optimizer"]), log_coordinate(config["rate"], 1e-5, 1.0)
        depth = int(config["depth"])
        far = (rate - best[kind]) / 0.55
        end = 1.6 * far**2 / (1 + 0.5 * far**2) + own[kind] - 0.22 * (depth - 3.5)
        if "momentum" in config:
            end -= 1.1 * (float(config["momentum"]) - 0.5)
        if "skip" in config:
            end += -0.5 if config["skip"] else 0.5
        return end + (2 + 0.5 * (kind == "sgd") + 0.15 * depth) * power_law(epochs, 0.4)

    return Task(space, losses)


def accuracy() -> Task:
    """An error between 0 and chance, which is where training with large rates ends; noise grows
    with the error.
    """

    def losses(config: Configuration, epochs: int) -> Array:
        rate, units, dropout, _ = _of_network(config)
        fails = 1 / (1 + math.exp(-25 * (rate - 0.82)))
        good = (
            0.06
            + 0.5 * max(0.0, 0.6 - rate) ** 1.5
            + 0.05 * (1 - units)
            + 0.08 * (dropout - 0.4) ** 2
        )
        reached = good + (0.75 - good) * power_law(epochs, 0.8) * (1.1 - 0.5 * rate)
        return np.asarray(fails * 0.9 + (1 - fails) * np.minimum(reached, 0.9))

    return Task(Space(NETWORK), losses, of_seed=0.02, of_epoch=0.015)


TUNED: Mapping[str, Callable[[], Task]] = {
    "slow rates": slow_rates,
    "late effects": late_effects,
    "kinds": kinds,
    "cliff": cliff,
    "noise": noise,
}
HELD_OUT: Mapping[str, Callable[[], Task]] = {
    "speeds": speeds,
    "coupled": coupled,
    "optimizers": optimizers,
    "accuracy": accuracy,
    "noise": noise,
}
CASES = {**TUNED, **HELD_OUT}


@dataclass(frozen=True)
class Study:
    """One simulated study, and all that decides it."""

    case: str
    search: str
    schedule: str
    seed: int
    trials: int


def truth(case: str) -> dict[str, float]:
    """Shares of the variance of single trainings' losses at the last epoch, counted in many
    configurations.
    """
    task = CASES[case]()
    rng = np.random.default_rng(5)
    configs: list[Configuration] = [task.space.sample(rng) for _ in range(_POPULATION)]
    losses = np.array([task.losses(config, task.epochs)[-1] for config in configs])
    middle = float(np.median(losses))
    losses = np.minimum(losses, middle + CAP * (middle - float(losses.min())))
    table = Table.of(task.space, configs, losses)
    total = float(losses.var()) + task.of_seed**2 + task.of_epoch**2
    return {axis.name: _between(table, place) / total for place, axis in enumerate(table.axes)}


def _between(table: Table, place: int) -> float:
    """Variance of the mean loss given one value, where it is active, times how much of the space
    that is.
    """
    active = table.active[:, place]
    y, cells = table.losses[active], table.cells[active, place]
    counts = np.bincount(cells)
    means = np.bincount(cells, y) / np.maximum(counts, 1)
    between = float(counts @ (means - y.mean()) ** 2) / len(y)
    chance = (np.count_nonzero(counts) - 1) * (float(y.var()) - between) / len(y)
    return float(active.mean()) * max(0.0, between - chance)


def record_of(study: Study) -> Record:
    """Runs the study, in virtual time."""
    task = CASES[study.case]()
    strategy = (
        Grid(_GRID_SAMPLES) if study.search == "grid" else search_of(study.search, study.seed)
    )
    trials = strategy.size(task.space) if study.search == "grid" else study.trials
    return Search(
        task, strategy, schedule_of(study.schedule), study.seed, int(trials or study.trials)
    ).go()


def told(study: Study) -> dict[str, Any]:
    """What is said of a study: shares and intervals, whether they are shown, and what Optuna would
    say.
    """
    record = record_of(study)
    known = evidence(record)
    answer: dict[str, Any] = {
        "study": study,
        "trials": len(record.trials),
        "optuna": _optuna(record),
    }
    try:
        variance = known.variance()
    except InvalidInput as reason:
        return {**answer, "shown": False, "why": reason.passed, "shares": {}}
    quality = variance.quality
    shares = {share.names[0]: (share.share, share.low, share.high) for share in variance.shares()}
    return {
        **answer,
        "shown": quality.enough,
        "why": quality.doubt,
        "shares": shares,
        "r2": quality.r2,
        "sure": quality.sure,
    }


def _optuna(record: Record) -> dict[str, float] | None:
    """Shares by Optuna's fANOVA, all trials counting with their last score; None where it is not
    installed.
    """
    try:
        import optuna
    except ImportError:
        return None
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions: dict[str, BaseDistribution] = {}
    for h in record.space:
        if isinstance(h, Float):
            distributions[h.name] = FloatDistribution(
                h.min_value, h.max_value, log=h.sampling == "log"
            )
        elif isinstance(h, Int):
            distributions[h.name] = IntDistribution(
                h.min_value, h.max_value, log=h.sampling == "log"
            )
        elif isinstance(h, Choice):
            distributions[h.name] = CategoricalDistribution(h.values)
    study = optuna.create_study()
    for trial in record.trials.values():
        if trial.state in (TrialState.COMPLETED, TrialState.STOPPED) and trial.score is not None:
            of_config = {name: distributions[name] for name in trial.config}
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.config), distributions=of_config, value=trial.score
                )
            )
    try:
        found = optuna.importance.FanovaImportanceEvaluator(n_trees=16, seed=0).evaluate(study)
    except (RuntimeError, ValueError):  # all scores are equal, or nothing is in all trials
        return {}
    return {name: float(value) for name, value in found.items()}


def told_alone(study: Study) -> dict[str, Any]:
    """`told` with one thread, for a process among others."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return told(study)
