"""Trials train the same whether their constants were traced or predicted; wrong ones are found."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from paceline.execute.creation import create
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.fused import FusedExecutor
from paceline.execute.grouping import structural_hint
from paceline.execute.merging import NetworkMerging
from paceline.execute.prepare import FailedBuild, Preparation, PreparedNetwork
from paceline.execute.withdrawn import REASON
from paceline.execute.work import Work
from paceline.space import Float, Int, Space
from paceline.testing.executors import TrialLog
from paceline.train.array_feed import TrainingData
from paceline.train.device_facts import DeviceFacts
from paceline.train.example_files import ExampleFiles
from paceline.train.lane_count import LaneCount
from paceline.train.trace_cache import PredictedNetwork, TraceCache

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 4)).astype("float32"), RNG.normal(size=48).astype("float32")
SPACE = Space([Float("rate", 1e-3, 1.0)])
TRAINING = TrainingConfig(Objective("val_loss", "minimize"), batch_size=16)
RATES = [*(0.1 + 0.01 * n for n in range(7)), *(0.3 + 0.01 * n for n in range(17))]


class Own(keras.Sequential):  # type: ignore[misc]
    """A model that is not Keras's own, whose constants are never predicted."""


def prepares(
    build: Callable[[Any], keras.Model],
    space: Space,
    loop_names: frozenset[str] = frozenset(),
    traces: TraceCache[Job] | None = None,
) -> Preparation:
    data = TrainingData.of((X[:32], Y[:32]), (X[32:], Y[32:]))
    return Preparation(build, data, TRAINING, space, loop_names, True, traces=traces)


def build_with(kind: Callable[[Any], keras.Model]) -> Callable[[Any], keras.Model]:
    """Models of a class, whose loss has a number that no configuration shows."""

    def build(hp: Any) -> keras.Model:
        rate = hp.Float("rate", 1e-3, 1.0)
        model = kind([keras.Input((4,)), layers.Dropout(rate), layers.Dense(1)])
        loss = losses.Huber(0.7 if rate > 0.2 else 0.3)
        model.compile(keras.optimizers.SGD(rate, momentum=1 - rate), loss)
        return model

    return build


@dataclass
class Run:
    """What happens to the trials, and those found wrong at last."""

    log: TrialLog
    wrong: tuple[int, ...]


def train(kind: Callable[[Any], keras.Model]) -> Run:
    preparation = prepares(build_with(kind), SPACE)
    lanes = LaneCount(DeviceFacts.of_machine(), 2**22, 2**30, one_by_one=True)
    hint = structural_hint({}, SPACE)
    expected = ExpectedNetworks(SPACE, hint)
    executor = FusedExecutor(preparation, TRAINING, hint, lanes, expected)
    executor.submit([Job(n, {"rate": rate}, n, 2) for n, rate in enumerate(RATES)], {}, {})
    log = TrialLog()
    wrong: tuple[int, ...] = ()
    while not executor.is_idle:
        for update in executor.progress():
            log.take(update)
            wrong += update.wrong
    executor.close()
    return Run(log, wrong)


@pytest.fixture(scope="module")
def always_traced() -> Run:
    return train(Own)


@pytest.fixture(scope="module")
def predicted() -> Run:
    return train(keras.Sequential)


def assert_same(log: TrialLog, other: TrialLog, number: int) -> None:
    epochs = zip(log.measured[number], other.measured[number], strict=True)
    assert all(one.metrics == two.metrics for one, two in epochs)
    pairs = zip(log.results[number], other.results[number], strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize(("kind", "num_traced"), [(Own, 8), (keras.Sequential, 2)])
def test_known_networks_are_not_traced(kind: Callable[[Any], keras.Model], num_traced: int) -> None:
    preparation = prepares(build_with(kind), SPACE)
    for number in range(8):
        preparation.prepare([Job(number, {"rate": 0.1 + 0.011 * number}, number, 2)])
    assert preparation.traces.num_traced == num_traced


def test_results_are_the_same_to_the_last_bit(always_traced: Run, predicted: Run) -> None:
    for number, rate in enumerate(RATES):
        if rate < 0.2:
            assert_same(predicted.log, always_traced.log, number)


def of_any_width(hp: Any) -> keras.Model:
    rate, units = hp.Float("rate", 1e-3, 1.0), hp.Int("units", 1, 17)
    hidden = [layers.Dense(units), layers.LayerNormalization(), layers.Dropout(rate)]
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate, momentum=1 - rate), "mse")
    return model


ANY_WIDTH = Space([Float("rate", 1e-3, 1.0), Int("units", 1, 17)])


@dataclass
class Session:
    """Networks of some widths, assigned to programs one after another."""

    preparation: Preparation
    merging: NetworkMerging
    networks: list[PreparedNetwork]
    programs: list[str]

    @property
    def of_other_sizes(self) -> list[bool]:
        """Of each network, whether it was predicted with the steps of another one."""
        return [n.traced is not None and n.traced.of_other_sizes for n in self.networks]


def session(
    widths: Sequence[int],
    traces: TraceCache[Job] | None = None,
    first: int = 0,
    build: Callable[[Any], keras.Model] = of_any_width,
) -> Session:
    preparation = prepares(build, ANY_WIDTH, traces=traces)
    expected = ExpectedNetworks(ANY_WIDTH, lambda _: (), num_configs=6)
    merging = NetworkMerging(preparation, expected, is_enabled=True, memory=2**30)
    found = Session(preparation, merging, [], [])
    for number, units in enumerate(widths):
        config = {"rate": RATES[first + number], "units": units}
        (prepared,) = preparation.prepare([Job(number, config, number, 2)])
        assert isinstance(prepared, PreparedNetwork)
        assigned, program = merging.assign(prepared)
        assert isinstance(assigned, PreparedNetwork)
        found.networks.append(assigned)
        found.programs.append(program)
    return found


def assert_as_traced(found: Session) -> None:
    for prepared in found.networks:
        again = found.preparation.trace_again(prepared)
        assert isinstance(again, PreparedNetwork)
        assert again.traced is not None
        assert prepared.traced is not None
        assert PredictedNetwork.of(0, prepared.traced).agrees(again.traced)
        pairs = zip(prepared.traced.state, again.traced.state, strict=True)
        assert all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, ExampleFiles]:
    files = ExampleFiles(tmp_path_factory.mktemp("kept"))
    return session((5, 7, 6, 9, 16, 1), TraceCache(files)), files


def test_networks_of_other_widths_need_no_trace_where_they_are_merged(
    first: tuple[Session, ExampleFiles],
) -> None:
    found, _ = first
    # a layer may treat an axis of length 1 in another way
    assert found.of_other_sizes == [False] * 2 + [True] * 3 + [False]
    assert found.preparation.traces.num_traced == 3
    assert_as_traced(found)


def test_another_session_traces_one_network_of_all_widths(
    first: tuple[Session, ExampleFiles],
) -> None:
    again = session((4, 12, 8), TraceCache(first[1]), first=7)
    assert again.of_other_sizes == [False, True, True]
    assert again.preparation.traces.num_traced == 1
    assert_as_traced(again)


def test_a_whole_number_without_effect_needs_no_trace() -> None:
    """Such as the number of units of hidden layers, in a network that has none."""

    def build(hp: Any) -> keras.Model:
        hp.Int("units", 1, 17)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1.0), clipnorm=1.0), "mse")
        return model

    found = session((5, 7, 6, 9), build=build)
    assert found.preparation.traces.num_traced == 2
    assert len(set(found.programs)) == 1
    assert not any(found.of_other_sizes)
    assert_as_traced(found)


def test_a_network_that_leaves_its_merged_program_is_traced(tmp_path: Path) -> None:
    files = ExampleFiles(tmp_path)
    found = session((5, 7, 6, 8), TraceCache(files))
    kept = len(list(tmp_path.iterdir()))
    found.merging.separate(found.programs[3], "it was not the same")
    assert len(list(tmp_path.iterdir())) == kept - 1  # no longer known of all sizes
    prepared, _ = found.merging.assign(found.networks[3])
    assert isinstance(prepared, PreparedNetwork)
    assert prepared.traced is not None
    assert not prepared.traced.of_other_sizes
    (later,) = found.preparation.prepare([Job(9, {"rate": 0.7, "units": 9}, 9, 2)])
    assert isinstance(later, PreparedNetwork)
    assert later.traced is not None
    assert not later.traced.of_other_sizes


def test_networks_of_other_sizes_are_wrong_if_steps_do_not_follow_from_sizes() -> None:
    found = session((5, 7, 6, 8))
    assert found.of_other_sizes == [False, False, True, True]
    assert found.networks[0].traced is not None
    found.preparation.traces.doubt_other_sizes(found.networks[0].traced.structure_key)
    assert found.preparation.take_wrong() == [2, 3]
    assert found.preparation.take_wrong() == []


def test_a_network_that_cannot_be_built_again_fails_alone() -> None:
    builds: Counter[int] = Counter()

    def twice(hp: Any) -> keras.Model:
        model = of_any_width(hp)
        builds[hp["units"]] += 1
        if hp["units"] == 9 and builds[9] > 1:
            raise OSError("no file")
        return model

    preparation = prepares(twice, ANY_WIDTH)
    expected = ExpectedNetworks(ANY_WIDTH, lambda _: (), num_configs=6)
    merging = NetworkMerging(preparation, expected, is_enabled=True, memory=2**30)
    for number, units in enumerate((5, 7, 9)):
        config = {"rate": RATES[number], "units": units}
        (prepared,) = preparation.prepare([Job(number, config, number, 2)])
        assert isinstance(prepared, PreparedNetwork)
        last, program = prepared, merging.assign(prepared)[1]
    merging.separate(program, "it was not the same")
    failed, program = merging.assign(last)
    assert isinstance(failed, FailedBuild)
    assert "no file" in failed.error
    assert program == ""


def test_the_probe_of_a_program_is_learned_from() -> None:
    space = Space([Float("rate", 1e-3, 1.0)])

    def build(hp: Any) -> keras.Model:
        rate = hp.Float("rate", 1e-3, 1.0)
        model = keras.Sequential([keras.Input((4,)), layers.Dropout(rate), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    preparation = prepares(build, space)
    found = preparation.prepare([Job(0, {"rate": 0.5}, 0, 2)])
    assert isinstance(found[0], PreparedNetwork)
    assert preparation.probe(found[0], structural_hint({}, space)) is not None
    found += preparation.prepare([Job(1, {"rate": 0.123}, 1, 2)])
    assert preparation.traces.num_traced == 2
    assert isinstance(found[1], PreparedNetwork)
    again = preparation.trace_again(found[1])
    assert isinstance(again, PreparedNetwork)
    assert found[1].traced is not None
    assert again.traced is not None
    assert PredictedNetwork.of(0, found[1].traced).agrees(again.traced)


@pytest.mark.skipif("delta" in losses.Huber(0.3).get_config(), reason="Keras serializes the delta")
def test_trials_with_wrong_constants_are_trained_again_or_fail_or_are_named(
    always_traced: Run, predicted: Run
) -> None:
    hidden = {number for number, rate in enumerate(RATES) if rate > 0.2}
    failed = {n for n, e in predicted.log.ended.items() if e.state is TrialState.FAILED}
    assert failed | set(predicted.wrong) <= hidden
    assert all(predicted.log.ended[number].reason == REASON for number in failed)
    for number in hidden.difference(failed, predicted.wrong):
        assert_same(predicted.log, always_traced.log, number)
    assert predicted.log.ended.keys() == set(range(len(RATES)))


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
