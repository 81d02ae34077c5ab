"""No room on disk: one clear error, and once there is room the study goes on as if nothing had
been.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import PacelineError
from paceline.core.events import EpochMeasured
from paceline.store import StudyStore

if sys.platform != "linux":
    pytest.skip("limits the size of its files", allow_module_level=True)

import resource

TRIALS, EPOCHS = 16, 2


@pytest.fixture
def limit() -> Iterator[Callable[[int | None], None]]:
    """No file of this process grows beyond so many bytes any more; None takes the limit away."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(num_bytes: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if num_bytes is None else num_bytes, hard))

    yield limit
    limit(None)


def _tune(directory: Path, units: int, on_build: Callable[[int], None]) -> paceline.Study:
    builds = 0

    def build(hp: Any) -> keras.Model:
        nonlocal builds
        builds += 1
        on_build(builds)
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1)]
        )
        model.compile(
            keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")), loss="mse"
        )
        return model

    x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
    return paceline.tune(
        build,
        (x, x.sum(1)),
        study=directory,
        objective="val_loss",
        epochs=EPOCHS,
        trials=TRIALS,
        seed=1,
        search="random",
        batch_size=8,
        display=False,
        final=False,
    )


def _measured(directory: Path) -> list[EpochMeasured]:
    store = StudyStore(directory, writable=False)
    found = [stored.event for stored in store.events() if isinstance(stored.event, EpochMeasured)]
    store.close()
    return found


# JAX's own cache of programs meets the full disk, too
@pytest.mark.filterwarnings("ignore:Error writing persistent compilation cache entry")
@pytest.mark.parametrize(
    ("units", "room", "what"),
    [(8, 0, r"study\.db"), (100_000, 2**20, r"\.safetensors|best\.keras")],
)
@pytest.mark.exhaustive
def test_a_full_disk_ends_a_study_that_goes_on_later(
    tmp_path: Path, limit: Callable[[int | None], None], units: int, room: int, what: str
) -> None:
    directory = tmp_path / "study"

    def fill(build: int) -> None:
        if build == 10:  # the disk is full from here on
            largest = max(path.stat().st_size for path in directory.iterdir())
            limit(max(largest, room))

    with pytest.raises(PacelineError) as error:
        _tune(directory, units, fill)
    limit(None)
    assert re.search(what, str(error.value))  # whichever file is written first
    assert f"make room, then resume: paceline resume {directory}" in str(error.value)
    before = _measured(directory)
    assert len(before) < TRIALS * EPOCHS or "best.keras" in str(error.value)
    study = _tune(directory, units, lambda build: None)
    assert len(study.trials) == TRIALS
    assert None not in [trial.score for trial in study.trials]
    after = _measured(directory)
    assert after[: len(before)] == before
    assert len(after) == TRIALS * EPOCHS  # none was lost, none was trained twice
