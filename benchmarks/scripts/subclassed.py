"""A subclassed model, and hyperparameters that the user has made."""

import keras
import keras_tuner as kt
from finish import finish
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(
    (x / 16.0).astype("float32"), y, test_size=0.25, random_state=0
)


class Classifier(keras.Model):
    def __init__(self, units, rate):
        super().__init__()
        self.hidden = keras.layers.Dense(units, activation="gelu")
        self.norm = keras.layers.LayerNormalization()
        self.dropout = keras.layers.Dropout(rate)
        self.outputs = keras.layers.Dense(10)

    def call(self, inputs, training=False):
        hidden = self.norm(self.hidden(inputs))
        return self.outputs(self.dropout(hidden, training=training))


def build(hp):
    model = Classifier(hp.Int("units", 32, 128, step=32), hp.Float("rate", 0.0, 0.4))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.get("learning_rate")),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


hp = kt.HyperParameters()
hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
tuner = kt.RandomSearch(
    build,
    hyperparameters=hp,
    tune_new_entries=True,
    objective="val_accuracy",
    max_trials=6,
    directory="subclassed",
)
tuner.search(x_train, y_train, epochs=8, validation_data=(x_val, y_val), verbose=0)
finish(tuner, x_train, y_train, x_val, y_val, epochs=8)
