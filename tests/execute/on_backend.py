"""Trains for `test_execute_backends` on the Keras backend of the environment.

``on_backend.py DIRECTORY`` prints a JSON object. A separate process, since a process has a single
backend.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import paceline
from paceline.core import Objective
from paceline.execute.base import Job, TrainingConfig
from paceline.execute.fit_run import FitRun
from paceline.execute.prepare import Preparation, PreparedNetwork
from paceline.execute.training_run import TrainingRun
from paceline.space import Space
from paceline.train.array_feed import TrainingData
from paceline.train.variables import leaves_of

X = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")
CONFIGS = [{"rate": 0.1}, {"rate": 0.5}]


@keras.saving.register_keras_serializable("paceline.tests")
class Noise(layers.Layer):  # type: ignore[misc]
    """Draws from the global generator."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + np.random.normal() if training else x


@keras.saving.register_keras_serializable("paceline.tests")
class Subclassed(keras.Model):  # type: ignore[misc]
    """Creates its layers for its first batch."""

    def build(self, shape: Any) -> None:
        self.inner = keras.Sequential(
            [
                layers.Dense(6, "relu"),
                layers.Dropout(0.4),
                layers.BatchNormalization(),
                Noise(),
                layers.Dense(1, "sigmoid"),
            ]
        )
        self.inner.build(shape)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.inner(x, training=training)


def build(hp: Any) -> keras.Model:
    model = Subclassed()
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(hp.Float("rate", 0.01, 1.0), momentum=0.5)
    )
    model.compile(
        optimizer,
        "binary_crossentropy",
        metrics=[keras.metrics.AUC(num_thresholds=20)],
        run_eagerly=True,
    )
    return model


def tuned(directory: Path, configs: list[dict[str, float]], **options: Any) -> paceline.Study:
    return paceline.tune(
        build,
        (X, Y),
        study=directory,
        objective="val_auc",
        epochs=2,
        trials=len(configs),
        start_with=configs,
        seed=3,
        search="random",
        schedule="full",
        final=False,
        display=False,
        **options,
    )


def scores(study: paceline.Study) -> list[list[float]]:
    return [[epoch.metrics["val_loss"] for epoch in trial.measurements] for trial in study.trials]


def trained(stop_after: int | None) -> list[list[float]]:
    """The weights after two epochs; with ``given``, the second epoch in another process."""
    preparation = Preparation(
        build, TrainingData.of((X, Y), (X[:9], Y[:9])), TRAINING, Space(), frozenset(), False
    )
    job = Job(0, CONFIGS[0], 7, 2)

    def run(snapshot: Any) -> tuple[PreparedNetwork, list[Any]]:
        [prepared] = preparation.prepare([job])
        assert isinstance(prepared, PreparedNetwork)
        keras.random.normal((3,))  # other random numbers are drawn meanwhile
        np.random.random(5)
        one = TrainingRun(prepared.jobs, prepared.config, "fit", TRAINING)
        if snapshot is not None:
            one.restore([0.5], snapshot)
        epochs = FitRun(prepared, one, snapshot).epochs()
        kept = []
        for progress in epochs:
            kept += list(progress.snapshots.values())
            if stop_after is not None and snapshot is None and kept:
                break
        return prepared, kept

    prepared, kept = run(None)
    if stop_after is not None:
        prepared, _ = run(kept[-1])
    assert prepared.model is not None
    return [leaf.ravel().tolist() for leaf in leaves_of(prepared.model)]


TRAINING = TrainingConfig(Objective.of("val_loss"))


def main(directory: Path) -> None:
    keras.metrics.AUC()
    both = tuned(directory / "both", CONFIGS)
    alone = tuned(directory / "alone", CONFIGS[1:])
    names = sorted(both.trials[0].measurements[-1].metrics)
    again = paceline.resume(directory / "both", build, (X, Y), trials=3, display=False)
    model = both.best_model()
    found = {
        "backend": keras.backend.backend(),
        "both": scores(both),
        "alone": scores(alone),
        "names": names,
        "after_resume": scores(again)[:2],
        "trials": len(again.trials),
        "parameters": model.count_params(),
        "uninterrupted": trained(None),
        "interrupted": trained(1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
