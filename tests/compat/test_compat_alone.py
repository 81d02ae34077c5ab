"""Trials that run one by one: tuners, oracles and trainings of the user's own."""

import math
import warnings
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from tests.compat.conftest import classifier

import paceline
import paceline.compat.keras_tuner as kt
from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.together import arguments_of
from paceline.core import InvalidInput, StudyInterrupted, StudyWarning, TrialState

pytestmark = pytest.mark.filterwarnings("ignore:Trials train one by one")


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("paceline.compat.keras_tuner.engine.options.said", set())


class Parabola(kt.RandomSearch):
    """Trains nothing: a function of hyperparameters that it defines itself."""

    fails_at: int | None = None
    error: type[BaseException] = ValueError

    def run_trial(self, trial: kt.Trial, shift: float = 0.2, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        a = hp.Float("a", -1, 1)
        hp.Choice("kind", ["x", "y"])
        with hp.conditional_scope("kind", ["y"]):
            more = hp.Int("more", 1, 5)
        if len(self.oracle.start_order) == self.fails_at:
            raise self.error("no luck")
        return (a - shift) ** 2 + (more or 0)


def test_a_run_trial_of_ones_own_is_a_study() -> None:
    tuner = Parabola(max_trials=7, seed=3)
    with pytest.warns(StudyWarning, match="Trials train one by one.*not one metric"):
        tuner.search(shift=0.2, verbose=0)
    best = tuner.oracle.get_best_trials()[0]
    assert best.score == pytest.approx(
        (best.hyperparameters["a"] - 0.2) ** 2 + best.hyperparameters.values.get("more", 0)
    )
    study = paceline.load_study("untitled_project")
    assert study.best.score == best.score == tuner.study.best.score
    assert study.best.config == best.hyperparameters.values
    assert [one.score for one in study.trials] == [
        one.score for one in tuner.oracle.trials.values()
    ]
    assert {len(one.config) for one in study.trials} == {2, 3}
    assert study.report().exists()
    with pytest.raises(InvalidInput, match="are run by its user"):
        paceline.resume("untitled_project")


@pytest.mark.parametrize("error", [KeyboardInterrupt, kt.errors.FatalError])
def test_a_search_that_was_ended_continues(error: type[BaseException]) -> None:
    tuner = Parabola(max_trials=5, seed=3)
    tuner.fails_at, tuner.error = 3, error
    with pytest.raises(error):
        tuner.search(verbose=0)
    again = Parabola(max_trials=5, seed=3)
    assert again.remaining_trials == 2
    again.search(verbose=0)
    whole = Parabola(max_trials=5, seed=3, project_name="whole")
    whole.search(verbose=0)
    values = [one.hyperparameters.values for one in again.oracle.trials.values()]
    assert values[1:] == [one.hyperparameters.values for one in whole.oracle.trials.values()][1:]
    assert [one.number for one in again.study.trials] == [0, 1, 2, 3, 4]
    assert len(Parabola(max_trials=5).study.trials) == 5


def test_what_a_killed_process_has_not_written_is_added() -> None:
    tuner = Parabola(max_trials=3, seed=3)
    tuner.search(verbose=0)
    for file in Path("untitled_project").glob("study.db*"):
        file.unlink()
    again = Parabola(max_trials=4, seed=3)
    again.search(verbose=0)
    assert len(again.study.trials) == 4


def test_trials_that_fail_are_repeated_and_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    class Sometimes(kt.GridSearch):
        def run_trial(self, trial: kt.Trial, **kwargs: Any) -> Any:
            value = trial.hyperparameters.Int("n", 1, 4)
            calls.append(value)
            if value == 2:
                raise ValueError(f"not {value}")
            if value == 3:
                raise kt.errors.FailedTrialError("never 3")
            return float("nan") if value == 4 else value

    tuner = Sometimes(max_retries_per_trial=2, max_consecutive_failed_trials=9)
    tuner.search()
    assert calls == [1, 2, 2, 2, 3, 4, 4, 4]
    states = [one.state for one in tuner.study.trials]
    assert states == [TrialState.COMPLETED, *[TrialState.FAILED] * 3]
    assert "ValueError: not 2" in str(tuner.oracle.get_trial("0001").message)
    assert "not 2" in str(tuner.study.trials[1].error)
    printed = capsys.readouterr()
    assert "Search: Running Trial #4" in printed.out
    assert "Trial 1 Complete" in printed.out
    assert "Trial 2 Failed" in printed.out
    assert printed.err.count("ValueError: not 2") == 3
    assert "The objective is not a number." in printed.err
    calls.clear()
    with pytest.raises(RuntimeError, match=r"(?s)consecutive failures: 2 .*never 3"):
        Sometimes(max_consecutive_failed_trials=2, project_name="q").search(verbose=0)
    printed = capsys.readouterr()
    assert not printed.out
    assert "never 3" in printed.err


class Descent(kt.Oracle):
    """An oracle of the user's own."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        done = [one for one in self.trials.values() if one.score is not None]
        if len(done) == 4:
            return {"status": "STOPPED"}
        last = done[-1].hyperparameters["a"] if done else 1.0
        return {"status": "RUNNING", "values": {"a": last / 2}}


def test_an_oracle_of_ones_own_and_a_base_tuner() -> None:
    ended: list[str] = []

    class Square(kt.BaseTuner):
        def run_trial(self, trial: kt.Trial, *args: Any) -> dict[str, float]:
            model = self.hypermodel.build(trial.hyperparameters)
            self.save_model(trial.trial_id, model)
            return {"score": -(model**2), "other": 1.0}

        def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
            Path(self.get_trial_dir(trial_id), "model").write_text(str(model))

        def load_model(self, trial: kt.Trial) -> Any:
            return float(Path(self.get_trial_dir(trial.trial_id), "model").read_text())

        def on_trial_end(self, trial: kt.Trial) -> None:
            super().on_trial_end(trial)
            ended.append(trial.trial_id)

    tuner = Square(
        oracle=Descent(kt.Objective("score", "max"), max_trials=9),
        hypermodel=lambda hp: hp.Float("a", 0, 1),
    )
    tuner.search()
    assert tuner.get_best_models(2) == [0.0625, 0.125]
    assert ended == ["0", "1", "2", "3"]
    assert tuner.study.best.score == -(0.0625**2)
    assert dict(tuner.study.best.measurements[0].metrics) == {"score": -(0.0625**2), "other": 1.0}


def test_a_tuner_of_estimators() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    y = x @ [1.0, 2.0, 0.0, 0.0] + 0.1 * rng.normal(size=60)
    tuner = kt.SklearnTuner(
        kt.oracles.BayesianOptimizationOracle(kt.Objective("score", "max"), max_trials=5, seed=1),
        lambda hp: Ridge(hp.Float("alpha", 1e-3, 1e3, sampling="log")),
        directory="runs",
    )
    tuner.search(x, y, sample_weight=np.ones(60))
    best = tuner.get_best_hyperparameters()[0]["alpha"]
    assert best < 10
    assert tuner.get_best_models()[0].score(x, y) > 0.9
    assert len(tuner.study.trials) == 5
    again = kt.SklearnTuner(tuner.oracle, tuner.hypermodel, directory="runs")
    with pytest.raises(InvalidInput, match="Fit it again"):
        again.get_best_models()


class Hooked(kt.Hyperband):
    """Calls a method of its own after each epoch, so that trials train through fit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.epochs: list[tuple[str, int]] = []
        super().__init__(*args, **kwargs)

    def on_epoch_end(self, trial: kt.Trial, model: Any, epoch: int, logs: Any = None) -> None:
        self.epochs.append((trial.trial_id, epoch))


@pytest.mark.exhaustive
def test_networks_that_train_alone(rows: Any) -> None:
    x, y = rows
    tuner = Hooked(classifier, "val_loss", max_epochs=3, factor=2, seed=0)
    with pytest.warns(StudyWarning, match="Hooked defines on_epoch_end"):
        tuner.search(x[:90], y[:90], validation_data=(x[90:], y[90:]), verbose=0)
    trials = list(tuner.oracle.trials.values())
    rounds = [one.hyperparameters.values["tuner/round"] for one in trials]
    assert rounds == [0, 0, 0, 1, 1, 0, 0, 0]
    assert [epoch for name, epoch in tuner.epochs if name == trials[3].trial_id] == [2]
    for model, trial in zip(tuner.get_best_models(8), tuner.oracle.get_best_trials(8), strict=True):
        found = model.evaluate(x[90:], y[90:], verbose=0, return_dict=True)["loss"]
        assert found == pytest.approx(trial.score, abs=1e-5)
    again = Hooked(classifier, "val_loss", max_epochs=3, factor=2, seed=0)
    assert again.get_best_hyperparameters()[0].values == tuner.get_best_hyperparameters()[0].values
    found = again.get_best_models()[0].evaluate(x[90:], y[90:], verbose=0)[0]
    assert found == pytest.approx(tuner.study.best.score, abs=1e-5)


class Weighted(kt.HyperModel):
    """Trains in a way of its own, with a hyperparameter that no argument of fit has."""

    def build(self, hp: Any) -> keras.Model:
        return classifier(hp)

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> dict[str, float]:
        weight = hp.Float("weight", 0.5, 2.0)
        history = model.fit(x, y, sample_weight=np.full(len(x), weight), **kwargs)
        return {"score": min(history.history["loss"]) / weight, "weight": weight}


@pytest.mark.exhaustive
def test_a_fit_of_ones_own(rows: Any) -> None:
    tuner = kt.RandomSearch(
        Weighted(), kt.Objective("score", "min"), max_trials=2, seed=1, executions_per_trial=2
    )
    tuner.search(*rows, epochs=1, batch_size=60, verbose=0)
    assert {"units", "learning_rate", "weight"} == set(tuner.study.space.names)
    trial = tuner.oracle.get_best_trials()[0]
    assert len(trial.metrics.get_history("score")[0].value) == 1
    assert math.isfinite(trial.score or math.nan)
    assert trial.metrics.get_last_value("weight") == trial.hyperparameters["weight"]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("objective", "given"),
    [
        ("loss", {}),
        (["val_loss", kt.Objective("val_accuracy", "max")], {"validation_split": 0.25}),
        ("val_loss", {"validation_split": 0.25, "initial_epoch": 1}),
    ],
)
def test_objectives_and_arguments_that_only_fit_knows(
    rows: Any, objective: Any, given: dict[str, Any]
) -> None:
    tuner = kt.RandomSearch(classifier, objective, max_trials=2, seed=1)
    tuner.search(*rows, epochs=2, batch_size=60, verbose=0, **given)
    trial = tuner.oracle.get_best_trials()[0]
    if isinstance(objective, list):
        logs = {name: trial.metrics.get_last_value(name) for name in ("val_loss", "val_accuracy")}
        expected = (logs["val_loss"] or 0) - (logs["val_accuracy"] or 0)
        assert trial.score == pytest.approx(expected, abs=1e-5)
        assert tuner.study.best.score == trial.score
    assert tuner.get_best_models()[0].layers[0].units == trial.hyperparameters["units"]


def test_what_training_returns_is_checked(rows: Any) -> None:
    class Returns(kt.RandomSearch):
        def run_trial(self, trial: kt.Trial, result: Any) -> Any:
            trial.hyperparameters.Int("n", 1, 9)
            return result

    def search(objective: Any, result: Any) -> None:
        Returns(objective=objective, max_trials=1, overwrite=True).search(result)

    for objective, result, message in (
        (None, None, "Did you forget to return"),
        (None, {"loss": 1.0}, "single float"),
        ("loss", "text", "to be one of float"),
        ("loss", {"accuracy": 1.0}, "specified objective, loss"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            search(objective, result)
    search("loss", [{"loss": 1.0}, {"loss": np.float32(3.0)}])
    assert paceline.load_study("untitled_project").best.score == 2.0


def test_names_of_the_interface() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = kt.Nonsense  # type: ignore[attr-defined]


NUMBERS = np.zeros(2)


def _depends_on_build(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    if hp.get("units") == 8:
        kwargs["epochs"] = 4
    return model.fit(*args, **kwargs)


def _depends_on_values(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=4 if hp.values["units"] == 8 else 1, **kwargs)


def _depends_on_its_own(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Choice("batch_size", [16, 32, 64])
    return model.fit(*args, batch_size=size, epochs=4 if size == 32 else 1, **kwargs)


def _computes(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, batch_size=2 ** hp.Int("log", 1, 5), **kwargs)


def _looks_it_up(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Choice("size", [1, 2, 3])
    return model.fit(*args, batch_size=size, epochs=[0, 1, 4, 1][size], **kwargs)


def _writes_it_down(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Choice("size", [16, 32, 64])
    return model.fit(*args, batch_size=size, epochs=4 if f"{size}" == "32" else 1, **kwargs)


def _masks_it(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Choice("size", [16, 32, 64])
    return model.fit(*args, batch_size=size, epochs=1 + (size & 32), **kwargs)


def _tries_it(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Choice("size", [16, 32, 64])
    try:
        epochs = 4 if size == 32 else 1
    except Exception:
        epochs = 1
    return model.fit(*args, batch_size=size, epochs=epochs, **kwargs)


def _passes_it_elsewhere(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, steps_per_epoch=hp.Int("size", 1, 5), **kwargs)


def _passes_it_twice(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Int("size", 1, 5)
    return model.fit(*args, batch_size=size, epochs=size, **kwargs)


def _makes_something_else(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(args[9], **kwargs)


def _writes_a_log(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    history = model.fit(*args, **kwargs)
    with open("log.txt", "a") as file:
        file.write("trained")
    return history


def _keeps_its_history(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    model.past = model.fit(*args, **kwargs)
    return model.past


def _raises_with_it(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    raise ValueError(hp.Choice("size", [16, 32]))


def _returns_it(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    size = hp.Choice("size", [16, 32])
    model.fit(*args, batch_size=size, **kwargs)
    return size


def _returns_an_array(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    model.fit(*args, **kwargs)
    return NUMBERS


def _returns_its_own(hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    model.fit(*args, **kwargs)
    return 0.5


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (_depends_on_build, "looks up 'units' of build"),
        (_depends_on_values, "looks up 'units' of build"),
        (_depends_on_its_own, "computes with the hyperparameter 'batch_size'"),
        (_computes, "computes with the hyperparameter 'log'"),
        (_looks_it_up, "computes with the hyperparameter 'size'"),
        (_writes_it_down, "computes with the hyperparameter 'size'"),
        (_masks_it, "computes with the hyperparameter 'size'"),
        (_tries_it, "computes with the hyperparameter 'size'"),
        (_passes_it_elsewhere, "passes the hyperparameter 'size' as steps_per_epoch"),
        (_passes_it_twice, "passes one hyperparameter as batch_size and epochs"),
        (_returns_its_own, "returns something else"),
        (_returns_it, "returns something else"),
        (_returns_an_array, "returns something else"),
        (_raises_with_it, r"does more than pass arguments to fit \(ValueError\)"),
        (_makes_something_else, "does more than pass arguments"),
        (_writes_a_log, "calls open"),
        (_keeps_its_history, "sets model.past"),
        (lambda hp, model, *a, **k: 0.5, "trains 0 times"),
        (
            lambda hp, model, *a, **k: (hp.Boolean("augment"), model.fit(*a, **k))[1],
            "uses the hyperparameter 'augment'",
        ),
    ],
)
def test_a_fit_that_does_more_is_not_taken_for_one_that_passes_arguments(
    fit: Any, message: str
) -> None:
    own = {"build": lambda self, hp: classifier(hp), "fit": staticmethod(fit)}
    model: kt.HyperModel = type("Own", (kt.HyperModel,), own)()
    tuner = kt.RandomSearch(model, "val_loss", 1)
    x, y = np.zeros((20, 3), np.float32), np.arange(20) % 2
    with pytest.raises(RunsAlone, match=message):
        arguments_of(tuner, (x, y), {"validation_split": 0.5})


SIZES: list[int] = []
LAST: dict[str, int] = {"units": 4}
EPOCHS, STOP = 2, keras.callbacks.EarlyStopping("val_loss")


class _KeepsSomething(kt.HyperModel):
    """Its ``build`` keeps its units in different places."""

    sizes: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.own: dict[str, Any] = {"sizes": []}

    @property
    def is_large(self) -> bool:
        return bool(self.units == 8)

    def build(self, hp: Any) -> keras.Model:
        model = classifier(hp)
        self.units = hp.get("units")
        for each in (SIZES, self.sizes, self.own["sizes"]):
            each.append(hp.get("units"))
        LAST["units"] = hp.get("units")
        return model


def _reads_an_attribute(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=4 if self.units == 8 else 1, **kwargs)


class _ReadsAnAttribute(_KeepsSomething):
    """Its ``fit`` is called by that of a subclass."""

    fit = _reads_an_attribute


def _is_that_of_its_base(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return super(self.__class__, self).fit(hp, model, *args, **kwargs)


def _reads_a_property(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=4 if self.is_large else 1, **kwargs)


def _reads_a_list_of_the_object(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=4 if self.own["sizes"][-1] == 8 else 1, **kwargs)


def _reads_a_list_of_the_class(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=4 if _KeepsSomething.sizes[-1] == 8 else 1, **kwargs)


def _reads_a_list(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=max(1, *SIZES[-1:]), **kwargs)


def _reads_a_dict(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, epochs=max([1], key=lambda _: LAST["units"]), **kwargs)


def _appends_to_a_list(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    SIZES.append(0)
    return model.fit(*args, **kwargs)


def _appends_to_it_by_another_name(self: Any, hp: Any, model: Any, *args: Any, **k: Any) -> Any:
    log = SIZES
    log.append(0)
    return model.fit(*args, **k)


def _sets_an_item(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    LAST["trained"] = 1
    return model.fit(*args, **kwargs)


def _chooses_arguments(self: Any, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
    callbacks = [STOP, *kwargs.pop("callbacks")]
    kwargs.get("callbacks", callbacks).append(keras.callbacks.TerminateOnNaN())
    return model.fit(*args, epochs=EPOCHS, callbacks=callbacks, **kwargs)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (_reads_an_attribute, r"reads self\.units, which build\(hp\) changes"),
        (_is_that_of_its_base, r"reads self\.units, which build\(hp\) changes"),
        (_reads_a_property, r"reads self\.units, which build\(hp\) changes"),
        (_reads_a_list_of_the_object, r"reads self\.own, which build\(hp\) changes"),
        (_reads_a_list_of_the_class, r"reads _KeepsSomething, which build\(hp\) changes"),
        (_reads_a_list, r"reads SIZES, which build\(hp\) changes"),
        (_reads_a_dict, r"reads LAST, which build\(hp\) changes"),
        (_appends_to_a_list, r"fit calls SIZES\.append"),
        (_appends_to_it_by_another_name, r"fit changes SIZES"),
        (_sets_an_item, r"fit sets LAST\['trained'\]"),
        (_chooses_arguments, ""),
    ],
)
def test_what_a_fit_reads_must_not_change(fit: Any, message: str) -> None:
    own: kt.HyperModel = type("Own", (_ReadsAnAttribute,), {"fit": fit})()
    tuner = kt.RandomSearch(own, "val_loss", 1)
    x, y = np.zeros((20, 3), np.float32), np.arange(20) % 2
    if message:
        with pytest.raises(RunsAlone, match=message):
            arguments_of(tuner, (x, y), {"validation_split": 0.5})
        return
    found = arguments_of(tuner, (x, y), {"validation_split": 0.5})
    assert found["epochs"] == EPOCHS
    names = [type(one).__name__ for one in found["callbacks"]]
    assert names == ["EarlyStopping", "TerminateOnNaN", "StopsWhereRead"]


class _LongForOne(kt.HyperModel):
    """Its ``build`` keeps epochs for its ``fit``, which are others for one number of units only."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.epochs = most, 1

    def build(self, hp: Any) -> keras.Model:
        self.epochs = 3 if hp.Int("units", 1, self.most) == 3 else 1
        model = keras.Sequential([keras.layers.Dense(hp.get("units")), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, epochs=self.epochs, **kwargs)


@pytest.mark.parametrize("most", [5, pytest.param(18, marks=pytest.mark.exhaustive)])
def test_a_trial_whose_build_changes_what_fit_reads_trains_by_itself(rows: Any, most: int) -> None:
    """It shows when the space is found, where all values of a short range are built, or later."""
    tuner = kt.GridSearch(_LongForOne(most), "val_loss", seed=3)
    with pytest.warns(StudyWarning, match=r"_LongForOne\.fit reads self\.epochs, which build"):
        tuner.search(*rows, validation_split=0.25, batch_size=30, verbose=0)
    trials = list(tuner.oracle.trials.values())
    assert {one.hyperparameters["units"] for one in trials} == set(range(1, most + 1))
    assert all(one.status == "COMPLETED" for one in trials)
    best = {one.hyperparameters["units"]: one.best_step for one in trials}
    assert best == {units: 2 if units == 3 else 0 for units in range(1, most + 1)}
    together = paceline.load_study(f"{tuner.project_dir}/trained_together")
    failed = [one.config["units"] for one in together.trials if one.state is TrialState.FAILED]
    assert failed == ([3] if most == 18 else [])
    assert len(tuner.study.trials) == most


class _LongForOneLater(_LongForOne):
    """Its ``build`` begins to keep other epochs when it is told so."""

    def __init__(self, most: int, epochs: int) -> None:
        super().__init__(most)
        self.usual, self.differs = epochs, False

    def build(self, hp: Any) -> keras.Model:
        model = super().build(hp)
        self.epochs = 3 if self.differs and hp.get("units") == 3 else self.usual
        return model


class _InterruptsAfter(paceline.Callback):
    """Ctrl+C after some epochs of any trial."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, study: Any, trial: Any, measurement: Any) -> None:
        if measurement.epoch == self.epochs:
            raise KeyboardInterrupt


def test_trials_that_a_difference_stops_train_anew_and_there_is_no_final(rows: Any) -> None:
    """The difference is found when some have trained 2 of 12 epochs and none has ended."""
    model = _LongForOneLater(6, 12)
    given = {"validation_split": 0.25, "batch_size": 30, "verbose": 0}
    with pytest.raises(StudyInterrupted):
        kt.GridSearch(model, "val_loss", seed=3, final="auto").search(
            *rows, **given, callbacks=[_InterruptsAfter(2)]
        )
    before = paceline.load_study("untitled_project").trials
    assert any(one.measurements for one in before)
    assert not any(one.state.is_final for one in before)
    model.differs = True
    tuner = kt.GridSearch(model, "val_loss", seed=3, final="auto")
    with pytest.warns(StudyWarning, match="fit reads self.epochs, which build"):
        tuner.search(*rows, **given)
    together = paceline.load_study(f"{tuner.project_dir}/trained_together")
    assert {one.state for one in together.trials if one.state.is_final} <= {TrialState.FAILED}
    assert together.record.final is None
    trials = list(tuner.oracle.trials.values())
    assert sorted(one.hyperparameters["units"] for one in trials) == list(range(1, 7))
    assert all(one.metrics.exists("val_loss") for one in trials), "each has trained by itself"


def test_an_interrupted_change_to_single_trials_is_made_later(
    rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search() -> kt.GridSearch:
        tuner = kt.GridSearch(_LongForOneLater(18, 1), "val_loss", seed=3)
        tuner.hypermodel.differs = is_first
        tuner.search(*rows, validation_split=0.25, batch_size=30, verbose=0)
        return tuner

    is_first = True
    with warnings.catch_warnings():  # the first thing that the change does is to warn
        warnings.filterwarnings("error", message="Trials train one by one.*reads self")
        with pytest.raises(StudyWarning):
            search()
    study = paceline.load_study("untitled_project")
    (failed,) = (one for one in study.trials if one.state is TrialState.FAILED)
    assert failed.config["units"] == 3
    is_first = False
    monkeypatch.setattr("paceline.compat.keras_tuner.engine.options.said", set())  # another process
    with pytest.warns(StudyWarning, match="fit reads self.epochs, which build"):
        tuner = search()
    trials = tuner.oracle.trials.values()
    assert len(trials) == 18
    assert {one.status for one in trials} == {"COMPLETED"}


@pytest.mark.exhaustive
def test_a_seed_is_that_of_weights_as_well(rows: Any) -> None:
    def scores(seed: int | None, name: str) -> list[float | None]:
        tuner = Hooked(classifier, "val_loss", 1, seed=seed, project_name=name)
        tuner.search(*rows, validation_split=0.25, batch_size=30, verbose=0)
        return [one.score for one in tuner.study.trials]

    before = np.random.get_state(legacy=False)["state"]["key"].tolist()
    first = scores(3, "a")
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before
    np.random.seed(1)
    assert scores(3, "b") == first
    assert scores(4, "c") != first


def test_a_run_trial_that_does_something_for_each_trial_is_called_for_each() -> None:
    class Counted(kt.RandomSearch):
        numbers: ClassVar[list[str]] = []

        def run_trial(self, trial: kt.Trial, *args: Any, **kwargs: Any) -> Any:
            kwargs["batch_size"] = trial.hyperparameters.Int("batch_size", 8, 16, step=8)
            found = super().run_trial(trial, *args, **kwargs)
            self.numbers.append(trial.trial_id)
            return found

    x, y = np.zeros((20, 3), np.float32), np.arange(20) % 2
    tuner = Counted(classifier, "val_loss", 2, executions_per_trial=1)
    with pytest.raises(RunsAlone, match=r"Counted\.run_trial (calls self\.numbers\.append|uses)"):
        arguments_of(tuner, (x, y), {"validation_split": 0.5})


def test_a_model_without_hyperparameters_is_one_trial() -> None:
    x, y = np.zeros((20, 3), np.float32), np.arange(20) % 2
    tuner = kt.RandomSearch(lambda _: classifier(kt.HyperParameters()), "val_loss", 3, seed=1)
    with pytest.warns(StudyWarning, match="no hyperparameter with more than one value"):
        tuner.search(x, y, validation_split=0.5, verbose=0)
    assert len(tuner.oracle.get_best_trials(5)) == 1
    assert tuner.get_best_hyperparameters()[0].values == {}


def test_retries_without_effect_are_said() -> None:
    x, y = np.zeros((20, 3), np.float32), np.arange(20) % 2
    tuner = kt.RandomSearch(classifier, "val_loss", 2, max_retries_per_trial=2)
    with pytest.warns(StudyWarning, match="max_retries_per_trial has no effect where trials train"):
        arguments_of(tuner, (x, y), {"validation_split": 0.5})
