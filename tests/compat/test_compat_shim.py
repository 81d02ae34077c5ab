"""Unchanged scripts: imports of KerasTuner, and ``paceline run``."""

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import paceline.compat.keras_tuner as kt
from paceline.compat.keras_tuner import shim


@pytest.fixture
def _installed() -> Iterator[None]:
    shim.install()
    yield
    shim.uninstall()


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras_tuner", "RandomSearch"),
        ("keras_tuner.tuners", "Hyperband"),
        ("keras_tuner.tuners.randomsearch", "RandomSearch"),
        ("keras_tuner.tuners.hyperband", "Hyperband"),
        ("keras_tuner.tuners.bayesian", "BayesianOptimization"),
        ("keras_tuner.tuners.gridsearch", "GridSearch"),
        ("keras_tuner.tuners.sklearn", "SklearnTuner"),
        ("keras_tuner.engine.hyperparameters", "HyperParameters"),
        ("keras_tuner.engine.hyperparameters", "Choice"),
        ("keras_tuner.engine.hypermodel", "HyperModel"),
        ("keras_tuner.engine.tuner", "Tuner"),
        ("keras_tuner.engine.base_tuner", "BaseTuner"),
        ("keras_tuner.engine.multi_execution_tuner", "MultiExecutionTuner"),
        ("keras_tuner.engine.oracle", "Objective"),
        ("keras_tuner.engine.oracle", "Oracle"),
        ("keras_tuner.engine.objective", "Objective"),
        ("keras_tuner.engine.trial", "TrialStatus"),
        ("keras_tuner.engine.metrics_tracking", "MetricsTracker"),
        ("keras_tuner.errors", "FailedTrialError"),
        ("keras_tuner.oracles", "BayesianOptimizationOracle"),
        ("keras_tuner.oracles", "RandomSearch"),
        ("keras_tuner.applications", "HyperResNet"),
        ("keras_tuner.applications.xception", "HyperXception"),
        ("keras_tuner.src.engine.hypermodel", "HyperModel"),
        ("keras_tuner.src.tuners.randomsearch", "RandomSearchOracle"),
    ],
)
def test_names_of_kerastuner_are_those_of_this_interface(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    assert found.__module__.startswith("paceline.compat.keras_tuner.")
    assert getattr(kt, name, found) is found or name in ("RandomSearch", "Choice")


@pytest.mark.usefixtures("_installed")
def test_the_old_name_of_the_package_says_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match="is called `keras_tuner` now"):
        old = importlib.import_module("kerastuner")
    assert importlib.import_module("kerastuner.tuners").Hyperband is kt.Hyperband
    assert old is importlib.import_module("keras_tuner") is kt
    assert kt.__spec__ is not None
    assert kt.__spec__.name == "paceline.compat.keras_tuner"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("keras_tuner.nonsense")


def run(folder: Path, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "script.py").write_text(textwrap.dedent(script))
    command = [sys.executable, "-m", "paceline", "run", "script.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.exhaustive
def test_a_script_runs_as_with_python(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 7")
    done = run(
        tmp_path,
        """
        import os, sys, warnings
        import beside
        from kerastuner.tuners import RandomSearch

        warnings.warn("as in Python")
        if __name__ == "__main__":
            print(sys.argv, __file__, beside.value, os.environ["KERAS_BACKEND"])
            print(RandomSearch.__module__, sys.modules["__main__"].__file__)
            sys.exit(3)
        """,
        "--epochs",
        "5",
        "-h",
    )
    assert done.returncode == 3, done.stderr
    assert "['script.py', '--epochs', '5', '-h'] script.py 7 jax" in done.stdout
    assert "paceline.compat.keras_tuner.tuners.randomsearch script.py" in done.stdout
    assert "script.py:6: UserWarning: as in Python" in done.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (
            "def f():\n    raise ValueError('no')\nf()",
            ["Traceback (most recent call last):", "script.py", "in f", "ValueError: no"],
        ),
        ("import nothing_here", ["ModuleNotFoundError: No module named 'nothing_here'"]),
        ("x = = 3", ["script.py", "SyntaxError: invalid syntax"]),
        (
            "import keras_tuner as kt\nkt.RandomSearch()",
            ["paceline.core.errors.InvalidInput: Received `hypermodel=None`"],
        ),
    ],
)
def test_errors_of_a_script_are_shown_as_by_python(
    tmp_path: Path, script: str, printed: list[str]
) -> None:
    done = run(tmp_path, script)
    assert done.returncode == 1
    for text in printed:
        assert text in done.stderr
    assert "compat/keras_tuner/script" not in done.stderr
    assert "runpy" not in done.stderr


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "paceline", "run", "nothing.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: there is no file nothing.py; expected the path of")
