"""The trained models of a study: always there, whatever Keras can write; of the best trial and of
others.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import InvalidInput, TrialState
from paceline.report import document, model_text, read
from paceline.store import StudyStore

Build = Callable[[Any], keras.Model]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
Y = (X @ np.array([1.0, -2.0, 0.5, 0.0], "float32")).astype("float32")
DATA = (X[:48], Y[:48], X[48:], Y[48:])


def tune(build: Any, study: Path, **options: Any) -> paceline.Study:
    settings = {
        "objective": "val_loss",
        "epochs": 2,
        "trials": 4,
        "seed": 3,
        "validation": 0.25,
        "final": False,
        "search": "random",
        "schedule": "full",
        "batch_size": 12,
        "display": False,
    }
    return paceline.tune(build, DATA, study=study, **{**settings, **options})


def network(hp: Any, *layers: Any, loss: Any = "mse") -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), loss)
    return model


def plain(hp: Any) -> keras.Model:
    return network(hp, keras.layers.Dense(3, "relu"))


class Scale(keras.layers.Layer):  # type: ignore[misc]
    """Its configuration says less than it does."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "factor"}


class Whole(keras.Model):  # type: ignore[misc]
    def __init__(self, units: int) -> None:
        super().__init__()
        self.inner, self.out = keras.layers.Dense(units, "relu"), keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.out(self.inner(x))


def holding_hp(hp: Any) -> keras.Model:
    return network(hp, keras.layers.Lambda(lambda x: x * (2.0 if "rate" in hp else 1.0)))


def lying(hp: Any) -> keras.Model:
    return network(hp, Scale(2.0))


def closure_loss(hp: Any) -> keras.Model:
    factor = 3.0

    def loss(y_true: Any, y_pred: Any) -> Any:
        return factor * keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    return network(hp, loss=loss)


def subclass(hp: Any) -> keras.Model:
    model = Whole(3)
    model(X[:1])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model


def averaging(hp: Any) -> keras.Model:
    """Its optimizer keeps averages, and it declares no input shape."""
    model = keras.Sequential([keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate, use_ema=True, ema_momentum=0.5), "mse")
    return model


def measured(model: Any) -> float:
    return float(model.evaluate(X[48:], Y[48:], batch_size=12, verbose=0, return_dict=True)["loss"])


def notes_of_model(study: paceline.Study) -> list[str]:
    return [note for note in study.record.notes if "best.keras" in note]


@pytest.mark.parametrize(
    ("build", "note"),
    [
        (
            holding_hp,
            "No best.keras: Keras cannot save this model (TypeError: Cannot serialize object "
            "<paceline.space",
        ),
        (
            lying,
            "No best.keras: Keras cannot save this model (the model loaded from the file has other "
            "predictions)",
        ),
        (
            subclass,
            "No best.keras: Keras cannot save this model (NotImplementedError: Object Whole was "
            "created",
        ),
        (closure_loss, "best.keras can be loaded only with custom_objects={'loss': loss}"),
        (plain, ""),
        (averaging, ""),
    ],
)
def test_the_best_model_is_there_whatever_keras_can_write(
    build: Build, note: str, tmp_path: Path
) -> None:
    study = tune(build, tmp_path / "study", trials=2)
    tested = study.record.tested
    assert tested is not None
    assert measured(study.best_model()) == pytest.approx(tested.metrics["loss"], rel=1e-6)
    notes = notes_of_model(study)
    assert [path.name for path in study.directory.glob("best*")] == (
        [] if note.startswith("No") else ["best.keras"]
    )
    other = paceline.load_study(
        study.directory
    )  # as in another process: the function is not known there
    assert measured(other.best_model(build)) == pytest.approx(tested.metrics["loss"], rel=1e-6)
    if not note:
        assert notes == []
        again = other.best_model()
        measured(again)
        again.fit(X, Y, verbose=0)  # compiled, with the state of its optimizer
        assert measured(other.best_model()) == pytest.approx(tested.metrics["loss"], rel=1e-6)
        return
    assert [one.startswith(note) for one in notes] == [*[False] * (len(notes) - 1), True]
    assert len(notes) == (
        2 if build is lying else 1
    )  # that a layer says too little is seen in its predictions only
    with pytest.raises(InvalidInput, match=r"was passed from memory, .*; expected build="):
        other.best_model()


def test_a_file_that_needs_objects_is_loaded_with_them(tmp_path: Path) -> None:
    study = tune(closure_loss, tmp_path / "study", trials=1)
    other = paceline.load_study(study.directory)
    loaded = other.best_model(
        custom_objects={"loss": lambda y_true, y_pred: 3.0 * (y_true - y_pred) ** 2}
    )
    assert measured(loaded) == pytest.approx(measured(study.best_model()), rel=1e-6)
    with pytest.raises(
        InvalidInput, match=r"best\.keras cannot be loaded .*Could not locate function 'loss'"
    ):
        other.best_model(custom_objects={})
    with pytest.raises(InvalidInput, match=r"custom_objects=\{\.\.\.\} to load best\.keras"):
        other.best_model()


@pytest.mark.exhaustive
def test_a_trial_that_was_stopped_early_says_so_where_its_network_is_not_kept(
    tmp_path: Path,
) -> None:
    study = tune(plain, tmp_path / "study", trials=8, schedule="asha", epochs=9)
    stopped = next(trial for trial in study.trials if str(trial.state) == "stopped")
    says = f"trial {stopped.number} are not kept, which was stopped early; .*completed trials come"
    with pytest.raises(InvalidInput, match=says):
        study.model(stopped, plain)
    assert study.model(stopped, plain, retrain=True, data=DATA).built


def test_a_trial_that_waits_has_the_network_of_its_pause(tmp_path: Path) -> None:
    class StopsAtPause(paceline.Callback):
        def on_trial_paused(self, study: Any, trial: Any, reason: str) -> None:
            study.stop("a trial has paused")

    given: dict[str, Any] = {"schedule": "halving", "epochs": 9, "repeats": 2}
    tune(plain, tmp_path / "study", callbacks=[StopsAtPause()], **given)
    study = paceline.load_study(tmp_path / "study")
    waiting = [one for one in study.trials if not one.state.is_final and one.measurements]
    assert waiting
    trained = {"epochs": len(waiting[0].measurements), "repeats": 2, "keep_models": 9}
    alone = tune(plain, tmp_path / "alone", **trained)
    same = next(one for one in alone.trials if one.config == waiting[0].config)
    found, expected = (
        one.model(trial, plain) for one, trial in ((study, waiting[0]), (alone, same))
    )
    for weight, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-6)
    assert study.model(waiting[0], plain, retrain=True).get_weights()[0].shape == (4, 3)
    for path in (tmp_path / "study" / "checkpoints").iterdir():
        path.write_bytes(b"garbage")
    with pytest.raises(InvalidInput, match=r"cannot be used \(.*Made again: paceline resume "):
        study.model(waiting[0], plain)
    resumed = tune(plain, tmp_path / "study", **given)
    assert all(one.state.is_final for one in resumed.trials)


@pytest.mark.exhaustive
def test_the_best_trials_keep_their_models_and_the_rest_say_what_to_do(tmp_path: Path) -> None:
    study = tune(plain, tmp_path / "study", keep_models=2, trials=3)
    paceline.resume(study.directory, plain, DATA, trials=6, display=False)
    study = paceline.load_study(study.directory)
    ranked = sorted(study.trials, key=lambda trial: trial.score or 0.0)
    files = list((study.directory / "checkpoints").glob("trial-*"))
    assert sorted(int(file.name.split("-")[1]) for file in files) == sorted(
        trial.number for trial in ranked[:2]
    )
    from paceline.data import load, split

    parts = split(load(DATA, seed=3), validation=0.25, seed=3, standardize=False, batch_rows=12)
    for trial in ranked[:2]:
        model = study.model(trial, plain)
        loss = model.evaluate(parts.x_val, parts.y_val, batch_size=12, verbose=0, return_dict=True)[
            "loss"
        ]
        assert loss == pytest.approx(trial.score, rel=1e-6)
    inputs = keras.Input((4,))  # the models of several trials can be parts of one
    parts_of_one = [study.model(trial, plain) for trial in ranked[:2]]
    mean = keras.Model(inputs, keras.layers.Average()([model(inputs) for model in parts_of_one]))
    apart = [model.predict(X, verbose=0) for model in parts_of_one]
    assert mean.predict(X, verbose=0) == pytest.approx(np.mean(apart, axis=0), abs=1e-5)
    third = ranked[2]
    kept = ", ".join(map(str, sorted(trial.number for trial in ranked[:2])))
    with pytest.raises(
        InvalidInput,
        match=rf"trial {third.number} are not kept; expected .*: {kept}\. .*retrain=True",
    ):
        study.model(third.number, plain)
    again = study.model(third, plain, retrain=True, data=DATA)
    loss = again.evaluate(parts.x_val, parts.y_val, batch_size=12, verbose=0, return_dict=True)[
        "loss"
    ]
    assert loss == pytest.approx(third.score, rel=1e-6)
    told = list(model_text.lines(read(study.directory)))
    assert (
        told[0] == f"The trained model is {study.directory / 'best.keras'}; load it with "
        f"keras.saving.load_model."
    )
    assert told[1].startswith(
        f"The trained models of the 2 best trials of the search ({kept}) are kept: study.model("
    )
    # fewer from now on
    paceline.resume(study.directory, plain, DATA, trials=7, keep_models=1, display=False)
    assert len(list((study.directory / "checkpoints").glob("trial-*"))) == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("repeats", [1, 2])
def test_models_of_stopped_trials_are_kept_beside_those_that_completed(
    tmp_path: Path, repeats: int
) -> None:
    given: Any = {"epochs": 4, "schedule": "halving", "keep": "best", "repeats": repeats}
    study = tune(plain, tmp_path / "kept", keep_models=9, **given)
    other = tune(plain, tmp_path / "one", **given)
    stopped = [one for one in study.trials if one.state is TrialState.STOPPED]
    assert stopped
    later = paceline.load_study(study.directory)
    for trial in later.trials:
        again = other.model(trial.number, retrain=True).get_weights()
        for weight, expected in zip(
            later.model(trial.number, plain).get_weights(), again, strict=True
        ):
            np.testing.assert_allclose(weight, expected, atol=1e-6)


class _StopsAtAPause(paceline.Callback):
    def on_trial_paused(self, study: Any, trial: Any, reason: str) -> None:
        study.stop("it is enough")


@pytest.mark.exhaustive
@pytest.mark.parametrize("repeats", [1, 2])
def test_the_model_of_a_study_that_ended_before_any_trial_is_that_of_the_furthest(
    tmp_path: Path, repeats: int
) -> None:
    given: Any = {"epochs": 4, "schedule": "halving", "repeats": repeats, "refit": False}
    study = tune(plain, tmp_path / "study", callbacks=[_StopsAtAPause()], **given)
    assert len(study.best.measurements) < 4
    again = tune(plain, tmp_path / "again", **given).model(study.best.number, retrain=True)
    assert [one.shape for one in study.best_model().get_weights()] == [
        one.shape for one in again.get_weights()
    ]


def test_a_model_trained_again_is_the_one_of_the_search(tmp_path: Path) -> None:
    """Of folds and of a trial that was stopped on its way, too."""
    folds = tune(plain, tmp_path / "folds", folds=3, trials=2, epochs=1)
    kept = np.concatenate([np.ravel(w) for w in folds.model(folds.best).get_weights()])
    for file in (folds.directory / "checkpoints").glob("trial-*"):
        file.rename(file.with_name("elsewhere.safetensors"))
    from paceline.study.stored_models import Origin, retrained

    again = retrained(folds.record, folds.directory, folds.best.number, Origin(plain), DATA, {})
    assert np.concatenate([np.ravel(w) for w in again.get_weights()]) == pytest.approx(
        kept, abs=1e-6
    )


MODULE = """
import keras
import numpy as np

class Whole(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.out = keras.layers.Dense(units)

    def call(self, x):
        return self.out(x)

def build(hp):
    model = Whole(1)
    model(np.zeros((1, 4)))
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model
"""


def test_a_file_that_the_study_names_is_run_only_where_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.py").write_text(MODULE)
    study = tune(f"{tmp_path / 'model.py'}:build", tmp_path / "study", trials=1)
    other = paceline.load_study(study.directory)
    assert measured(other.best_model()) == pytest.approx(measured(study.best_model()), rel=1e-6)
    monkeypatch.setenv("PACELINE_STATE", str(tmp_path / "another user's"))
    with pytest.raises(
        InvalidInput, match=r"names .*model\.py:build .*not run: .*; expected trust=True"
    ):
        other.best_model()
    assert measured(other.best_model(trust=True)) == pytest.approx(
        measured(study.best_model()), rel=1e-6
    )
    assert measured(other.model(0, f"{tmp_path / 'model.py'}:build")) == pytest.approx(
        measured(study.model(0))
    )


def test_a_build_function_that_has_changed_is_named(tmp_path: Path) -> None:
    study = tune(plain, tmp_path / "study", trials=1)
    with pytest.raises(
        InvalidInput, match=r"build\(hp\) .*the build function that the study was made with|trained"
    ):
        study.best_model(lambda hp: network(hp, keras.layers.Dense(5, "relu")))


@pytest.mark.exhaustive
def test_a_built_in_network_is_built_again_without_being_passed(tmp_path: Path) -> None:
    study = tune("mlp", tmp_path / "study", trials=1, epochs=1)
    (study.directory / "best.keras").unlink()
    other = paceline.load_study(study.directory)
    for model in (other.best_model(), other.model(0)):
        assert measured(model) == pytest.approx(measured(study.model(0)), rel=1e-6)


def test_the_model_of_a_trial_is_the_search_s_and_the_best_model_is_trained_on_more(
    tmp_path: Path,
) -> None:
    study = tune(plain, tmp_path / "study", trials=2, refit=True)
    tested = study.record.tested
    assert tested is not None
    assert tested.refitted
    assert measured(study.best_model()) == pytest.approx(tested.metrics["loss"], rel=1e-6)
    assert measured(study.model(study.best)) != pytest.approx(tested.metrics["loss"], rel=1e-3)
    before = study.record.tested
    (study.directory / "best.keras").unlink()
    again = tune(
        plain, tmp_path / "study", trials=2, refit=True
    )  # writes the file; neither trains nor tests anew
    assert (again.directory / "best.keras").exists()
    assert measured(paceline.load_study(study.directory).best_model()) == pytest.approx(
        tested.metrics["loss"]
    )
    assert again.record.tested == before


def test_a_study_that_kept_its_best_model_alone_still_has_it(tmp_path: Path) -> None:
    """As it was recorded before the models of several trials could be kept."""
    study = tune(plain, tmp_path / "study", trials=2)
    loss = measured(study.model(study.best))
    store = StudyStore(study.directory, writable=True)
    index = store.value("checkpoints")
    assert index is not None
    ((number, kept),) = index["models"].items()
    before = {
        "running": {},
        "best": {"file": kept["file"], "trial": int(number)},
        "next": index["next"],
    }
    store.append([], {"checkpoints": before})
    store.close()
    old = paceline.load_study(study.directory)
    assert measured(old.model(old.best, plain)) == pytest.approx(loss, rel=1e-6)
    assert measured(old.best_model()) == pytest.approx(loss, rel=1e-6)
    (
        study.directory / ".new-killed"
    ).mkdir()  # as a process leaves it that is killed while it writes the file
    (study.directory / ".new-killed" / "best.keras").touch()
    more = tune(plain, tmp_path / "study", trials=3)
    assert not list(study.directory.glob(".new-*"))
    assert measured(more.model(more.best)) == pytest.approx(measured(more.best_model()), rel=1e-6)


def test_a_study_of_a_function_says_that_its_models_are_its_own(tmp_path: Path) -> None:
    study = paceline.tune(
        lambda hp: hp.Float("x", 0, 1),
        objective="max",
        trials=2,
        study=tmp_path / "study",
        display=False,
    )
    own = r"is of a function, .*Save each model where you train it"
    with pytest.raises(InvalidInput, match=own):
        study.best_model()
    with pytest.raises(InvalidInput, match=own):
        study.model(0)
    with pytest.raises(InvalidInput, match="keep_models was given with a study of a function"):
        paceline.resume(study.directory, lambda hp: hp.Float("x", 0, 1), trials=3, keep_models=2)


def test_trials_without_a_model_say_why(tmp_path: Path) -> None:
    def failing(hp: Any) -> keras.Model:
        if hp.Choice("broken", [False, True]):
            raise RuntimeError("no such layer")
        return plain(hp)

    study = tune(failing, tmp_path / "study", trials=4)
    failed = next(trial for trial in study.trials if trial.state == "failed")
    with pytest.raises(InvalidInput, match=f"trial {failed.number} is failed"):
        study.model(failed)
    with pytest.raises(InvalidInput, match="trial is 99; expected 0 to 3"):
        study.model(99)


def test_a_report_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study" / "report.html").mkdir(parents=True)
    with pytest.warns(
        UserWarning, match=r"report of the study in .* was not written: .*paceline report"
    ):
        study = tune(plain, tmp_path / "study", trials=1)
    assert study.best.score is not None

    def broken(summary: Any) -> Any:
        raise ZeroDivisionError("a panel")

    monkeypatch.setattr(document, "panels", broken)
    with pytest.warns(UserWarning, match=r"was not written: ZeroDivisionError\('a panel'\)"):
        tune(plain, tmp_path / "study", trials=1)


class HyperModel:
    """As KerasTuner's."""

    def build(self, hp: Any) -> Any:
        return plain(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **given: Any) -> Any:
        return model.fit(*args, **given)


class OwnFit(HyperModel):
    def fit(self, hp: Any, model: Any, *args: Any, **given: Any) -> Any:
        return model.fit(*args, batch_size=hp.Int("batch_size", 8, 16), **given)


def test_an_object_with_a_build_is_taken_as_its_build(tmp_path: Path) -> None:
    study = tune(HyperModel(), tmp_path / "study", trials=1, epochs=1)
    assert (
        study.trials[0].config
        == tune(plain, tmp_path / "plain", trials=1, epochs=1).trials[0].config
    )
    other = paceline.load_study(study.directory)
    assert measured(other.best_model(HyperModel())) == pytest.approx(
        measured(study.best_model()), rel=1e-6
    )
    again = paceline.resume(
        study.directory, HyperModel(), DATA, trials=2, validation=0.25, display=False
    )
    assert len(again.trials) == 2


def test_an_object_in_a_file_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import keras\n\nclass Mine:\n    def build(self, hp):\n"
        "        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])\n"
        "        model.compile(keras.optimizers.SGD(hp.Float('rate', 1e-3, 1e-1)), 'mse')\n"
        "        return model\n\nmine = Mine()\n"
    )
    tune(f"{tmp_path / 'mine.py'}:mine", tmp_path / "study", trials=1, epochs=1)
    again = paceline.resume(tmp_path / "study", data=DATA, trials=2, validation=0.25, display=False)
    assert len(again.trials) == 2


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (HyperModel, r"build is the class HyperModel; expected an instance of it, HyperModel\(\)"),
        (
            OwnFit(),
            r"OwnFit, which has a fit of its own; .*pass its build: tune\(hypermodel\.build, ",
        ),
        (object(), "or an object with such a method"),
    ],
)
def test_objects_that_are_not_taken_as_build(build: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=told):
        tune(build, tmp_path / "study")
