"""A tuner with an oracle, and weights of classes."""

import keras
import keras_tuner
from finish import finish
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

x, y = load_breast_cancer(return_X_y=True)
x = StandardScaler().fit_transform(x)
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.3, random_state=0)


def build(hp):
    model = keras.Sequential([keras.Input((30,))])
    for i in range(hp.Int("num_layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 8, 32, step=8), activation="relu"))
        model.add(keras.layers.Dropout(hp.Float(f"dropout_{i}", 0.0, 0.3, step=0.1)))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner = keras_tuner.Tuner(
    oracle=keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective("val_loss", "min"), max_trials=8
    ),
    hypermodel=build,
    directory="oracle",
    project_name="weights",
)
tuner.search(
    x_train,
    y_train,
    epochs=10,
    validation_data=(x_val, y_val),
    class_weight={0: 1.5, 1: 1.0},
    verbose=0,
)
finish(tuner, x_train, y_train, x_val, y_val, epochs=10, class_weight={0: 1.5, 1: 1.0})
