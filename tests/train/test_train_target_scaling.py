"""Training on a scaled target equals `fit` on scaled numbers, with metrics in the user's unit."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from paceline.train.target_scaling import (
    AffineScale,
    build_scaled_models,
    choose_scale,
    is_scale_equivariant,
    scale_target,
)

Array = np.ndarray[Any, Any]

ROWS = 48
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, 3)).astype("float32")
PRICES = (200_000 + 80_000 * (X[:, 0] - X[:, 1] + 0.2 * RANDOM.normal(size=ROWS))).astype("float32")
SCALE = AffineScale(np.asarray(PRICES.mean()), np.asarray(PRICES.std()))


def quantile(y: Any, p: Any) -> Any:
    return keras.ops.mean(keras.ops.maximum(0.9 * (y - p), 0.1 * (p - y)))


def relative(y: Any, p: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(y - p) / (1.0 + keras.ops.abs(y)))


def network(loss: Any = "mse", last: Any = None, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh", kernel_regularizer=keras.regularizers.L2(0.01))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, last, **options)(hidden))
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["mae", relative])
    return model


def test_training_equals_fit_on_the_scaled_target() -> None:
    ours, theirs = scale_target(network(quantile), SCALE), network(quantile)
    scaled = (PRICES - SCALE.shift) / SCALE.scale
    how: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    history = ours.fit(
        X, PRICES, validation_data=(X[:16], PRICES[:16]), validation_batch_size=8, **how
    ).history
    theirs.fit(X, scaled, **how)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    # all metrics are those of a model of prices, including regularizers and custom metrics
    handed_out = keras.Sequential(
        [keras.Input((3,)), theirs, keras.layers.Rescaling(*map(float, (SCALE.scale, SCALE.shift)))]
    )
    handed_out.compile("sgd", quantile, metrics=["mae", relative])
    expected = handed_out.evaluate(X[:16], PRICES[:16], batch_size=8, verbose=0, return_dict=True)
    for name, value in expected.items():
        assert history[f"val_{name}"][-1] == pytest.approx(value, rel=1e-5)
    assert history["loss"][0] > 1e3  # also of training


@pytest.mark.parametrize(
    ("loss", "scales", "shifts"),
    [
        ("mse", True, True),
        ("mae", True, True),
        (quantile, True, True),
        (keras.losses.MeanSquaredError(), True, True),
        ("mape", True, False),
        ("cosine_similarity", False, False),
        ("huber", False, False),
        ("log_cosh", False, False),
        ("msle", False, False),
        ("poisson", False, False),
        (relative, False, False),
        (["mse"], True, True),
        ({"out": "mae"}, True, True),
        (lambda y, p: keras.ops.matmul(y, p), False, False),
    ],
)
def test_scale_equivariant_losses(loss: Any, scales: bool, shifts: bool) -> None:
    assert is_scale_equivariant(loss, shifted=False) == scales
    assert is_scale_equivariant(loss, shifted=True) == shifts


class Own(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.out = keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.out(x)


class OwnStep(Own):
    def train_step(self, *args: Any) -> Any:
        return super().train_step(*args)


def compiled(model: keras.Model, loss: Any = "mse") -> keras.Model:
    model.compile("sgd", loss)
    return model


def several() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: network("huber"), "its loss changes when target and prediction are scaled"),
        (lambda: network("mape"), "target and prediction are shifted"),
        (lambda: network(last="sigmoid"), "its outputs are bounded"),
        (
            lambda: network(bias_initializer=keras.initializers.Constant(2e5)),
            "already predicts in the target's unit",
        ),
        (
            lambda: compiled(keras.Sequential([network(), keras.layers.Rescaling(8e4, 2e5)])),
            "the target's unit",
        ),
        (lambda: compiled(OwnStep()), "its model overrides train_step"),
        (
            lambda: compiled(keras.Sequential([keras.layers.Dense(2)])),
            "do not have the shape of the target",
        ),
        (lambda: compiled(several(), ["mse", "mse"]), "do not have the shape of the target"),
    ],
)
def test_reasons_not_to_scale_the_target(make: Callable[[], keras.Model], reason: str) -> None:
    found = choose_scale(make(), SCALE, X[:16], PRICES[:16])
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(
    "make",
    [
        network,
        lambda: compiled(Own()),
        lambda: compiled(keras.Sequential([keras.layers.Dense(1)]), "mae"),
    ],
)
def test_networks_with_a_scaled_target(make: Callable[[], keras.Model]) -> None:
    assert choose_scale(make(), SCALE, X[:16], PRICES[:16]) is SCALE


def test_without_negative_outputs_the_target_is_not_shifted() -> None:
    for last in ("relu", "softplus", "exponential"):
        found = choose_scale(network(last=last), SCALE, X[:16], PRICES[:16])
        assert isinstance(found, AffineScale)
        assert float(found.shift) == 0
        assert float(found.scale) == pytest.approx(
            np.sqrt(np.mean(PRICES.astype(float) ** 2)), rel=1e-5
        )


def test_each_configuration_is_scaled_if_its_loss_allows() -> None:
    losses = iter(["mse", "huber", "mse", "huber"])
    build = build_scaled_models(lambda hp: network(next(losses)), SCALE)
    scaled = [hasattr(build(None).compute_loss, "scale") for _ in range(4)]  # type: ignore[arg-type]
    assert scaled == [True, False, True, False]
    always = build_scaled_models(lambda hp: network("huber"), SCALE, always=True)
    assert hasattr(always(None).compute_loss, "scale")  # type: ignore[arg-type]
    own = build_scaled_models(lambda hp: compiled(OwnStep()), SCALE, always=True)
    assert not hasattr(own(None).compute_loss, "scale")  # type: ignore[arg-type]
