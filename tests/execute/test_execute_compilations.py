"""Studies of the same space share compiled programs, whatever configurations they draw."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.execute import Executor, NetworkWork, Work, create
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.grouping import structural_hint
from paceline.space import Choice, Float, Space
from paceline.train.trace_cache import TraceCache


def build(hp: Any) -> keras.Model:
    activation = hp.Choice("activation", ["relu", "tanh"])
    units = hp.Int("units", 2, 9)
    # 0.5 is a constant of plain arithmetic
    dropout = hp.Choice("dropout", [0.25, 0.5])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, activation),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    return model


def compiled(directory: Path, seed: int, trials: int) -> Sequence[tuple[int, bool]]:
    """The number of lanes of each program of a study, and whether it was compiled from scratch."""
    study = studied(directory / str(seed), seed, trials)
    return [(one.num_lanes, one.from_scratch > 0) for one in study.record.compilations]


def studied(directory: Path, seed: int, trials: int) -> paceline.Study:
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    return paceline.tune(
        build,
        (x, x.sum(1)),
        study=directory,
        objective="val_loss",
        epochs=1,
        trials=trials,
        seed=seed,
        search="random",
        display=False,
        final=False,
    )


def test_a_study_with_another_seed_compiles_nothing(tmp_path: Path) -> None:
    first = compiled(tmp_path, 1, trials=5)
    second = compiled(tmp_path, 20, trials=5)
    assert [is_new for _, is_new in first] == [True, True]  # one for each activation
    assert [is_new for _, is_new in second] == [False, False]
    lanes = {num_lanes for num_lanes, _ in [*first, *second]}
    assert all(num_lanes & (num_lanes - 1) == 0 for num_lanes in lanes)


@pytest.mark.exhaustive
def test_cached_structures_change_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = Path(os.environ["PACELINE_CACHE"], "lanes.json").read_text()
    traced: list[object] = []
    found = []
    for cache, seed in (("kept", 5), ("kept", 6), ("empty", 6)):
        directory = tmp_path / cache
        directory.mkdir(exist_ok=True)
        (directory / "lanes.json").write_text(lanes)
        with monkeypatch.context() as changed:
            changed.setenv("PACELINE_CACHE", str(directory))
            changed.setattr(TraceCache, "_trace", counting(TraceCache._trace, traced))
            study = studied(tmp_path / f"{cache} {seed}", seed, trials=4)
        found.append((study, len(traced)))
        traced.clear()
    (first, _), (kept, few), (empty, many) = found
    assert few == len({trial.config["activation"] for trial in kept.trials}) < many
    for one, other in zip(kept.trials, empty.trials, strict=True):
        assert one.config == other.config
        measured = zip(one.measurements, other.measurements, strict=True)
        assert all(a.metrics == b.metrics for a, b in measured)
    assert [trial.config for trial in first.trials] != [trial.config for trial in kept.trials]


def counting(function: Callable[..., Any], calls: list[object]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return function(*args, **kwargs)

    return counted


@pytest.mark.exhaustive
def test_a_study_may_continue_with_merging_switched_off(tmp_path: Path) -> None:
    works: list[NetworkWork] = []

    def recording(work: Work) -> Executor:
        assert isinstance(work, NetworkWork)
        works.append(work)
        return create("local", work)

    x = np.ones((64, 4), "float32")
    common: dict[str, Any] = {"display": False, "executor": recording}
    asked: dict[str, Any] = {
        "objective": "val_loss",
        "epochs": 1,
        "search": "random",
        "final": False,
    }
    paceline.tune(build, (x, x.sum(1)), study=tmp_path / "s", trials=1, **asked, **common)
    paceline.resume(tmp_path / "s", build, (x, x.sum(1)), trials=2, merge=False, **common)
    assert [(work.options.merge, work.num_configs) for work in works] == [(True, 1), (False, 2)]


@pytest.mark.parametrize(("num_configs", "expected"), [(None, 3), (1, 1), (64, 16)])
def test_networks_are_expected_by_the_space(num_configs: int | None, expected: int) -> None:
    space = Space([Float("rate", 1e-3, 1.0), Choice("units", [2, 3, 4, 5])])
    hint = structural_hint({"units": True, "rate": False}, space)
    found = [
        ExpectedNetworks(space, hint, num_configs, repeats).sharing({"rate": 0.1, "units": 3}, 3)
        for repeats in (1, 2)
    ]
    if num_configs is None:
        assert found == [expected, expected]
    else:
        assert found[0] == pytest.approx(expected, rel=0.25)
        assert found[1] == 2 * found[0]


def test_a_number_of_networks_is_expected_with_its_probability() -> None:
    space = Space([Float("rate", 1e-3, 1.0), Choice("units", [2, 3, 4, 5])])
    hint, config = structural_hint({"units": True, "rate": False}, space), {"rate": 0.1, "units": 3}
    for repeats in (1, 2):
        numbers = ExpectedNetworks(space, hint, 8, repeats).numbers(config, 3)
        assert set(numbers) == {repeats * k for k in range(1, 9)}
        assert sum(numbers.values()) == pytest.approx(1)
        # of 8 draws, given that there is one: 2 / (1 - 0.75**8)
        mean = sum(n * p for n, p in numbers.items()) / repeats
        assert mean == pytest.approx(2.22, rel=0.2)
    many = ExpectedNetworks(space, hint, 100_000).numbers(config, 3)
    assert sum(n * p for n, p in many.items()) == pytest.approx(25_000, rel=0.25)
    assert min(many) > 10_000
    assert ExpectedNetworks(space, hint).numbers(config, 3) == {3: 1.0}
    assert ExpectedNetworks(space, lambda _: (), 7, 2).numbers(config, 3) == {14: 1.0}
