"""Data of TensorFlow, where it is installed: ``make test-tensorflow``."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
import paceline.compat.keras_tuner as kt
from paceline import data as paceline_data
from paceline.core import InvalidInput
from paceline.data import Dataset, Stream
from paceline.data.batch_loading import LoadingOptions
from paceline.data.loading import load_dataset
from paceline.space import HyperParameters

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own are not ours to mend

load: Any = paceline_data.load  # its results are of two types
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def pairs() -> Any:
    return tf.data.Dataset.from_tensor_slices((X, Y))


def build(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 1e-2, 1.0, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def fitted(study: Any, number: int, data: Any, **options: Any) -> list[float]:
    trial = study.trials[number]
    keras.utils.set_random_seed(trial.seed)
    model = build(HyperParameters(study.space, trial.config))
    losses: list[float] = model.fit(data, verbose=0, **options).history["val_loss"]
    return losses


def losses(study: Any, number: int) -> list[float]:
    return [one.metrics["val_loss"] for one in study.trials[number].measurements]


def test_data_sets_are_loaded_with_their_batch_size() -> None:
    for data in (pairs().batch(8), pairs().batch(8).cache().prefetch(2)):
        loaded = load(data)
        assert isinstance(loaded, Dataset)
        np.testing.assert_array_equal(loaded.x, X)
        assert loaded.batch_size == 8
    by_row = load(pairs())
    np.testing.assert_array_equal(by_row.y, Y)
    assert by_row.batch_size is None
    some = load(pairs().filter(lambda x, y: x[1] > 0).batch(4))
    assert some.num_rows == (X[:, 1] > 0).sum()


def test_a_shuffled_data_set_is_the_same_each_time() -> None:
    data = pairs().shuffle(40).batch(8)
    assert load(data).fingerprint == load(data).fingerprint
    assert isinstance(load(pairs().shuffle(40).batch(16, drop_remainder=True)), Stream)


def test_random_maps_are_streamed() -> None:
    noisy = pairs().batch(8).map(lambda x, y: (x + tf.random.normal(tf.shape(x)), y))
    stream = load(noisy)
    assert isinstance(stream, Stream)
    assert stream.num_batches == 5
    assert "a second pass gives other rows" in stream.notes[0]


def test_data_sets_without_an_end_need_steps() -> None:
    data = pairs().repeat().batch(8)
    with pytest.raises(InvalidInput, match="dataset has no end and the number of"):
        load(data)
    stream = load_dataset(data, loading=LoadingOptions(steps=3))
    assert isinstance(stream, Stream)
    assert stream.num_batches is None


def test_dicts_bytes_weights_and_sparse_tensors() -> None:
    images = RNG.integers(0, 255, (40, 5, 5, 3), np.uint8)
    data = tf.data.Dataset.from_tensor_slices(({"image": images, "row": X}, (Y, X[:, 0]), Y + 1.0))
    loaded = load(data.batch(16))
    assert loaded.x["image"].dtype == np.uint8
    np.testing.assert_array_equal(loaded.y[1], X[:, 0])
    np.testing.assert_array_equal(loaded.sample_weight, Y + 1)
    sparse = pairs().batch(8).map(lambda x, y: (tf.sparse.from_dense(x), y))
    np.testing.assert_array_equal(load(sparse).x, X)
    ragged = pairs().batch(8).map(lambda x, y: (tf.RaggedTensor.from_tensor(x), y))
    with pytest.raises(InvalidInput, match="gives ragged tensors"):
        load(ragged)
    named = tf.data.Dataset.from_tensor_slices({"x": X, "label": Y}).batch(8)
    np.testing.assert_array_equal(load(named, target="label").y, Y)
    texts = tf.data.Dataset.from_tensor_slices((["a", "b"], [0, 1])).batch(2)
    with pytest.raises(InvalidInput, match="TextVectorization"):
        load(texts)


def test_streams_train_as_fit_on_the_same_data_set(tmp_path: Path) -> None:
    held_out = pairs().take(12).batch(6)
    options: dict[str, Any] = {
        "objective": "val_loss",
        "epochs": 2,
        "trials": 2,
        "seed": 1,
        "search": "random",
        "display": False,
        "final": False,
        "validation": held_out,
    }
    study = paceline.tune(build, pairs().batch(8), study=tmp_path / "s", in_memory=False, **options)
    assert losses(study, 0) == pytest.approx(
        fitted(study, 0, pairs().batch(8), epochs=2, validation_data=held_out), abs=1e-5
    )
    endless = pairs().repeat().batch(8)
    study = paceline.tune(build, endless, study=tmp_path / "t", steps_per_epoch=3, **options)
    expected = fitted(study, 1, endless, epochs=2, steps_per_epoch=3, validation_data=held_out)
    assert losses(study, 1) == pytest.approx(expected, abs=1e-5)
    study = paceline.tune(build, pairs().batch(8), study=tmp_path / "u", **options)
    assert study.settings.training.batch_size == 8
    assert {trial.program for trial in study.trials} != {"fit"}


def test_search_takes_data_sets(tmp_path: Path) -> None:
    tuner = kt.RandomSearch(build, "val_loss", max_trials=2, seed=1, directory=tmp_path)
    train, held_out = pairs().shuffle(40).batch(8), pairs().take(12).batch(6)
    tuner.search(train, epochs=2, validation_data=held_out, verbose=0)
    assert len(tuner.study.trials) == 2
    assert tuner.study.settings.training.batch_size == 8
    assert tuner.get_best_models()[0].predict(X, verbose=0).shape == (40, 2)


def test_on_keras_with_tensorflow_data_sets_go_to_fit(tmp_path: Path) -> None:
    script = """
        import tensorflow as tf
        import keras
        import numpy as np
        import paceline.compat.keras_tuner as kt

        X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
        Y = (X[:, 0] > 0).astype("int32")
        data = tf.data.Dataset.from_tensor_slices((X, Y))

        class Network(kt.HyperModel):
            def build(self, hp):
                model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
                rate = hp.Float("rate", 1e-2, 1.0, sampling="log")
                model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
                return model

            def fit(self, hp, model, x, **options):
                given.append(isinstance(x, tf.data.Dataset))
                return model.fit(x, **options)

        given = []
        tuner = kt.RandomSearch(Network(), "val_loss", max_trials=2, seed=1)
        tuner.search(data.batch(8), epochs=2, validation_data=data.take(12).batch(6), verbose=0)
        assert keras.backend.backend() == "tensorflow"
        assert len(given) >= 2 and all(given)
        assert all(trial.score > 0 for trial in tuner.oracle.get_best_trials(2))
    """
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
