"""The main job through the public face, on small data."""

import math
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import AllTrialsFailed, InvalidInput, StudyLocked, StudyMismatch, TrialState
from paceline.core.events import EpochMeasured, Event, Noted
from paceline.store import StudyStore
from paceline.study.record.record import Record

Build = Callable[[Any], keras.Model]


def data(rows: int = 240) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype("float32")
    return x, (x @ np.array([1.0, -2.0, 0.5, 0.0], "float32") + 0.1 * rng.normal(size=rows)).astype(
        "float32"
    )


def network(learning_rate: float, units: int = 4, activation: str = "relu") -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, activation), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse", metrics=["mae"])
    return model


def build(hp: Any) -> keras.Model:
    return network(
        hp.Float("learning_rate", 1e-3, 1e-1, sampling="log"), hp.Choice("units", [4, 8])
    )


def tune(directory: Path, build: Build = build, **options: Any) -> paceline.Study:
    settings = {
        "objective": "val_loss",
        "epochs": 2,
        "trials": 6,
        "seed": 3,
        "validation": 0.2,
        "display": False,
        "final": False,
    }
    return paceline.tune(build, data(), study=directory, **{**settings, **options})


def events(directory: Path) -> list[Event]:
    store = StudyStore(directory, writable=False)
    found = [stored.event for stored in store.events()]
    store.close()
    return found


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    """A study of six trials; to be looked at only."""
    return tune(tmp_path_factory.mktemp("studies") / "six")


def test_a_rate_that_may_be_zero_does_not_keep_networks_apart(tmp_path: Path) -> None:
    """Zero leaves the layer out, which is another program; all other rates are numbers of one."""

    def build(hp: Any) -> keras.Model:
        dropout = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5))
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(4, "relu"), dropout, keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(1e-2), loss="mse")
        return model

    study = tune(tmp_path / "study", build, search="random", schedule="full", trials=8)
    programs = {trial.program for trial in study.trials}
    lanes = {compiled.program: compiled.num_lanes for compiled in study.record.compilations}
    assert len({trial.config["dropout"] for trial in study.trials}) == 8
    assert (len(programs), max(lanes.values())) == (1, 8)


def test_the_best_of_a_study_is_what_its_model_gives(six: paceline.Study) -> None:
    study = six
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETED] * 6
    assert study.best.score == min(trial.score for trial in study.trials if trial.score is not None)
    assert len(study.best.measurements) == 2
    table = study.trials_dataframe()
    assert list(table["score"]) == [trial.score for trial in study.trials]
    assert set(table["config_units"]) <= {4, 8}
    # the model that comes back is the one that was scored: same weights, hence the same loss on the
    # same rows
    from paceline.data import load, split

    parts = split(load(data(), seed=3), validation=0.2, seed=3, standardize=False, batch_rows=32)
    loss = study.best_model().evaluate(parts.x_val, parts.y_val, verbose=0, return_dict=True)[
        "loss"
    ]
    assert loss == pytest.approx(study.best.score, rel=1e-5)


def test_the_same_seed_is_the_same_study_and_the_second_compiles_nothing(
    tmp_path: Path, six: paceline.Study
) -> None:
    one, other = six, tune(tmp_path / "other")
    assert [t.config for t in one.trials] == [t.config for t in other.trials]
    assert [t.score for t in one.trials] == [t.score for t in other.trials]
    assert other.programs_compiled == 0
    different = tune(tmp_path / "different", seed=4)
    assert [t.config for t in one.trials] != [t.config for t in different.trials]


def test_one_program_is_compiled_once_for_each_structure(tmp_path: Path) -> None:
    study = tune(tmp_path / "study", trials=8, merge=False)
    keys = [(event.program, event.num_lanes) for event in study.record.compilations]
    assert len(keys) == len(set(keys))
    assert (
        len({trial.program for trial in study.trials}) == 2
    )  # units 4 and 8; the learning rate is a number


def test_trials_is_a_total_and_more_of_them_continue(tmp_path: Path) -> None:
    first = tune(tmp_path / "study", trials=3)
    more = tune(tmp_path / "study", trials=5)
    assert len(first.trials) == 3
    assert len(more.trials) == 5
    assert [t.score for t in more.trials[:3]] == [t.score for t in first.trials]
    alone = tune(tmp_path / "alone", trials=5)
    assert [t.config for t in alone.trials] == [t.config for t in more.trials]


def test_trials_that_differ_only_in_epochs_train_once(tmp_path: Path) -> None:
    def one_rate(hp: Any) -> keras.Model:
        return network(hp.Choice("learning_rate", [0.01, 0.05]))

    study = tune(
        tmp_path / "study", one_rate, epochs=paceline.Choice([1, 3]), search="grid", trials=None
    )
    assert len(study.trials) == 4
    measured = [event for event in events(tmp_path / "study") if isinstance(event, EpochMeasured)]
    assert (
        len(measured) == 6
    )  # two learning rates, three epochs each; the short trials are parts of these
    for trial in study.trials:
        assert len(trial.measurements) == trial.config["epochs"]
        assert trial.score == trial.measurements[-1].metrics["val_loss"]
    assert any("all 4 configurations" in note for note in study.record.notes)


def test_a_program_that_depends_on_the_number_of_epochs_is_not_shared(tmp_path: Path) -> None:
    def decaying(hp: Any) -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        rate = keras.optimizers.schedules.CosineDecay(
            hp.Choice("rate", [0.05, 0.1]), 6 * hp.get("epochs")
        )
        model.compile(keras.optimizers.SGD(rate), loss="mse")
        return model

    tune(tmp_path / "study", decaying, epochs=paceline.Choice([1, 3]), search="grid", trials=None)
    measured = [event for event in events(tmp_path / "study") if isinstance(event, EpochMeasured)]
    assert len(measured) == 2 * (1 + 3)


def test_batch_size_may_be_a_hyperparameter(tmp_path: Path) -> None:
    def fixed_net(hp: Any) -> keras.Model:
        return network(hp.Choice("learning_rate", [0.01, 0.05]))

    study = tune(
        tmp_path / "study",
        fixed_net,
        batch_size=paceline.Choice([16, 32]),
        search="grid",
        trials=None,
    )
    assert {trial.config["batch_size"] for trial in study.trials} == {16, 32}
    assert len({trial.program for trial in study.trials}) == 2


def test_patience_and_keeping_the_best_epoch(tmp_path: Path) -> None:
    def overshooting(hp: Any) -> keras.Model:
        return network(hp.Choice("learning_rate", [0.02, 0.4]))

    study = tune(
        tmp_path / "study",
        overshooting,
        search="grid",
        trials=None,
        epochs=12,
        patience=2,
        keep="best",
    )
    for trial in study.trials:
        losses = [m.metrics["val_loss"] for m in trial.measurements]
        if trial.state is TrialState.COMPLETED:
            assert trial.score == min(losses)
            assert trial.best_epoch == losses.index(min(losses)) + 1
            assert len(losses) == 12 or len(losses) - trial.best_epoch == 2


def test_a_diverging_lane_is_recorded_and_harms_nobody(tmp_path: Path) -> None:
    def wild(hp: Any) -> keras.Model:
        return network(hp.Choice("learning_rate", [0.01, 1e12]))

    study = tune(tmp_path / "study", wild, search="grid", trials=None, epochs=3)
    calm, diverged = study.trials
    assert calm.state is TrialState.COMPLETED
    assert math.isfinite(calm.score or math.nan)
    assert diverged.state is TrialState.FAILED
    assert "diverged" in (diverged.error or "")


def test_a_failing_build_keeps_its_traceback_and_the_study_goes_on(tmp_path: Path) -> None:
    def sometimes(hp: Any) -> keras.Model:
        units = hp.Choice("units", [4, 8])
        if hp.Choice("broken", [False, True]):
            raise RuntimeError("no such layer")
        return network(0.01, units)

    study = tune(tmp_path / "study", sometimes, search="grid", trials=None)
    failed = [trial for trial in study.trials if trial.state is TrialState.FAILED]
    assert len(failed) == 2
    assert all("RuntimeError: no such layer" in (trial.error or "") for trial in failed)
    assert study.best.state is TrialState.COMPLETED


def test_when_all_the_first_trials_fail_it_stops_and_says_so(tmp_path: Path) -> None:
    def hopeless(hp: Any) -> keras.Model:
        if hp.Float("x", 0, 1) != 0.0:  # only the default works
            raise RuntimeError("never")
        return network(0.01)

    with pytest.raises(AllTrialsFailed, match=r"first \d+ trials all failed.*never"):
        tune(tmp_path / "study", hopeless, trials=40, search="random")
    assert (
        len(
            [
                t
                for t in paceline.load_study(tmp_path / "study").trials
                if t.state is TrialState.FAILED
            ]
        )
        >= 10
    )


@pytest.mark.exhaustive
def test_what_cannot_be_traced_runs_alone_beside_the_others(tmp_path: Path) -> None:
    def mixed(hp: Any) -> keras.Model:
        model = network(hp.Choice("learning_rate", [0.01, 0.05]))
        model.run_eagerly = hp.Choice("eager", [False, True])
        return model

    study = tune(tmp_path / "study", mixed, search="grid", trials=None)
    by_rate: dict[Any, dict[Any, Any]] = {}
    for trial in study.trials:
        by_rate.setdefault(trial.config["learning_rate"], {})[trial.config["eager"]] = trial
    for pair in by_rate.values():
        assert pair[True].program == "fit"
        assert pair[True].score == pytest.approx(pair[False].score, rel=1e-4)
    assert sum("run_eagerly" in note for note in study.record.notes) == 1


def test_a_budget_ends_the_search_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    def one_structure(hp: Any) -> keras.Model:
        return network(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log"))

    short = tune(tmp_path / "study", one_structure, trials=None, budget=0.01)
    ended = [trial for trial in short.trials if trial.state is TrialState.COMPLETED]
    assert ended  # a budget that fits no trial still runs one
    before = len([e for e in events(tmp_path / "study") if isinstance(e, EpochMeasured)])
    longer = tune(tmp_path / "study", one_structure, trials=len(short.trials))
    assert all(trial.state is TrialState.COMPLETED for trial in longer.trials)
    assert before < len([e for e in events(tmp_path / "study") if isinstance(e, EpochMeasured)])


def test_class_weights_are_weights_of_rows(tmp_path: Path) -> None:
    x, _ = data()
    labels = (x[:, 0] > 0.5).astype("int32")

    def classifier(hp: Any) -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
        rate = hp.Choice("rate", [0.1, 0.2])
        model.compile(
            keras.optimizers.SGD(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    options: Mapping[str, Any] = {
        "objective": "loss",
        "epochs": 1,
        "search": "grid",
        "seed": 1,
        "display": False,
        "final": False,
    }
    plain = paceline.tune(classifier, (x, labels), study=tmp_path / "plain", **options)
    weighted = paceline.tune(
        classifier, (x, labels), study=tmp_path / "w", class_weight={0: 1.0, 1: 3.0}, **options
    )
    assert weighted.best.score != plain.best.score


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "val_accuracy"}, "loss, mae, val_loss, val_mae"),
        ({"objective": "my_number"}, "objective=\\('my_number', 'max'\\)"),
        ({"trials": 0}, "trials is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"budget": "soon"}, "budget is 'soon'"),
        ({"memory": "lots"}, "memory is 'lots'"),
        ({"search": "psychic"}, "search is 'psychic'.*'grid', 'random', 'sobol'"),
        ({"keep": "some"}, "keep is 'some'"),
        ({"build": lambda hp: None}, "build\\(hp\\)"),
        ({"build": lambda hp: network(0.01)}, "no hyperparameter"),
        (
            {"build": lambda hp: keras.Sequential([keras.layers.Dense(hp.Int("u", 1, 2))])},
            "not compiled",
        ),
        ({"build": lambda hp: network(hp.Float("rate", 1.0, 0.1))}, "min_value"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        tune(tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


def test_a_directory_of_another_study_is_refused(tmp_path: Path) -> None:
    tune(tmp_path / "study", trials=2)
    with pytest.raises(StudyMismatch, match="data"):
        paceline.tune(
            build,
            (data()[0] + 1, data()[1]),
            objective="val_loss",
            epochs=2,
            trials=2,
            seed=3,
            validation=0.2,
            study=tmp_path / "study",
            display=False,
        )
    with pytest.raises(StudyMismatch, match=r"space differs in .*rate"):
        tune(tmp_path / "study", lambda hp: network(hp.Float("rate", 0.1, 0.2)), trials=2)
    with pytest.raises(StudyMismatch, match="objective"):
        tune(tmp_path / "study", objective="val_mae", trials=2)


def test_a_second_writer_is_refused_with_who_holds_it(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "study", writable=True)
    with pytest.raises(StudyLocked, match=r"process \d+ on .+ since"):
        tune(tmp_path / "study")
    store.close()


def test_a_damaged_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(paceline.PacelineError, match="damaged"):
        paceline.load_study(tmp_path / "study")


def test_files_do_not_grow_with_the_number_of_trials(tmp_path: Path) -> None:
    def files(trials: int) -> int:
        tune(tmp_path / "study", trials=trials)
        return len(list((tmp_path / "study" / "checkpoints").iterdir()))

    assert files(2) == files(8) == 1


def test_the_record_is_the_sum_of_its_events(tmp_path: Path) -> None:
    study = tune(tmp_path / "study", trials=2)
    again = Record.of(events(tmp_path / "study"))
    assert again.all_trials() == study.trials
    connection = sqlite3.connect(tmp_path / "study" / "study.db")
    assert (
        connection.execute("pragma journal_mode").fetchone()[0] == "delete"
    )  # no writer: no files beside it
    connection.close()
    assert not any(
        isinstance(event, Noted) and "alone" in event.text for event in events(tmp_path / "study")
    )
