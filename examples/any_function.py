"""Tunes a function that trains by itself, here scikit-learn's perceptron on digits.

It reports its score after each step, so that configurations that are behind are stopped early.
"""

from typing import Any

import numpy as np
import paceline
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x / 16, y, test_size=0.3, random_state=0)


def objective(hp: Any) -> None:
    model = SGDClassifier(
        loss=hp.Choice("loss", ["hinge", "log_loss"]),
        alpha=hp.Float("alpha", 1e-6, 1e-1, sampling="log"),
        learning_rate="constant",
        eta0=hp.Float("rate", 1e-4, 1.0, sampling="log"),
        random_state=hp.seed,
    )
    for _ in range(9):
        model.partial_fit(x_train, y_train, classes=np.arange(10))
        if not hp.report({"accuracy": model.score(x_val, y_val)}):
            return  # this trial has been stopped


study = paceline.optimize(
    objective,
    ("accuracy", "max"),
    trials=20,
    epochs=9,  # how often a trial that is not stopped reports
    seed=1,
    study="runs/any_function",
)
print(study.best.config, study.best.score)
print(study.trials_dataframe()["epochs"].value_counts().sort_index())
