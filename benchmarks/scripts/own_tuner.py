"""A tuner of one's own that tunes the batch size in ``run_trial``; the old module's name."""

import keras
import kerastuner
from finish import finish
from kerastuner.tuners import BayesianOptimization
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x / 16.0, y, test_size=0.25, random_state=0)


class MyTuner(BayesianOptimization):
    def run_trial(self, trial, *args, **kwargs):
        kwargs["batch_size"] = trial.hyperparameters.Int("batch_size", 32, 128, step=32)
        return super().run_trial(trial, *args, **kwargs)


def build_model(hp):
    model = keras.Sequential()
    model.add(keras.layers.Dense(hp.Int("units", 32, 128, step=32), activation="relu"))
    model.add(keras.layers.Dropout(hp.Float("dropout", 0, 0.5, step=0.1)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Choice("learning_rate", values=[1e-2, 1e-3])),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner = MyTuner(
    build_model,
    objective=kerastuner.Objective("val_accuracy", "max"),
    max_trials=8,
    directory="test_dir",
    overwrite=True,
)
tuner.search(x_train, y_train, epochs=6, validation_data=(x_val, y_val), verbose=0)
best = tuner.get_best_hyperparameters()[0]
finish(tuner, x_train, y_train, x_val, y_val, epochs=6, batch_size=best.get("batch_size"))
