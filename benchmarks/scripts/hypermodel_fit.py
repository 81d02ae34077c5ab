"""A HyperModel whose ``fit`` tunes the batch size."""

import keras
import keras_tuner as kt
from finish import finish
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

x, y = load_breast_cancer(return_X_y=True)
x = StandardScaler().fit_transform(x)
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.3, random_state=0)


class MyHyperModel(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential()
        model.add(keras.layers.Dense(hp.Int("units", 16, 64, step=16), activation="relu"))
        model.add(keras.layers.Dense(1, activation="sigmoid"))
        model.compile(
            optimizer=hp.Choice("optimizer", ["adam", "sgd"]),
            loss="binary_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32, 64]), **kwargs)


tuner = kt.BayesianOptimization(
    MyHyperModel(),
    objective="val_accuracy",
    max_trials=12,
    overwrite=True,
    directory="results_dir",
    project_name="custom_fit",
)
tuner.search(x_train, y_train, validation_data=(x_val, y_val), epochs=10, verbose=0)
best = tuner.get_best_hyperparameters()[0]
finish(tuner, x_train, y_train, x_val, y_val, epochs=10, batch_size=best.values["batch_size"])
