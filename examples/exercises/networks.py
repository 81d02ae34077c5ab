"""The networks of `kmnist_given`, and the rungs of `mnist_ladder`."""

import argparse

from exercise import QUICK

import keras

GIVEN = [
    dict(zip(("layers", "units", "activation", "optimizer", "learning_rate"), row, strict=True))
    | {"batch_size": batch_size, "weight_decay": weight_decay, "epochs": epochs}
    for *row, batch_size, weight_decay, epochs in (
        (1, 64, "relu", "sgd", 1e-2, 32, 0.0, 10),
        (2, 64, "sigmoid", "sgd", 1e-1, 32, 0.0, 10),
        (2, 128, "relu", "sgd", 3e-2, 64, 5e-4, 10),
        (2, 128, "relu", "adam", 1e-3, 64, 5e-4, 10),
        (3, 64, "sigmoid", "rmsprop", 1e-3, 64, 0.0, 10),
        (3, 128, "relu", "rmsprop", 1e-3, 128, 5e-4, 15),
        (2, 256, "relu", "adam", 1e-3, 128, 5e-4, 15),
        (3, 256, "relu", "nadam", 5e-4, 128, 5e-4, 15),
    )
]


def asked_for():
    """The network that the command line describes, or `GIVEN` where it describes none."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    for name, value in GIVEN[0].items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value))
    asked = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    asked.pop("quick")
    configs = [{**GIVEN[0], **asked}] if asked else GIVEN
    return [{**config, "epochs": 1} for config in configs[:2]] if QUICK else configs


def compiled(
    shape, layers, units, activation, optimizer, learning_rate, weight_decay, **of_training
):
    """A dense network for ten classes."""
    hidden = [keras.layers.Dense(units, activation=activation) for _ in range(layers)]
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            *hidden,
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rule = keras.optimizers.get(
        {
            "class_name": optimizer,
            "config": {"learning_rate": learning_rate, "weight_decay": weight_decay},
        }
    )
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def rung(activation, initializer, optimizer, normalise=False, dropout=0.0):
    """The function that builds one rung of the ladder: four hidden layers of 60 units."""

    def build(shape):
        model = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
        for _ in range(4):
            model.add(keras.layers.Dense(60, kernel_initializer=initializer))
            if normalise:
                model.add(keras.layers.BatchNormalization())
            model.add(keras.layers.Activation(activation))
            if dropout:
                model.add(keras.layers.Dropout(dropout))
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


RUNGS = {
    "naive": rung("sigmoid", "glorot_uniform", "sgd"),
    "he_normal": rung("sigmoid", "he_normal", "sgd"),
    "relu": rung("relu", "he_normal", "sgd"),
    "adam": rung("relu", "he_normal", "adam"),
    "batch_norm": rung("relu", "he_normal", "adam", normalise=True),
    "dropout": rung("relu", "he_normal", "adam", normalise=True, dropout=0.2),
}
