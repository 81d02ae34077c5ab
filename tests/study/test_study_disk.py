"""No room on disk: one clear error, and once there is room the study goes on as if nothing had been."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paceline.core.events import EpochMeasured
from paceline.store import StudyStore

_STUDY = """
import json, resource, sys
from pathlib import Path
import keras
import numpy as np
import paceline
from paceline.core import PacelineError

directory, units, room = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
builds = 0

def build(hp):
    global builds
    builds += 1
    if room is not None and builds == 14:  # the disk is full from here on
        largest = max(path.stat().st_size for path in directory.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(largest, room),) * 2)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")), loss="mse")
    return model

x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
try:
    study = paceline.tune(build, (x, x.sum(1)), study=directory, objective="val_loss", epochs=2, trials=24, seed=1,
                          search="random", display=False)
except PacelineError as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps([trial.score for trial in study.trials]))
"""


def _run(directory: Path, units: int, room: int | None) -> object:
    command = [sys.executable, "-c", _STUDY, str(directory), str(units), json.dumps(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def _measured(directory: Path) -> list[EpochMeasured]:
    store = StudyStore(directory, writable=False)
    found = [stored.event for stored in store.events() if isinstance(stored.event, EpochMeasured)]
    store.close()
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of its files")
@pytest.mark.parametrize(("units", "room", "what"), [(8, 0, "study.db"), (200_000, 2**21, ".safetensors")])
def test_a_full_disk_ends_a_study_that_goes_on_later(tmp_path: Path, units: int, room: int, what: str) -> None:
    directory = tmp_path / "study"
    error = _run(directory, units, room)
    assert isinstance(error, str)
    assert what in error
    assert f"make room, then go on: paceline resume {directory}" in error
    before = _measured(directory)
    resumed = _run(directory, units, None)
    assert isinstance(resumed, list)
    assert len(resumed) == 24
    assert None not in resumed
    after = _measured(directory)
    assert after[: len(before)] == before
    assert len(after) == 48  # two epochs of 24 trials: none was lost, none was trained twice
