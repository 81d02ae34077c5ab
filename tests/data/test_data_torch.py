"""Data of PyTorch, where it is installed: ``make test-tensorflow``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
import paceline.compat.keras_tuner as kt
from paceline import data as paceline_data
from paceline.data import Dataset, Stream

torch = pytest.importorskip("torch")
data: Any = pytest.importorskip("torch.utils.data")
load: Any = paceline_data.load  # its results are of two types

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


class Rows(data.Dataset):  # type: ignore[misc]
    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return 40

    def __getitem__(self, row: int) -> Any:
        return torch.from_numpy(X[row]) + self.noise * torch.randn(4), int(Y[row])


class Endless(data.IterableDataset):  # type: ignore[misc]
    def __iter__(self) -> Iterator[Any]:
        return iter(zip(X, Y, strict=True))


def build(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 1e-2, 1.0, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def test_data_sets_and_loaders_are_loaded() -> None:
    for source in (Rows(), Endless(), data.TensorDataset(torch.tensor(X), torch.tensor(Y))):
        loaded = load(source)
        assert isinstance(loaded, Dataset)
        np.testing.assert_array_equal(loaded.x, X)
        np.testing.assert_array_equal(loaded.y, Y)
    loader = data.DataLoader(Rows(), batch_size=8)
    assert load(loader).batch_size == 8
    shuffled = data.DataLoader(Rows(), batch_size=8, shuffle=True)
    assert load(shuffled).fingerprint == load(shuffled).fingerprint


def test_random_transforms_are_streamed() -> None:
    for source in (Rows(noise=1.0), data.DataLoader(Rows(noise=1.0), batch_size=8)):
        assert isinstance(load(source), Stream)


def test_studies_on_loaders(tmp_path: Path) -> None:
    train, held_out = data.DataLoader(Rows(0.1), batch_size=8), data.DataLoader(Rows(), 10)
    tuner = kt.RandomSearch(build, "val_loss", max_trials=2, seed=1, directory=tmp_path)
    tuner.search(train, epochs=2, validation_data=held_out, verbose=0)
    assert {trial.program for trial in tuner.study.trials} != {"fit"}
    study = paceline.tune(
        build,
        Rows(0.1),
        "val_loss",
        validation=0.25,
        batch_size=10,
        epochs=2,
        trials=2,
        search="random",
        seed=1,
        display=False,
        study=tmp_path / "s",
    )
    assert study.record.created is not None
    assert study.record.created.data["batches"] == {"train": 3, "val": 1}
