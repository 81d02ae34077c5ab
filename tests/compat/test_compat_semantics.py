"""KerasTuner's meaning of a search, with Keras's own ``fit`` as the reference."""

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.compat.conftest import classifier
from tests.compat.keras_fit import fit_trial

import paceline.compat.keras_tuner as kt
from paceline.compat.keras_tuner.engine.together import arguments_of
from paceline.core import InvalidInput, StudyWarning

Rows = tuple[np.ndarray, ...]


def exactly(value: Any) -> Any:
    """Equal up to the rounding of float32."""
    return pytest.approx(value, abs=1e-5)


def parts(rows: Rows, share: float) -> tuple[Rows, Rows]:
    """The division of ``fit(validation_split=share)``."""
    at = math.floor(len(rows[0]) * (1.0 - share))
    return tuple(part[:at] for part in rows), tuple(part[at:] for part in rows)


@pytest.fixture(scope="module")
def tuner(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> kt.RandomSearch:
    """A finished search."""
    directory = tmp_path_factory.mktemp("kt")
    tuner = kt.RandomSearch(
        classifier, "val_accuracy", max_trials=4, seed=1, directory=directory, project_name="p"
    )
    tuner.search(*rows, epochs=4, batch_size=30, validation_split=0.25, verbose=0)
    return tuner


def test_a_score_is_the_best_epoch_of_fit_on_the_last_rows(
    tuner: kt.RandomSearch, rows: Rows
) -> None:
    train, held_out = parts(rows, 0.25)
    scores = []
    for trial in tuner.study.trials:
        history = fit_trial(tuner, trial, train, held_out, epochs=4, batch_size=30)
        best = int(np.argmax(history["val_accuracy"]))
        scores.append(max(history["val_accuracy"]))
        shown = tuner.oracle.get_trial(f"{trial.number}")
        assert shown.score == exactly(scores[-1])
        assert shown.best_step == best
    assert any(trial.best_epoch != 4 for trial in tuner.study.trials)
    assert tuner.oracle.get_best_trials(9)[0].score == exactly(max(scores))
    ranked = [trial.score or 0.0 for trial in tuner.oracle.get_best_trials(9)]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) == 4


def test_models_have_the_weights_of_their_best_epochs(tuner: kt.RandomSearch, rows: Rows) -> None:
    _, (x, y) = parts(rows, 0.25)
    models = tuner.get_best_models(4)
    for model, trial in zip(models, tuner.oracle.get_best_trials(4), strict=True):
        found = model.evaluate(x, y, verbose=0, return_dict=True)
        assert found["accuracy"] == exactly(trial.score)


def test_results_can_be_read_in_each_way(
    tuner: kt.RandomSearch, capsys: pytest.CaptureFixture[str]
) -> None:
    best, second = tuner.get_best_hyperparameters(2)
    measured = tuner.oracle.get_best_trials()[0].measured
    assert measured is not None
    assert best.values == dict(measured.config)
    assert best.get("units") == best["units"] == best.values["units"]
    assert "units" in best
    assert "nothing" not in best
    with pytest.raises(KeyError):
        best.get("nothing")
    model = tuner.hypermodel.build(best)
    model.build((None, 4))
    assert model.layers[0].units == best["units"]
    assert float(model.optimizer.learning_rate) == pytest.approx(best["learning_rate"])
    second.values["units"] = 5  # not a value of the space: the user's own
    assert tuner.hypermodel.build(second).layers[0].units == 5
    tuner.results_summary(1)
    tuner.search_space_summary()
    printed = capsys.readouterr().out
    for text in ("Results summary", f"Score: {tuner.oracle.get_best_trials()[0].score}"):
        assert text in printed
    assert "units (Int)" in printed
    assert printed.count("Trial ") == 1
    assert tuner.remaining_trials == 0


def test_a_project_goes_on_and_is_overwritten_on_request(
    rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tuner(max_trials: int, **options: Any) -> kt.RandomSearch:
        return kt.RandomSearch(
            classifier, "val_loss", max_trials, directory=tmp_path, project_name="p", **options
        )

    given: Any = {"epochs": 1, "batch_size": 30, "validation_split": 0.25, "verbose": 0}
    first = tuner(1, seed=3)
    with pytest.raises(InvalidInput, match="not searched yet"):
        first.get_best_models()
    first.search(*rows, **given)
    second = tuner(2)
    assert "Reloading Tuner" in capsys.readouterr().out
    assert second.remaining_trials == 1
    assert second.get_best_hyperparameters()[0].values == first.study.best.config
    assert len(second.get_best_models(5)) == 1
    second.search(*rows, **given)
    assert [trial.number for trial in second.study.trials] == [0, 1]
    assert second.study.trials[0].config == first.study.trials[0].config
    with pytest.warns(StudyWarning, match=r"one by one, and .* With overwrite=True"):
        tuner(3).search(rows[0] + 1, rows[1], **given)
    fresh = tuner(1, overwrite=True)
    assert not fresh.oracle.trials
    with pytest.raises(InvalidInput, match=r"validation_split=0\.2"):
        fresh.search(*rows)
    assert len(tuner(2).study.trials) == 3, "nothing is deleted before the search is accepted"
    fresh.search(*rows, **given)
    assert len(fresh.study.trials) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"p"}


def test_a_directory_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    def tuner(**options: Any) -> kt.RandomSearch:
        return kt.RandomSearch(
            classifier, "val_loss", directory=tmp_path, project_name="p", **options
        )

    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "photo.jpg").touch()
    with pytest.raises(InvalidInput, match="something else"):
        tuner(overwrite=True)
    (tmp_path / "p" / "oracle.json").touch()
    with pytest.raises(InvalidInput, match="project of KerasTuner"):
        tuner()


def test_executions_keep_the_rows_and_their_best_epochs_are_averaged(
    rows: Rows, tmp_path: Path
) -> None:
    tuner = kt.RandomSearch(
        classifier, "val_loss", 1, seed=5, executions_per_trial=2, directory=tmp_path
    )
    tuner.search(*rows, epochs=3, batch_size=30, validation_split=0.25, verbose=0)
    (trial,) = tuner.study.trials
    train, held_out = parts(rows, 0.25)
    from paceline.study.planned.retraining import REPEATS, seeds_of

    seeds = (trial.seed, *seeds_of(5, REPEATS, 1))
    best = [
        min(
            fit_trial(tuner, trial, train, held_out, seed=seed, epochs=3, batch_size=30)["val_loss"]
        )
        for seed in seeds
    ]
    assert best[0] != best[1]
    assert trial.scores == exactly(best)
    assert tuner.oracle.get_best_trials()[0].score == exactly(np.mean(best))


class _Counting(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback of one's own, which ends a training."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.count += 1
        self.model.stop_training = self.count == 5


@pytest.mark.parametrize("own", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_callbacks_do_in_each_trial_what_they_do_in_fit(
    rows: Rows, tmp_path: Path, own: bool
) -> None:
    def passed() -> list[keras.callbacks.Callback]:
        return [
            keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.02),
            keras.callbacks.EarlyStopping("val_accuracy", patience=2, baseline=0.9),
            *([_Counting()] if own else []),
        ]

    tuner = kt.RandomSearch(classifier, "val_loss", 2, seed=2, directory=tmp_path)
    train, (x, y) = parts(rows, 0.25)
    given: Any = {"epochs": 12, "batch_size": 30}
    tuner.search(*train, validation_data=(x, y), callbacks=passed(), verbose=0, **given)
    lengths = []
    for trial in tuner.study.trials:
        history = fit_trial(tuner, trial, train, (x, y), callbacks=passed(), **given)
        lengths.append(len(history["val_loss"]))
        assert len(trial.measurements) == lengths[-1]
        assert trial.score == exactly(min(history["val_loss"]))
        rates = [one.metrics["learning_rate"] for one in trial.measurements]
        assert rates == pytest.approx(history["learning_rate"])
        assert (trial.program == "fit") == own
    assert min(lengths) < 12


@pytest.mark.exhaustive
def test_a_project_whose_early_stopping_became_patience_goes_on(rows: Rows, tmp_path: Path) -> None:
    """As projects of earlier versions are."""
    import paceline

    tuner = kt.RandomSearch(classifier, "val_loss", 1, seed=2, directory=tmp_path)
    given: Any = {"epochs": 1, "batch_size": 30, "validation_split": 0.25, "verbose": 0}
    arguments = arguments_of(tuner, rows, given)
    paceline.tune(tuner._build_together, study=tuner.project_dir, patience=4, **arguments)
    again = kt.RandomSearch(classifier, "val_loss", 2, seed=2, directory=tmp_path)
    again.search(*rows, callbacks=keras.callbacks.EarlyStopping("val_loss", patience=4), **given)
    assert len(again.study.trials) == 2
    assert again.study.settings.training.callbacks is None


@pytest.mark.exhaustive
def test_class_weights_count_in_training_alone(rows: Rows, tmp_path: Path) -> None:
    tuner = kt.GridSearch(classifier, "val_loss", 1, seed=2, directory=tmp_path)
    given: Any = {"epochs": 2, "batch_size": 90, "class_weight": {1: 1.0, 2: 5.0}}
    tuner.search(*rows, validation_split=0.25, verbose=0, **given)
    (trial,) = tuner.study.trials
    # fit computes the weights once, so its rows must stay; one batch has all of them in any order
    history = fit_trial(tuner, trial, *parts(rows, 0.25), reorder=False, **given)
    assert trial.score == exactly(min(history["val_loss"]))


@pytest.mark.exhaustive
def test_sample_weights_are_divided_with_their_rows(rows: Rows, tmp_path: Path) -> None:
    weight = np.linspace(0.5, 2.0, len(rows[0]))
    tuner = kt.GridSearch(classifier, "val_loss", 1, seed=2, directory=tmp_path)
    given: Any = {"epochs": 2, "batch_size": 30}
    tuner.search(*rows, sample_weight=weight, validation_split=0.25, verbose=0, **given)
    (trial,) = tuner.study.trials
    history = fit_trial(tuner, trial, *parts((*rows, weight), 0.25), **given)
    assert trial.score == exactly(min(history["val_loss"]))


class _OwnFit(kt.HyperModel):
    def build(self, hp: Any) -> keras.Model:
        return classifier(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["callbacks"] = [keras.callbacks.EarlyStopping("val_loss", patience=9)]
        return model.fit(*args, batch_size=hp.Choice("batch_size", [15, 30]), **kwargs)


class _OwnTuner(kt.RandomSearch):
    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["epochs"] = trial.hyperparameters.Int("epochs", 1, 2)
        return super().run_trial(trial, *args, **kwargs)


def test_batch_size_and_epochs_of_a_users_fit_are_tuned(rows: Rows, tmp_path: Path) -> None:
    tuner = _OwnTuner(_OwnFit(), "val_loss", 4, seed=2, directory=tmp_path)
    tuner.search(*rows, validation_split=0.25, verbose=0)
    tried = {(one.config["batch_size"], one.config["epochs"]) for one in tuner.study.trials}
    assert len(tried) > 1
    texts = tuner.study.settings.training.callbacks
    assert texts == ["EarlyStopping(monitor='val_loss', patience=9)"]
    assert all(one.program != "fit" for one in tuner.study.trials)
    trial = next(one for one in tuner.study.trials if one.config["batch_size"] == 15)
    epochs = int(trial.config["epochs"])
    history = fit_trial(tuner, trial, *parts(rows, 0.25), batch_size=15, epochs=epochs)
    assert trial.score == exactly(min(history["val_loss"]))
    assert tuner.oracle.get_trial(trial.number).hyperparameters.get("batch_size") == 15
