"""Networks trained with `fit` on any Keras backend do not depend on other networks."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from paceline.core import Objective
from paceline.execute.base import Job, TrainingConfig, TrialSnapshot
from paceline.execute.fit_run import FitRun
from paceline.execute.prepare import Preparation, PreparedNetwork
from paceline.execute.training_run import TrainingRun
from paceline.space import Space
from paceline.train.array_feed import TrainingData
from paceline.train.variables import leaves_of


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_on_another_backend(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed here; pip install {backend} to test Keras on it")
    script = Path(__file__).parent / "on_backend.py"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, script, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == backend
    assert found["names"] == ["auc", "loss", "val_auc", "val_loss"]
    assert found["alone"] == found["both"][1:]  # equal as the first and as the second trial
    assert found["after_resume"] == found["both"]
    assert found["interrupted"] == found["uninterrupted"]
    assert found["parameters"] == 61
    assert found["trials"] == 3


class Noise(layers.Layer):  # type: ignore[misc]
    """Draws from the global generator."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + np.random.normal() if training else x


def build(_: Any) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((2,)), Noise(), layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    return model


class Alone:
    """A network trained with `fit` for two epochs, at once or in two runs."""

    def __init__(self) -> None:
        x = np.linspace(0, 1, 16, dtype="float32").reshape(8, 2)
        data = TrainingData.of((x, x[:, :1]), None)
        self.training = TrainingConfig(Objective.of("loss"), batch_size=8)
        self.preparation = Preparation(build, data, self.training, Space(), frozenset(), fused=True)

    def run(
        self, snapshot: TrialSnapshot | None, epochs: int
    ) -> tuple[list[Any], TrialSnapshot | None]:
        [prepared] = self.preparation.prepare([Job(0, {}, 7, 2)])
        assert isinstance(prepared, PreparedNetwork)
        assert prepared.fit_reason == "it is compiled with run_eagerly=True"
        np.random.random(5)  # other random numbers are drawn meanwhile
        run = TrainingRun(prepared.jobs, prepared.config, "fit", self.training)
        if snapshot is not None:
            run.restore([0.5], snapshot)
        updates = (
            progress for progress in FitRun(prepared, run, snapshot).epochs() if progress.events
        )
        last = [next(updates) for _ in range(epochs + (snapshot is None))][-1]
        found = last.snapshots.get(0)
        leaves = [leaf.tolist() for leaf in leaves_of(prepared.model)]
        return leaves, None if found is None else found.load()


def test_a_resumed_fit_draws_the_same_numbers() -> None:
    alone = Alone()
    expected, _ = alone.run(None, 2)
    _, snapshot = alone.run(None, 1)
    found, _ = alone.run(snapshot, 1)
    assert found == expected


def test_other_generators_are_not_affected() -> None:
    np.random.seed(1)
    np.random.random(5)  # as the test itself draws below
    expected = np.random.random(3).tolist()
    np.random.seed(1)
    Alone().run(None, 1)
    assert np.random.random(3).tolist() == expected
