"""What a tuner and its search accept, what they refuse, and what they say."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.compat.conftest import classifier

import paceline.compat.keras_tuner as kt
from paceline.core import AllTrialsFailed, InvalidInput, StudyWarning


@pytest.fixture(autouse=True)
def _says_everything_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("paceline.compat.keras_tuner.engine.options.said", set())
    monkeypatch.chdir(tmp_path)


def tuner(model: Any = classifier, objective: Any = "val_loss", **options: Any) -> kt.RandomSearch:
    return kt.RandomSearch(model, objective, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tuner(max_trial=3), "Did you mean 'max_trials'"),
        (lambda: tuner(max_trials=0), "max_trials is 0"),
        (lambda: tuner(objective="val_magic"), "direction"),
        (lambda: tuner(None), "hypermodel=None"),
        (lambda: tuner("build"), "a function build\\(hp\\)"),
        (lambda: tuner(tune_new_entries=False), "hyperparameters is missing"),
        (
            lambda: tuner(hyperparameters={"a": 1}),
            "hyperparameters is {'a': 1}; expected an object",
        ),
        (lambda: tuner(executions_per_trial=0), "executions_per_trial is 0"),
        (lambda: tuner(seed="a"), "seed is 'a'"),
        (lambda: tuner(max_retries_per_trial=-1), "max_retries_per_trial is -1"),
        (lambda: kt.Hyperband(classifier, "val_loss", factor=1), "factor is 1"),
        (lambda: kt.Hyperband(classifier, "val_loss", max_trials=9), "max_trials"),
        (lambda: kt.Tuner(classifier, classifier), "RandomSearch, BayesianOptimization"),
    ],
)
def test_a_tuner_refuses_what_it_cannot_honour(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
    assert not Path("untitled_project").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tuner(distribution_strategy=object()), "distribution_strategy has no effect"),
        (
            lambda: kt.BayesianOptimization(classifier, "val_loss", beta=1.0, alpha=0.1),
            "alpha, beta: without effect",
        ),
    ],
)
def test_a_tuner_says_what_has_no_effect_once(make: Callable[[], Any], message: str) -> None:
    with pytest.warns(StudyWarning, match=message):
        make()
    make()  # warnings are errors


def test_a_logger_has_no_effect() -> None:
    with pytest.warns(DeprecationWarning, match="logger has no effect"):
        tuner(logger=object())


X, Y = np.zeros((20, 3), np.float32), np.arange(20) % 2


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((X, Y), {}, "Pass validation_split=0.2"),
        ((iter([]), Y), {"validation_split": 0.5}, "y is given and x is a list_iterator"),
        ((X, Y), {"validation_data": iter([])}, "list_iterator has no batches"),
        ((X, Y), {"validation_split": 0.5, "steps_per_epoch": 0}, "steps_per_epoch is 0"),
        ((X, Y), {"validation_data": (X,)}, "expected \\(x_val, y_val\\)"),
        ((X, Y), {"validation_data": (X[:, :2], Y)}, "rows of x have the shape"),
        ((X, Y[:9]), {"validation_split": 0.5}, "one target for each row"),
        ((X, Y), {"validation_split": 1.5}, "validation_split is 1.5"),
        ((X, Y), {"validation_split": 0.99}, "at least one row for training"),
        ((X, Y), {"validation_split": 0.5, "epoch": 3}, "Did you mean 'epochs'"),
        ((X, Y), {"validation_split": 0.5, "epochs": 0}, "epochs is 0"),
        ((X, Y, 32), {"validation_split": 0.5, "batch_size": 32}, "batch_size is given twice"),
        (
            (X, Y),
            {"validation_split": 0.5, "class_weight": {0: 1}, "sample_weight": Y},
            "one of them",
        ),
        ((X, np.array(["a", "b"] * 10)), {"validation_split": 0.5}, "LabelEncoder"),
    ],
)
def test_a_search_refuses_what_it_cannot_honour(
    args: tuple[Any, ...], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        tuner().search(*args, **given)
    assert not Path("untitled_project").exists()


@pytest.mark.parametrize("given", [{}, {"epochs": 2}, {"x": None, "y": Y, "verbose": 0}])
@pytest.mark.parametrize("objective", ["val_loss", "loss"])
def test_a_search_without_data_is_refused_once(given: dict[str, Any], objective: str) -> None:
    with pytest.raises(InvalidInput, match=r"RandomSearch\.search was given no data.*search\(x, y"):
        tuner(objective=objective).search(**given)
    assert not Path("untitled_project").exists()


class _Loads(kt.HyperModel):
    """Loads its data itself."""

    def build(self, hp: Any) -> Any:
        return classifier(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(X, Y, validation_split=0.5, **kwargs)


class _OwnModel(keras.Sequential):  # type: ignore[misc]
    """Loads its data itself."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return super().fit(X, Y, validation_split=0.5, **kwargs)


def _own_model(hp: Any) -> Any:
    model = _OwnModel([keras.layers.Dense(hp.Int("units", 2, 3)), keras.layers.Softmax()])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_a_method_of_the_users_own_may_need_no_data() -> None:
    loads = tuner(_Loads(), max_trials=1, project_name="a")
    loads.search(verbose=0)  # together: its arguments are data
    assert loads.study.best.score is not None
    own = tuner(_own_model, max_trials=1, project_name="b")
    with pytest.warns(StudyWarning, match="x is missing"):
        own.search(verbose=0)
    assert own.study.best.score is not None


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (keras.callbacks.EarlyStopping, r"Pass an instance: EarlyStopping\(\.\.\.\)"),
        (keras.callbacks.EarlyStopping("val_nothing"), "mode='min' or mode='max'"),
        (len, "callbacks contains"),
    ],
)
def test_a_search_refuses_what_is_no_callback(callback: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        tuner().search(X, Y, validation_split=0.5, callbacks=[callback])


def test_a_search_in_which_all_trials_fail_says_why() -> None:
    def diverges(hp: Any) -> Any:
        model = classifier(hp)
        model.compile("sgd", lambda y, p: keras.ops.sum(p) * float("nan"))
        return model

    with pytest.raises(AllTrialsFailed, match=r"first 2 trials all failed.*diverged"):
        tuner(diverges, max_trials=2).search(X, Y, validation_split=0.5, verbose=0)


def test_a_tuner_builds_at_once_so_that_errors_show_early() -> None:
    def broken(hp: Any) -> Any:
        raise RuntimeError(f"no network of {hp.Int('units', 1, 3)}")

    with pytest.raises(RuntimeError, match="no network of 1"):
        tuner(broken)


@pytest.mark.exhaustive
def test_another_backend_is_named_with_the_line_that_changes_it() -> None:
    code = (
        "import os, warnings; os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import keras\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n"
        "    import paceline.compat.keras_tuner\n"
        "print(*(one.message for one in said))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("Keras runs on numpy") == 1
    assert "os.environ['KERAS_BACKEND'] = 'jax'" in done.stdout


def test_importing_the_interface_loads_no_keras() -> None:
    code = "import sys, paceline.compat.keras_tuner\nprint('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
