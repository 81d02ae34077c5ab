"""`tune` on data in batches and with numbers of steps: equal to arrays, and to Keras `fit`."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import InvalidInput
from paceline.data import load
from paceline.data.batch_loading import LoadingOptions
from paceline.data.row_sources import RowSource, read_rows
from paceline.space import HyperParameters

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
WEIGHT = RNG.uniform(0.2, 2, 40).astype("float32")
X_VAL = RNG.normal(size=(12, 4)).astype("float32")
Y_VAL = (X_VAL[:, 0] > 0).astype("int32")
Batch = tuple[Any, ...]


def build(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 1e-2, 1.0, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model


def batches(*arrays: Any, size: int = 8) -> Iterator[Batch]:
    for start in range(0, len(arrays[0]), size):
        yield tuple(array[start : start + size] for array in arrays)


def plain() -> Iterator[Batch]:
    return batches(X, Y)


def held_out() -> Iterator[Batch]:
    return batches(X_VAL, Y_VAL, size=6)


def endless() -> Iterator[Batch]:
    """Batches whose rows change from pass to pass, without an end."""
    for number in count():
        yield from batches(X + np.float32(number), Y)


class Ordered(keras.utils.PyDataset):  # type: ignore[misc]
    """The same batches in each epoch."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Batch:
        return list(plain())[index]


def by_row() -> Any:
    """Rows that are streamed."""
    source = RowSource("rows", 40, lambda numbers: (X[numbers], Y[numbers]), Y)
    return read_rows(source, LoadingOptions(False, rows=8))


def tune(data: Any, study: Path, **options: Any) -> paceline.Study:
    settings: dict[str, Any] = {
        "objective": "val_loss",
        "epochs": 3,
        "trials": 2,
        "seed": 1,
        "search": "random",
        "display": False,
        "final": False,
    }
    return paceline.tune(build, data, study=study, **{**settings, **options})


def fitted(study: paceline.Study, number: int, x: Any, **options: Any) -> dict[str, float]:
    """What `fit` makes of a trial's network on the same batches, in their order."""
    trial = study.trials[number]
    keras.utils.set_random_seed(trial.seed)
    model = build(HyperParameters(study.space, trial.config))
    history = model.fit(x, shuffle=False, verbose=0, **{"epochs": 3, **options})
    return {name: values[-1] for name, values in history.history.items()}


def last(study: paceline.Study, number: int) -> dict[str, float]:
    return dict(study.trials[number].measurements[-1].metrics)


@pytest.mark.exhaustive
def test_batches_in_memory_are_a_study_of_their_arrays(tmp_path: Path) -> None:
    study = tune(plain, tmp_path / "s", validation=held_out)
    arrays = tune((X, Y), tmp_path / "t", batch_size=8, validation=(X_VAL, Y_VAL))
    assert study.settings.training.batch_size == 8
    assert [trial.score for trial in study.trials] == [trial.score for trial in arrays.trials]
    assert any("were loaded into memory" in note for note in study.record.notes)
    given = tune(plain, tmp_path / "u", batch_size=20, validation=held_out, trials=1)
    assert given.settings.training.batch_size == 20
    again = tune(plain, tmp_path / "s", validation=held_out, trials=3)
    assert len(again.trials) == 3


def test_a_stream_without_an_end_trains_by_steps_as_fit_does(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps_per_epoch": 4, "validation_steps": 1}
    study = tune(endless, tmp_path / "s", validation=held_out, **options)
    assert {trial.program for trial in study.trials} != {"fit"}
    for number in range(2):
        expected = fitted(
            study, number, endless(), validation_data=(X_VAL[:6], Y_VAL[:6]), steps_per_epoch=4
        )
        assert last(study, number) == pytest.approx(expected, abs=1e-5)
    resumed = paceline.resume(
        tmp_path / "s", build, endless, validation=held_out, trials=3, display=False
    )
    assert len(resumed.trials) == 3


@pytest.mark.exhaustive
def test_steps_of_arrays_are_those_of_fit(tmp_path: Path) -> None:
    study = tune(
        (X, Y),
        tmp_path / "s",
        validation=(X_VAL, Y_VAL),
        batch_size=8,
        steps_per_epoch=3,
        validation_steps=1,
        epochs=4,
    )
    assert any(trial.program != "fit" for trial in study.trials)
    from paceline.train.array_feed import batch_order

    trial = study.trials[0]
    order = np.concatenate([batch_order(trial.seed, number, 40) for number in range(3)])[:96]
    expected = fitted(
        study,
        0,
        X[order],
        y=Y[order],
        batch_size=8,
        epochs=4,
        steps_per_epoch=3,
        validation_data=(X_VAL[:8], Y_VAL[:8]),
    )
    assert last(study, 0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.exhaustive
def test_weights_of_streams_and_classes(tmp_path: Path) -> None:
    def weighted() -> Iterator[Batch]:
        return batches(X, Y, WEIGHT)

    in_memory = tune(weighted, tmp_path / "s", validation=(X_VAL, Y_VAL, WEIGHT[:12]), trials=1)
    arrays = tune(
        (X, Y),
        tmp_path / "t",
        sample_weight=WEIGHT,
        batch_size=8,
        validation=(X_VAL, Y_VAL, WEIGHT[:12]),
        trials=1,
    )
    assert last(in_memory, 0) == last(arrays, 0)
    streamed = tune(weighted, tmp_path / "u", in_memory=False, validation=held_out, trials=1)
    expected = fitted(
        streamed,
        0,
        X,
        y=Y,
        sample_weight=WEIGHT,
        batch_size=8,
        validation_data=(X_VAL, Y_VAL),
        validation_batch_size=6,
    )
    assert last(streamed, 0) == pytest.approx(expected, abs=1e-5)
    by_class = tune(
        plain,
        tmp_path / "v",
        in_memory=False,
        validation=held_out,
        class_weight={0: 1, 1: 4},
        trials=1,
    )
    expected = fitted(
        by_class,
        0,
        X,
        y=Y,
        class_weight={0: 1, 1: 4},
        batch_size=8,
        validation_data=(X_VAL, Y_VAL),
        validation_batch_size=6,
    )
    assert last(by_class, 0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.exhaustive
def test_rows_that_are_streamed_are_divided_and_shuffled(tmp_path: Path) -> None:
    rows = load((X, Y))

    def take(numbers: Any) -> Any:
        taken.append(len(numbers))
        return rows.x[numbers], rows.y[numbers]

    taken: list[int] = []
    stream = read_rows(RowSource("rows", 40, take, rows.y), LoadingOptions(False, rows=8))
    study = tune(stream, tmp_path / "s", validation=0.25, batch_size=8)
    assert study.record.created is not None
    assert study.record.created.data["batches"] == {"train": 4, "val": 2}
    assert taken.count(8) >= 3 * 4
    assert study.best.score is not None


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (plain, {"in_memory": False}, "validation data apart.*Leave out in_memory=False"),
        (plain, {"in_memory": False, "folds": 3}, "folds is 3 .*Leave out in_memory=False"),
        (
            endless,
            {"folds": 3, "steps_per_epoch": 2},
            r"folds is 3 and data is the stream .*expected data in memory.*validation=\(x_val",
        ),
        (Ordered(), {"folds": 3, "validation": held_out}, r"pass lambda: \(data\[i\] for i in"),
        (Ordered(), {}, r"validation data apart.*pass lambda: \(data\[i\] for i in"),
        (
            by_row(),
            {"folds": [(X[:, 0] > 0, X[:, 0] <= 0)]},
            "folds is a list .*With in_memory=True all rows",
        ),
        (
            (X, Y),
            {"validation": endless, "validation_steps": 2},
            "validation can only be streamed, and the training data are in memory",
        ),
        (plain, {"in_memory": False, "validation": held_out, "standardize": True}, "standardize"),
        (plain, {"in_memory": "yes", "validation": held_out}, "in_memory is 'yes'"),
        (endless, {"validation": held_out, "steps_per_epoch": 0}, "steps_per_epoch is 0"),
    ],
)
def test_what_does_not_go_together_is_refused(
    data: Any, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=message):
        tune(data, tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_the_batches_of_a_dataset_are_loaded_as_its_error_says(tmp_path: Path) -> None:
    data = Ordered()
    study = tune(lambda: (data[i] for i in range(len(data))), tmp_path / "s", folds=2, epochs=1)
    assert study.best.score is not None
