"""The functional interface, a conditional scope, and a callback of one's own."""

import keras
import keras_tuner as kt
from finish import finish
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x / 16.0, y, test_size=0.25, random_state=0)


class StopWhenGood(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs.get("val_accuracy", 0) > 0.99:
            self.model.stop_training = True


def build_model(hp):
    inputs = keras.Input(shape=(64,))
    hidden = inputs
    kind = hp.Choice("kind", ["wide", "deep"])
    if kind == "wide":
        with hp.conditional_scope("kind", ["wide"]):
            hidden = layers.Dense(hp.Int("width", 64, 256, step=64), activation="relu")(hidden)
    else:
        with hp.conditional_scope("kind", ["deep"]):
            for _ in range(hp.Int("depth", 2, 3)):
                hidden = layers.Dense(32, activation="relu")(hidden)
                hidden = layers.BatchNormalization()(hidden)
    outputs = layers.Dense(10, activation="softmax")(hidden)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


tuner = kt.RandomSearch(
    build_model, "val_accuracy", max_trials=6, directory="own_callback", project_name="p"
)
tuner.search(
    x_train,
    y_train,
    epochs=8,
    validation_data=(x_val, y_val),
    callbacks=[StopWhenGood()],
    verbose=0,
)
finish(tuner, x_train, y_train, x_val, y_val, epochs=8)
