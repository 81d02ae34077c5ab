"""Trials train the same whether their constants were traced or predicted; wrong ones are found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, losses

import paceline
from paceline.core import Objective, TrialState
from paceline.core.events import TrialEnded
from paceline.execute.base import Executor, ExecutorUpdate, Job, TrainingConfig
from paceline.execute.fused import FusedExecutor
from paceline.execute.prepare import Preparation, structural_hint
from paceline.execute.withdrawn import REASON
from paceline.execute.work import Work, create
from paceline.space import Float, Space
from paceline.testing.executors import TrialLog
from paceline.train.array_feed import TrainingData
from paceline.train.lane_count import LaneCount, device_count

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 4)).astype("float32"), RNG.normal(size=48).astype("float32")
SPACE = Space([Float("rate", 1e-3, 1.0)])
TRAINING = TrainingConfig(Objective("val_loss", "minimize"), batch_size=16)
RATES = [*(0.1 + 0.01 * n for n in range(7)), *(0.3 + 0.01 * n for n in range(17))]


class Own(keras.Sequential):  # type: ignore[misc]
    """A model that is not Keras's own, whose constants are never predicted."""


def train(
    kind: Callable[[Any], keras.Model], rates: Sequence[float], hidden: bool
) -> tuple[TrialLog, tuple[int, ...], int]:
    """What happens to the trials, those found wrong at last, and the number of traces.

    Args:
        kind: the class of the models.
        rates: of the trials.
        hidden: whether the loss has a number that is not part of a model's configuration.
    """

    def build(hp: Any) -> keras.Model:
        rate = hp.Float("rate", 1e-3, 1.0)
        model = kind([keras.Input((4,)), layers.Dropout(rate), layers.Dense(1)])
        loss = losses.Huber(0.7 if hidden and rate > 0.2 else 0.3)
        model.compile(keras.optimizers.SGD(rate, momentum=1 - rate), loss)
        return model

    data = TrainingData.of((X[:32], Y[:32]), (X[32:], Y[32:]))
    preparation = Preparation(build, data, TRAINING, SPACE, frozenset(), True)
    lanes = LaneCount(2**22, 2**30, device_count(), fixed_lanes=4)
    executor = FusedExecutor(preparation, TRAINING, structural_hint({}, SPACE), lanes)
    executor.submit([Job(n, {"rate": rate}, n, 2) for n, rate in enumerate(rates)], {}, {})
    log = TrialLog()
    wrong: tuple[int, ...] = ()
    while not executor.is_idle:
        for update in executor.progress():
            log.take(update)
            wrong += update.wrong
    executor.close()
    return log, wrong, preparation.num_traced


def assert_same(log: TrialLog, other: TrialLog, number: int) -> None:
    epochs = zip(log.measured[number], other.measured[number], strict=True)
    assert all(one.metrics == two.metrics for one, two in epochs)
    pairs = zip(log.results[number], other.results[number], strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_results_are_the_same_to_the_last_bit() -> None:
    traced, _, num_traced = train(Own, RATES[:8], hidden=False)
    predicted, _, few = train(keras.Sequential, RATES[:8], hidden=False)
    assert (num_traced, few) == (8, 4)
    for number in range(8):
        assert_same(predicted, traced, number)


@pytest.mark.skipif("delta" in losses.Huber(0.3).get_config(), reason="Keras serializes the delta")
def test_trials_with_wrong_constants_are_trained_again_or_fail_or_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traced, _, _ = train(Own, RATES, hidden=True)
    found, wrong, _ = train(keras.Sequential, RATES, hidden=True)
    assert "earlier ones are checked" in caplog.text
    assert set(wrong) <= {number for number, rate in enumerate(RATES) if rate > 0.2}
    for number, ended in found.ended.items():
        if ended.state is TrialState.FAILED:
            assert ended.reason == REASON
        elif number not in wrong:
            assert_same(found, traced, number)
    assert found.ended.keys() == traced.ended.keys()


class Doubting:
    """An executor that finds at the end that the first trial was wrong."""

    def __init__(self, work: Work) -> None:
        self._inner: Executor = create("local", work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        updates = self._inner.progress(seconds)
        ended = any(isinstance(e, TrialEnded) and e.number == 1 for u in updates for e in u.events)
        return [*updates, ExecutorUpdate(wrong=(0,))] if ended else updates


def test_wrong_results_are_noted_in_the_study(tmp_path: Path) -> None:
    with pytest.warns(paceline.StudyWarning, match="Do not use the results of trial 0: "):
        study = paceline.optimize(
            lambda hp: hp.Float("x", 0.0, 1.0),
            "min",
            trials=2,
            search="random",
            final=False,
            study=tmp_path / "study",
            executor=Doubting,
            display=False,
        )
    assert "Do not use the results of trial 0: " in " ".join(study.record.notes)
