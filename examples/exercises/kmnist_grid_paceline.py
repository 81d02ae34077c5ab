"""A grid of dense networks on Kuzushiji-MNIST, in which slow ones are stopped early."""

from exercise import QUICK, finish, images

import paceline

import keras

(x, y), (x_test, y_test) = images("kmnist", "kmnist_mini")


def build(hp):
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten()])
    for _ in range(hp.Choice("layers", [1, 2])):
        model.add(keras.layers.Dense(hp.Choice("neurons", [32, 64]), activation="relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    rates = {
        "learning_rate": hp.Choice("learning_rate", [1e-3, 1e-2, 1e-4]),
        "weight_decay": hp.Choice("weight_decay", [0.0, 5e-4]),
    }
    if hp.Choice("optimizer", ["adam", "sgd"]) == "adam":
        optimizer = keras.optimizers.Adam(**rates)
    else:
        optimizer = keras.optimizers.SGD(**rates)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


study = paceline.tune(
    build,
    (x, y),
    "val_accuracy",
    search="grid",
    trials=2 if QUICK else 48,
    epochs=1 if QUICK else 5,
    batch_size=32,
    validation=0.1,
    schedule="asha",
    seed=1,
    final=False,
)

finish(study.best.config, study.best_model().evaluate(x_test, y_test, verbose=0)[1])
