"""``search`` on data in batches, with Keras's own ``fit`` as the reference."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.compat.conftest import classifier
from tests.compat.keras_fit import fit_trial

import paceline.compat.keras_tuner as kt
from paceline.core import InvalidInput
from paceline.train.isolation import GlobalState, global_state_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32") + 1
WEIGHT = RNG.uniform(0.5, 2, 48).astype("float32")
VALIDATION = (X[:16] + 0.5, Y[:16])


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, *arrays: Any, size: int = 12) -> None:
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self.size, (index + 1) * self.size)
        return tuple(array[rows] for array in self.arrays)


class Loader:
    """Any iterable of batches, such as a DataLoader."""

    def __init__(self, is_weighted: bool = True) -> None:
        self.arrays = (X, Y, WEIGHT) if is_weighted else (X, Y)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, 48, 12):
            yield tuple(array[start : start + 12] for array in self.arrays)

    def __len__(self) -> int:
        return 4


def endless() -> Iterator[Any]:
    for number in count():
        yield X[:12] + np.float32(number), Y[:12]


def searched(directory: Path, x: Any, **given: Any) -> kt.RandomSearch:
    tuner = kt.RandomSearch(classifier, "val_loss", max_trials=2, seed=1, directory=directory)
    options: dict[str, Any] = {"epochs": 2, "validation_data": VALIDATION, "verbose": 0}
    tuner.search(x, **{**options, **given})
    return tuner


def losses_of_fit(tuner: Any, number: int, x: Any, **given: Any) -> list[float]:
    """The losses of `fit` on the same batches, in their order."""
    trial = tuner.study.trials[number]
    hp = tuner.oracle.get_trial(number).hyperparameters
    with GlobalState(trial.seed) as state:
        model = tuner.hypermodel.build(hp)
    state.keep_for(model)
    with global_state_of(model):
        history = model.fit(
            x, epochs=2, shuffle=False, validation_data=VALIDATION, verbose=0, **given
        ).history
    losses: list[float] = history["val_loss"]
    return losses


def scores(tuner: Any, number: int) -> list[float]:
    return [float(m.metrics["val_loss"]) for m in tuner.study.trials[number].measurements]


def test_batches_in_memory_train_as_arrays(tmp_path: Path) -> None:
    tuner = searched(tmp_path, Loader(), validation_data=lambda: iter([VALIDATION]))
    for trial in tuner.study.trials:
        history = fit_trial(tuner, trial, (X, Y, WEIGHT), VALIDATION, epochs=2, batch_size=12)
        assert scores(tuner, trial.number) == pytest.approx(history["val_loss"], abs=1e-5)
    again = kt.RandomSearch(classifier, "val_loss", max_trials=3, seed=1, directory=tmp_path)
    again.search(Loader(), epochs=2, validation_data=lambda: iter([VALIDATION]), verbose=0)
    assert len(again.study.trials) == 3


@pytest.mark.exhaustive
def test_streams_with_steps_and_class_weights_train_as_fit(tmp_path: Path) -> None:
    tuner = searched(tmp_path / "a", endless(), steps_per_epoch=3)
    expected = losses_of_fit(tuner, 0, endless(), steps_per_epoch=3)
    assert scores(tuner, 0) == pytest.approx(expected, abs=1e-5)
    weights = {1: 1.0, 2: 3.0}
    held_out = Batches(*VALIDATION, size=16)
    tuner = searched(tmp_path / "b", Loader(False), class_weight=weights, validation_data=held_out)
    expected = losses_of_fit(tuner, 1, Batches(X, Y), class_weight=weights)
    assert scores(tuner, 1) == pytest.approx(expected, abs=1e-5)
    assert {trial.program for trial in tuner.study.trials} != {"fit"}
    assert len(tuner.get_best_models()) == 1


@pytest.mark.exhaustive
def test_without_a_batch_size_steps_divide_the_rows_as_in_fit(tmp_path: Path) -> None:
    tuner = searched(tmp_path, X, y=Y, steps_per_epoch=5)
    assert tuner.study.settings.training.batch_size == 10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": Y}, "y is given and x is a Loader"),
        ({"sample_weight": WEIGHT}, "sample_weight is given and x is a Loader"),
        ({"validation_data": None}, "neither validation_split nor validation_data"),
        ({"validation_split": 0.2, "validation_data": None}, "batches are not divided"),
        ({"class_weight": {1: 2.0}}, "class_weight and sample_weight are given"),
        ({"steps_per_epoch": 0}, "steps_per_epoch is 0"),
    ],
)
def test_what_fit_refuses_is_refused(tmp_path: Path, given: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        searched(tmp_path, Loader(), **given)
    assert not list(tmp_path.iterdir())
