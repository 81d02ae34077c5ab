"""Tunes a small Keras network on handwritten digits and shows what was found."""

from typing import Any

import paceline  # before keras, since it chooses the JAX backend
import keras


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.Flatten(),
            keras.layers.Dense(hp.Choice("units", [32, 64]), activation="relu"),
            keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


study = paceline.tune(
    build,
    "digits",
    "val_accuracy",
    epochs=3,
    trials=6,
    final=3,  # fresh trainings of each finalist; 8 where it is left out and the search was longer
    seed=1,
    study="runs/keras_digits",
)
print(study.best.config)
print(f"validation accuracy of the search: {study.best.score:.3f}")
if verdict := study.verdict:  # from the fresh trainings, which chose the winner
    print(f"to be expected of it: {verdict.expected:.3f} ({verdict.low:.3f} to {verdict.high:.3f})")

model = study.best_model()  # a trained Keras model
digits = paceline.data.load("digits")
found = model.predict(digits.x_test[:10], verbose=0).argmax(axis=1)
print("ten digits that it never saw:", found, "and what they are:", digits.y_test[:10])
print("everything about the study:", study.report())
