"""A script as in KerasTuner's first tutorial: a `Sequential` network and random search."""

from typing import Any

import keras
import numpy as np
from keras import layers

import paceline.compat.keras_tuner as kt

rng = np.random.default_rng(0)
x_train = rng.normal(size=(96, 6))
y_train = (x_train[:, 0] > 0).astype("int64")


def build_model(hp: Any) -> Any:
    model = keras.Sequential()
    for i in range(hp.Int("num_layers", 1, 2)):
        model.add(
            layers.Dense(
                units=hp.Int(f"units_{i}", min_value=4, max_value=12, step=4),
                activation="relu",
            )
        )
    model.add(layers.Dense(2, activation="softmax"))
    learning_rate = hp.Float("lr", min_value=1e-3, max_value=1e-1, sampling="log")
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


build_model(kt.HyperParameters())

tuner = kt.RandomSearch(
    hypermodel=build_model,
    objective="val_accuracy",
    max_trials=3,
    executions_per_trial=2,
    overwrite=True,
    seed=4,
    directory="my_dir",
    project_name="helloworld",
)
tuner.search_space_summary()
tuner.search(x_train, y_train, epochs=2, validation_data=(x_train[:32], y_train[:32]), verbose=0)
tuner.results_summary()

best_hps = tuner.get_best_hyperparameters(5)
model = build_model(best_hps[0])
best_model = tuner.get_best_models(num_models=1)[0]
best_model.summary(print_fn=lambda *_, **__: None)
predicted = best_model.predict(x_train, verbose=0)
