"""Commands run in this process, on a build function with one structure."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from paceline.cli.app import app

MODEL = """
import keras

def build(hp):
    model = keras.Sequential([
        keras.Input((8, 8)),
        keras.layers.Flatten(),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)),
        keras.layers.Dense(10, activation="softmax"),
    ])
    optimizer = keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def uncompiled(hp):
    hp.Choice("units", [16, 32])
    return keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten()])

def raising(hp):
    raise RuntimeError("the moon is full")

def empty(hp):
    dense = keras.layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), dense])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model

def contradictory(hp):
    hp.Int("units", 64, 32)

def late(hp):
    rate = hp.Float("dropout", 0.0, 0.5)
    if rate > 0.25:
        raise ValueError("[red]too much[/red] is dropped")
    return build(hp)

def failing(hp):
    if 0.0 < hp.Float("dropout", 0.0, 0.5) < 0.5:
        raise ValueError("never in training")
    return build(hp)

not_a_function = 3
RUNGS = {"plain": build, "late": late}
"""

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of build functions."""
    path = tmp_path_factory.mktemp("models") / "model.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as typed, in an empty folder; a search without its final, unless that is
    typed.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PACELINE_DATA", raising=False)

    def run(*words: object) -> Result:
        searches = words[0] == "tune" and "--data" in words and "--final" not in words
        return CliRunner().invoke(
            app, [*map(str, words), *(["--final", "off"] if searches else [])]
        )

    return run


@pytest.fixture(scope="session")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three trials that has ended."""
    study = tmp_path_factory.mktemp("studies") / "finished"
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_accuracy",
        "--epochs",
        "2",
    ]
    result = CliRunner().invoke(
        app, [*words, "--trials", "3", "--seed", "1", "--final", "off", "--study", str(study)]
    )
    if result.exit_code != 0:
        raise RuntimeError(result.output)
    return study
