"""Exports a study to a tool; beside `benchmarks.exports`.

Request: ``trials, seed, tool``. Answer: ``seconds``.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paceline
from paceline import exporters


def objective(hp: paceline.HyperParameters) -> None:
    """Ten steps of two metrics."""
    value = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log") * hp.Int("layers", 1, 3)
    value += hp.Choice("units", [32, 64, 96, 128]) + hp.Float("dropout", 0.0, 0.5)
    value += hp.Float("l2", 1e-6, 1e-2, sampling="log")
    for step in range(10):
        hp.report({"val_loss": value / (step + 1), "loss": value / (step + 2)})


def exporter(tool: str, directory: Path) -> exporters.Exporter:
    """The exporter of a tool, with everything in a directory."""
    made: dict[str, Any] = {
        "tensorboard": lambda: exporters.TensorBoard(directory / "logs"),
        "mlflow": lambda: exporters.MLflow(f"sqlite:///{directory / 'mlflow.db'}"),
        "optuna": lambda: exporters.OptunaStorage(f"sqlite:///{directory / 'optuna.db'}"),
        "wandb": lambda: exporters.WandB(mode="offline", directory=directory),
        "csv": lambda: exporters.Tables(directory, "csv"),
        "parquet": lambda: exporters.Tables(directory, "parquet"),
    }
    return made[tool]()  # type: ignore[no-any-return]


def seconds(request: Mapping[str, Any], directory: Path) -> float:
    study = paceline.optimize(
        objective,
        ("val_loss", "min"),
        trials=request["trials"],
        epochs=10,
        search="random",
        final=False,
        study=directory / "study",
        seed=request["seed"],
        display=False,
    )
    os.chdir(directory)  # MLflow puts artifacts there
    began = time.perf_counter()
    exporters.export(study.directory, exporter(request["tool"], directory))
    return time.perf_counter() - began


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="exports-") as folder:
        print("\n" + json.dumps({"seconds": seconds(json.loads(sys.argv[1]), Path(folder))}))
