"""Lanes on a stream train as `fit` on the dataset, and each batch is loaded once."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from paceline.train.cohort import Lane
from paceline.train.compiler import Compiler
from paceline.train.merged_program import MergedStreamProgram
from paceline.train.merging.structure import Structure
from paceline.train.stream_cohort import StreamCohort
from paceline.train.stream_feed import (
    ArrayBatches,
    BatchFailed,
    DatasetBatches,
    FitBatches,
    StreamFeed,
    load_in_order,
)
from paceline.train.stream_program import CompiledStreamProgram, StreamProgram
from paceline.train.trace import trace
from paceline.train.traced_model import TracedModel
from paceline.train.variables import restore


class Counting(keras.utils.PyDataset):  # type: ignore[misc]
    """Rows in batches of given sizes; counts its calls."""

    def __init__(
        self, sizes: Sequence[int], seed: int = 0, weighted: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        rng = np.random.default_rng(seed)
        self.ends = np.cumsum([0, *sizes])
        self.x = rng.normal(size=(self.ends[-1], 6))  # float64, as users pass it
        self.y = rng.integers(0, 3, self.ends[-1])
        self.weights = rng.uniform(0.1, 2, self.ends[-1]) if weighted else None
        self.loaded: Counter[int] = Counter()
        self.hooks: list[str] = []
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> Any:
        self.loaded[index] += 1
        self.threads.add(threading.current_thread().name)
        rows = slice(self.ends[index], self.ends[index + 1])
        batch = (self.x[rows], self.y[rows])
        return batch if self.weights is None else (*batch, self.weights[rows])

    def on_epoch_begin(self) -> None:
        self.hooks.append("begin")

    def on_epoch_end(self) -> None:
        self.hooks.append("end")


class Reshuffled(Counting):
    """Its rows are shuffled after each epoch."""

    def on_epoch_end(self) -> None:
        super().on_epoch_end()
        order = np.random.default_rng(len(self.hooks)).permutation(len(self.x))
        self.x, self.y = self.x[order], self.y[order]


def network(rate: float, drop: float = 0.1) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, "tanh"),
            layers.BatchNormalization(),
            layers.Dropout(drop),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(name="ce")],
    )
    return model


def small(rate: float) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model


def wide(units: int) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, "sigmoid"),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


CONFIGS = [{"rate": 0.03, "drop": 0.1}, {"rate": 0.1, "drop": 0.4}]


def cohort_of(
    feed: StreamFeed,
    traced: Sequence[TracedModel],
    later: list[CompiledStreamProgram] | None = None,
) -> StreamCohort:
    compiler = Compiler()
    count = -(-len(traced) // len(compiler.devices)) * len(compiler.devices)
    compiled = compiler.request(program_of(traced), count).result()
    cohort = StreamCohort(compiled, compiler.mesh, (later if later is not None else []).append)
    compiler.close()
    return cohort


def program_of(traced: Sequence[TracedModel]) -> StreamProgram:
    """The program of networks of one size or of several."""
    structure = Structure.of(traced[0])
    sizes = [structure.sizes([leaf.shape for leaf in one.state]) for one in traced]
    ragged = [i for i, own in enumerate(zip(*sizes, strict=True)) if len(set(own)) > 1]
    if not ragged:
        return StreamProgram.covering(traced, None)
    assert len({one.structure_key for one in traced}) == 1
    structure.check_differing(ragged)
    largest = tuple(max(own) for own in zip(*sizes, strict=True))
    return MergedStreamProgram.of(structure, largest, ragged, traced)


def train(
    cohort: StreamCohort, traced: Sequence[TracedModel], epochs: int
) -> list[list[dict[str, float]]]:
    cohort.fill({slot: Lane(one, epochs, 0) for slot, one in enumerate(traced)})
    logs: list[list[dict[str, float]]] = [[] for _ in traced]
    for _ in range(epochs):
        assert list(cohort.advance(steps=2))[-1][0] == cohort.compiled.program.feed.num_steps
        for one in cohort.epoch_logs():
            logs[one.slot].append(dict(one.metrics))
    return logs


def check_like_fit(
    make: Callable[[], Counting],
    validation: Callable[[], Any],
    models: Sequence[Callable[[], keras.Model]],
    later: list[Any] | None = None,
) -> Counting:
    """Trains a cohort on the dataset and compares it with `fit` on an equal one."""
    epochs, dataset, val = 2, make(), validation()
    arrays = isinstance(val, tuple)
    feed = StreamFeed(
        DatasetBatches(dataset),
        None if val is None else DatasetBatches(ArrayBatches(val) if arrays else val),
    )
    dataset.loaded.clear()  # the first and the last batch were loaded for their shapes
    traced = [trace(model(), feed) for model in models]
    cohort = cohort_of(feed, traced, later)
    logs = train(cohort, traced, epochs)
    states = [cohort.state_of(slot) for slot in range(len(traced))]
    kept = traced[0].layout.num_leaves - traced[0].layout.metrics
    for slot, model in enumerate(models):
        expected, found, source = model(), model(), make()
        # fit calls the hook at the end of an epoch once too often, before the first one; FitBatches
        # prevents that
        history = []
        for epoch in range(epochs):
            source.on_epoch_begin()
            result = expected.fit(
                FitBatches(DatasetBatches(source)),
                validation_data=validation(),
                shuffle=False,
                verbose=0,
                epochs=epoch + 1,
                initial_epoch=epoch,
            )
            source.on_epoch_end()
            history.append({name: values[-1] for name, values in result.history.items()})
        restore(found, states[slot][:kept], feed.batch_spec("train"))
        for a, b in zip(expected.weights, found.weights, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5)
        for one, other in zip(history, logs[slot], strict=True):
            assert other == pytest.approx(one, abs=1e-4)
    assert dataset.loaded == dict.fromkeys(range(len(dataset)), epochs)
    assert dataset.hooks == ["begin", "end"] * epochs
    return dataset


def test_lanes_equal_fit_with_a_smaller_last_batch_and_sample_weights() -> None:
    models = [partial(network, **config) for config in CONFIGS]
    dataset = check_like_fit(
        lambda: Counting([8, 8, 8, 5], weighted=True), lambda: Counting([7, 7, 3], seed=1), models
    )
    assert all(
        name.startswith("paceline-load")
        for name in dataset.threads - {threading.main_thread().name}
    )


def test_a_dataset_that_shuffles_itself_and_validation_arrays() -> None:
    other = Counting([30], seed=1)
    check_like_fit(lambda: Reshuffled([8, 8, 8]), lambda: (other.x, other.y), [partial(small, 0.1)])


def test_a_shape_that_occurs_later_is_compiled_once() -> None:
    later: list[Any] = []
    check_like_fit(
        lambda: Counting([8, 3, 8, 3, 5]),
        lambda: None,
        [partial(small, 0.1), partial(small, 0.3)],
        later,
    )
    assert [list(one.steps) for one in later] == [["train_2"]]

    feed = StreamFeed(DatasetBatches(Counting([8, 3, 8])), None)
    first, second = ([trace(small(rate), feed)] for rate in (0.01, 0.5))
    later = []
    cohort = cohort_of(feed, [*first, *second], later)
    train(cohort, first, 1)
    cohort.release(0)
    train(cohort, second, 1)  # the next networks use the same code with their own constants
    again = cohort_of(feed, [*first, *second])
    train(again, second, 1)
    for a, b in zip(cohort.state_of(0), again.state_of(0), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert len(later) == 1


def test_networks_of_several_widths_share_batches_of_all_shapes() -> None:
    later: list[Any] = []
    models = [partial(wide, 4), partial(wide, 9)]
    check_like_fit(lambda: Counting([8, 3, 8]), lambda: None, models, later)
    assert [list(one.steps) for one in later] == [["train_1"]]


def test_a_cohort_is_filled_only_when_all_its_lanes_have_ended() -> None:
    feed = StreamFeed(DatasetBatches(Counting([4])), None)
    traced = [trace(small(rate), feed) for rate in (0.1, 0.2)]
    cohort = cohort_of(feed, traced)
    assert len(cohort.free) == len(cohort.lanes)
    cohort.fill({slot: Lane(one, 1, 0) for slot, one in enumerate(traced)})
    cohort.release(0)
    assert cohort.free == []
    cohort.release(1)
    assert len(cohort.free) == len(cohort.lanes)


def test_a_network_continues_from_a_snapshot() -> None:
    feed = StreamFeed(DatasetBatches(Counting([4, 4])), None)
    traced = trace(network(0.1), feed)
    through, broken = cohort_of(feed, [traced]), cohort_of(feed, [traced])
    train(through, [traced], 3)
    train(broken, [traced], 1)
    stood = broken.state_of(0)[: traced.layout.num_leaves - traced.layout.metrics]
    train(broken, [traced.with_weights(stood)], 2)
    for a, b in zip(through.state_of(0), broken.state_of(0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loading_overlaps_with_training() -> None:
    loaded = [threading.Event() for _ in range(8)]

    def load(index: int) -> int:
        loaded[index].set()
        return index

    taken = []
    for index in load_in_order(load, 8, num_workers=1, num_ahead=2):
        assert loaded[min(index + 1, 7)].wait(
            30.0
        )  # the next one is loaded while this one is in use
        taken.append(index)
    assert taken == list(range(8))


def test_workers_load_in_parallel() -> None:
    together = threading.Barrier(4)

    def load(index: int) -> int:
        together.wait(30.0)  # all wait until four have arrived
        return index

    assert list(load_in_order(load, 16, num_workers=4, num_ahead=8)) == list(range(16))


def test_abandoning_an_epoch_releases_the_dataset() -> None:
    dataset = Counting([2] * 20)
    batches = StreamFeed(DatasetBatches(dataset), None).epoch("train")
    dataset.loaded.clear()
    next(batches)
    batches.close()
    assert sum(dataset.loaded.values()) <= 4
    assert dataset.hooks == ["begin"]
    assert not any(thread.name.startswith("paceline-load") for thread in threading.enumerate())


class Broken(Counting):
    def __getitem__(self, index: int) -> Any:
        if index == 2:
            raise OSError("the disk is gone")
        return super().__getitem__(index)


class Odd(Counting):
    given: Any = ()

    def __getitem__(self, index: int) -> Any:
        return self.given


def test_errors_of_a_dataset_are_reported() -> None:
    feed = StreamFeed(DatasetBatches(Broken([2, 2, 2, 2])), None)
    cohort = cohort_of(feed, [trace(small(0.1), feed)])
    with pytest.raises(
        BatchFailed, match=r"Broken raised OSError at batch 2 of 4: the disk is gone; expected"
    ):
        train(cohort, [cohort.compiled.program.traced], 1)


@pytest.mark.parametrize(
    "given", [(), (1, 2, 3, 4), (np.ones((2, 6)), 3), (np.array([["a"]]), np.ones(1))]
)
def test_invalid_batches_are_refused(given: Any) -> None:
    dataset = Odd([2, 2])
    dataset.given = given
    with pytest.raises(BatchFailed, match="batch 0 of Odd cannot be used"):
        StreamFeed(DatasetBatches(dataset), None)


def test_a_dataset_without_batches_is_refused() -> None:
    with pytest.raises(BatchFailed, match="Counting has no batches"):
        DatasetBatches(Counting([]))


def test_several_inputs_with_workers() -> None:
    class Two(Counting):
        def __getitem__(self, index: int) -> Any:
            x, y = super().__getitem__(index)
            return {"a": x, "b": x[:, :2].astype("uint8")}, y

    dataset = Two([6] * 10, workers=3, max_queue_size=4)
    feed = StreamFeed(DatasetBatches(dataset), None)
    assert [spec.dtype.name for spec in feed.batch_spec("train")[0].values()] == [
        "float32",
        "uint8",
    ]
    got = [np.asarray(leaves[0]) for _, leaves in feed.epoch("train")]
    np.testing.assert_allclose(np.concatenate(got), dataset.x.astype("float32"))
    assert len(dataset.threads - {threading.main_thread().name}) > 1
