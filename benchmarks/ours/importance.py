"""Importance of functions whose importance is known: prints what was estimated over many studies, and the truth."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paceline.core import Configuration
from paceline.space import Choice, Condition, Float, Int, Space
from paceline.stats import ped_anova
from paceline.stats.importance import Share, Variance
from paceline.stats.table import Table


@dataclass(frozen=True)
class Case:
    """A function of a configuration, and the shares of its variance; what is not named explains nothing."""

    space: Space
    loss: Callable[[Configuration], float]
    shares: Mapping[tuple[str, ...], float]


def even(value: Any) -> float:
    """A coordinate in [0, 1] as a number of mean 0 and variance 1."""
    return math.sqrt(12) * (float(value) - 0.5)


def additive() -> Case:
    shares = {("a",): 0.48, ("b",): 0.26, ("c",): 0.14, ("d",): 0.07}
    weights = {name: math.sqrt(share) for (name,), share in shares.items()}
    space = Space({name: Float(0, 1) for name in "abcdef"})
    return Case(space, lambda c: sum(w * even(c[name]) for name, w in weights.items()), shares)


def interacting() -> Case:
    shares = {("a",): 0.30, ("b",): 0.13, ("c",): 0.06, ("a", "b"): 0.46}
    A, B, C, AB = (math.sqrt(share) for share in shares.values())

    def loss(config: Configuration) -> float:
        a, b, c = (even(config[name]) for name in "abc")
        return A * a + B * b + C * c + AB * a * b

    return Case(Space({name: Float(0, 1) for name in "abcdef"}), loss, shares)


def conditional() -> Case:
    """A category, a number that is there with one of its values only, a number of few values, a log scale."""
    shares = {("rate",): 0.37, ("kind",): 0.13, ("rate", "kind"): 0.15, ("momentum",): 0.23, ("layers",): 0.07}
    R, K, RK, M, L = (math.sqrt(share) for share in shares.values())
    kinds = {
        "sgd": (math.sqrt(1.5), math.sqrt(0.5)),
        "adam": (-math.sqrt(1.5), math.sqrt(0.5)),
        "lion": (0.0, -math.sqrt(2)),
    }
    space = Space(
        {
            "rate": Float(1e-4, 1e-1, sampling="log"),
            "kind": Choice(["sgd", "adam", "lion"]),
            "momentum": Float(0, 1, conditions=[Condition("kind", "sgd")]),
            "layers": Int(1, 3),
            "dropout": Float(0, 0.5),
        }
    )

    def loss(config: Configuration) -> float:
        rate, (own, joint) = even(math.log10(config["rate"]) / 3 + 4 / 3), kinds[str(config["kind"])]  # type: ignore[arg-type]
        momentum = M * math.sqrt(3) * even(config["momentum"]) if "momentum" in config else 0.0
        return R * rate + K * own + RK * rate * joint + momentum + L * (float(config["layers"]) - 2) * math.sqrt(1.5)

    return Case(space, loss, shares)


CASES = {"additive": additive, "interacting": interacting, "conditional": conditional}
_NOISE = 0.05  # its share of the variance


def draw(case: Case, num: int, rng: np.random.Generator) -> tuple[list[Configuration], np.ndarray[Any, Any]]:
    configs: list[Configuration] = [case.space.sample(rng) for _ in range(num)]
    return configs, np.array([case.loss(c) for c in configs]) + math.sqrt(_NOISE) * rng.standard_normal(num)


def _best_share(population: Table, place: int) -> float:
    """What one hyperparameter's value, where it is active, tells of being in the best tenth: by counting."""
    active, cells = population.active[:, place], population.cells[:, place]
    best = population.losses <= np.quantile(population.losses, ped_anova.BEST)
    counts = np.bincount(cells[active], minlength=len(population.axes[place].lengths))
    part = np.bincount(cells[active], weights=best[active], minlength=len(counts)) / np.maximum(counts, 1)
    variance = counts @ (part - best[active].mean()) ** 2 / len(best)
    chance = (np.count_nonzero(counts) - 1) * best.mean() * (1 - best.mean()) / len(best)
    return max(0.0, float((variance - chance) / (best.mean() * (1 - best.mean()))))


def told(shares: Sequence[Share]) -> list[Any]:
    return [[*s.names, s.share, s.low, s.high] for s in shares]


def main(request: Mapping[str, Any]) -> dict[str, Any]:
    case, num = CASES[request["case"]](), int(request["trials"])
    rng = np.random.default_rng(0)
    population = Table.of(case.space, *draw(case, int(request["population"]), rng))
    answer: dict[str, Any] = {
        "shares": [[*names, share] for names, share in case.shares.items()],
        "best": {axis.name: _best_share(population, place) for place, axis in enumerate(population.axes)},
        "runs": [],
    }
    for run in range(int(request["runs"])):
        rng = np.random.default_rng([int(request["seed"]), run])
        table = Table.of(case.space, *draw(case, num, rng), seed=run)
        variance = Variance.of(table)
        answer["runs"].append(
            {
                "r2": variance.quality.r2,
                "effects": told(variance.shares()),
                "pairs": told(variance.interactions()),
                "best": told(ped_anova.shares(table)),
            }
        )
    return answer


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
