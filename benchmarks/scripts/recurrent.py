"""Rows of images as a sequence, an LSTM."""

import keras
import keras_tuner as kt
from finish import finish
from keras.layers import LSTM, Dense, Dropout
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(
    x.reshape(-1, 8, 8) / 16.0, y, test_size=0.25, random_state=0
)


def build_model(hp):
    model = keras.models.Sequential()
    model.add(
        LSTM(
            hp.Int("input_unit", min_value=16, max_value=64, step=16),
            return_sequences=True,
            input_shape=(8, 8),
        )
    )
    model.add(LSTM(hp.Int("layer_2_neurons", min_value=16, max_value=64, step=16)))
    model.add(Dropout(hp.Float("Dropout_rate", min_value=0, max_value=0.5, step=0.1)))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


tuner = kt.RandomSearch(
    build_model, objective="val_loss", max_trials=6, executions_per_trial=1, directory="lstm"
)
tuner.search(
    x=x_train, y=y_train, epochs=8, batch_size=64, validation_data=(x_val, y_val), verbose=0
)
best_model = tuner.get_best_models(num_models=1)[0]
print(best_model.predict(x_val[:3], verbose=0).argmax(axis=1), y_val[:3])
finish(tuner, x_train, y_train, x_val, y_val, epochs=8, batch_size=64)
