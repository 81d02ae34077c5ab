"""Callbacks of Keras in `paceline.tune`, with one ``fit`` of Keras as the reference."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.callbacks.keras_reference import DATA, classifier, fitted

import paceline
from paceline.core import InvalidInput, StudyMismatch, StudyWarning, Trial
from paceline.settings.reproduction import python

EarlyStopping = keras.callbacks.EarlyStopping
EPOCHS = 9


def falling(epoch: int, rate: float) -> float:
    return rate * 0.8 if epoch % 3 == 2 else rate


def all_kinds() -> list[keras.callbacks.Callback]:
    return [
        keras.callbacks.LearningRateScheduler(falling),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=1, min_delta=0.02),
        EarlyStopping("val_accuracy", patience=3, restore_best_weights=True),
    ]


class Own(keras.callbacks.Callback):  # type: ignore[misc]
    """Records what it sees, and stops the training after some epochs."""

    def __init__(self, most: int = 99) -> None:
        super().__init__()
        self.most, self.count = most, 0
        self.losses: list[Any] = []
        self.seen: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen.append(f"begin {self.params['epochs']} {self.params['steps']}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.count += 1
        self.losses.append(np.float32(logs["loss"]))
        assert len(self.losses) == self.count == epoch + 1
        history = len(self.model.history.epoch)
        self.seen.append(f"epoch {epoch} {sorted(logs)} {history}")
        self.model.stop_training = self.count >= self.most

    def on_train_end(self, logs: Any = None) -> None:
        self.seen.append(f"end {sorted(logs)}")
        SEEN.append(self.seen)


SEEN: list[list[str]] = []


def eager(hp: Any) -> keras.Model:
    model = classifier(hp)
    model.run_eagerly = True
    return model


def search(
    callbacks: Sequence[Any], build: Any = classifier, trials: int | None = 4, **options: Any
) -> paceline.Study:
    given = {**DATA, "epochs": EPOCHS, "trials": trials, "keep_models": 9, **options}
    return paceline.tune(build, objective="val_loss", callbacks=callbacks, **given)


def check_against_fit(
    study: paceline.Study, build: Any, callbacks: Any, trials: Sequence[Trial]
) -> None:
    """Compares metrics, learning rates, the epoch of the stop and the weights."""
    for trial in trials:
        model, history = fitted(build, trial, callbacks(), EPOCHS)
        assert len(trial.measurements) == len(history["loss"])
        for one in trial.measurements:
            theirs = {name: values[one.epoch - 1] for name, values in history.items()}
            assert dict(one.metrics) == pytest.approx(theirs, abs=2e-5)
        found = study.model(trial, build)
        for ours, other in zip(found.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, other, atol=2e-5)


@pytest.mark.parametrize(
    ("build", "merge"),
    [
        (classifier, True),
        pytest.param(classifier, False, marks=pytest.mark.exhaustive),
        pytest.param(eager, True, marks=pytest.mark.exhaustive),
    ],
)
def test_trials_stop_where_fit_stops_with_its_rates_and_weights(build: Any, merge: bool) -> None:
    study = search(all_kinds(), build, trials=3 if build is classifier else 2, merge=merge)
    check_against_fit(study, build, all_kinds, study.trials)
    lengths = {len(trial.measurements) for trial in study.trials}
    assert min(lengths) < EPOCHS
    assert len({trial.config["units"] for trial in study.trials}) > 1
    stopped = next(trial for trial in study.trials if len(trial.measurements) < EPOCHS)
    reason = study.record.early_ends[stopped.number]
    assert reason.startswith(f"EarlyStopping stopped it after epoch {len(stopped.measurements)}:")
    # the score is that of the weights that were restored
    assert stopped.best_epoch is not None
    assert stopped.score == stopped.measurements[stopped.best_epoch - 1].metrics["val_loss"]
    scores = [one.metrics["val_accuracy"] for one in stopped.measurements]
    assert stopped.best_epoch == int(np.argmax(scores)) + 1
    assert all((trial.program == "fit") == (build is eager) for trial in study.trials)


def test_other_callbacks_are_called_by_fit_and_this_is_noted_once() -> None:
    SEEN.clear()
    study = search([Own(most=3), EarlyStopping("loss", patience=1, mode="max")], trials=2)
    assert {trial.program for trial in study.trials} == {"fit"}
    notes = [note for note in study.record.notes if "Own is called by fit alone" in note]
    assert len(notes) == 1
    names = "['accuracy', 'loss', 'val_accuracy', 'val_loss']"
    # the other one stops a trial whose loss falls after its second epoch
    lengths = [len(trial.measurements) for trial in study.trials]
    for seen, length in zip(SEEN, lengths, strict=True):
        epochs = [f"epoch {i} {names} {i}" for i in range(length)]
        assert seen == [f"begin {EPOCHS} 3", *epochs, f"end {names}"]
    reasons = {reason.partition(" ")[0] for reason in study.record.early_ends.values()}
    assert reasons <= {"Own", "EarlyStopping"}
    assert max(lengths) <= 3


class _Stop(paceline.Callback):
    """Interrupts the study once, after some decisions."""

    def __init__(self) -> None:
        self.left = 6

    def on_decision(self, study: Any, trial: Trial, decision: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.exhaustive
@pytest.mark.parametrize(("own", "repeats"), [(False, 1), (True, 1), (False, 2)])
def test_counters_continue_after_pauses_and_interruptions(
    tmp_path: Path, own: bool, repeats: int
) -> None:
    def callbacks() -> list[Any]:
        return [*all_kinds(), *([Own(most=8)] if own else [])]

    asked: Any = {"trials": 6, "schedule": "halving", "repeats": repeats, "study": tmp_path / "a"}
    with pytest.raises(KeyboardInterrupt):
        search([*callbacks(), _Stop()], **asked)
    again = search(callbacks(), **asked)
    whole = search(callbacks(), **{**asked, "study": tmp_path / "b"})
    assert len(again.record.sessions) == 2
    assert again.record.early_ends == whole.record.early_ends
    for one, other in zip(again.trials, whole.trials, strict=True):
        assert (one.config, one.best_epoch) == (other.config, other.best_epoch)
        assert [dict(m.metrics) for m in one.measurements] == [
            pytest.approx(dict(m.metrics), abs=1e-6) for m in other.measurements
        ]
    if not own and repeats == 1:
        done = [trial for trial in again.trials if trial.state == "completed"]
        check_against_fit(again, classifier, callbacks, done[:2])


@pytest.mark.exhaustive
def test_a_study_knows_its_callbacks(tmp_path: Path) -> None:
    asked: Any = {"epochs": 2, "trials": 1, "study": tmp_path / "s"}
    study = search([EarlyStopping(patience=4, restore_best_weights=True)], **asked)
    text = "EarlyStopping(monitor='val_loss', patience=4, restore_best_weights=True)"
    assert study.settings.training.callbacks == [text]
    with pytest.raises(StudyMismatch, match=r"patience=5.*patience=4"):
        search([EarlyStopping(patience=5, restore_best_weights=True)], **asked)
    data = {name: DATA[name] for name in ("data", "validation")}
    more = paceline.resume(tmp_path / "s", classifier, **data, trials=2, display=False)
    assert more.settings.training.callbacks == [text]
    assert f"callbacks=[{text}]" in python(more.settings, more.space, {})


@pytest.mark.exhaustive
def test_callbacks_with_functions_are_passed_again(tmp_path: Path) -> None:
    study = search(
        [keras.callbacks.LearningRateScheduler(falling)], epochs=1, trials=1, study=tmp_path / "s"
    )
    assert study.settings.training.callbacks == ["LearningRateScheduler(schedule=falling)"]
    with pytest.raises(InvalidInput, match=r"Pass callbacks=\[LearningRateScheduler"):
        search([], epochs=1, trials=2, study=tmp_path / "s")


@pytest.mark.exhaustive
def test_files_have_a_place_for_each_trial(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    study = search(
        [keras.callbacks.CSVLogger(str(path)), keras.callbacks.TensorBoard(tmp_path / "tb")],
        epochs=2,
        trials=2,
    )
    assert all(trial.program != "fit" for trial in study.trials)
    for trial in study.trials:
        fitted(classifier, trial, [keras.callbacks.CSVLogger(str(path))], 2)
        ours = (tmp_path / f"trial-{trial.number}" / "log.csv").read_text()
        rows = [list(csv.reader(text.splitlines())) for text in (ours, path.read_text())]
        assert rows[0][0] == rows[1][0]
        for mine, other in zip(rows[0][1:], rows[1][1:], strict=True):
            assert list(map(float, mine)) == pytest.approx(list(map(float, other)), abs=2e-5)
        assert list((tmp_path / "tb" / f"trial-{trial.number}").glob("events*"))


class _Locked(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.stream = (one for one in range(3))


class Callback:
    """As in the Keras 2 of another package."""


Callback.__module__ = "tf_keras.src.callbacks"


class Foreign(Callback):
    pass


Foreign.__module__ = "tf_keras.src.callbacks"


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([EarlyStopping], r"the class EarlyStopping.*EarlyStopping\(\.\.\.\)"),
        ([_Locked()], "_Locked, which cannot be copied"),
        ([Foreign()], "Foreign of tf_keras.*another Keras"),
        ([EarlyStopping("val_nothing")], r"val_nothing.*mode='min'"),
        (EarlyStopping(), r"callbacks=\[\.\.\.\]"),
    ],
)
def test_callbacks_that_cannot_be_used(callbacks: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        search(callbacks)


@pytest.mark.exhaustive
def test_a_metric_that_is_not_measured_is_a_warning_that_lists_those_there_are() -> None:
    with pytest.warns(StudyWarning, match="are accuracy, loss, val_accuracy, val_loss.*'val_acc"):
        study = search([EarlyStopping("val_acc", mode="max")], epochs=1, trials=1)
    assert not study.record.early_ends


class Raises(keras.callbacks.Callback):  # type: ignore[misc]
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        raise RuntimeError(f"disk full in epoch {epoch}")


def bad_rate(epoch: int, rate: float) -> float:
    if epoch == 1 and rate > 0.1:
        raise RuntimeError("no such rate")
    return rate


def test_a_callback_that_raises_fails_its_trial() -> None:
    with pytest.raises(paceline.AllTrialsFailed, match="disk full in epoch 0"):
        search([Raises()], trials=1)
    study = search([keras.callbacks.LearningRateScheduler(bad_rate)], epochs=2, trials=4)
    failed = {trial.number for trial in study.trials if trial.state == "failed"}
    assert failed == {one.number for one in study.trials if float(one.config["rate"]) > 0.1}
    assert 0 < len(failed) < 4
    assert "no such rate" in (study.trials[min(failed)].error or "")


def scheduled(hp: Any) -> keras.Model:
    model = classifier(hp)
    model.optimizer.learning_rate = 0.1
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        model.loss,
        metrics=["accuracy"],
    )
    return model


def test_a_learning_rate_that_is_a_schedule_is_the_error_of_keras() -> None:
    with pytest.raises(paceline.AllTrialsFailed, match="LearningRateSchedule"):
        search([keras.callbacks.LearningRateScheduler(falling)], scheduled, trials=1)


@pytest.mark.exhaustive
def test_fresh_trainings_have_no_early_stopping_and_the_model_has_the_rates_of_its_trial() -> None:
    study = search(all_kinds(), trials=2, final=2, refit=True)
    final = study.record.final
    assert final is not None
    assert all(np.isfinite(score) for score in final.scores.values())
    rates = [one.metrics["learning_rate"] for one in study.best.measurements]
    last = float(study.best_model().optimizer.learning_rate)
    epochs = study.best.best_epoch or 0
    assert last == pytest.approx(rates[epochs - 1])


def test_callbacks_of_keras_are_refused_for_a_function() -> None:
    with pytest.raises(InvalidInput, match="EarlyStopping of Keras, and a function"):
        paceline.tune(lambda hp: hp.Float("x", 0, 1), None, "max", callbacks=[EarlyStopping()])
    with pytest.raises(InvalidInput, match=r"model\.fit"):
        paceline.optimize(lambda hp: hp.Float("x", 0, 1), "max", callbacks=[EarlyStopping()])


@pytest.mark.exhaustive
def test_model_checkpoints_of_lanes_have_the_weights_of_fit(tmp_path: Path) -> None:
    def checkpoints(path: Path) -> list[keras.callbacks.Callback]:
        kind = keras.callbacks.ModelCheckpoint
        options: Any = {"monitor": "val_accuracy", "save_best_only": True, "mode": "max"}
        return [
            kind(path / "best.keras", **options),
            kind(path / "{epoch:02d}.weights.h5", save_weights_only=True),
        ]

    study = search(checkpoints(tmp_path), epochs=4, trials=2)
    assert all(trial.program != "fit" for trial in study.trials)
    for trial in study.trials:
        theirs = tmp_path / "theirs"
        model, _ = fitted(classifier, trial, checkpoints(theirs), 4)
        ours = tmp_path / f"trial-{trial.number}"
        assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
        whole = [keras.models.load_model(path / "best.keras") for path in (ours, theirs)]
        for mine, other in zip(*(one.get_weights() for one in whole), strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-5)
        model.load_weights(ours / "03.weights.h5")
        loaded = model.get_weights()
        model.load_weights(theirs / "03.weights.h5")
        for mine, other in zip(loaded, model.get_weights(), strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-5)


def test_model_checkpoints_of_lanes_have_the_reduced_learning_rate(tmp_path: Path) -> None:
    def reduced(path: Path) -> list[keras.callbacks.Callback]:
        # no epoch is better by so much, so each but the first halves the rate
        reduce = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=100.0)
        return [reduce, keras.callbacks.ModelCheckpoint(path / "{epoch}.keras")]

    study = search(reduced(tmp_path), epochs=3, trials=2)
    for trial in study.trials:
        fitted(classifier, trial, reduced(tmp_path / "theirs"), 3)
        for epoch in (1, 2, 3):
            ours, theirs = (
                keras.models.load_model(tmp_path / folder / f"{epoch}.keras")
                for folder in (f"trial-{trial.number}", "theirs")
            )
            rate = float(theirs.optimizer.learning_rate)
            assert rate == pytest.approx(float(trial.config["rate"]) * 0.5 ** (epoch - 1))
            assert float(ours.optimizer.learning_rate) == pytest.approx(rate)


@pytest.mark.exhaustive
def test_trials_with_fewer_epochs_have_the_results_and_weights_of_fit() -> None:
    epochs = paceline.Choice([2, 5, 9])
    fixed = {"rate": 0.3}
    study = search(all_kinds(), trials=None, epochs=epochs, search="grid", fixed=fixed)
    trained = [trial for trial in study.trials if trial.prefix_of is None]
    assert len(trained) == 3
    for trial in study.trials:
        whole = replace(trial, config={**trial.config, **fixed})
        model, history = fitted(classifier, whole, all_kinds(), trial.epochs)
        assert len(trial.measurements) == len(history["loss"])
        assert (trial.number in study.record.early_ends) == (len(history["loss"]) < trial.epochs)
        for ours, other in zip(study.model(trial).get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, other, atol=2e-5)


@pytest.mark.exhaustive
def test_in_other_processes_they_do_the_same() -> None:
    def schedule(epoch: int, rate: float) -> float:
        return rate * 0.9

    given = [*all_kinds(), keras.callbacks.LearningRateScheduler(schedule)]
    here = search(given, trials=3)
    there = search(given, trials=3, executor="processes", workers=2)
    for one, other in zip(here.trials, there.trials, strict=True):
        assert [dict(m.metrics) for m in one.measurements] == [
            dict(m.metrics) for m in other.measurements
        ]
    assert here.record.early_ends == there.record.early_ends
