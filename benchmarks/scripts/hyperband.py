"""Handwritten digits with Hyperband, then the best number of epochs."""

import keras
import keras_tuner as kt
from finish import finish
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
img_train, img_test, label_train, label_test = train_test_split(
    x.reshape(-1, 8, 8) / 16.0, y, test_size=0.25, random_state=0
)


def model_builder(hp):
    model = keras.Sequential()
    model.add(keras.layers.Flatten(input_shape=(8, 8)))
    hp_units = hp.Int("units", min_value=32, max_value=512, step=32)
    model.add(keras.layers.Dense(units=hp_units, activation="relu"))
    model.add(keras.layers.Dense(10))
    hp_learning_rate = hp.Choice("learning_rate", values=[1e-2, 1e-3, 1e-4])
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=hp_learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


tuner = kt.Hyperband(
    model_builder,
    objective="val_accuracy",
    max_epochs=6,
    factor=3,
    directory="my_dir",
    project_name="intro_to_kt",
)
stop_early = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5)
tuner.search(
    img_train, label_train, epochs=50, validation_split=0.2, callbacks=[stop_early], verbose=0
)
best_hps = tuner.get_best_hyperparameters(num_trials=1)[0]
print("units", best_hps.get("units"), "learning rate", best_hps.get("learning_rate"))
model = tuner.hypermodel.build(best_hps)
history = model.fit(img_train, label_train, epochs=15, validation_split=0.2, verbose=0)
val_acc_per_epoch = history.history["val_accuracy"]
best_epoch = val_acc_per_epoch.index(max(val_acc_per_epoch)) + 1
finish(tuner, img_train, label_train, img_test, label_test, epochs=best_epoch)
