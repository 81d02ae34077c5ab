"""Networks on a Ray cluster: the contract, and studies that are the same on any number of nodes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline.testing.executors import NetworkExecutorContract, small_network

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


class TestRay(NetworkExecutorContract):
    @pytest.fixture
    def executor(self, cluster: Any) -> Any:
        return paceline.execute.Ray(cpus_per_worker=1)


@pytest.fixture(scope="module")
def tune() -> Any:
    """A study of small networks."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 4)).astype("float32")
    y = (x[:, 0] - x[:, 1] ** 2).astype("float32")
    return partial(
        paceline.tune,
        small_network,
        (x, y),
        objective="val_loss",
        epochs=4,
        batch_size=16,
        final=False,
        seed=1,
    )


def outcome(study: Any) -> Any:
    return [
        (t.config, t.state, [one.metrics for one in t.measurements], t.score) for t in study.trials
    ]


@pytest.fixture
def nodes(cluster: Any) -> Iterator[list[Any]]:
    """Nodes that were added; those that are still there are removed."""
    added: list[Any] = []
    yield added
    for node in added:
        cluster.remove_node(node)


def test_a_study_of_networks_is_that_of_this_process(
    cluster: Any, tune: Any, tmp_path: Path
) -> None:
    here = tune(trials=6, study=tmp_path / "here")
    there = tune(trials=6, study=tmp_path / "there", executor="ray", cpus_per_worker=1)
    assert outcome(there) == outcome(here)
    assert all(one.worker is not None for one in there.trials)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(20))
def test_a_study_of_networks_is_the_same_on_any_number_of_nodes(
    cluster: Any, nodes: list[Any], tune: Any, tmp_path: Path, seed: int
) -> None:
    """One node is killed at a random trial, and another one joins at a random trial."""
    rng = np.random.default_rng(seed)
    lost, joined = (int(number) for number in rng.integers(1, 8, 2))
    nodes += [cluster.add_node(num_cpus=1) for _ in range(1 + seed % 3)]

    class Changes(paceline.Callback):
        def on_trial_end(self, study: Any, trial: Any) -> None:
            if trial.number == joined:
                nodes.append(cluster.add_node(num_cpus=1))
            if trial.number == lost:
                cluster.remove_node(nodes.pop(0), allow_graceful=False)

    here = tune(trials=10, seed=seed, study=tmp_path / "here")
    executor = paceline.execute.Ray(cpus_per_worker=1)
    there = tune(
        trials=10, seed=seed, study=tmp_path / "there", executor=executor, callbacks=[Changes()]
    )
    assert outcome(there) == outcome(here)
