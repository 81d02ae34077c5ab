"""Which models can be saved as ``.keras`` files, tested by loading them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest

from paceline.train.compilation_count import count_compilations
from paceline.train.saving import CannotSave, LoadRequirements, check_savable, load, save

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)).astype("float32"), RNG.integers(0, 3, 6)


class Scale(keras.layers.Layer):  # type: ignore[misc]
    """Not registered, with a complete configuration."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("tests")
class Registered(Scale):
    pass


class Lying(Scale):
    """Its configuration is incomplete."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "factor"}


class Drawing(keras.layers.Dropout):  # type: ignore[misc]
    """Draws random numbers in predictions, too."""

    def call(self, x: Any, training: bool = True) -> Any:
        return super().call(x, training=True)


class NoConfig(keras.Model):  # type: ignore[misc]
    def __init__(self, units: int) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(units, "softmax")

    def call(self, x: Any) -> Any:
        return self.dense(x)


class WithConfig(NoConfig):
    def __init__(self, units: int = 3, **options: Any) -> None:
        keras.Model.__init__(self, **options)
        self.units, self.dense = units, keras.layers.Dense(units, "softmax")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Sgd(keras.optimizers.SGD):  # type: ignore[misc]
    pass


class Silent(keras.metrics.Mean):  # type: ignore[misc]
    def __init__(self, factor: float, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor


def share(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean(y_pred)


def loss_of(factor: float, name: str = "loss") -> Callable[[Any, Any], Any]:
    def loss(y_true: Any, y_pred: Any) -> Any:
        return factor * keras.ops.mean(keras.ops.square(y_pred))

    loss.__name__ = name
    return loss


def model(
    *layers: Any, optimizer: Any = "sgd", loss: Any = "sparse_categorical_crossentropy", **rest: Any
) -> Any:
    made = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3, "softmax")])
    made.compile(optimizer, loss, **rest)
    return made


def compiled(made: Any) -> Any:
    made.compile("sgd", "sparse_categorical_crossentropy")
    made(X)
    return made


KINDS: dict[str, tuple[Callable[[], Any], str, str]] = {
    # what is built; what reading needs: "", names, "unsafe"; or why there is no file; the same by
    # configuration alone
    "keras's own": (
        lambda: model(keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)),
        "",
        "",
    ),
    "averages": (lambda: model(optimizer=keras.optimizers.Adam(use_ema=True)), "", ""),
    "scaled loss": (
        lambda: model(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())),
        "",
        "",
    ),
    "registered": (
        lambda: model(Registered(2.0)),
        "import tests>Registered",
        "import tests>Registered",
    ),
    "layer": (lambda: model(Scale(2.0)), "pass Scale", "pass Scale"),
    "drawing": (lambda: model(Drawing(0.5)), "pass Drawing", "pass Drawing"),
    "loss": (lambda: model(loss=loss_of(2.0)), "pass loss", "pass loss"),
    # Keras has another loss of this name
    "loss of a known name": (lambda: model(loss=loss_of(2.0, "mse")), "pass mse", "pass mse"),
    "metric": (lambda: model(metrics=[share]), "pass share", "pass share"),
    "optimizer": (lambda: model(optimizer=Sgd(0.1)), "pass Sgd", "pass Sgd"),
    "subclass": (lambda: compiled(WithConfig(3)), "pass WithConfig", "pass WithConfig"),
    "lambda": (lambda: model(keras.layers.Lambda(lambda x: x * 2)), "unsafe", "unsafe"),
    "lying": (lambda: model(Lying(2.0)), "no: has other predictions", "pass Lying"),
    "no configuration": (lambda: compiled(NoConfig(3)), "no: get_config", "no: get_config"),
    "lambda of something": (
        lambda: model(keras.layers.Lambda(lambda x: x * len(X))),
        "no: a Python lambda",
        "unsafe",
    ),
    "lambda as a loss": (
        lambda: model(loss=lambda y, p: keras.ops.mean(p)),
        "no: a Python lambda",
        "unsafe",
    ),
    "lambda as an activation": (
        lambda: model(keras.layers.Dense(3, lambda x: x * 2)),
        "no: a Python lambda",
        "no: a Python lambda",
    ),
    "partial": (
        lambda: model(keras.layers.Lambda(partial(pow, exp=2))),
        "no: partial",
        "no: partial",
    ),
    "silent metric": (lambda: model(metrics=[Silent(2.0)]), "no: factor", "no: factor"),
}


def described(needs: LoadRequirements) -> str:
    if not needs.safe_mode:
        return "unsafe"
    how = "import" if needs.registered else "pass"
    return "" if needs.is_nothing else f"{how} {', '.join(needs.objects)}"


def outcome(attempt: Callable[[], LoadRequirements]) -> str:
    try:
        return described(attempt())
    except CannotSave as error:
        return f"no: {error}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_counts_if_the_loaded_model_is_the_same(kind: str, tmp_path: Path) -> None:
    make, saved, foreseen = KINDS[kind]
    made = make()
    made.optimizer.build(made.trainable_variables)
    before = [np.array(variable.value) for variable in made.variables]
    by_configuration = outcome(lambda: check_savable(made))
    by_file = outcome(lambda: save(made, tmp_path / "model.keras", lambda: (X, Y)))
    for found, expected in ((by_file, saved), (by_configuration, foreseen)):
        if expected.startswith("no: "):
            assert found.startswith("no: ")
            assert expected.removeprefix("no: ") in found
        else:
            assert found == expected
    # checking changes nothing, not even seed generators
    assert all(
        np.array_equal(old, variable.value)
        for old, variable in zip(before, made.variables, strict=True)
    )


def test_disk_errors_are_not_attributed_to_the_model(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save(model(), tmp_path / "nowhere" / "model.keras", lambda: (X, Y))


def test_loading_compiles_no_program_for_each_shape(tmp_path: Path) -> None:
    for units in (7, 11):
        layers = [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(3)]
        keras.Sequential(layers).save(tmp_path / f"{units}.keras")
    jax.clear_caches()
    load(tmp_path / "7.keras")
    with count_compilations() as count:
        loaded = load(tmp_path / "11.keras")
    assert count.compilations == 0
    assert loaded.layers[0].units == 11
