"""The built-in networks: every configuration of their spaces builds, predicts and learns."""

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import pytest

from paceline import networks
from paceline.core import InvalidInput
from paceline.space import HyperParameters

CLASSES: dict[str, Any] = {"task": "classification", "num_outputs": 3}
AMOUNTS: dict[str, Any] = {"task": "regression", "num_outputs": 1}


def build(
    name: str, values: dict[str, Any] | None = None, **shape: Any
) -> tuple[Any, HyperParameters]:
    hp = HyperParameters(values=values or {})
    return networks.create(name, **shape)(hp), hp


@pytest.mark.parametrize(
    ("name", "input_shape", "ends"),
    [
        ("mlp", (5,), CLASSES),
        ("cnn", (4, 4, 3), {"task": "regression", "num_outputs": 2}),
        ("resnet", (4, 5), CLASSES),
        ("resnet", (16, 16, 3), AMOUNTS),
        ("transformer", (6, 2), CLASSES),
        ("lstm", (6, 2), AMOUNTS),
        ("tabular", (5,), CLASSES),
    ],
)
def test_default_networks_have_the_right_outputs(
    name: str, input_shape: tuple[int, ...], ends: dict[str, Any]
) -> None:
    model, _ = build(name, input_shape=input_shape, **ends)
    assert (model.input_shape, model.output_shape) == (
        (None, *input_shape),
        (None, ends["num_outputs"]),
    )
    assert model.compiled
    assert model.layers[-1].activation.__name__ == (
        "softmax" if ends["task"] == "classification" else "linear"
    )


@pytest.mark.parametrize(("categories", "width"), [((0, 3, 0, 2), 2 + 4 * 8), ((3, 2), 2 * 8)])
def test_a_tabular_network_embeds_categories_and_amounts(
    categories: tuple[int, ...], width: int
) -> None:
    described = {"input_shape": (len(categories),), "categories": categories, **CLASSES}
    model, hp = build("tabular", **described)
    assert model.get_layer("hidden_1").input.shape == (None, width)
    assert model.get_layer("categories").input_dim == 3 + 2 + 2  # and an unknown one of each
    assert ("frequency" in hp.config) == (0 in categories)


def test_hyperparameters_have_plain_names() -> None:
    _, mlp = build("mlp", input_shape=(5,), **CLASSES)
    common = ["batch_norm", "dropout", "l2", "learning_rate", "momentum", "optimizer", "units"]
    assert sorted(h.name for h in mlp.space) == sorted(["activation", "layers", *common])
    assert "momentum" not in mlp.config
    _, cnn = build("cnn", input_shape=(4, 4), **CLASSES)
    assert sorted(h.name for h in cnn.space) == sorted(
        ["blocks", "filters", "kernel_size", *common]
    )
    _, sgd = build("mlp", {"optimizer": "sgd"}, input_shape=(5,), **CLASSES)
    assert sgd.config["momentum"] == 0.9


@pytest.mark.parametrize(
    ("name", "input_shape", "values"),
    [
        (
            "mlp",
            (5,),
            {
                "layers": 3,
                "units": 128,
                "activation": "gelu",
                "batch_norm": True,
                "optimizer": "sgd",
            },
        ),
        ("mlp", (4, 4), {"layers": 1, "units": 128, "activation": "tanh", "dropout": 0.5}),
        (
            "cnn",
            (8, 4),
            {
                "blocks": 1,
                "filters": 16,
                "units": 64,
                "batch_norm": True,
                "optimizer": "sgd",
                "momentum": 0.5,
            },
        ),
    ],
)
def test_hyperparameters_determine_the_layers(
    name: str, input_shape: tuple[int, ...], values: dict[str, Any]
) -> None:
    model, hp = build(name, values, input_shape=input_shape, **CLASSES)
    assert {key: hp.config[key] for key in values} == values
    kinds = [type(layer).__name__ for layer in model.layers]
    depth = values["layers" if name == "mlp" else "blocks"]
    assert kinds.count("Dense") - 1 + kinds.count("Conv2D") == depth + (name == "cnn")
    assert kinds.count("BatchNormalization") == (depth if values.get("batch_norm") else 0)
    assert type(model.optimizer).__name__.lower() == values.get("optimizer", "adam")
    assert model.output_shape == (None, 3)


def test_numeric_hyperparameters_keep_the_structure() -> None:
    plain, _ = build("mlp", input_shape=(5,), **CLASSES)
    other, _ = build(
        "mlp", {"learning_rate": 0.02, "dropout": 0.4, "l2": 1e-4}, input_shape=(5,), **CLASSES
    )
    assert [layer.name for layer in plain.layers] == [layer.name for layer in other.layers]
    assert float(other.optimizer.learning_rate) == pytest.approx(0.02)
    assert other.get_layer("dropout_1").rate == 0.4
    assert float(other.get_layer("hidden_1").kernel_regularizer.l2) == pytest.approx(1e-4)


def test_classes_are_learned() -> None:
    random = np.random.default_rng(0)
    y = np.arange(192) % 3
    x = (np.eye(4)[y][:, :, None] + random.normal(0, 0.3, (192, 4, 4))).astype(np.float32)
    model, _ = build("cnn", {"blocks": 1, "learning_rate": 0.01}, input_shape=(4, 4), **CLASSES)
    history = model.fit(x, y, epochs=10, batch_size=32, verbose=0).history
    assert history["accuracy"][-1] > 0.8


def test_the_loss_suits_the_targets() -> None:
    losses = [
        build("mlp", input_shape=(5,), one_hot=one_hot, **CLASSES)[0].loss
        for one_hot in (False, True)
    ]
    assert losses == ["sparse_categorical_crossentropy", "categorical_crossentropy"]
    assert build("mlp", input_shape=(5,), **AMOUNTS)[0].loss == "mean_squared_error"


def test_regression_is_learned() -> None:
    x = np.random.default_rng(0).normal(0, 1, (192, 5)).astype(np.float32)
    model, _ = build("mlp", {"layers": 1, "learning_rate": 0.01}, input_shape=(5,), **AMOUNTS)
    history = model.fit(x, x.sum(axis=1), epochs=10, batch_size=32, verbose=0).history
    assert history["mae"][-1] < 0.5 * history["mae"][0]


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("mpl", {"input_shape": (5,), **CLASSES}, "Did you mean 'mlp'"),
        (
            "svm",
            {"input_shape": (5,), **CLASSES},
            "one of mlp, cnn, .*, tabular. Or pass a build function",
        ),
        ("cnn", {"input_shape": (5,), **CLASSES}, "expected images.*: 'mlp', 'tabular'"),
        ("resnet", {"input_shape": (5,), **CLASSES}, "expected images"),
        ("transformer", {"input_shape": (5,), **CLASSES}, "expected sequences.*: 'mlp', 'tabular'"),
        ("lstm", {"input_shape": (8, 8, 1), **CLASSES}, "sequences.*: 'mlp', 'cnn', 'resnet'"),
        ("tabular", {"input_shape": (5, 2), **CLASSES}, "table.*: 'mlp', 'transformer', 'lstm'"),
        ("lstm", {"input_shape": (5,), "vocabulary": 10**8, **CLASSES}, "unique.x, return_inverse"),
        ("cnn", {"input_shape": (3, 8), **CLASSES}, "at least 4 pixels"),
        ("mlp", {"input_shape": {"a": (5,)}, **CLASSES}, "shape of a single input"),
        ("mlp", {"input_shape": (None, 3), **CLASSES}, "shape of a single input"),
        ("mlp", {"input_shape": (0,), **CLASSES}, "shape of a single input"),
        (
            "mlp",
            {"input_shape": (5,), "task": "ranking", "num_outputs": 1},
            "'classification' or 'regression'",
        ),
        ("mlp", {"input_shape": (5,), "task": "classification", "num_outputs": 1}, "at least 2"),
        ("mlp", {"input_shape": (5,), "task": "regression", "num_outputs": None}, "at least 1"),
    ],
)
def test_invalid_arguments_are_refused(name: str, shape: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        networks.create(name, **shape)
    assert networks.names() == ("mlp", "cnn", "resnet", "transformer", "lstm", "tabular")
