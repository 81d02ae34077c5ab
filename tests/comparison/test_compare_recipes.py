"""Messages of the recipes of ladders and methods, on constructed records and small networks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import paceline
from paceline.comparison import Comparison
from paceline.comparison.runs import MethodRun, ProgressPoint
from paceline.core import Objective
from paceline.recipes import RecipeRun, california_methods, images, mnist_ladder, writing


def run_of(method: str, seed: int, rmse: float, epochs: int) -> MethodRun:
    points = tuple(
        ProgressPoint(n + 1, epochs * (n + 1), 1.0 * (n + 1), rmse + 0.1 * (3 - n))
        for n in range(4)
    )
    tests = {"rmse": rmse, "r2": 1 - rmse, "loss": rmse**2}
    return MethodRun(
        method, seed, Path("none"), "finished", points, 4, 5.0, 1, 1.0, None, rmse, tests, "same"
    )


def comparison(gp: float) -> Comparison:
    """Five seeds; every method alternates 0.01 above and below its mean."""
    means = {"baseline": 0.7, "random": 0.5, "hyperband": 0.49, "gp": gp, "grid": 0.48}
    runs = [
        run_of(
            method,
            seed,
            mean + 0.01 * (-1) ** (seed + place) + 0.001 * seed,
            27 if method != "gp" else 9,
        )
        for place, (method, mean) in enumerate(means.items())
        for seed in range(1, 6)
    ]
    return Comparison(
        Path("none"), Objective.of("val_rmse"), "california_housing", tuple(means), tuple(runs)
    )


def test_the_guide_contains_the_measured_figures() -> None:
    lines = list(california_methods.advice(comparison(gp=0.4)))
    assert "RMSE 0.701" in lines[0]
    assert "(gp)" in lines[0]
    assert "gp, significantly better than baseline, grid" in lines[1]
    assert any("a grid around its winner improved it, 0.505 to 0.481" in line for line in lines)
    assert any(
        line.startswith("If epochs of training are limited") and "gp 36" in line for line in lines
    )


def test_the_guide_does_not_rank_insignificant_differences() -> None:
    lines = list(california_methods.advice(comparison(gp=0.481)))
    assert any("does not differ significantly from" in line for line in lines)


def test_the_grid_lies_around_the_winner_of_the_random_search(tmp_path: Path) -> None:
    def network(hp: Any) -> float:
        depth = hp.Int("layers", 0, 3, default=1)
        with hp.conditional_scope("layers", [1, 2, 3]):
            neurons = hp.Int("neurons", 1, 100, step=33, default=34)
        return float(
            abs(depth - 3)
            + abs(neurons - 67) / 100
            + hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        )

    found = paceline.tune(
        network,
        objective="min",
        search="random",
        trials=20,
        seed=1,
        study=tmp_path / "random",
        display=False,
    )
    asked = california_methods.around_the_winner(1, {"random": found})
    grid = paceline.tune(
        network,
        objective="min",
        seed=1,
        study=tmp_path / "grid",
        display=False,
        space=found.space,
        **asked,
    )
    best = found.best.config
    assert 4 <= len(grid.trials) <= 27
    assert dict(grid.trials[0].config) == dict(best)
    assert grid.best.score is not None
    assert found.best.score is not None
    assert grid.best.score <= found.best.score
    for trial in grid.trials:
        assert 0.49 <= float(trial.config["learning_rate"]) / float(best["learning_rate"]) <= 2.01
        assert abs(int(trial.config["layers"]) - int(best["layers"])) <= 1


def test_prediction_intervals_have_their_nominal_coverage() -> None:
    """2,000 draws: the coverage lies outside 93 to 97 % in 4 of 100,000 runs."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        *five, next_one = rng.normal(size=6)
        low, high = writing.one_more(five, "rmse")
        held += low <= next_one <= high
    assert 0.93 <= held / 2000 <= 0.97


def test_prediction_intervals_of_accuracies_stay_in_range() -> None:
    accuracies = [0.1135, 0.1135, 0.1135, 0.1135, 0.25]
    low, high = writing.one_more(accuracies, "test accuracy")
    assert low == 0.0 < high < 0.5
    assert writing.one_more(accuracies, "rmse")[0] < 0.0
    assert writing.mean([0.97, 0.999], "accuracy")[2] == 1.0


def test_the_ladder_recipe_says_when_all_seeds_are_equal(tmp_path: Path) -> None:
    said: list[str] = []
    scores = {"naive": [0.1135] * 5, "relu": [0.05, 0.1, 0.3, 0.1, 0.2]}
    rows = [{"rung": name, "score": score} for name, own in scores.items() for score in own]
    found = SimpleNamespace(scores=lambda: pd.DataFrame(rows), metric="test accuracy")
    mnist_ladder.published(RecipeRun(tmp_path, "made up", say=said.append, display=False), found)  # type: ignore[arg-type]
    assert said == [
        "naive: published 0.113, ours 0.1135 with each of 5 seeds, which does not show how far "
        "others may "
        "differ.",
        "relu: published 0.922, which could not be one of our seeds (19 of 20 would lie from "
        "0.0000 to 0.4541).",
    ]


@pytest.mark.exhaustive
def test_the_ladder_recipe_compares_published_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(600, 28, 28)).astype(np.float32), np.arange(600) % 2
    x[y == 1, :, :3] += 2.0
    data = paceline.data.load((x[:400], y[:400], x[400:], y[400:]))
    monkeypatch.setattr(images, "load", lambda *_: data)
    for name, value in {"HIDDEN": 1, "UNITS": 4, "EPOCHS": 1, "SEEDS": 2}.items():
        monkeypatch.setattr(mnist_ladder, name, value)
    kept = {name: mnist_ladder.RUNGS[name] for name in ("batch_norm", "dropout")}
    monkeypatch.setattr(mnist_ladder, "RUNGS", kept)
    monkeypatch.setattr(mnist_ladder, "STEPS", [("batch_norm", "dropout")])
    said: list[str] = []
    mnist_ladder.ladder(RecipeRun(tmp_path / "ladder", "made up", say=said.append, display=False))
    assert any(line.startswith("dropout: published 0.889, which could") for line in said)
    assert any(
        line.startswith("The published change of accuracy by dropout is -0.076") for line in said
    )
    for name in (
        "ladder.csv",
        "ladder.html",
        "curves_training.html",
        "curves_validation.html",
        "best.keras",
    ):
        assert (tmp_path / "ladder" / name).exists()
