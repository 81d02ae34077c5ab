"""`tune` on a stream: each batch loaded once for all that train side by side, and plain words for
what cannot be.
"""

import os
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline.core import InvalidInput, StudyMismatch
from paceline.space import Choice, HyperParameters


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Two classes that a line parts; counts what is loaded, and may break or stop the study."""

    def __init__(self, num_batches: int = 5, seed: int = 0, last: int = 3) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.sizes = [8] * (num_batches - 1) + [last]
        self.x = rng.normal(size=(sum(self.sizes), 4)).astype("float32")
        self.y = (self.x[:, 0] > 0).astype("int32")
        self.loaded: Counter[int] = Counter()
        self.epochs = 0
        self.breaks_in: int | None = None
        self.stops_in: int | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Any:
        self.loaded[index] += 1
        if self.epochs == self.breaks_in and index == 1:
            raise OSError("the share is not mounted")
        first = 8 * index
        return self.x[first : first + self.sizes[index]], self.y[first : first + self.sizes[index]]

    def on_epoch_end(self) -> None:
        self.epochs += 1
        if self.epochs == self.stops_in:
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl+C


def build(hp: HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 1e-3, 1.0, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def wide(hp: HyperParameters) -> keras.Model:
    hidden = keras.layers.Dense(hp.Int("units", 2, 32), "relu")
    model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(2, "softmax")])
    model.compile(
        keras.optimizers.SGD(hp.Float("rate", 1e-3, 1.0, sampling="log")),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def tune(data: Any, study: Path, build: Any = build, **options: Any) -> paceline.Study:
    settings: dict[str, Any] = {
        "objective": "val_accuracy",
        "epochs": 2,
        "trials": 4,
        "seed": 1,
        "display": False,
        "final": False,
    }
    return paceline.tune(build, data, study=study, **{**settings, **options})


@pytest.mark.exhaustive
def test_each_batch_is_loaded_once_an_epoch_for_all(tmp_path: Path) -> None:
    data, validation = Batches(), Batches(2, seed=1)
    study = tune(
        data, tmp_path / "s", wide, validation=validation, test=(validation.x, validation.y)
    )
    assert [trial.state for trial in study.trials] == ["completed"] * 4
    looked_at = {0: 1, 4: 1}  # for their shapes
    assert data.loaded == Counter(dict.fromkeys(range(5), 2)) + Counter(looked_at)
    assert data.epochs == 2
    assert validation.loaded == Counter({0: 3, 1: 3})
    assert study.record.created is not None
    assert study.record.created.data["name"] == "Batches"
    assert study.record.created.data["batches"] == {"train": 5, "val": 2}
    assert study.record.tested is not None
    assert len({trial.config["units"] for trial in study.trials}) == 4
    assert len({trial.program for trial in study.trials}) == 1

    for trial in study.trials[:2]:  # what fit makes of the same network
        keras.utils.set_random_seed(trial.seed)
        model = wide(HyperParameters(study.space, trial.config))
        history = model.fit(
            Batches(), validation_data=Batches(2, seed=1), epochs=2, shuffle=False, verbose=0
        ).history
        measured = {name: values[-1] for name, values in history.items()}
        assert trial.measurements[-1].metrics == pytest.approx(measured, abs=1e-5)


@pytest.mark.exhaustive
def test_a_study_goes_on_after_the_dataset_failed(tmp_path: Path) -> None:
    data, validation = Batches(), (Batches(2, seed=1).x, Batches(2, seed=1).y)
    data.breaks_in = 3
    with pytest.raises(
        InvalidInput,
        match=r"Batches raised OSError at batch 1 of 5: the share is not mounted; expect",
    ):
        tune(data, tmp_path / "s", validation=validation, epochs=12)
    mended = Batches()
    study = tune(mended, tmp_path / "s", validation=validation, epochs=12)
    assert [trial.state for trial in study.trials] == ["completed"] * 4
    assert [len(trial.measurements) for trial in study.trials] == [12] * 4
    through = tune(Batches(), tmp_path / "t", validation=validation, epochs=12)
    for one, other in zip(study.trials, through.trials, strict=True):
        assert one.score == other.score

    with pytest.raises(StudyMismatch, match="data is Batches with other contents"):
        tune(Batches(6), tmp_path / "s", validation=validation, epochs=12)


def test_an_interrupted_study_goes_on_at_the_epoch_where_it_stopped(tmp_path: Path) -> None:
    data, validation, epochs = Batches(), Batches(2, seed=1), 150
    data.stops_in = 3
    with pytest.raises(KeyboardInterrupt):
        tune(data, tmp_path / "s", validation=validation, epochs=epochs, trials=2)
    stopped = paceline.load_study(tmp_path / "s")
    done = [len(trial.measurements) for trial in stopped.trials]
    assert min(done) < epochs
    rest = Batches()
    study = paceline.resume(tmp_path / "s", build, rest, validation=validation, display=False)
    assert [len(trial.measurements) for trial in study.trials] == [epochs] * 2
    assert rest.epochs == epochs - min(done)


def test_without_validation_data_a_training_metric_is_tuned(tmp_path: Path) -> None:
    study = tune(
        Batches(),
        tmp_path / "s",
        objective="accuracy",
        validation=None,
        class_weight={0: 1.0, 1: 3.0},
    )
    assert study.best.score is not None
    assert "val_loss" not in study.best.measurements[-1].metrics
    assert any("No validation data" in note for note in study.record.notes)
    again = paceline.resume(
        tmp_path / "s", build, Batches(), trials=6, class_weight={0: 1.0, 1: 3.0}, display=False
    )
    assert len(again.trials) == 6

    keras.utils.set_random_seed(study.trials[0].seed)
    model = build(HyperParameters(study.space, study.trials[0].config))
    fitted = model.fit(
        Batches(), epochs=2, shuffle=False, verbose=0, class_weight={0: 1.0, 1: 3.0}
    ).history["loss"]
    assert study.trials[0].measurements[-1].metrics["loss"] == pytest.approx(fitted[-1], abs=1e-5)


def test_networks_that_cannot_be_traced_have_the_dataset_to_themselves(tmp_path: Path) -> None:
    def mixed(hp: HyperParameters) -> keras.Model:
        model = build(hp)
        eager = hp.Boolean("eager")
        model.compile(model.optimizer, model.loss, metrics=["accuracy"], run_eagerly=eager)
        return model

    class OneAtATime(Batches):
        busy = False

        def on_epoch_begin(self) -> None:
            assert not self.busy
            self.busy = True

        def on_epoch_end(self) -> None:
            super().on_epoch_end()
            self.busy = False

    data = OneAtATime(2)
    study = paceline.tune(
        mixed,
        data,
        objective="val_accuracy",
        validation=Batches(2, seed=1),
        epochs=2,
        trials=4,
        seed=2,
        display=False,
        final=False,
        study=tmp_path / "s",
    )
    programs = Counter(trial.program == "fit" for trial in study.trials)
    assert set(programs) == {True, False}
    assert data.epochs == 2 * programs[True] + 2
    assert [trial.state for trial in study.trials] == ["completed"] * 4


@pytest.mark.parametrize(
    ("batches", "why"),
    [
        ([np.ones((8, 4))], r"it has no targets \(a batch is x alone, not \(x, y\)\)"),
        (
            [(np.ones((8, 4)), np.ones(8)), (np.ones((8, 3)), np.ones(8))],
            r"its batches differ in the shape of a row \(\(4,\) and \(3,\)\)",
        ),
    ],
)
def test_what_keeps_batches_from_being_split_is_said(batches: Any, why: str) -> None:
    says = f"^the generator <lambda> cannot be loaded into memory and split, since {why}; objective"
    with pytest.raises(InvalidInput, match=says):
        paceline.tune(
            build, lambda: iter(batches), objective="val_loss", trials=1, epochs=1, display=False
        )


class Loader:
    """Stands for any iterable of batches."""

    def __init__(self) -> None:
        self.batches = Batches()

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Any:
        return (self.batches[i] for i in range(len(self)))


@pytest.mark.parametrize(
    ("data", "given"),
    [(Loader(), {}), (Loader(), {"folds": 3}), (lambda: iter(Loader()), {})],
)
def test_what_is_streamed_because_of_its_size_can_be_loaded(
    data: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    def tuned(**options: Any) -> paceline.Study:
        return paceline.tune(
            build,
            data,
            objective="val_loss",
            trials=1,
            epochs=1,
            display=False,
            study=tmp_path / "s",
            **given,
            **options,
        )

    with monkeypatch.context() as patched:
        patched.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=400))
        with pytest.raises(InvalidInput, match=r"in_memory=True (loads all|all rows are)"):
            tuned()
    assert tuned(in_memory=True).best.score is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": Choice([8, 16])},
            "batch_size is a hyperparameter and data is the stream Batches",
        ),
        ({}, "validation is 0.1 and data is the stream Batches; expected validation data apart"),
        (
            {"validation": "mnist"},
            "validation is a str and data is a stream; expected another keras.utils.PyDataset",
        ),
        (
            {"validation": Batches(2), "sample_weight": np.ones(3)},
            "sample_weight was given and data is the stream",
        ),
        ({"validation": Batches(2), "test": 0.1}, "test is 0.1; expected another"),
        (
            {"validation": Batches(2), "objective": ("val_auc", "max")},
            "objective is 'val_auc'; expected one of",
        ),
    ],
)
def test_what_does_not_go_with_a_stream_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=message):
        tune(Batches(), tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_a_batch_size_that_build_asks_for_is_refused(tmp_path: Path) -> None:
    def asks(hp: HyperParameters) -> keras.Model:
        hp.Choice("batch_size", [8, 16])
        return build(hp)

    with pytest.raises(InvalidInput, match="batch_size is a hyperparameter"):
        paceline.tune(
            asks,
            Batches(),
            objective="val_loss",
            validation=Batches(),
            trials=2,
            study=tmp_path / "s",
            display=False,
        )
