"""Arrays that are constants of a step are inputs where they differ between networks."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax import lax
from keras import layers
from tests.train.merged_steps import Step

from paceline.testing.same_answer import SameAnswer
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.merging.structure import CannotMerge
from paceline.train.program import lifted_constants
from paceline.train.trace import trace
from paceline.train.trace_cache import TraceCache

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 4)).astype("float32"), RNG.integers(0, 3, 24)
FEED = ArrayFeed(TrainingData.of((X, np.eye(3, dtype="float32")[Y]), None), 8)


def encoding(shape: Any) -> np.ndarray:
    """As of positions: other values in each column, and for each number of columns."""
    rows, columns = (np.arange(1, size + 1, dtype="float32") for size in shape)
    return np.sin(rows[:, None] / 10 ** (columns / len(columns))).astype("float32")


def looped(x: Any, w: Any) -> list[Any]:
    own = np.linspace(1, 2, w.shape[1], dtype="float32")

    def step(carry: Any, row: Any) -> tuple[Any, Any]:
        carry = lax.cond(row.sum() > 0, lambda c: c * own, lambda c: c - own, carry + row)
        return carry, jax.nn.softmax(carry)

    return list(lax.scan(step, jnp.zeros(w.shape[1]) + own, x @ w))


X_W: list[tuple[int | str, ...]] = [(3, 4), (4, "n")]


@pytest.mark.parametrize(
    "step",
    [
        Step(lambda x, w: [x @ w + encoding((3, w.shape[1]))], X_W),
        # the padding of a product with an array is summed, and that of its exponential
        Step(lambda x, w: [(jnp.exp(x @ w) * encoding((3, w.shape[1]))).sum(1)], X_W),
        Step(lambda x, w: [jnp.exp((x @ w) * encoding((3, w.shape[1]))).mean(1)], X_W),
        # a mask of the units, and an array of no axis that differs
        Step(
            lambda x, w: [jnp.where(np.arange(w.shape[1]) % 2 == 0, jnp.cos(x @ w), 1.5).max(1)],
            X_W,
        ),
        Step(lambda x, w: [x @ w * np.full((3, 1), w.shape[1], "float32")], X_W),
        # a flattened image: the array lies as a table of positions and filters
        Step(
            lambda x, w, v: [((x @ w).reshape(3, -1) * encoding((1, 2 * w.shape[1])) + 1) @ v],
            [(3, 2, 4), (4, "n"), ("n2", 5)],
        ),
        Step(looped, X_W),
        # a constant matrix: of random features, for example
        Step(lambda x, w: [jnp.tanh(x @ w) @ encoding((w.shape[1], 2)) + 1], X_W),
    ],
)
def test_arrays_that_depend_on_sizes_are_padded(step: Step) -> None:
    def sizes(n: int) -> dict[str, int]:
        return {"n": n, "n2": 2 * n}

    for first, second in ((3, 5), (5, 2)):
        step.merged(sizes(first), sizes(second)).check()


@pytest.mark.parametrize(
    "step",
    [
        Step(lambda x, w: [x @ w + (x[0, 0] * encoding((2 * w.shape[1] - 1, 1))).sum()], X_W),
        Step(lambda x, w: [(x @ w)[:, np.arange(w.shape[1])[::-1]]], X_W),
        Step(lambda x, w: [jnp.sort((x @ w) * encoding((3, w.shape[1])))], X_W),
    ],
)
def test_arrays_whose_size_or_places_do_not_follow_from_the_weights_are_not_merged(
    step: Step,
) -> None:
    with pytest.raises(CannotMerge):
        step.merged({"n": 3}, {"n": 5})


def weighted(weight: float = 0.5, rows: int = 4) -> keras.Model:
    """A network with an array that differs in values: weights of classes."""
    model = keras.Sequential([keras.Input((rows,)), layers.Dense(3, "softmax")])
    loss = keras.losses.CategoricalFocalCrossentropy(alpha=[weight, 1.0, 2.0])
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def test_networks_that_differ_in_an_array_train_in_one_program_as_alone() -> None:
    data = X, np.eye(3, dtype="float32")[Y]
    gaps = SameAnswer(data, batch_size=8)(weighted, [{"weight": w} for w in (0.5, 2.0)])
    assert max(gap.weights for gap in gaps) < 1e-6


def test_whether_validation_depends_on_batches_is_found_for_each_array() -> None:
    """An array as long as the batch, by which rows are multiplied: the same for all rows or not."""

    def model(last: float) -> keras.Model:
        def scaled(x: Any) -> Any:
            return x * np.linspace(1, last, x.shape[0] or 1, dtype="float32")[:, None]

        model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Lambda(scaled)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        return model

    data = X, np.eye(3, dtype="float32")[Y]
    feed = ArrayFeed(TrainingData.of(data, data), 8)
    reasons = [trace(model(last), feed).unmerged_reason for last in (1.0, 2.0, 1.0)]
    assert [bool(reason) for reason in reasons] == [False, True, False]


def test_equal_arrays_are_no_inputs() -> None:
    networks = [trace(weighted(weight), FEED) for weight in (0.5, 0.5, 2.0)]
    assert len({network.key for network in networks}) == 1
    assert lifted_constants(networks[:2]).arrays["train"] == ()
    assert lifted_constants(networks).arrays["train"] == (0,)


def test_networks_whose_arrays_differ_are_traced() -> None:
    traces: TraceCache[int] = TraceCache()
    for number, weight in enumerate((0.5, 0.6, 0.7, 0.8)):
        found = traces.trace(weighted(weight), {"weight": weight}, FEED, number)
        assert found.arrays("train")[0][0] == np.float32(weight)
    assert traces.num_traced == 4
