"""The layers around a network do what was done to the data, in a file of Keras's own layers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd

from paceline.data import load, split
from paceline.study.models.preprocessing import with_preparation
from paceline.train.target_scaling import AffineScale, scale_target

RANDOM = np.random.default_rng(0)
ROWS = 40


def form(x: Any) -> Any:
    """Shape and type of what a network sees."""
    if isinstance(x, dict):
        return {name: form(part) for name, part in x.items()}
    return SimpleNamespace(shape=x.shape, dtype=x.dtype)


def test_rows_of_a_table_become_the_very_features_that_were_trained_on(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "number": np.where(np.arange(ROWS) % 5, RANDOM.normal(1e6, 3e4, ROWS), np.nan),
            "kind": [None if k % 7 == 0 else "abc"[k % 3] for k in range(ROWS)],
            "day": pd.date_range("2024-01-01", periods=ROWS),
            "key": np.arange(ROWS),
            "flag": np.arange(ROWS) % 2 == 0,
            "y": RANDOM.normal(size=ROWS),
        }
    )
    data = load(frame, target="y", test=0.2)
    parts = split(data)
    width = data.input_shape[0]
    network = keras.Sequential([keras.Input((width,)), keras.layers.Identity()])
    network.compile("sgd", "mse")
    model = with_preparation(network, parts.preparation, form(parts.x_train))
    model.save(tmp_path / "m.keras")
    alone = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    for rows, features in ((data.x[parts.train_rows], parts.x_train), (data.x_test, parts.x_test)):
        np.testing.assert_allclose(alone(rows), features, rtol=1e-6, atol=1e-6)


def test_a_frame_of_numbers_goes_into_the_model_as_it_is() -> None:
    frame = pd.DataFrame(
        {"a": RANDOM.normal(50, 9, ROWS), "b": np.arange(ROWS) % 7, "c": np.arange(ROWS) % 2 == 0}
    )
    frame.loc[3, "a"] = np.nan
    parts = split(load((frame, RANDOM.normal(size=ROWS))), validation=0.5)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    network.compile("sgd", "mse")
    model = with_preparation(network, parts.preparation, form(parts.x_train))
    assert parts.val_rows is not None
    said = model.predict(frame.iloc[parts.val_rows], verbose=0)
    np.testing.assert_allclose(said, parts.x_val, rtol=1e-6, atol=1e-6)


def test_models_of_several_inputs_and_outputs_keep_their_names(tmp_path: Path) -> None:
    x: dict[str, Any] = {
        "pixels": RANDOM.integers(0, 256, (ROWS, 2, 2), dtype=np.uint8),
        "sizes": RANDOM.normal(500, 90, (ROWS, 3)),
        "words": RANDOM.integers(0, 5, (ROWS, 2)),
    }
    y = {"side": np.arange(ROWS) % 2, "size": RANDOM.normal(size=ROWS)}
    parts = split(load((x, y)), standardize=True)
    inputs = {name: keras.Input(leaf.shape[1:], name=name) for name, leaf in parts.x_train.items()}
    hidden = keras.layers.Concatenate()(
        [keras.layers.Flatten()(inputs[name]) for name in sorted(inputs)]
    )
    outputs = {
        "side": keras.layers.Dense(2, "softmax", name="side")(hidden),
        "size": keras.layers.Dense(1, name="size")(hidden),
    }
    network = keras.Model(inputs, outputs)
    network.compile(
        "adam",
        {"side": "sparse_categorical_crossentropy", "size": "mse"},
        metrics={"side": ["accuracy"]},
    )
    network.optimizer.build(network.trainable_variables)
    expected = network(parts.x_val)
    model = with_preparation(network, parts.preparation, form(parts.x_train))
    model.save(tmp_path / "m.keras")
    alone = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    raw = {name: leaf[parts.val_rows] for name, leaf in x.items()}
    for name, answers in alone(raw).items():
        np.testing.assert_allclose(answers, expected[name], rtol=1e-5)
    measured = alone.evaluate(raw, parts.y_val, verbose=0, return_dict=True)
    assert measured.keys() == {"loss", "side_loss", "size_loss", "side_accuracy"}


def test_a_model_can_be_trained_further_and_saved_with_its_optimizer(tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    network.optimizer.iterations.assign(7)
    scale_target(network, AffineScale(np.array(100, np.float32), np.array(20, np.float32)))
    x = RANDOM.normal(size=(8, 2)).astype("float32")
    answers = np.asarray(network(x)) * 20 + 100
    model = with_preparation(network, None, form(x))
    np.testing.assert_allclose(model(x), answers, rtol=1e-6)
    model.save(tmp_path / "m.keras")
    alone = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert int(alone.optimizer.iterations) == 7
    assert len(alone.optimizer.variables) == len(model.optimizer.variables)
    np.testing.assert_allclose(alone(x), answers, rtol=1e-6)


def test_without_preparation_the_model_is_the_network_itself() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.compile("adam", "mse")
    assert with_preparation(network, None, None) is network
