"""The beginning of a study is stored whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline import InvalidInput
from paceline.core.events import Noted, SessionStarted, SpaceChanged, StudyCreated
from paceline.store import StudyStore


def build(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Choice("rate", [0.1, 0.2])), "mse")
    return model


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0))


def test_the_whole_beginning_is_one_transaction(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 16, dtype="float32").reshape(8, 2)
    options: dict[str, Any] = {"search": "grid", "epochs": 1, "final": False, "display": False}
    paceline.tune(build, (x, x.sum(1)), objective="val_loss", study=tmp_path / "s", **options)
    store = StudyStore(tmp_path / "s", writable=False)
    stored = list(store.events())
    store.close()
    opening = [one for one in stored if one.time == stored[0].time]  # a transaction has one time
    kinds = [type(one.event) for one in opening]
    assert kinds[:4] == [StudyCreated, SessionStarted, SpaceChanged, Noted]
    assert any(
        "2 configurations" in one.event.text for one in opening if isinstance(one.event, Noted)
    )


@pytest.mark.parametrize("made", ["file", "tables"])
def test_a_study_that_was_killed_before_its_first_event(tmp_path: Path, made: str) -> None:
    directory = tmp_path / "s"
    if made == "file":
        directory.mkdir()
        (directory / "study.db").touch()
    else:
        StudyStore(directory, writable=True).close()
    with pytest.raises(InvalidInput, match="stopped before it stored anything"):
        paceline.resume(directory, function)
    with pytest.raises(InvalidInput, match="stopped before it stored anything"):
        paceline.ablate(directory)
    assert paceline.load_study(directory).trials == []
    study = paceline.tune(
        function, objective="max", trials=2, search="random", study=directory, display=False
    )
    assert len(study.trials) == 2
