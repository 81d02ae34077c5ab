"""Small images, a convolutional network; the learning rate is reduced on a plateau."""

import keras
import keras_tuner as kt
from finish import finish
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x = x.reshape(-1, 8, 8, 1).astype("float32") / 16.0
y = keras.utils.to_categorical(y, 10)
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=0)


def build_model(hp):
    model = keras.Sequential()
    model.add(
        layers.Conv2D(
            filters=hp.Int("conv_1_filter", min_value=8, max_value=32, step=8),
            kernel_size=hp.Choice("conv_1_kernel", values=[3, 5]),
            activation="relu",
            input_shape=(8, 8, 1),
        )
    )
    model.add(
        layers.Conv2D(
            filters=hp.Int("conv_2_filter", min_value=8, max_value=32, step=8),
            kernel_size=2,
            activation="relu",
        )
    )
    model.add(layers.Flatten())
    model.add(
        layers.Dense(
            units=hp.Int("dense_1_units", min_value=32, max_value=128, step=16), activation="relu"
        )
    )
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Choice("learning_rate", values=[1e-2, 1e-3])),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


tuner_search = kt.RandomSearch(
    build_model, objective="val_accuracy", max_trials=8, directory="output", project_name="cnn"
)
tuner_search.search(
    x_train,
    y_train,
    epochs=8,
    validation_data=(x_val, y_val),
    callbacks=[keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2)],
    verbose=0,
)
model = tuner_search.get_best_models(num_models=1)[0]
model.summary()
finish(tuner_search, x_train, y_train, x_val, y_val, epochs=8)
