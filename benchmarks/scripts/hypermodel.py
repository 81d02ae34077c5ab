"""A HyperModel without ``super().__init__()``, two executions of each trial, an Objective."""

import keras
from finish import finish
from keras_tuner import HyperModel, Objective
from keras_tuner.tuners import RandomSearch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

x, y = load_diabetes(return_X_y=True)
y = (y - y.mean()) / y.std()
x_train, x_test, y_train, y_test = train_test_split(20 * x, y, test_size=0.3, random_state=1)


class RegressionHyperModel(HyperModel):
    def __init__(self, input_shape):
        self.input_shape = input_shape

    def build(self, hp):
        model = keras.Sequential()
        model.add(keras.layers.Input(self.input_shape))
        model.add(
            keras.layers.Dense(
                units=hp.Int("units", 8, 64, 4, default=8),
                activation=hp.Choice(
                    "dense_activation", values=["relu", "tanh", "sigmoid"], default="relu"
                ),
            )
        )
        model.add(
            keras.layers.Dropout(
                hp.Float("dropout", min_value=0.0, max_value=0.1, default=0.005, step=0.01)
            )
        )
        model.add(keras.layers.Dense(1))
        model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
        return model


hypermodel = RegressionHyperModel(input_shape=(x_train.shape[1],))
tuner_rs = RandomSearch(
    hypermodel,
    objective=Objective("val_mae", direction="min"),
    seed=42,
    max_trials=5,
    executions_per_trial=2,
    directory="hypermodel",
    project_name="mae",
)
tuner_rs.search(x_train, y_train, epochs=12, validation_split=0.2, verbose=0)
best_model = tuner_rs.get_best_models(num_models=1)[0]
loss, mae = best_model.evaluate(x_test, y_test, verbose=0)
print(f"mse {loss:.3f}, mae {mae:.3f}")
finish(tuner_rs, x_train, y_train, x_test, y_test, epochs=12)
