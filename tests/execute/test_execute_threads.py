"""Cohorts in several threads give the same results as lanes on several devices."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest

import paceline
from paceline.train.device_facts import DeviceFacts

_STUDY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_execute_threads import results
print(json.dumps(results(Path(sys.argv[2]))))
"""


def build(hp: Any) -> keras.Model:
    units, rate = hp.Choice("units", [4, 8]), hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model


def results(directory: Path) -> list[Any]:
    """Devices, cohorts that train at once, all scores and the best trial of a study."""
    x = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
    study = paceline.tune(
        build,
        (x, x.sum(1)),
        study=directory,
        objective="val_loss",
        epochs=2,
        trials=16,
        seed=3,
        search="random",
        display=False,
        final=False,
    )
    return [
        jax.local_device_count(),
        DeviceFacts.of_machine().num_cohorts,
        [trial.score for trial in study.trials],
        study.best.number,
    ]


@pytest.mark.exhaustive
def test_threads_and_devices_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STUDY, str(Path(__file__).parent), str(tmp_path / "threads")]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    one, threads, scores, best = json.loads(done.stdout.splitlines()[-1])
    two, single, others, other_best = results(tmp_path / "devices")
    assert (one, two, single) == (1, 2, 1)
    assert threads == min(os.cpu_count() or 1, 8)
    assert scores == pytest.approx(others, rel=1e-4)
    assert best == other_best
