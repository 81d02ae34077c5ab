"""Networks of a known structure have the steps and constants that a trace gives, without one."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest
from keras import layers, losses, optimizers, regularizers
from tests.marking import first_of
from tests.train.kinds import EVEN, SIZE, TABLE, Row

from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.cache_files import prune
from paceline.train.example_files import ExampleFiles, KeptStructure
from paceline.train.isolation import GlobalState
from paceline.train.known_constants import Example
from paceline.train.trace import trace
from paceline.train.trace_cache import PredictedNetwork, TraceCache
from paceline.train.traced_model import TracedModel

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
FEED = ArrayFeed(TrainingData.of((X[:32], X[:32, :1]), (X[32:], X[32:, :1])), 4)
RATES = (0.1, 0.05, 0.0731, 0.0222)
Build = Callable[[float], keras.Model]


def made(build: Build, rate: float) -> keras.Model:
    with GlobalState(1) as state:
        model = build(rate)
    state.keep_for(model)
    return model


def through(
    cache: TraceCache[float], build: Build, rates: Sequence[float], feed: ArrayFeed = FEED
) -> list[TracedModel]:
    return [cache.trace(made(build, rate), {"rate": rate}, feed, rate) for rate in rates]


def same(one: TracedModel, other: TracedModel) -> bool:
    """Whether program, constants, batches and initial state are equal, bit for bit."""
    pairs = zip(one.state, other.state, strict=True)
    return (
        PredictedNetwork.of(0, one).agrees(other)
        and one.all_constants.tobytes() == other.all_constants.tobytes()
        and one.feed.identity == other.feed.identity
        and all(a.tobytes() == b.tobytes() for a, b in pairs)
    )


def dense(*hidden: Any, loss: Any = "mse", optimizer: Any = "sgd") -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


def many_numbers(rate: float) -> keras.Model:
    """Numbers that reach the steps in different ways, each another multiple of the rate."""
    optimizer = optimizers.AdamW(
        3 * rate, beta_1=1 - rate, beta_2=1 - rate / 7, weight_decay=rate / 11, epsilon=rate / 1e4
    )
    return dense(
        layers.Dropout(2 * rate),
        layers.GaussianDropout(rate / 3),
        layers.Dense(3, kernel_regularizer=regularizers.L1L2(rate / 13, rate / 17)),
        layers.BatchNormalization(momentum=1 - rate / 2, epsilon=rate / 100),
        layers.LeakyReLU(negative_slope=rate / 5),
        layers.GaussianNoise(rate / 19),
        loss=losses.BinaryFocalCrossentropy(alpha=1 - 3 * rate, gamma=2 + rate),
        optimizer=optimizer,
    )


def test_constants_are_known_after_some_networks() -> None:
    cache: TraceCache[float] = TraceCache()
    rates = (*RATES, 0.0345, 0.0876)
    found = through(cache, many_numbers, rates)[-1]
    assert cache.num_traced < len(rates)
    assert same(found, trace(made(many_numbers, rates[-1]), FEED))


OWN = ("Lion,", "Huber,")


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.kinds.startswith(OWN)], ids=lambda row: row.kinds[:30]
)
def test_predicted_constants_are_those_of_a_trace(row: Row) -> None:
    train = tuple(jax.tree.map(lambda a: a[:EVEN], (row.x, row.y)))
    feed = ArrayFeed(TrainingData.of(train, None), SIZE)
    cache: TraceCache[float] = TraceCache()
    found = through(cache, row.build, RATES[1:], feed)[-1]
    assert cache.num_traced == 2
    assert same(found, trace(made(row.build, RATES[-1]), feed))


class Scaled(layers.Layer):  # type: ignore[misc]
    """A custom layer."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def call(self, x: Any) -> Any:
        return x * self.rate


def test_custom_layers_are_always_traced() -> None:
    cache: TraceCache[float] = TraceCache()
    through(cache, lambda rate: dense(Scaled(rate)), RATES)
    assert cache.num_traced == len(RATES)


def test_an_equal_network_with_another_seed_is_not_traced() -> None:
    cache: TraceCache[float] = TraceCache()
    through(cache, lambda rate: dense(Scaled(rate)), (0.1, 0.1))
    through(cache, lambda rate: dense(layers.Dropout(rate)), (0.1, 0.1))
    assert cache.num_traced == 3


def test_a_rate_of_zero_is_another_structure() -> None:
    def build(rate: float) -> keras.Model:
        return dense(layers.Dropout(rate))

    cache: TraceCache[float] = TraceCache()
    *_, zero, last = through(cache, build, (*RATES[1:3], 0.0, 0.0222))
    assert cache.num_traced == 3
    assert zero.key != last.key
    for found, rate in ((zero, 0.0), (last, 0.0222)):
        assert same(found, trace(made(build, rate), FEED))


def test_a_structure_with_several_programs_is_always_traced() -> None:
    def build(rate: float) -> keras.Model:
        optimizer = optimizers.AdamW(0.1)
        if rate > 0.07:  # not part of any configuration
            optimizer.exclude_from_weight_decay(var_names=["kernel"])
        return dense(optimizer=optimizer)

    cache: TraceCache[float] = TraceCache()
    through(cache, build, (*RATES, 0.0333))
    assert cache.num_traced == 5


DELTA_IS_HIDDEN = "delta" not in losses.Huber(0.3).get_config()


@pytest.mark.skipif(not DELTA_IS_HIDDEN, reason="this Keras serializes the delta of Huber")
def test_a_hidden_number_is_found_by_the_next_control(caplog: pytest.LogCaptureFixture) -> None:
    def build(rate: float) -> keras.Model:
        return dense(loss=losses.Huber(0.3 if rate < 0.2 else 0.7))

    wrong = [0.2 + 0.01 * n for n in range(14)]
    cache: TraceCache[float] = TraceCache()
    through(cache, build, (*RATES[1:], *wrong))
    assert cache.num_traced == 2
    with caplog.at_level(logging.ERROR, "paceline"):
        (control,) = through(cache, build, [0.5])
    assert "15 earlier ones are checked" in caplog.text
    assert same(control, trace(made(build, 0.5), FEED))
    assert [one.network for one in cache.doubtful] == [RATES[-1], *wrong]
    through(cache, build, (0.6, wrong[-1]))  # traced from now on, also if seen before
    assert cache.num_traced == 5


def kept(tmp_path: Path) -> TraceCache[float]:
    """The traces of a new session, which finds what earlier ones have kept."""
    return TraceCache(ExampleFiles(tmp_path / "structures"))


def hidden_delta(rate: float) -> keras.Model:
    """A model with a number that no configuration shows, and that changes at 0.2."""
    return dense(loss=losses.Huber(0.3 if rate < 0.2 else 0.7))


def test_another_session_traces_one_network_of_a_structure(tmp_path: Path) -> None:
    through(kept(tmp_path), many_numbers, RATES)
    again = kept(tmp_path)
    found = through(again, many_numbers, (0.0345, 0.0876, 0.0123))
    assert again.num_traced == 1
    for one, rate in zip(found, (0.0345, 0.0876, 0.0123), strict=True):
        assert same(one, trace(made(many_numbers, rate), FEED))


def test_a_single_traced_network_is_kept_too(tmp_path: Path) -> None:
    through(kept(tmp_path), many_numbers, RATES[:1])
    again = kept(tmp_path)
    (_, found) = through(again, many_numbers, RATES[1:3])
    assert again.num_traced == 1
    assert same(found, trace(made(many_numbers, RATES[2]), FEED))


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64 requested in asarray")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kinds[:30])
def test_another_session_predicts_what_a_trace_gives(row: Row, tmp_path: Path) -> None:
    if row.kinds == "not compiled":
        pytest.skip("it cannot be traced")
    train = tuple(jax.tree.map(lambda a: a[:EVEN], (row.x, row.y)))
    feed = ArrayFeed(TrainingData.of(train, None), SIZE)
    through(kept(tmp_path), row.build, RATES[1:2], feed)
    again = kept(tmp_path)
    found = through(again, row.build, RATES[2:], feed)[-1]
    assert again.num_traced in (1, 2)
    assert same(found, trace(made(row.build, RATES[-1]), feed))


@pytest.mark.skipif(not DELTA_IS_HIDDEN, reason="this Keras serializes the delta of Huber")
def test_what_was_kept_is_discarded_if_the_first_network_does_not_agree(tmp_path: Path) -> None:
    through(kept(tmp_path), hidden_delta, RATES[:3])
    again = kept(tmp_path)
    found = through(again, hidden_delta, (0.3, 0.4, 0.5))
    assert again.num_traced == 2
    assert not again.doubtful
    for one, rate in zip(found, (0.3, 0.4, 0.5), strict=True):
        assert same(one, trace(made(hidden_delta, rate), FEED))
    third = kept(tmp_path)  # finds what the second has kept in its place
    through(third, hidden_delta, (0.6, 0.7))
    assert third.num_traced == 1


@pytest.mark.skipif(not DELTA_IS_HIDDEN, reason="this Keras serializes the delta of Huber")
def test_a_wrong_prediction_removes_the_cached_structure(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    through(cache, hidden_delta, RATES[:2])
    assert len(list((tmp_path / "structures").iterdir())) == 1
    through(cache, hidden_delta, [0.2 + 0.01 * n for n in range(16)])
    assert cache.doubtful
    assert not list((tmp_path / "structures").iterdir())


@pytest.mark.parametrize(
    "text",
    first_of(
        3,
        [
            "",
            "[]",
            "{",
            "null",
            '{"program": 1}',
            "[" * 100_000,
            "\ud800".encode("utf-8", "surrogatepass"),
            "cut",
            "odd",
            "short",
            "strange",
        ],
    ),
    ids=lambda text: repr(text[:12]),
)
def test_a_bad_file_is_ignored_and_replaced(tmp_path: Path, text: str | bytes) -> None:
    through(kept(tmp_path), many_numbers, RATES[:3])
    (path,) = (tmp_path / "structures").iterdir()
    whole = path.read_text()
    texts = {
        "cut": whole[: len(whole) // 2],
        "odd": whole.replace('"networks": [["', '"networks": [["f'),
        "short": whole.replace('"networks": [["', '"networks": [["0000000000000000'),
        "strange": whole.replace('"networks": [["', '"networks": [["zz'),
    }
    new = text if isinstance(text, bytes) else texts.get(text, text).encode()
    assert new != whole.encode()
    path.write_bytes(new)
    again = kept(tmp_path)
    found = through(again, many_numbers, (0.0345, 0.0876, 0.0123))
    assert again.num_traced == 2
    assert same(found[-1], trace(made(many_numbers, 0.0123), FEED))
    assert path.read_bytes() != new


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "structures").write_text("a file in the way")
    cache = kept(tmp_path)
    through(cache, many_numbers, RATES)
    assert cache.num_traced == 2


def test_the_least_recently_used_files_are_removed(tmp_path: Path) -> None:
    files = ExampleFiles(tmp_path)
    prune(tmp_path, 2)  # there is no directory yet
    example = Example(np.array([0.5]), np.array([0.5, np.nan]))
    kept_structure = KeptStructure("program", ("rate",), [example], follows_sizes=True)
    for time, name in enumerate("abc"):
        files.write(name, kept_structure)
        for path in set(tmp_path.iterdir()).difference(tmp_path.glob("*.old")):
            if path.stat().st_mtime > 1e6:
                os.utime(path, (time, time))
    assert files.read("a", "program", ("rate",))  # used just now
    prune(tmp_path, 2)
    found = {name: files.read(name, "program", ("rate",)) for name in "abc"}
    assert [name for name, one in found.items() if one is not None] == ["a", "c"]
    assert found["a"] is not None
    assert found["a"].follows_sizes
    (read,) = found["a"].examples
    assert read.numbers.tobytes() == example.numbers.tobytes()
    assert read.constants.tobytes() == example.constants.tobytes()
    assert files.read("a", "another program", ("rate",)) is None
    assert files.read("a", "program", ("momentum",)) is None
