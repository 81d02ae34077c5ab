"""Models whose variables or names are known late go through everything that a study does."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tests.study.definitions import planned

import paceline
from paceline.train.isolation import GlobalState

X = np.random.default_rng(0).normal(size=(120, 4)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")
DATA, HELD_OUT = (X[30:], Y[30:]), (X[:30], Y[:30])


def build(hp: Any) -> keras.Model:
    """No declared input shape, an optimizer whose build makes its variables anew, metrics that
    Keras names.
    """
    model = keras.Sequential(
        [
            layers.Dense(4, "relu", dtype="mixed_float16"),
            layers.Dense(1, "sigmoid", dtype="float32"),
        ]
    )
    optimizer = keras.optimizers.SGD(
        hp.Float("rate", 1e-2, 0.4, sampling="log"), momentum=hp.Float("m", 0.1, 0.9)
    )
    model.compile(
        keras.optimizers.LossScaleOptimizer(optimizer),
        "binary_crossentropy",
        metrics=[keras.metrics.AUC(num_thresholds=20)],
    )
    return model


def tuned(directory: Path, trials: int, **options: Any) -> paceline.Study:
    return paceline.tune(
        build,
        DATA,
        study=directory,
        objective="val_auc",
        epochs=1,
        trials=trials,
        search="random",
        schedule="full",
        seed=3,
        batch_size=45,
        validation=HELD_OUT,
        display=False,
        **options,
    )


def test_its_trials_are_one_program_and_its_model_is_the_one_that_scored_best(
    tmp_path: Path,
) -> None:
    with GlobalState(0):
        assert keras.metrics.AUC().name == "auc"  # what was named before does not matter
        study = tuned(tmp_path / "study", 8, final=False)
        assert keras.metrics.AUC().name == "auc_1"  # and what is named after does not see the study
    assert len({trial.program for trial in study.trials}) == 1
    measured = study.best_model().evaluate(*HELD_OUT, verbose=0, return_dict=True)
    assert set(measured) == {"loss", "auc"}
    assert measured["auc"] == pytest.approx(study.best.score, abs=1e-6)


class SaysNothing(keras.Model):  # type: ignore[misc]
    """Without a configuration: only its variables tell what it is."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.hidden, self.out = layers.Dense(units), layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.out(self.hidden(x))

    def get_config(self) -> Any:
        raise NotImplementedError


def test_what_changes_the_program_is_seen_where_only_variables_tell_it(tmp_path: Path) -> None:
    def build(hp: Any) -> keras.Model:
        model = SaysNothing(hp.Int("units", 2, 5))
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1)), "mse")
        return model

    plan = planned(
        build,
        DATA,
        objective="val_loss",
        search="random",
        seed=0,
        study=tmp_path / "study",
        validation=0.2,
        epochs=1,
        batch_size=32,
        keep="last",
        trials=2,
    )
    # units change the sizes of the network only, which may share a program
    assert plan.structural == {"units": False, "rate": False}


@pytest.mark.exhaustive
def test_it_goes_on_to_a_final_a_refit_and_an_ablation(tmp_path: Path) -> None:
    study = tuned(tmp_path / "study", 2, final=2, refit=True)
    assert study.record.final is not None
    assert study.best_model().evaluate(*DATA, verbose=0, return_dict=True)["auc"] > 0.5
    again = paceline.resume(
        study.directory, build, DATA, validation=HELD_OUT, trials=3, display=False
    )
    assert len({trial.program for trial in again.trials}) == 1
    assert paceline.ablate(
        study.directory, build, DATA, validation=HELD_OUT, pairs=2, display=False
    ).record.ablation
