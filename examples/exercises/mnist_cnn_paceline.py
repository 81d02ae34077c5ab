"""Convolutional networks on MNIST, with random search; slow ones are stopped early."""

from exercise import QUICK, finish, images

import paceline

import keras

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


study = paceline.tune(
    build,
    (x, y),
    "val_accuracy",
    search="random",
    trials=2 if QUICK else 8,
    epochs=1 if QUICK else 2,
    batch_size=64,
    validation=1 / 6,
    schedule="asha",
    seed=1,
    final=False,
)

finish(study.best.config, study.best_model().evaluate(x_test, y_test, verbose=0)[1])
