"""Waiting networks use little memory, and a cohort out of memory continues with fewer lanes."""

import gc
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest

import paceline
from paceline.train.constant_lifting import LiftedJaxpr


def many_lanes(cache: Path) -> Path:
    """A cache for a machine with a large capacity."""
    device = jax.local_devices()[0]
    key = f"{device.platform} {device.device_kind} {os.cpu_count()} jax {jax.__version__}"
    (cache / "lanes.json").write_text(json.dumps({key: 2**40}))
    return cache


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)]
    )
    model.compile(
        keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")), loss="mse"
    )
    return model


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    return x, x.sum(1)


OPTIONS: dict[str, Any] = {
    "objective": "val_loss",
    "epochs": 1,
    "seed": 1,
    "search": "random",
    "display": False,
    "final": False,
}


@pytest.mark.exhaustive
def test_waiting_networks_share_the_code_of_their_program(tmp_path: Path) -> None:
    alive = []

    def counted(hp: Any) -> keras.Model:
        model = build(hp)
        gc.collect()
        kinds = Counter(map(type, gc.get_objects()))
        alive.append(
            [
                sum(n for one, n in kinds.items() if issubclass(one, kind))
                for kind in (LiftedJaxpr, keras.Model)
            ]
        )
        return model

    gc.collect()
    gc.freeze()  # existing objects are not counted
    try:
        paceline.tune(counted, data(), study=tmp_path / "study", trials=32, **OPTIONS)
    finally:
        gc.unfreeze()
    # the first two networks determine the program; the others wait until a cohort is full
    bodies, models = zip(*alive[-32:], strict=True)
    assert max(bodies[16:]) <= max(bodies[:8])
    assert max(models[16:]) <= max(models[:8])


@pytest.mark.exhaustive
def test_a_memory_limit_also_applies_after_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_CACHE", str(many_lanes(tmp_path)))
    paceline.tune(build, data(), study=tmp_path / "limited", trials=2, memory="8KiB", **OPTIONS)
    limited = paceline.resume(tmp_path / "limited", build, data(), trials=16, display=False)
    free = paceline.tune(build, data(), study=tmp_path / "free", trials=16, **OPTIONS)
    lanes = [
        max(compiled.num_lanes for compiled in study.record.compilations)
        for study in (limited, free)
    ]
    assert (
        lanes[0] <= lanes[1] // 2
    )  # 14 networks continued at once, or 16 started, and memory suffices for fewer


_SCARCE = """
import gc, json, resource, sys
from pathlib import Path
import keras
import numpy as np
from keras import ops
import paceline
from paceline.train.device_facts import DeviceFacts

# each step takes long, whatever the number of lanes, so that it pays to have many of them
DeviceFacts.values_per_equation = 1e9

class Hungry(keras.layers.Layer):
    def call(self, x):
        held = ops.broadcast_to(ops.stop_gradient(ops.mean(x)), (2**24,))  # 64 MiB in each lane
        held = ops.fori_loop(0, 2, lambda i, held: held * 0.5 + 1.0, held)
        return x + held[:8].mean() * 1e-3

def build(hp):
    model = keras.Sequential([keras.Input((4,)), Hungry(), keras.layers.Dense(1)])
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model

def tune(name):
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    train, validation = (x[:32], x[:32].sum(1)), (x[32:], x[32:].sum(1))  # one batch of each
    return paceline.tune(build, train, validation=validation, study=Path(sys.argv[1]) / name,
        objective="val_loss", epochs=1, trials=8, seed=1, search="random", memory="64GiB",
        display=False, final=False)

roomy = tune("roomy")
gc.collect()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
# less than eight lanes, more than two
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
scarce = tune("scarce")
print(json.dumps([[study.record.notes, [c.num_lanes for c in study.record.compilations],
                   [trial.score for trial in study.trials]] for study in (roomy, scarce)]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own address space")
@pytest.mark.exhaustive
def test_a_cohort_out_of_memory_continues_with_half_the_lanes(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PACELINE_CACHE": str(many_lanes(tmp_path)),
        "JAX_NUM_CPU_DEVICES": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", _SCARCE, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (_, lanes, scores), (notes, fewer, same) = json.loads(done.stdout.splitlines()[-1])
    assert lanes == [8]
    assert "out of memory training 8 trials together; continuing with 4" in notes
    assert fewer[:2] == [8, 4]
    assert same == pytest.approx(scores, rel=1e-4)
