"""A score is what `evaluate` says of the model that is handed out, however its network was
trained.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import layers

import paceline
from paceline.core import TrialState

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4)).astype("float32")
Y = (X[:, 0] > X[:, 1]).astype("int32") + (X[:, 2] > 0.5)
TRAIN, VALIDATION = (X[:100], Y[:100]), (X[100:], Y[100:])
SIZE = 16


def model(hp: Any, optimizer: keras.optimizers.Optimizer, **compiled: Any) -> keras.Model:
    made = keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, "softmax")]
    )
    made.compile(optimizer, **{"loss": "sparse_categorical_crossentropy", **compiled})
    return made


def rate(hp: Any) -> float:
    return float(hp.Float("rate", 0.05, 0.4))


def averaged(hp: Any, **compiled: Any) -> keras.Model:
    return model(hp, keras.optimizers.SGD(rate(hp), use_ema=True, ema_momentum=0.9), **compiled)


def summed(hp: Any, **compiled: Any) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    return model(hp, keras.optimizers.SGD(rate(hp) / 20), loss=loss, **compiled)


def alone(build: Callable[..., keras.Model]) -> Callable[[Any], keras.Model]:
    return lambda hp: build(hp, jit_compile=False)


def tuned(build: Callable[..., keras.Model], directory: Path, **options: Any) -> paceline.Study:
    asked = {
        "objective": "val_loss",
        "epochs": 3,
        "batch_size": SIZE,
        "trials": 2,
        "search": "random",
        "seed": 1,
        "schedule": "full",
        "final": False,
        "validation": VALIDATION,
        "display": False,
    }
    return paceline.tune(build, TRAIN, study=directory, **{**asked, **options})


def evaluated(study: paceline.Study, size: int = SIZE) -> float:
    found: float = study.best_model().evaluate(*VALIDATION, batch_size=size, verbose=0)
    return found


class Pair(NamedTuple):
    """One search, with networks that train side by side and with networks that train through
    ``fit``.
    """

    together: paceline.Study
    apart: paceline.Study
    size_matters: bool


@pytest.fixture(scope="module", params=[averaged, summed])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    base = tmp_path_factory.mktemp(request.param.__name__)
    return Pair(
        tuned(request.param, base / "together"),
        tuned(alone(request.param), base / "apart"),
        request.param is summed,
    )


@pytest.mark.parametrize("how", ["together", "apart"])
@pytest.mark.exhaustive
def test_the_score_is_that_of_the_model_handed_out(pair: Pair, how: str) -> None:
    study = getattr(pair, how)
    assert evaluated(study) == pytest.approx(study.best.score, rel=1e-6)


@pytest.mark.exhaustive
def test_a_configuration_scores_alike_in_a_cohort_and_alone(pair: Pair) -> None:
    for one, other in zip(pair.together.trials, pair.apart.trials, strict=True):
        assert one.config == other.config
        assert one.score == pytest.approx(other.score, rel=1e-5)


def test_a_note_gives_the_batch_size_if_scores_depend_on_it(pair: Pair) -> None:
    told = any(
        f"evaluate(..., batch_size={SIZE}) gives the same" in note
        for note in pair.together.record.notes
    )
    assert told is pair.size_matters


@pytest.mark.parametrize("build", [averaged, alone(averaged)])
@pytest.mark.exhaustive
def test_averages_are_scored_at_the_best_epoch_and_rest_as_they_were_trained(
    build: Callable[..., keras.Model], tmp_path: Path
) -> None:
    straight = tuned(build, tmp_path / "straight", epochs=4, keep="best")
    assert evaluated(straight) == pytest.approx(straight.best.score, rel=1e-6)
    halves = paceline.schedule.Halving(eta=2, size=2)
    halved = tuned(build, tmp_path / "halved", epochs=4, keep="best", schedule=halves)
    (ended,) = [trial for trial in halved.trials if trial.state is TrialState.COMPLETED]
    assert ended.score == pytest.approx(straight.trials[ended.number].score, rel=1e-5)
    assert evaluated(halved) == pytest.approx(ended.score, rel=1e-6)


def test_validation_batches_of_a_size_of_their_own(tmp_path: Path) -> None:
    study = tuned(summed, tmp_path, validation_batch_size=25, trials=1)
    assert evaluated(study, 25) == pytest.approx(study.best.score, rel=1e-6)
    assert any("evaluate(..., batch_size=25)" in note for note in study.record.notes)
    resumed = paceline.resume(
        tmp_path, summed, TRAIN, trials=2, validation=VALIDATION, display=False
    )
    assert evaluated(resumed, 25) == pytest.approx(
        resumed.best.score, rel=1e-6
    )  # it is taken from the study
    with pytest.raises(paceline.StudyMismatch, match="validation_batch_size is 10"):
        tuned(summed, tmp_path, validation_batch_size=10, trials=3)
    with pytest.raises(paceline.InvalidInput, match="validation_batch_size is 0"):
        tuned(summed, tmp_path / "other", validation_batch_size=0)
