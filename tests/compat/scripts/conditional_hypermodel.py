"""A script with a `HyperModel` that does not call `super().__init__`, and conditional layers."""

from typing import Any

import keras
import numpy as np
from keras import layers

import paceline.compat.keras_tuner as kt

rng = np.random.default_rng(1)
x = rng.normal(size=(80, 5)).astype("float32")
y = x[:, :1] * 2.0 - x[:, 1:2] + 20.0


class Regressor(kt.HyperModel):
    def __init__(self, num_features: int) -> None:
        self.num_features = num_features

    def build(self, hp: Any) -> Any:
        inputs = keras.Input((self.num_features,))
        kind = hp.Choice("kind", ["linear", "deep"], default="deep")
        hidden = inputs
        with hp.conditional_scope("kind", ["deep"]):
            if kind == "deep":
                units = hp.Int("units", 4, 8, step=4)
                hidden = layers.Dense(units, activation="relu")(hidden)
                rate = hp.Float(
                    "rate", 0.0, 0.4, step=0.2, parent_name="kind", parent_values="deep"
                )
                hidden = layers.Dropout(rate)(hidden)
        with hp.name_scope("head"):
            bias = hp.Boolean("bias", default=True)
        model = keras.Model(inputs, layers.Dense(1, use_bias=bias)(hidden))
        model.compile(
            keras.optimizers.SGD(hp.Choice("lr", [0.01, 0.003])), loss="mse", metrics=["mae"]
        )
        return model


tuner = kt.BayesianOptimization(
    Regressor(5),
    objective=kt.Objective("val_mae", direction="min"),
    max_trials=4,
    num_initial_points=2,
    seed=2,
    directory="runs",
)
tuner.search(x, y, epochs=2, batch_size=16, validation_split=0.2, verbose=0)
best = tuner.get_best_hyperparameters()[0]
best_trial = tuner.oracle.get_best_trials(1)[0]
model = tuner.hypermodel.build(best)
