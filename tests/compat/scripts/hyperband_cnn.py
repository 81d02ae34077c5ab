"""A script with Hyperband, for a convolutional network on small images."""

import keras
import numpy as np
from keras import layers

from paceline.compat.keras_tuner import HyperParameters
from paceline.compat.keras_tuner.tuners import Hyperband

rng = np.random.default_rng(2)
x_train = rng.random((60, 6, 6, 1)).astype("float32")
y_train = keras.utils.to_categorical(x_train[:, :3].mean((1, 2, 3)) > 0.5, 2)


def build(hp: HyperParameters) -> keras.Model:
    model = keras.Sequential()
    model.add(keras.Input((6, 6, 1)))
    model.add(layers.Conv2D(2, 3, activation="relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(2, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")),
        "categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner = Hyperband(build, "val_loss", max_epochs=3, factor=2, directory="hyper", seed=0)
tuner.search(x_train, y_train, epochs=99, validation_split=0.3, verbose=0)
best_hps = tuner.get_best_hyperparameters(num_trials=1)[0]
model = tuner.get_best_models()[0]
