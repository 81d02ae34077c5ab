"""A grid over three choices."""

import keras
import keras_tuner as kt
from finish import finish
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

x, y = load_wine(return_X_y=True)
x = StandardScaler().fit_transform(x)
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.4, random_state=0)


def build(hp):
    inputs = keras.Input(shape=(13,))
    hidden = keras.layers.Dense(hp.Choice("units", [8, 16, 32]), activation="relu")(inputs)
    outputs = keras.layers.Dense(3, activation="softmax")(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(
            hp.Choice("rate", [0.3, 0.1, 0.01]), momentum=hp.Choice("m", [0.0, 0.9])
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner = kt.GridSearch(build, objective="val_loss", max_trials=18, directory="grid")
tuner.search(x_train, y_train, epochs=10, validation_data=(x_val, y_val), verbose=0)
for trial in tuner.oracle.get_best_trials(3):
    print(trial.hyperparameters.values, trial.score)
finish(tuner, x_train, y_train, x_val, y_val, epochs=10)
