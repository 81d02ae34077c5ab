"""Convolutional networks on MNIST, with KerasTuner's `RandomSearch`."""

from exercise import QUICK, finish, images

import keras
import keras_tuner as kt

(x, y), (x_test, y_test) = images("mnist")
x, x_test = x[..., None], x_test[..., None]


def build(hp):
    model = keras.Sequential([keras.Input(x.shape[1:])])
    for number in range(hp.Int("blocks", 1, 2)):
        filters = hp.Choice(f"filters_{number}", [16, 32])
        model.add(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(hp.Int("units", 32, 128, step=32), activation="relu"))
    model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner = kt.RandomSearch(
    build,
    objective="val_accuracy",
    max_trials=2 if QUICK else 8,
    directory="runs",
    project_name="mnist_cnn",
    overwrite=True,
    seed=1,
)
tuner.search(x, y, epochs=1 if QUICK else 2, batch_size=64, validation_split=1 / 6, verbose=0)

loss, accuracy = tuner.get_best_models()[0].evaluate(x_test, y_test, verbose=0)
finish(tuner.get_best_hyperparameters()[0].values, accuracy)
