"""Forecast of a part's duration, from its steps and the measured speed of this machine.

| symbol | meaning |
| --- | --- |
| m | multiply-adds of one row through the network, forward |
| r, e, b | rows of the training part, epochs, rows of a batch |
| R | float32 multiply-adds per second of a matrix product on this machine, measured |

Training takes three passes of m for each row (forward, and two products backward), so 3 m r e / (s
R), where s is the fraction of R that training reaches; plus a time for each step, and one for each
program to compile. The three constants were fitted to studies of `paceline.recipes.kmnist_mlp`;
forecasts for similar networks are accurate to about 50 %, which is enough to tell whether a budget
is too small. Measured trials, once there are some, give better estimates.
"""

import math
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import paceline

_SHARE = 0.35
_STEP = 4e-5  # seconds
_COMPILE = 1.2  # seconds
_START = 4.0  # seconds: libraries, data, and discovery of the space
_MEASURE = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Training:
    """A training to be done.

    Attributes:
        multiply_adds: of one row through the network, forward.
        rows: of the training part.
        epochs: number of epochs.
        batch_size: rows of a batch.
        program: equal for networks that share a compiled program.
    """

    multiply_adds: int
    rows: int
    epochs: int
    batch_size: int
    program: Hashable

    @property
    def num_steps(self) -> int:
        """Total number of steps."""
        return self.epochs * math.ceil(self.rows / self.batch_size)


def seconds(trainings: Iterable[Training], share: float = _SHARE) -> float:
    """Forecast of the wall time of these trainings on this machine."""
    work = list(trainings)
    if not work:
        return 0.0
    multiply_adds = sum(3 * one.multiply_adds * one.rows * one.epochs for one in work)
    steps = sum(one.num_steps for one in work)
    programs = len({one.program for one in work})
    return _START + multiply_adds / (share * _rate()) + steps * _STEP + programs * _COMPILE


def remaining(study: paceline.Study, configs: Sequence[Mapping[str, Any]], alike: str) -> float:
    """Forecast of the wall time of the remaining configurations, from those that have trained.

    Args:
        study: with at least one completed trial.
        configs: all configurations of the study; those that differ in ``epochs`` alone are one
            training.
        alike: the hyperparameter that determines the speed; configurations with an equal value are
            preferred.
    """
    trained = [
        trial for trial in study.trials if trial.state == "completed" and trial.prefix_of is None
    ]
    done = {_but_for_epochs(trial.config) for trial in trained}
    todo = longest(config for config in configs if _but_for_epochs(config) not in done)

    def pace(value: Any) -> float:
        near = [trial for trial in trained if trial.config[alike] == value] or trained
        return sum(trial.seconds for trial in near) / sum(_steps(trial.config) for trial in near)

    paces = {value: pace(value) for value in {config[alike] for config in todo}}
    side_by_side = study.seconds / sum(trial.seconds for trial in trained)
    return side_by_side * sum(paces[config[alike]] * _steps(config) for config in todo)


def longest(configs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of configurations that differ in ``epochs`` alone, the longest, which contain the others."""
    found: dict[Any, Mapping[str, Any]] = {}
    for config in configs:
        key = _but_for_epochs(config)
        if key not in found or found[key]["epochs"] < config["epochs"]:
            found[key] = config
    return list(found.values())


def _but_for_epochs(config: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    return frozenset((name, value) for name, value in config.items() if name != "epochs")


def _steps(config: Mapping[str, Any]) -> float:
    """Steps of a training for each row of the training part."""
    return float(config["epochs"] / config["batch_size"])


def check(budget: float | None, part: str, needed: float) -> None:
    """Checks that a budget is sufficient.

    Raises:
        InvalidInput: it is not; the message says what the part needs.
    """
    if budget is not None and needed > budget:
        raise paceline.InvalidInput(
            f"--budget leaves {duration(max(0.0, budget))} for part {part}",
            expected=f"at least about {duration(needed)}",
            fix="Without --budget it can be stopped at any time, and resumes when it is run again.",
        )


def duration(amount: float) -> str:
    """A duration as text: ``45 s``, ``12 min``, ``2 h 5 min``."""
    if amount < 90:
        return f"{max(1, round(amount))} s"
    minutes = round(amount / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _rate() -> float:
    """Multiply-adds per second of a product with the shape of a small network's first layer."""
    random = np.random.default_rng(1)
    x, w = random.random((512, 784), dtype=np.float32), random.random((784, 256), dtype=np.float32)
    _ = x @ w
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < _MEASURE:
        _ = x @ w
        count += 1
    return float(count * x.shape[0] * w.size / passed)
