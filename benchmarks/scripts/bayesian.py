"""A regression with Bayesian optimisation and a logarithmic learning rate."""

import keras
import keras_tuner
from finish import finish
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

x, y = load_diabetes(return_X_y=True)
y = (y - y.mean()) / y.std()
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.3, random_state=0)
scaler = StandardScaler().fit(x_train)
x_train, x_val = scaler.transform(x_train), scaler.transform(x_val)


def build(hp):
    model = keras.Sequential([keras.layers.Input(shape=(x_train.shape[1],))])
    for i in range(hp.Int("layers", 1, 2)):
        model.add(
            keras.layers.Dense(
                hp.Int("units_" + str(i), 8, 64, step=8),
                activation="relu",
                kernel_regularizer=keras.regularizers.l2(
                    hp.Float("l2", 1e-5, 1e-2, sampling="log")
                ),
            )
        )
    model.add(keras.layers.Dense(1))
    model.compile(
        keras.optimizers.RMSprop(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")),
        loss="mse",
        metrics=["mae"],
    )
    return model


tuner = keras_tuner.BayesianOptimization(
    build,
    objective="val_loss",
    max_trials=9,
    num_initial_points=4,
    directory="bayes",
    project_name="diabetes",
    seed=3,
)
tuner.search(x_train, y_train, epochs=12, batch_size=32, validation_data=(x_val, y_val), verbose=0)
best_model = tuner.get_best_models(num_models=1)[0]
print(best_model.evaluate(x_val, y_val, verbose=0))
finish(tuner, x_train, y_train, x_val, y_val, epochs=12, batch_size=32)
