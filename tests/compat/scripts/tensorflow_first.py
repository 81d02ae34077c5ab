"""TensorFlow is imported first, so that Keras runs on it; the script is run twice."""

import json
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

import paceline.compat.keras_tuner as kt

rng = np.random.default_rng(0)
x = rng.normal(size=(160, 4)).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype("int32")
x_train, y_train, x_val, y_val = x[:120], y[:120], x[120:], y[120:]


def build_model(hp: Any) -> Any:
    model = tf.keras.Sequential()
    model.add(keras.layers.Dense(hp.Int("units", 4, 16, step=4), activation="relu"))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    rate = hp.Float("learning_rate", 1e-2, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    return model


tuner = kt.RandomSearch(
    build_model, objective="val_loss", max_trials=3, seed=1, directory="my_dir", project_name="tf"
)
left = tuner.remaining_trials
tuner.search(
    x_train,
    y_train,
    epochs=12,
    batch_size=20,
    validation_data=(x_val, y_val),
    callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=1)],
    verbose=0,
)
trials = tuner.oracle.get_best_trials(3)
models = tuner.get_best_models(3)
models[0].save("best.keras")
loaded = keras.models.load_model("best.keras")
measured = [model.evaluate(x_val, y_val, verbose=0)[0] for model in [*models, loaded]]
epochs = [len(trial.metrics.get_history("val_loss")) for trial in trials]
best = {
    "backend": keras.config.backend(),
    "left": left,
    "scores": [trial.score for trial in trials],
    "measured": measured,
    "epochs": epochs,
    "values": tuner.get_best_hyperparameters()[0].values,
    "ends": len(tuner.study.record.early_ends),
}
print(json.dumps(best))
