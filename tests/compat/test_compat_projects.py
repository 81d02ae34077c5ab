"""Projects that are opened again, by the same script or by a changed one."""

import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.compat.conftest import classifier

import paceline.compat.keras_tuner as kt
from paceline import Callback, InvalidInput, load_study
from paceline.core import (
    StudyInterrupted,
    StudyLocked,
    StudyMismatch,
    StudyWarning,
    Trial,
    TrialState,
    UnreadableStudy,
)
from paceline.store import StudyStore, has_study, lock
from paceline.study.hooks.view import StudyView

Rows = tuple[np.ndarray, ...]
GIVEN: dict[str, Any] = {"epochs": 1, "batch_size": 30, "validation_split": 0.25, "verbose": 0}


@pytest.fixture(autouse=True)
def _warnings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline.compat.keras_tuner.engine.options.said", set())


@pytest.fixture(scope="module")
def directory(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished project."""
    directory = tmp_path_factory.mktemp("kt")
    tuner = kt.RandomSearch(classifier, "val_loss", 2, seed=1, directory=directory)
    tuner.search(*rows, **GIVEN)
    return directory


def _also(*case: Any) -> Any:
    return pytest.param(*case, marks=pytest.mark.exhaustive)


def opened(directory: Path, build: Any = classifier, **given: Any) -> kt.RandomSearch:
    given = {"objective": "val_loss", "max_trials": 2, **given}
    return kt.RandomSearch(build, directory=directory, **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 3}, r"epochs is 3 \(expected 1, as in "),
        _also({"callbacks": [keras.callbacks.EarlyStopping("val_loss")]}, "callbacks is .Early"),
        _also({"batch_size": 20}, "batch_size is 20"),
        _also({"validation_split": 0.5}, "the rows to train on or to validate are others"),
        _also({"initial_epoch": 1, "epochs": 3}, "have trained together, and this search cannot"),
    ],
)
def test_a_finished_project_trains_nothing_whatever_the_arguments(
    rows: Rows, directory: Path, given: dict[str, Any], message: str
) -> None:
    tuner = opened(directory)
    before = tuner.study.trials
    with pytest.warns(StudyWarning, match=rf"has finished, so nothing is trained.*{message}"):
        tuner.search(*rows, **{**GIVEN, **given})
    assert tuner.study.trials == opened(directory).study.trials == before
    (model,) = tuner.get_best_models()
    x, y = rows[0][90:], rows[1][90:]
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(tuner.study.best.score, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (kt.RandomSearch, {"epochs": 3}, r"epochs is 3 \(expected 1, as in .*one by one"),
        _also(kt.RandomSearch, {"validation_split": 0.5}, "the rows to train on"),
        _also(kt.BayesianOptimization, {"initial_epoch": 1, "epochs": 3}, "have trained together"),
        _also(kt.GridSearch, {"batch_size": 20}, "batch_size is 20"),
    ],
)
def test_a_project_with_trials_left_goes_on_with_other_arguments(
    rows: Rows, tmp_path: Path, kind: Any, given: dict[str, Any], message: str
) -> None:
    def on_grid(hp: Any) -> keras.Model:
        hp.Fixed("learning_rate", 0.01)
        hp.Choice("more", [1, 2])
        return classifier(hp)

    def project(trials: int) -> Any:
        build = on_grid if kind is kt.GridSearch else classifier
        return kind(build, "val_loss", max_trials=trials, seed=1, directory=tmp_path)

    first = project(2)
    first.search(*rows, **GIVEN)
    again = project(4)
    with pytest.warns(StudyWarning, match=message):
        again.search(*rows, **{**GIVEN, **given})
    trials, earlier = again.oracle.trials, first.oracle.trials
    assert list(trials) == ["0", "1", "2", "3"]
    assert [trials[name].score for name in earlier] == [one.score for one in earlier.values()]
    assert all(one.score is not None for one in trials.values())
    values = [repr(sorted(one.hyperparameters.values.items())) for one in trials.values()]
    assert len(set(values)) == 4
    assert [one.score for one in again.study.trials] == [one.score for one in trials.values()]
    for tuner in (again, project(4)):
        assert {name: one.score for name, one in tuner.oracle.trials.items()} == {
            name: one.score for name, one in trials.items()
        }
        x, y = rows[0][90:], rows[1][90:]
        for trial in earlier.values():
            found = tuner.load_model(tuner.oracle.trials[trial.trial_id])
            loss = np.ravel(found.evaluate(x, y, verbose=0))[0]
            assert loss == pytest.approx(trial.score, abs=1e-5)


@pytest.mark.parametrize(
    "begun_with",
    [
        {"callbacks": [keras.callbacks.EarlyStopping("val_loss")]},
        _also({"steps_per_epoch": 2}),
        _also({"validation_steps": 1, "validation_batch_size": 15}),
    ],
)
def test_what_is_not_given_again_has_its_default(
    rows: Rows, tmp_path: Path, begun_with: dict[str, Any]
) -> None:
    first = opened(tmp_path)
    first.search(*rows, **GIVEN, **begun_with)
    with pytest.warns(StudyWarning, match=r"has finished, .* is not given \(expected .*, as in"):
        opened(tmp_path).search(*rows, **GIVEN)
    again = opened(tmp_path)
    again.search(*rows, **GIVEN, **begun_with)
    assert again.study.trials == first.study.trials


@pytest.mark.exhaustive
def test_a_project_goes_on_where_it_was_killed_in_the_change(rows: Rows, tmp_path: Path) -> None:
    opened(tmp_path).search(*rows, **GIVEN)
    with pytest.warns(StudyWarning, match="one by one"):
        opened(tmp_path, max_trials=3).search(*rows, **{**GIVEN, "epochs": 2})
    project = tmp_path / "untitled_project"
    for path in (project / "study.db", project / "oracle.json"):
        assert path.exists()
    (project / "study.db").unlink()
    for path in (project / "trained_together").iterdir():  # as before the move
        if not (project / path.name).exists():
            path.rename(project / path.name)
    later = opened(tmp_path, max_trials=4)
    with pytest.warns(StudyWarning, match="have done so before"):
        later.search(*rows, **{**GIVEN, "epochs": 2})
    assert len(later.study.trials) == 4
    kept = (project / "trained_together" / "study.db").read_bytes()
    (project / "study.db").unlink()
    StudyStore(project, writable=True).close()  # killed before its first event
    last = opened(tmp_path, max_trials=5)
    last.search(*rows, **{**GIVEN, "epochs": 2})
    assert len(last.study.trials) == 5
    assert (project / "trained_together" / "study.db").read_bytes() == kept


def test_trials_of_a_change_that_was_killed_are_not_counted_twice(
    rows: Rows, tmp_path: Path
) -> None:
    opened(tmp_path).search(*rows, **GIVEN)
    stale = tmp_path / "untitled_project" / "trial_0"  # of max_trials=2, before `oracle.json`
    stale.mkdir()
    kt.Trial(kt.HyperParameters(), "0", "COMPLETED").save(str(stale / "trial.json"))
    tuner = opened(tmp_path, max_trials=10)
    with pytest.warns(StudyWarning, match="one by one"):
        tuner.search(*rows, **{**GIVEN, "epochs": 2})
    assert len(tuner.oracle.trials) == len(opened(tmp_path, max_trials=10).oracle.trials) == 10


@pytest.mark.parametrize("is_new", [True, _also(False)])
def test_what_has_ended_since_a_tuner_was_made_is_kept(
    rows: Rows, tmp_path: Path, is_new: bool
) -> None:
    if not is_new:
        opened(tmp_path, max_trials=1, seed=1).search(*rows, **GIVEN)
    tuner, finished = opened(tmp_path, max_trials=4), opened(tmp_path, max_trials=3)
    opened(tmp_path, max_trials=3, seed=1).search(*rows, **GIVEN)
    earlier = opened(tmp_path).study.trials
    with pytest.warns(StudyWarning, match="has finished, so nothing is trained"):
        finished.search(*rows, **{**GIVEN, "epochs": 2})
    with lock(tmp_path / "untitled_project"), pytest.raises(StudyLocked):
        tuner.search(*rows, **{**GIVEN, "epochs": 2, "initial_epoch": 1})
    assert opened(tmp_path).study.trials == earlier
    with pytest.warns(StudyWarning, match="one by one"):
        tuner.search(*rows, **{**GIVEN, "epochs": 2})
    scores = [one.score for one in tuner.study.trials]
    assert scores[:3] == [one.score for one in earlier]
    assert len(scores) == 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_search_goes_on_with_other_arguments_after_an_interruption(
    rows: Rows, tmp_path: Path, overwrite: bool
) -> None:
    project = tmp_path / "untitled_project"
    interrupts = [True]

    def ended() -> list[float]:
        trials = load_study(project).trials if has_study(project) else []
        return [one.score for one in trials if one.score is not None]

    def interrupted(hp: Any) -> keras.Model:
        if interrupts and ended():
            interrupts.clear()
            signal.raise_signal(signal.SIGINT)
        return classifier(hp)

    tuner = kt.BayesianOptimization(
        interrupted, "val_loss", 12, seed=1, directory=tmp_path, overwrite=overwrite
    )
    with pytest.raises(StudyInterrupted):
        tuner.search(*rows, **GIVEN)
    before = ended()
    assert 0 < len(before) < 12
    assert [one.score for one in tuner.study.trials if one.score is not None] == before
    with pytest.warns(StudyWarning, match="one by one"):
        tuner.search(*rows, **{**GIVEN, "epochs": 2})
    assert [one.score for one in tuner.study.trials][: len(before)] == before
    assert len(tuner.study.trials) == 12
    x, y = rows[0][90:], rows[1][90:]
    for trial in list(tuner.oracle.trials.values())[: len(before)]:
        loss = np.ravel(tuner.load_model(trial).evaluate(x, y, verbose=0))[0]
        assert loss == pytest.approx(trial.score, abs=1e-5)


class Interrupts(Callback):
    """Ctrl+C before anything is measured."""

    def on_trial_asked(self, study: StudyView, trial: Trial) -> None:
        raise KeyboardInterrupt


def with_units(*units: int) -> Any:
    """A ``build`` with these numbers of units."""

    def build(hp: Any) -> keras.Model:
        layer = keras.layers.Dense(hp.Choice("units", list(units)), activation="tanh")
        model = keras.Sequential([layer, keras.layers.Dense(3, "softmax")])
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        return model

    return build


@pytest.mark.filterwarnings("ignore:Trials train one by one")
@pytest.mark.parametrize(
    ("units", "given", "message"),
    [
        ((16, 32), {}, "the space differs in units"),
        _also((4, 8), {"epochs": 2}, "epochs is 2"),
        _also((4, 8), {"validation_split": 0.5}, "the rows to train on"),
        ((16, 32), {"initial_epoch": 1, "epochs": 2}, "this search cannot"),
    ],
)
def test_a_project_in_which_nothing_was_measured_begins_anew(
    rows: Rows, tmp_path: Path, units: tuple[int, ...], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyInterrupted):
        opened(tmp_path, with_units(4, 8)).search(*rows, **GIVEN, callbacks=[Interrupts()])
    project = tmp_path / "untitled_project"
    assert load_study(project).trials
    assert not any(one.measurements for one in load_study(project).trials)
    tuner = opened(tmp_path, with_units(*units))
    with lock(project), pytest.raises(StudyLocked):
        tuner.search(*rows, **{**GIVEN, **given})
    assert has_study(project)
    with pytest.warns(StudyWarning, match=f"{message}.*Nothing was measured.*begins anew"):
        tuner.search(*rows, **{**GIVEN, **given})
    for one in (tuner, opened(tmp_path, with_units(*units))):
        assert len(one.study.trials) == len(one.oracle.trials) == 2
        assert {trial.config["units"] for trial in one.study.trials} <= {*units}
        (known,) = (each for each in one.oracle.get_space().space if each.name == "units")
        assert tuple(known.values) == units
    are_alone = (project / "oracle.json").exists()
    assert are_alone == ("initial_epoch" in given)
    assert not (project / "trained_together").exists()


def test_a_project_of_single_trials(rows: Rows, tmp_path: Path) -> None:
    alone = {**GIVEN, "epochs": 2, "initial_epoch": 1}

    def searched(**given: Any) -> kt.RandomSearch:
        tuner = opened(tmp_path, **{"max_trials": 1, **given})
        tuner.search(*rows, **alone)
        return tuner

    with pytest.warns(StudyWarning, match="one by one"):
        first = searched()
    project = tmp_path / "untitled_project"
    with (
        pytest.warns(StudyWarning, match="have done so before"),
        pytest.raises(StudyMismatch, match="val_accuracy"),
    ):
        searched(objective="val_accuracy", max_trials=2)
    assert opened(tmp_path).study.trials == first.study.trials
    (project / "trial_0" / "checkpoint.weights.h5").unlink()
    with pytest.raises(InvalidInput, match=r"the weights of trial 0 in .* are not stored"):
        first.get_best_models()
    (project / "study.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(UnreadableStudy):
        opened(tmp_path)
    assert len(searched(overwrite=True).study.trials) == 1


def test_a_project_whose_space_is_exhausted_has_finished(rows: Rows, tmp_path: Path) -> None:
    def build(hp: Any) -> keras.Model:
        units = hp.Int("units", 4, 8, step=4)
        model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    first = opened(tmp_path, build, max_trials=5)
    first.search(*rows, **GIVEN)
    assert len(first.study.trials) == 2
    with pytest.warns(StudyWarning, match="has finished, so nothing is trained"):
        opened(tmp_path, build, max_trials=6).search(*rows, **{**GIVEN, "epochs": 2})
    assert opened(tmp_path, build).study.trials == first.study.trials


@pytest.mark.exhaustive
@pytest.mark.parametrize("executions", [1, 2])
def test_brackets_go_on_with_other_arguments_after_an_interruption(
    hyperband: Any, rows: Rows, tmp_path: Path, executions: int
) -> None:
    given = {"directory": tmp_path, "executions_per_trial": executions}
    interrupts = [True]

    def rate(epoch: int, rate: float) -> float:
        if epoch == 2 and interrupts:
            interrupts.clear()
            signal.raise_signal(signal.SIGINT)
        return float(rate)

    first = hyperband(1, **given)
    with pytest.raises(StudyInterrupted):
        first.search(*rows, **GIVEN, callbacks=[keras.callbacks.LearningRateScheduler(rate)])
    known = {one.number: one for one in first.study.trials}
    assert not all(one.state.is_final for one in known.values())
    paused = [n for n, one in known.items() if n < 3 and not one.state.is_final]
    with pytest.warns(StudyWarning, match="callbacks is not given .*one by one"):
        first.search(*rows, **GIVEN)
    trials = first.oracle.trials
    for number, trial in enumerate(trials.values()):
        values = trial.hyperparameters.values
        assert trial.score is not None
        if number in paused and len(known[number].measurements) == 2:  # a round that had ended
            assert values["tuner/epochs"] == 2
            assert trial.score == min(one.metrics["val_loss"] for one in known[number].measurements)
    rounds = [(one["tuner/bracket"], one["tuner/round"]) for one in map(_values, trials.values())]
    done = rounds.count((1, 1))
    assert done == 2
    assert rounds.count((0, 0)) == 3
    later = hyperband(1, **given)
    assert {name: one.score for name, one in later.oracle.trials.items()} == {
        name: one.score for name, one in trials.items()
    }
    x, y = rows[0][90:], rows[1][90:]
    if executions == 1:
        for model, trial in zip(
            later.get_best_models(8), later.oracle.get_best_trials(8), strict=False
        ):
            loss = np.ravel(model.evaluate(x, y, verbose=0))[0]
            assert loss == pytest.approx(trial.score, abs=1e-5)
    with pytest.warns(StudyWarning, match="have done so before"):
        later.search(*rows, **GIVEN)
    assert len(later.oracle.trials) == len(trials), "it had finished"


@pytest.mark.exhaustive
def test_the_next_brackets_have_other_arguments(hyperband: Any, rows: Rows, tmp_path: Path) -> None:
    first = hyperband(1, directory=tmp_path)
    first.search(*rows, **GIVEN)
    for other in ({"max_epochs": 9}, {"factor": 3}):
        says = r"max_epochs is . and factor is .; expected max_epochs=3 and factor=2, .*overwrite="
        with pytest.raises(StudyMismatch, match=says):
            hyperband(2, directory=tmp_path, **other).search(*rows, **GIVEN)
    more = hyperband(2, directory=tmp_path)
    with pytest.warns(StudyWarning, match="batch_size is 20 .*one by one"):
        more.search(*rows, **{**GIVEN, "batch_size": 20})
    trials = list(more.oracle.trials.values())
    assert [one.score for one in trials[:6]] == [one.score for one in first.study.trials]
    rounds = [(one["tuner/bracket"], one["tuner/round"]) for one in map(_values, trials[6:])]
    assert rounds == [(1, 0), (1, 0), (1, 0), (1, 1), (1, 1), (0, 0), (0, 0), (0, 0)]


@pytest.mark.exhaustive
def test_trials_of_brackets_whose_weights_are_lost_train_anew(
    hyperband: Any, rows: Rows, tmp_path: Path
) -> None:
    hyperband(1, directory=tmp_path).search(*rows, **GIVEN)
    shutil.rmtree(tmp_path / "untitled_project" / "checkpoints")
    (tmp_path / "untitled_project" / "best.keras").unlink()
    more = hyperband(2, directory=tmp_path)
    with pytest.warns(StudyWarning, match="batch_size is 20 .*one by one"):
        more.search(*rows, **{**GIVEN, "batch_size": 20})
    assert {one.status for one in more.oracle.trials.values()} == {"COMPLETED"}
    x, y = rows[0][90:], rows[1][90:]
    best = more.oracle.get_best_trials(len(more.oracle.trials))
    for model, trial in zip(more.get_best_models(len(best)), best, strict=True):
        assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(trial.score, abs=1e-5)


def _values(trial: kt.Trial) -> dict[str, Any]:
    return trial.hyperparameters.values


def test_a_finished_project_of_another_space_or_objective_is_refused(
    rows: Rows, directory: Path
) -> None:
    def wider(hp: Any) -> keras.Model:
        hp.Int("more", 1, 5)
        return classifier(hp)

    def narrower(hp: Any) -> keras.Model:
        units = hp.Int("units", 4, 8, step=4)
        model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(StudyMismatch, match="the space differs in more"):
        opened(directory, wider).search(*rows, **GIVEN)
    for build in (wider, narrower):
        with pytest.raises(StudyMismatch, match="epochs is 3"):
            opened(directory, build).search(*rows, **{**GIVEN, "epochs": 3})
    with pytest.raises(StudyMismatch, match=r"expected val_loss \(minimize\), as in"):
        opened(directory, objective="val_accuracy")
    for tuner in (kt.BayesianOptimization, kt.Hyperband, kt.GridSearch):
        with pytest.raises(RuntimeError, match="pass `overwrite=True`"):
            tuner(classifier, "val_loss", directory=directory)


class Sized(kt.HyperModel):
    """Tunes the size of a batch."""

    def __init__(self, name: str) -> None:
        self.named = name

    def build(self, hp: Any) -> keras.Model:
        return classifier(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice(self.named, [15, 30]), **kwargs)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["rows", "batch_size"])
def test_hyperparameters_of_fit_keep_their_names_in_a_project(
    rows: Rows, tmp_path: Path, name: str
) -> None:
    given = {"validation_split": 0.25, "verbose": 0}
    first = opened(tmp_path, Sized(name), seed=2, max_trials=3)
    first.search(*rows, **given)
    assert all(one.program != "fit" for one in first.study.trials), "they trained together"
    best = first.get_best_hyperparameters()[0]
    assert best.get(name) == first.study.best.config["batch_size"]
    assert {one.config["batch_size"] for one in first.study.trials} == {15, 30}
    again = opened(tmp_path, Sized(name), max_trials=4)
    assert again.get_best_hyperparameters()[0].values == best.values
    assert set(best.values) == {"units", "learning_rate", name}
    again.search(*rows, **given)
    assert len(again.study.trials) == 4
    assert again.oracle.trials["3"].hyperparameters.get(name) in (15, 30)


@pytest.fixture(scope="module")
def hyperband(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Opens a search by Hyperband in one directory."""
    directory = tmp_path_factory.mktemp("hyperband")

    def make(iterations: int = 1, build: Any = classifier, **given: Any) -> kt.Hyperband:
        options = {"max_epochs": 3, "factor": 2, "seed": 4, "directory": directory, **given}
        return kt.Hyperband(build, "val_loss", hyperband_iterations=iterations, **options)

    make().search(*rows, **GIVEN)
    return make


@pytest.mark.exhaustive
def test_models_of_stopped_trials_are_kept_for_later_processes(hyperband: Any, rows: Rows) -> None:
    later = hyperband()  # it has neither searched nor seen the data
    stopped = [one for one in later.study.trials if one.state is TrialState.STOPPED]
    assert stopped
    x, y = rows[0][90:], rows[1][90:]
    models = later.get_best_models(6)
    for model, trial in zip(models, later.oracle.get_best_trials(6), strict=True):
        assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(trial.score, abs=1e-5)
    more = hyperband(2)
    more.search(*rows, **GIVEN)
    assert len(more.study.trials) == 12
    assert sum(one.state is TrialState.STOPPED for one in more.study.trials) == 2 * len(stopped)
    assert len(hyperband(2).get_best_models(12)) == 12


@pytest.mark.exhaustive
def test_brackets_continue_after_an_interruption(
    hyperband: Any, rows: Rows, tmp_path: Path
) -> None:
    lock, built = threading.Lock(), []

    def interrupted(hp: Any) -> keras.Model:
        with lock:
            built.append(hp)
        if len(built) == 8:
            signal.raise_signal(signal.SIGINT)
        return classifier(hp)

    given = {"directory": tmp_path, "executions_per_trial": 2}
    with pytest.raises(StudyInterrupted, match="Run the script again"):
        hyperband(1, interrupted, **given).search(*rows, **GIVEN)
    hyperband(1, **given).search(*rows, **GIVEN)
    whole = hyperband(1, **given, project_name="whole")
    whole.search(*rows, **GIVEN)
    later = hyperband(1, **given)
    assert [one.score for one in later.study.trials] == [one.score for one in whole.study.trials]
    for model, other in zip(later.get_best_models(6), whole.get_best_models(6), strict=True):
        for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
