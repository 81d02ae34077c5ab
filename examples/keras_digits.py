"""Tunes a small Keras network on handwritten digits, then predicts with the winner's model."""

import paceline  # before keras, since it selects the JAX backend
import keras
from keras import layers


def build(hp: paceline.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten()])
    for i in range(hp.Int("layers", 1, 2)):
        model.add(layers.Dense(hp.Choice(f"units_{i}", [32, 64]), activation="relu"))
    model.add(layers.Dropout(hp.Float("dropout", 0.0, 0.5)))
    model.add(layers.Dense(10, activation="softmax"))
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


study = paceline.tune(
    build,
    data="digits",
    objective="val_accuracy",
    epochs=9,
    trials=12,
    final=3,  # the best are trained again three times, on fresh seeds and splits
    seed=1,
    study="runs/keras_digits",
)
print(study.best.config)
print(f"accuracy in the search: {study.best.score:.3f}")
if verdict := study.verdict:  # from these fresh trainings
    print(f"to be expected: {verdict.expected:.3f} ({verdict.low:.3f} to {verdict.high:.3f})")

model = study.best_model()  # a trained Keras model
digits = paceline.data.load("digits")
found = model.predict(digits.x_test[:10], verbose=0).argmax(axis=1)
print(f"ten digits of the test set: {found}, correct: {digits.y_test[:10]}")
print(f"the report: {study.report()}")
