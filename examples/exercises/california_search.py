"""scikeras on California Housing, in a randomized and in a Bayesian search."""

from exercise import QUICK, finish, houses

import keras
import numpy as np
from scikeras.wrappers import KerasRegressor
from scipy.stats import reciprocal
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skopt import BayesSearchCV

(x, y), (x_test, y_test) = houses()


def build(n_hidden=1, n_neurons=30, learning_rate=3e-3):
    model = keras.Sequential([keras.Input(x.shape[1:])])
    for _ in range(n_hidden):
        model.add(keras.layers.Dense(int(n_neurons), activation="relu"))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(learning_rate, clipnorm=1.0), "mse")
    return model


network = make_pipeline(
    StandardScaler(),
    KerasRegressor(
        build,
        n_hidden=1,
        n_neurons=30,
        learning_rate=3e-3,
        epochs=1 if QUICK else 10,
        verbose=0,
    ),
)
settings = {
    "n_iter": 2 if QUICK else 10,
    "cv": 3,
    "scoring": "neg_mean_squared_error",
    "random_state": 42,
}
searches = {
    "random": RandomizedSearchCV(
        network,
        {
            "kerasregressor__n_hidden": [0, 1, 2, 3],
            "kerasregressor__n_neurons": np.arange(1, 100),
            "kerasregressor__learning_rate": reciprocal(3e-4, 3e-2),
        },
        **settings,
    ),
    "bayesian": BayesSearchCV(
        network,
        {
            "kerasregressor__n_hidden": (0, 3),
            "kerasregressor__n_neurons": (1, 100),
            "kerasregressor__learning_rate": (3e-4, 3e-2, "log-uniform"),
        },
        **settings,
    ),
}

for name, search in searches.items():
    search.fit(x, y)
    print(name, search.best_params_, search.best_score_)

best = max(searches.values(), key=lambda search: search.best_score_)
finish(dict(best.best_params_), best.score(x_test, y_test))
