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


class OwnHook(kt.RandomSearch):
    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tuner(max_trial=3), "Did you mean 'max_trials'"),
        (lambda: tuner(max_trials=0), "max_trials is 0"),
        (lambda: tuner(objective=None), "objective is missing"),
        (lambda: tuner(objective=["val_loss", "val_mae"]), "a sum of several"),
        (lambda: tuner(objective="val_magic"), "direction"),
        (lambda: tuner(None), "hypermodel is None"),
        (lambda: OwnHook(classifier, "val_loss"), "OwnHook defines on_epoch_end"),
        (lambda: tuner(hyperparameters=kt.HyperParameters()), "Define them in build"),
        (lambda: tuner(tune_new_entries=False), "hp.Fixed in build"),
        (lambda: tuner(loss="mse"), "Compile the model with it in build"),
        (lambda: tuner(max_model_size=100), "count_params"),
        (lambda: tuner(executions_per_trial=0), "executions_per_trial is 0"),
        (lambda: tuner(seed="a"), "seed is 'a'"),
        (lambda: kt.Hyperband(classifier, "val_loss", factor=1), "factor is 1"),
        (lambda: kt.Hyperband(classifier, "val_loss", max_trials=9), "max_trials"),
        (lambda: kt.Tuner(classifier, "val_loss", 3, {}), "expected RandomSearch"),
    ],
)
def test_a_tuner_refuses_what_it_cannot_honour(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
    assert not Path("untitled_project").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tuner(distribution_strategy=object()), "distribution_strategy has no effect"),
        (lambda: tuner(logger=object()), "logger has no effect"),
        (lambda: tuner(max_retries_per_trial=2), "not repeated"),
        (lambda: tuner(max_consecutive_failed_trials=9), "if its first trials all fail"),
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


X, Y = np.zeros((20, 3), np.float32), np.arange(20) % 2
EarlyStopping = keras.callbacks.EarlyStopping


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((X, Y), {}, "Pass validation_split=0.2"),
        ((X,), {"validation_split": 0.5}, "y is missing"),
        ((iter([]), Y), {"validation_split": 0.5}, "not supported yet: collect them"),
        ((X, Y), {"validation_data": iter([])}, "validation_data is a list_iterator"),
        ((X, Y), {"validation_data": (X,)}, "expected \\(x_val, y_val\\)"),
        ((X, Y), {"validation_data": (X[:, :2], Y)}, "rows of x have the shape"),
        ((X, Y[:9]), {"validation_split": 0.5}, "one target for each row"),
        ((X, Y), {"validation_split": 1.5}, "validation_split is 1.5"),
        ((X, Y), {"validation_split": 0.99}, "at least one row for training"),
        ((X, Y), {"validation_split": 0.5, "epoch": 3}, "Did you mean 'epochs'"),
        ((X, Y), {"validation_split": 0.5, "epochs": 0}, "epochs is 0"),
        ((X, Y, 32), {"validation_split": 0.5, "batch_size": 32}, "batch_size is given twice"),
        ((X, Y), {"validation_split": 0.5, "steps_per_epoch": 3}, "steps_per_epoch is 3"),
        ((X, Y), {"validation_split": 0.5, "initial_epoch": 2}, "initial_epoch is 2"),
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


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EarlyStopping, r"Pass an instance: EarlyStopping\(\.\.\.\)"),
        (EarlyStopping("val_nothing"), "mode='min' or mode='max'"),
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


def hypermodel(fit: Callable[..., Any]) -> kt.HyperModel:
    """A `HyperModel` with this ``fit``."""
    own = {"build": lambda self, hp: classifier(hp), "fit": lambda self, *a, **k: fit(*a, **k)}
    model: kt.HyperModel = type("Own", (kt.HyperModel,), own)()
    return model


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda hp, model, *a, **k: model.summary(), "does more with the model than model.fit"),
        (lambda hp, model, *a, **k: 0.5, "trains 0 times"),
        (
            lambda hp, model, *a, **k: model.fit(*a, batch_size=2 ** hp.Int("log", 1, 5), **k),
            "computes batch_size from hyperparameters",
        ),
        (
            lambda hp, model, *a, **k: model.fit(*a, batch_size=hp.Int("size", 1, 5), **k),
            "passes the hyperparameter 'size' as batch_size",
        ),
        (
            lambda hp, model, x, y, **k: model.fit(x * hp.Float("scale", 0.1, 1.0), y, **k),
            "computes 0 from hyperparameters",
        ),
        (
            lambda hp, model, *a, **k: (hp.Boolean("augment"), model.fit(*a, **k)),
            "uses the hyperparameter 'augment'",
        ),
    ],
)
def test_a_fit_of_the_user_may_only_set_batch_size_and_epochs(
    fit: Callable[..., Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        tuner(hypermodel(fit)).search(X, Y, validation_split=0.5)


def test_a_tuner_builds_at_once_so_that_errors_show_early() -> None:
    def broken(hp: Any) -> Any:
        raise RuntimeError(f"no network of {hp.Int('units', 1, 3)}")

    with pytest.raises(RuntimeError, match="no network of 1"):
        tuner(broken)


def test_hyperparameters_of_a_user() -> None:
    hp = kt.HyperParameters()
    assert hp.Int("units", 32, 64, step=32) == 32
    assert hp.Choice("kind", ["a", "b", "a"], default="b") == "b"
    with hp.name_scope("head"):
        assert hp.Boolean("bias") is False
        assert hp.get("bias") is False
    with hp.conditional_scope("kind", "a"):
        assert hp.Float("rate", 0.0, 1.0) is None
    assert hp.values == {"units": 32, "kind": "b", "head/bias": False}
    assert [one.name for one in hp.space] == ["units", "kind", "head/bias", "rate"]
    hp.values["kind"] = "a"
    with hp.conditional_scope("kind", "a"):
        assert hp.Float("rate", 0.0, 1.0) == 0.0
    copied = hp.copy()
    hp.values["units"] = 7
    assert hp.Int("units", 32, 64, step=32) == 7
    assert copied.get("units") == 32
    assert copied.is_active("rate")
    hp.values = {"units": 64}
    assert hp.Int("units", 32, 64, step=32) == 64
    assert hp.Choice("kind", ["a", "b", "a"], default="b") == "b"


@pytest.mark.parametrize(
    ("define", "value"),
    [
        (lambda hp: hp.Int("n", 6, 18, step=6, default=10), 12),
        (lambda hp: hp.Int("n", 6, 18, default=40), 18),
        (lambda hp: hp.Int("n", 2, 64, step=2, sampling="log", default=30), 32),
        (lambda hp: hp.Float("n", 0.0, 0.5, step=0.25, default=0.3), 0.25),
        (lambda hp: hp.Float("n", 0.1, 0.5, default=0.0), 0.1),
    ],
)
def test_a_default_off_the_range_is_moved(define: Callable[[Any], Any], value: float) -> None:
    with pytest.warns(StudyWarning, match=f"none of its values; {value} is used"):
        assert define(kt.HyperParameters()) == value


def test_names_that_are_not_there_say_what_to_use() -> None:
    with pytest.raises(ImportError, match=r"paceline\.search\.Strategy"):
        from paceline.compat.keras_tuner import Oracle  # noqa: F401
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = kt.Nonsense


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
