"""Data in batches with several engines: each reads its own, and the study is the same."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.execute.test_execute_processes import KillsEngines

import paceline
from paceline.core import InvalidInput, Objective
from paceline.data.batch_sources import BatchSource, IteratedBatches
from paceline.data.row_sources import RowBatches, RowSource
from paceline.execute import Processes
from paceline.execute.base import TrainingConfig
from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.engines.work_coding import decoded_work, encoded_work
from paceline.execute.work import NetworkWork
from paceline.space import Float, HyperParameters, Space
from paceline.train.stream_feed import DatasetBatches, StreamFeed

_ROWS = 96


def _rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(_ROWS, 4)).astype("float32")
    return x, (x[:, 0] > x[:, 1] ** 2).astype("int32")


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Six batches."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.x, self.y = _rows(seed)

    def __len__(self) -> int:
        return _ROWS // 16

    def __getitem__(self, index: int) -> Any:
        rows = slice(16 * index, 16 * index + 16)
        return self.x[rows], self.y[rows]


def batches(seed: int = 0) -> Iterator[Any]:
    """The same as a generator."""
    own = Batches(seed)
    return (own[index] for index in range(len(own)))


def held_out() -> Iterator[Any]:
    """Others."""
    return batches(1)


def small(hp: HyperParameters) -> keras.Model:
    """Networks of several structures."""
    model = keras.Sequential([keras.Input((4,))])
    for _ in range(hp.Int("layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Choice("units", [4, 8]), "relu"))
    model.add(keras.layers.Dense(2, "softmax"))
    rate = hp.Float("rate", 1e-3, 0.1, sampling="log")
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def _passed_on(dataset: Any) -> StreamFeed:
    """A stream as an engine gets it."""
    feed = StreamFeed(
        DatasetBatches(dataset, lambda y: y + 1.0, steps=4), DatasetBatches(Batches(1))
    )
    options, space = TrainingConfig(Objective("loss", "min")), Space([Float("x", 0.0, 1.0)])
    content, arrays = encoded_work(NetworkWork(small, feed, options, space), has_same_main=True)
    message = decoded(encoded(Message("start", content, arrays)))
    work = decoded_work(message.content, message.arrays)
    assert work.is_streamed
    assert isinstance(work.data, StreamFeed)
    return work.data


def _taken(rows: np.ndarray) -> Any:
    x, y = _rows(0)
    return x[rows], y[rows]


@pytest.mark.parametrize(
    "dataset",
    [
        Batches(),
        IteratedBatches(BatchSource("generator batches", batches, _ROWS // 16), _ROWS // 16),
        RowBatches(RowSource("rows", _ROWS, _taken), 16, is_shuffled=True),
    ],
    ids=["PyDataset", "function", "rows"],
)
def test_an_engine_reads_the_same_batches(dataset: Any) -> None:
    """With the weights of classes and the steps; a copy begins a pass of its own."""
    own = StreamFeed(
        DatasetBatches(dataset, lambda y: y + 1.0, steps=4), DatasetBatches(Batches(1))
    )
    list(own.epoch("train"))
    passed = _passed_on(dataset)
    assert passed.identity == own.identity
    for kind in own.sources:
        for number in (0, 1):
            pairs = [list(feed.epoch(kind, number=number)) for feed in (own, passed)]
            assert len(pairs[0]) == own.sources[kind].count
            for (part, first), (other, second) in zip(*pairs, strict=True):
                assert part == other
                assert all(map(np.array_equal, first, second))


class Locked(Batches):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_what_cannot_be_copied_is_refused() -> None:
    """The error names the stream and why, and says what to pass."""
    iterator = batches()
    single = IteratedBatches(BatchSource("generator batches", lambda: iterator, is_single=True), 6)
    for dataset, why in (
        (Locked(), "the stream Locked, .*cannot pickle"),
        (single, "the stream generator batches, .*can be read once only"),
    ):
        with pytest.raises(InvalidInput, match=why) as error:
            _passed_on(dataset)
        assert "a function that returns the batches" in str(error.value)


def _study(directory: Path, data: Any, validation: Any, **options: Any) -> paceline.Study:
    given: dict[str, Any] = {"trials": 8, "epochs": 9, "schedule": "asha", "display": False}
    given |= {"final": False, "seed": 3, "in_memory": None, **options}
    return paceline.tune(
        small, data, "val_accuracy", validation=validation, study=directory, **given
    )


def _content(study: paceline.Study) -> list[Any]:
    return [
        (dict(one.config), one.state, one.score, [m.metrics for m in one.measurements])
        for one in study.trials
    ]


@pytest.mark.exhaustive
def test_a_stream_in_several_engines_gives_the_same_study(tmp_path: Path) -> None:
    """Bit for bit; of a PyDataset and of a function that returns batches."""
    for name, data, validation, options in (
        ("dataset", Batches(), Batches(1), {}),
        ("function", batches, held_out, {"in_memory": False}),
    ):
        expected = _content(_study(tmp_path / name, data, validation, **options))
        executor = Processes(workers=2)
        given = {**options, "executor": executor}
        study = _study(tmp_path / f"{name}_engines", data, validation, **given)
        assert _content(study) == expected
        assert all(trial.worker is not None for trial in study.trials)


@pytest.mark.exhaustive
def test_a_killed_engine_costs_no_trial(tmp_path: Path) -> None:
    """Scores agree up to rounding: fewer networks may continue together."""
    expected = _study(tmp_path / "one", Batches(), Batches(1), schedule="full")
    kills = KillsEngines(10)
    options = {"schedule": "full", "executor": Processes(workers=2), "callbacks": [kills]}
    study = _study(tmp_path / "s", Batches(), Batches(1), **options)
    assert kills.killed == 1
    assert [t.config for t in study.trials] == [t.config for t in expected.trials]
    found, known = ([t.score for t in one.trials] for one in (study, expected))
    assert found == pytest.approx(known, abs=0.02)


class Elsewhere(Batches):
    """Can be read where it was made only."""

    def __init__(self) -> None:
        super().__init__()
        self.process = os.getpid()

    def __getitem__(self, index: int) -> Any:
        if os.getpid() != self.process:
            raise OSError("the share is not mounted")
        return super().__getitem__(index)


@pytest.mark.exhaustive
def test_an_engine_that_cannot_read_the_data(tmp_path: Path) -> None:
    """One error that says what the dataset said."""
    with pytest.raises(InvalidInput, match=r"Elsewhere raised OSError.*the share is not mounted"):
        _study(tmp_path / "s", Elsewhere(), Batches(1), executor=Processes(workers=2))
