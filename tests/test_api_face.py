"""The public face: what it holds, how little its import costs, and that it does what its docstrings
say.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline import InvalidInput, api
from paceline.core.events import SessionEnded, SessionStarted, StudyCreated
from paceline.settings.keywords import OptimizeOptions, TuneOptions, names
from paceline.store import StudyStore


def build(hp: Any) -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


@pytest.fixture
def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("int32")


def test_the_public_names_are_these() -> None:
    assert set(paceline.__all__) == {
        "AllTrialsFailed",
        "Boolean",
        "Callback",
        "CallbackWarning",
        "Choice",
        "Comparison",
        "Fixed",
        "Float",
        "HyperParameters",
        "Int",
        "InvalidInput",
        "Ladder",
        "MissingData",
        "Objective",
        "OpenStudy",
        "PacelineError",
        "Settings",
        "Space",
        "Study",
        "StudyInterrupted",
        "StudyLocked",
        "StudyMismatch",
        "StudyView",
        "StudyWarning",
        "UnreadableStudy",
        "__version__",
        "ablate",
        "compare",
        "doctor",
        "finish",
        "ladder",
        "load_study",
        "open_study",
        "optimize",
        "resume",
        "tune",
        "callbacks",
        "data",
        "execute",
        "exporters",
        "schedule",
        "search",
        "space",
        "testing",
    }
    for name in paceline.__all__:
        assert getattr(paceline, name) is not None
        assert name in {*dir(paceline), "__version__"}
    with pytest.raises(AttributeError, match="open"):
        getattr(paceline, "open")  # noqa: B009 - a type checker knows that it is not there


def test_the_import_is_light_and_chooses_jax() -> None:
    program = (
        "import os; os.environ.pop('KERAS_BACKEND', None)\n"
        "import sys, paceline\n"
        "heavy = 'jax keras sklearn pandas ray plotly rich sqlalchemy scipy numpy typer starlette "
        "uvicorn'.split()\n"
        "print([name for name in heavy if name in sys.modules], os.environ['KERAS_BACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] jax"


def test_reading_a_study_loads_neither_keras_nor_jax(tmp_path: Path) -> None:
    program = (
        "import sys, paceline\n"
        "try: paceline.load_study(sys.argv[1])\n"
        "except paceline.InvalidInput as error: print('refused')\n"
        "print([name for name in ('jax', 'keras', 'sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused", "[]"]


@pytest.mark.exhaustive
def test_a_study_from_memory_is_resumed_with_what_cannot_be_stored(
    arrays: Any, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "objective": "val_accuracy",
        "epochs": 2,
        "batch_size": paceline.Choice([32, 64]),
        "seed": 1,
    }
    study = paceline.tune(
        build, arrays, trials=2, study=tmp_path / "s", class_weight={0: 1.0, 1: 2.0}, **given
    )
    assert len(study.trials) == 2
    with pytest.raises(InvalidInput, match=r"build of study .* passed from memory"):
        paceline.resume(tmp_path / "s")
    with pytest.raises(InvalidInput, match=r"data of study .* passed from memory"):
        paceline.resume(tmp_path / "s", build)
    more = paceline.resume(tmp_path / "s", build, arrays, trials=3)
    assert [trial.number for trial in more.trials] == [0, 1, 2]
    assert more.best.score is not None
    assert paceline.load_study(tmp_path / "s").best == more.best
    assert list(more.best_model().predict(arrays[0][:1], verbose=0).shape) == [1, 2]
    assert len(more.trials_dataframe()) == 3


def test_a_used_up_budget_has_to_be_renewed(arrays: Any, tmp_path: Path) -> None:
    settings = {"seconds": 300.0, "trials": None, "seed": 1, "source": {"validation": 0.1}}
    created = StudyCreated(1, {"metric": "val_loss", "direction": "minimize"}, {}, settings)
    store = StudyStore(tmp_path, writable=True)
    store.append([created, SessionStarted({}), SessionEnded("the time budget is used up", 299.9)])
    store.close()
    with pytest.raises(InvalidInput, match=r"300 s, is used up.* budget='5m' or trials=100"):
        paceline.resume(tmp_path, build, arrays)


def test_the_same_call_goes_on_without_a_seed(arrays: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "objective": "val_accuracy",
        "epochs": 1,
        "study": tmp_path / "s",
        "display": False,
    }
    first = paceline.tune(build, arrays, trials=1, **given)
    second = paceline.tune(build, arrays, trials=2, **given)
    assert second.trials[0] == first.trials[0]


def test_a_refused_call_writes_nothing(
    arrays: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for wrong in (
        {"objective": "val_f1"},
        {"objective": None},
        {"objective": "val_loss", "trials": None},
    ):
        asked: dict[str, Any] = {"trials": 2, **wrong}
        with pytest.raises(InvalidInput):
            paceline.tune(build, arrays, **asked)
    assert list(tmp_path.iterdir()) == []


def test_plain_output_on_request(
    arrays: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"objective": "val_accuracy", "epochs": 1, "trials": 1, "seed": 1}
    paceline.tune(build, arrays, **given, study=tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    paceline.tune(build, arrays, **given, study=tmp_path / "loud", display=True)
    assert "1 of 1 trial done" in capsys.readouterr().err


def test_docstrings_name_every_argument() -> None:
    import inspect

    typed = {"options"}
    for function, options in (
        (api.tune, TuneOptions),
        (api.optimize, OptimizeOptions),
        (api.resume, TuneOptions),
    ):
        text = inspect.getdoc(function) or ""
        for name in ({*inspect.signature(function).parameters} - typed) | {*names(options)}:
            assert f"{name}: " in text or f"{name}," in text, f"{function.__name__}: {name}"


@pytest.mark.parametrize(
    "name", ["search.optuna", "schedule.Asha", "data.load", "space.Condition", "testing"]
)
def test_submodules_are_there_without_another_import(name: str) -> None:
    program = f"import paceline; print(paceline.{name}); paceline.nothing"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert name.rpartition(".")[2] in done.stdout
    assert done.stderr.strip().endswith("AttributeError: No paceline attribute nothing")
