"""A search of networks whose process is killed: the same call goes on, to the same results.

The killed process runs this file as a program; it is killed by its own scorer or build function.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest
from sklearn.metrics import r2_score
from typer.testing import CliRunner

from paceline.cli.app import app
from paceline.sklearn import BayesSearchCV, GridSearchCV, RandomizedSearchCV, SearchCV

scikeras = pytest.importorskip("scikeras.wrappers")

pytestmark = pytest.mark.exhaustive  # each case is a process that loads Keras

ROWS = 48
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5] + 0.1 * X[:, 0] ** 2).astype("float32")
RANGES = {"model__units": (2, 9), "model__rate": (0.003, 0.3, "log-uniform")}
LISTS = {"model__units": [2, 5, 9], "model__rate": [0.01, 0.05]}

num_scores = 0
fits: list[int] = []  # the number of rows of each


def killed_at(moment: str) -> None:
    if os.environ.get("KILLED_AT") == moment:
        os.kill(os.getpid(), signal.SIGKILL)


def build(meta: dict[str, Any], units: int = 3, rate: float = 0.05) -> keras.Model:
    fits.append(meta["X_shape_"][0])
    killed_at(f"build for {fits[-1]} rows")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(units, "tanh"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def score(estimator: Any, x: Any, y: Any) -> float:
    global num_scores
    num_scores += 1
    killed_at(f"score {num_scores}")
    return float(r2_score(y, estimator.predict(x)))


def search(kind: str, study: str | None) -> Any:
    network = scikeras.KerasRegressor(
        build, model__units=3, model__rate=0.05, epochs=3, batch_size=16, verbose=0
    )
    options: dict[str, Any] = {"cv": 2, "scoring": score, "study": study}
    if kind == "GridSearchCV":
        return GridSearchCV(network.set_params(random_state=0), LISTS, **options)
    if kind == "RandomizedSearchCV":
        return RandomizedSearchCV(network, LISTS, n_iter=5, random_state=3, **options)
    other: Any = {"SearchCV": SearchCV, "BayesSearchCV": BayesSearchCV}[kind]
    return other(network, RANGES, n_iter=12, random_state=3, **options)


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("GridSearchCV", f"build for {ROWS} rows"),  # the search was over
        ("RandomizedSearchCV", "score 7"),
        ("SearchCV", "score 21"),
        ("BayesSearchCV", "score 1"),
    ],
)
def test_a_killed_search_of_networks_goes_on(kind: str, moment: str, tmp_path: Path) -> None:
    study = str(tmp_path / "s")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, kind, study],
        env={**os.environ, "KILLED_AT": moment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    is_over = "rows" in moment
    for command in ("show", "doctor"):
        said = " ".join(CliRunner().invoke(app, [command, study]).output.split())
        again = f"call fit of the {kind} of KerasRegressor again, with the same arguments"
        assert (again in said) is not is_over
        assert "paceline resume" not in said

    fits.clear()
    continued = search(kind, study).fit(X, Y)
    if is_over:
        assert set(fits) == {ROWS}
    whole = search(kind, None).fit(X, Y)
    assert continued.cv_results_["params"] == whole.cv_results_["params"]
    for name, column in whole.cv_results_.items():
        if "test" in name:
            np.testing.assert_allclose(continued.cv_results_[name], column, 1e-4, err_msg=name)
    assert continued.best_params_ == whole.best_params_
    found = CliRunner().invoke(app, ["doctor", study])
    assert found.exit_code == 0
    assert "again" not in found.output


if __name__ == "__main__":
    search(*sys.argv[1:]).fit(X, Y)
