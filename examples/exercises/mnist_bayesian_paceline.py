"""Dense networks on MNIST, with the default search of Paceline; slow ones are stopped early."""

from exercise import QUICK, finish, images

import paceline

import keras

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


study = paceline.tune(
    build,
    (x, y),
    "val_accuracy",
    trials=2 if QUICK else 10,
    epochs=1 if QUICK else 5,
    validation=0.2,
    schedule="asha",
    seed=1,
    final=False,
)

finish(study.best.config, study.best_model().evaluate(x_test, y_test, verbose=0)[1])
