"""Dense networks on MNIST, with KerasTuner's `BayesianOptimization`."""

from exercise import QUICK, finish, images

import keras
import keras_tuner as kt

(x, y), (x_test, y_test) = images("mnist")


def build(hp):
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten()])
    for number in range(hp.Int("layers", 1, 2)):
        units = hp.Int(f"units_{number}", min_value=32, max_value=512, step=32)
        model.add(keras.layers.Dense(units, activation="relu"))
        model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4])),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner = kt.BayesianOptimization(
    build,
    objective="val_accuracy",
    max_trials=2 if QUICK else 10,
    directory="runs",
    project_name="mnist_bayesian",
    overwrite=True,
    seed=1,
)
tuner.search(x, y, epochs=1 if QUICK else 5, validation_split=0.2, verbose=0)

loss, accuracy = tuner.get_best_models()[0].evaluate(x_test, y_test, verbose=0)
finish(tuner.get_best_hyperparameters()[0].values, accuracy)
