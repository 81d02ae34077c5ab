"""Makes the studies of this folder, with the version of Paceline that wrote format 2.

    git worktree add /tmp/before 6131c1f
    PYTHONPATH=/tmp/before/src python tests/study/earlier/make.py

``next.json`` holds the trials of each study after that version continued it.
"""

import json
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

import paceline

HERE = Path(__file__).parent
ROWS = 60


def build(hp: Any) -> Any:
    """A network with one layer."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def score(hp: Any) -> float:
    """Any function of two hyperparameters."""
    return float(-((hp.Float("x", -1, 1) - 0.3) ** 2) + hp.Int("n", 0, 3))


def data() -> dict[str, Any]:
    """What the study of networks needs again."""
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(ROWS, 4)).astype("float32"), rng.integers(0, 3, ROWS)
    groups = np.repeat(np.arange(12), 5)
    return {"data": arrays, "groups": groups, "sample_weight": np.ones(ROWS)}


NETWORKS: dict[str, Any] = {
    "objective": "val_accuracy",
    "epochs": 1,
    "seed": 1,
    "trials": 3,
    "class_weight": {0: 2.0},
    "search": "random",
    "final": False,
    "keep_models": 2,
    "display": False,
}
FUNCTION: dict[str, Any] = {
    "objective": "max",
    "seed": 2,
    "trials": 4,
    "start_with": [{"x": 0.5}],
    "final": 2,
    "display": False,
}


def continued(directory: Path) -> dict[str, Any]:
    """Continues the studies of a folder: their trials then."""
    networks = paceline.resume(directory / "networks", build, **data(), trials=4, display=False)
    function = paceline.resume(directory / "function", score, trials=6, display=False)
    with paceline.open_study(directory / "asked") as study:
        asked = [dict(trial.config) for trial in (*study.pending, *study.ask(2))]
    return {
        "networks": [[dict(trial.config), trial.score] for trial in networks.trials],
        "function": [[dict(trial.config), trial.score] for trial in function.trials],
        "asked": asked,
    }


def main() -> None:
    """Makes them."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        # the second call changes settings
        paceline.tune(
            build,
            study=made / "networks",
            **data(),
            **{**NETWORKS, "search": "sobol", "keep_models": 1, "trials": 2},
        )
        paceline.tune(build, study=made / "networks", **data(), **NETWORKS)
        paceline.tune(score, study=made / "function", **FUNCTION)
        with paceline.open_study(
            made / "asked", {"x": paceline.Float(-1, 1)}, "max", search="sobol", seed=3
        ) as study:
            for trial in study.ask(2):
                study.tell(trial, trial.config["x"])
            study.ask(1)
        for name in ("networks", "function", "asked"):
            database = sqlite3.connect(made / name / "study.db")
            database.execute("VACUUM")
            database.close()
            shutil.copy(made / name / "study.db", HERE / f"{name}.db")
        (HERE / "next.json").write_text(json.dumps(continued(made), indent=1) + "\n")


if __name__ == "__main__":
    main()
