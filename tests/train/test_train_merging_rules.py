"""Operations whose sizes differ between networks, in merged form, against themselves."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.train.merged_steps import Shape, Step

from paceline.train.merging.structure import CannotMerge, Structure

IMAGE: Shape = (2, 6, 6, "C")
FIRST = {"U": 3, "V": 4, "C": 2, "H": 2}
SECOND = {"U": 5, "V": 6, "C": 3, "H": 4}


def convolution(x: Any, kernel: Any, **options: Any) -> Any:
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers, **options)


def with_gradients(function: Callable[..., Any]) -> Callable[..., list[Any]]:
    """The function's value, and its gradients for all arguments."""

    def step(*arrays: Any) -> list[Any]:
        def loss(*arrays: Any) -> Any:
            return jnp.sum(jnp.sin(function(*arrays)))

        gradients = jax.grad(loss, argnums=tuple(range(len(arrays))))(*arrays)
        return [function(*arrays), *gradients]

    return step


def pooled(x: Any, init: Any, operation: Any) -> Any:
    return lax.reduce_window(x, init, operation, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")


def recurrent(x: Any, w: Any, b: Any, reverse: bool = False) -> Any:
    def body(state: Any, row: Any) -> tuple[Any, Any]:
        gates = jnp.split(row @ w[: row.shape[-1]] + state @ w[row.shape[-1] :] + b, 2, axis=-1)
        state = jnp.tanh(gates[0]) * jax.nn.sigmoid(gates[1]) + 0.5 * state
        return state, jnp.exp(state)

    last, states = lax.scan(body, jnp.zeros((2, b.shape[0] // 2)), x, reverse=reverse)
    return last + jnp.sum(states, axis=0)


def heads(x: Any, query: Any, key: Any) -> Any:
    q, k = jnp.einsum("btu,uhk->bthk", x, query), jnp.einsum("btu,uhk->bthk", x, key)
    weights = jax.nn.softmax(jnp.einsum("bthk,bshk->bhts", q, k) / np.sqrt(query.shape[-1]))
    return jnp.einsum("bhts,bshk->bthk", weights, k).reshape(*x.shape[:2], -1)


def newton(x: Any) -> Any:
    """As in the optimizer Muon."""
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(2):
        square = x @ x.T
        x = 3.4 * x + (-4.7 * square + 2.0 * square @ square) @ x
    return x


def drawn(x: Any, **options: Any) -> Any:
    return x * jax.random.uniform(jax.random.key(7), x.shape, **options)


CASES: dict[str, tuple[Callable[..., list[Any]], list[Shape]]] = {
    "convolution": (with_gradients(convolution), [IMAGE, (3, 3, "C", "U")]),
    "convolution, strides, dilation": (
        with_gradients(
            lambda x, k: lax.conv_general_dilated(
                x,
                k,
                (2, 1),
                [(1, 2), (0, 1)],
                lhs_dilation=(1, 2),
                rhs_dilation=(2, 1),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
        ),
        [IMAGE, (3, 2, "C", "U")],
    ),
    "depthwise convolution": (
        with_gradients(lambda x, k: convolution(x, k, feature_group_count=x.shape[-1])),
        [IMAGE, (3, 3, 1, "C")],
    ),
    "depthwise convolution, several filters": (
        with_gradients(
            lambda x, k: convolution(
                x, k.reshape(3, 3, 1, 2 * x.shape[-1]), feature_group_count=x.shape[-1]
            )
        ),
        [IMAGE, (3, 3, "C", 2)],
    ),
    "grouped convolution": (
        with_gradients(
            lambda x, k: convolution(
                x.reshape(2, 6, 6, -1), k.reshape(3, 3, k.shape[2], -1), feature_group_count=2
            )
        ),
        [(2, 6, 6, 2, "C"), (3, 3, "C", 2, "U")],
    ),
    "maximum over windows": (
        with_gradients(lambda x: pooled(x - 3, -np.inf, lax.max)),
        [IMAGE],
    ),
    "mean over windows": (
        with_gradients(lambda x: pooled(x, 0.0, lax.add) / pooled(jnp.ones_like(x), 0.0, lax.add)),
        [IMAGE],
    ),
    "mean over all": (with_gradients(lambda x: x.mean((1, 2))), [IMAGE]),
    "flatten": (
        with_gradients(lambda x, w: x.reshape(2, -1) @ w.reshape(-1, w.shape[-1])),
        [(2, 3, 2, "C"), (3, 2, "C", "U")],
    ),
    "transposed and flattened": (
        with_gradients(lambda x: jnp.exp(x.transpose(0, 2, 1).reshape(2, -1))),
        [(2, "U", "V")],
    ),
    "split by a reshape": (with_gradients(lambda x: x.reshape(2, 3, -1).sum(1)), [(2, "U3")]),
    "joined": (
        with_gradients(lambda x, y, w: jnp.concatenate([x, jnp.ones((2, 3)), y], 1) @ w),
        [(2, "U"), (2, "V"), ("U+3+V", 4)],
    ),
    "joined and cut": (
        with_gradients(
            lambda x, y: jnp.concatenate([x, y], 1)[:, x.shape[1] :] * 2 + jnp.log(y * y)
        ),
        [(2, "U"), (2, "V")],
    ),
    "the first three": (with_gradients(lambda x, y: x + y[:3]), [(3,), ("V",)]),
    "stacked": (with_gradients(lambda x, y: jnp.stack([x, y * 2], 1).sum(1)), [(2, "U")] * 2),
    "tiled": (with_gradients(lambda x, y: jnp.tile(x, (1, y.shape[1])) * y), [(2, 1), (2, "U")]),
    "tiled twice": (
        with_gradients(lambda x, w: jnp.tile(jnp.exp(x), (1, 2)) @ w.reshape(-1, 3)),
        [(2, "U"), (2, "U", 3)],
    ),
    "padded": (
        with_gradients(lambda x: lax.pad(x, 0.0, [(0, 0, 0), (1, 2, 1), (-1, 0, 0), (0, 0, 0)])),
        [IMAGE],
    ),
    "padded with ones": (
        with_gradients(lambda x: lax.pad(x, 1.0, [(0, 0, 0), (1, 2, 0), (0, 0, 0), (0, 0, 0)])),
        [IMAGE],
    ),
    "every second": (with_gradients(lambda x: x[:, ::2, 1:5] * 2), [IMAGE]),
    "reversed rows": (with_gradients(lambda x: x[:, ::-1]), [(2, 3, "U")]),
    "embedding": (
        with_gradients(lambda table: table[jnp.array([[0, 3, 1], [2, 2, 4]])]),
        [(5, "U")],
    ),
    "rows set": (lambda x, y: [x.at[1].set(y), x.at[jnp.array([0, 2])].add(y)], [(3, "U"), ("U",)]),
    "a row at a computed place": (
        with_gradients(
            lambda x, y: (
                lax.dynamic_update_slice(x, y[None], (jnp.argmax(x.sum(1)).astype("int32"), 0))
                + lax.dynamic_index_in_dim(x, jnp.int32(1), 0)
            )
        ),
        [(3, "U"), ("U",)],
    ),
    "one hot of the largest": (
        lambda x: [jax.nn.one_hot(jnp.argmax(x, 1), x.shape[1]) * x],
        [(4, "U")],
    ),
    "largest of equal ones": (
        lambda x: [jnp.argmax(jnp.sign(x) - 1, 1).astype("float32"), jnp.argmin(x * 0, 1) * 1.0],
        [(4, "U")],
    ),
    "log of a softmax": (with_gradients(lambda x: jax.nn.log_softmax(x, 1)), [(4, "U")]),
    "norm": (with_gradients(lambda x: x / jnp.linalg.norm(x, axis=1, keepdims=True)), [(4, "U")]),
    "standardised": (
        with_gradients(
            lambda x: (x - x.mean(1, keepdims=True)) * lax.rsqrt(x.var(1, keepdims=True))
        ),
        [(4, "U")],
    ),
    "identity matrix": (lambda x: [x @ x.T - jnp.eye(x.shape[0])], [("U", "V")]),
    "triangular mask": (
        lambda x: [jnp.where(jnp.tril(jnp.ones_like(x)) > 0, x, -1e9).max(1)],
        [("U", "U")],
    ),
    "Newton-Schulz": (lambda x: [newton(x)], [("U", "V")]),
    "scan": (with_gradients(recurrent), [(3, 2, 2), ("2+U", "2U"), ("2U",)]),
    "scan, from the end": (
        with_gradients(lambda x, w, b: recurrent(x, w, b, reverse=True)),
        [(3, 2, 2), ("2+U", "2U"), ("2U",)],
    ),
    "while loop": (
        lambda x, y: [
            lax.while_loop(
                lambda s: (jnp.sum(s[1]) < 50) & (s[0] < 6),
                lambda s: (s[0] + 1, jnp.exp(0.1 * s[1]) + y),
                (jnp.int32(0), x * x),
            )[1]
        ],
        [("U",), ("U",)],
    ),
    "as often as there are units": (
        lambda x: [
            lax.while_loop(
                lambda s: s[0] < x.shape[0], lambda s: (s[0] + 1, s[1] + 1.5), (0, jnp.sum(x))
            )[1]
        ],
        [("U",)],
    ),
    "branches": (
        lambda x: [
            lax.cond(jnp.sum(x) > 0, lambda: jnp.exp(x), lambda: x),
            lax.switch(jnp.argmax(x).astype("int32"), [lambda: x, lambda: x + 1, lambda: x * 2]),
        ],
        [("U",)],
    ),
    "map, remat": (
        with_gradients(jax.checkpoint(lambda x, y: lax.map(lambda row: jnp.cos(row) * y, x))),
        [(3, "U"), ("U",)],
    ),
    "barrier": (lambda x, y: [*lax.optimization_barrier((x, y))], [(2, "U"), ("V",)]),
    "attention": (with_gradients(heads), [(2, 3, "U"), ("U", "H", "V"), ("U", "H", "V")]),
    "cumulative": (
        lambda x: [
            jnp.cumsum(jnp.exp(x), 1),
            lax.cumprod(x, 1, reverse=True),
            lax.cummin(x, 1, reverse=True),
            lax.cumlogsumexp(x, 1),
            jnp.cumsum(x, 0),
        ],
        [(3, "U")],
    ),
    "cumulative, flattened": (
        lambda x: [lax.cumsum(jnp.exp(x).reshape(-1), reverse=True)],
        [("U", "V")],
    ),
    "random": (
        lambda x: [drawn(x), jax.random.normal(jax.random.key(3), x.shape)],
        [("U", 2, "V")],
    ),
    "random, 16 bits": (
        lambda x: [drawn(x.astype("bfloat16"), dtype="bfloat16").astype("float32")],
        [("U", "V")],
    ),
    "sorted rows": (lambda x: [jnp.sort(jnp.exp(x), axis=0), lax.top_k(x.T, 2)[0]], [(4, "U")]),
    "rounded to half": (lambda x: [lax.reduce_precision(x, 5, 10).sum(1)], [(2, "U")]),
    "zero divided": (
        lambda x, s: [(x / (s - s)).sum(0) * 0 == 0, jnp.where(s == s, x, x / (s - s)).sum(1)],
        [(2, "U"), ()],
    ),
}


def shapes(shape: Shape, sizes: dict[str, int]) -> dict[str, int]:
    """Sizes of axes that follow from others, such as "2U" or "U+3+V"."""
    found = dict(sizes)
    for size in shape:
        if isinstance(size, str) and size not in found:
            product = [size[:-1], size[-1]] if size[:-1].isdigit() else [size[-1], size[0]]
            if "+" in size:
                parts = [int(p) if p.isdigit() else sizes[p] for p in size.split("+")]
                found[size] = sum(parts)
            else:
                found[size] = int(product[0]) * sizes[product[1]]
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_merged_operation_is_the_operation(name: str) -> None:
    function, given = CASES[name]
    first, second = dict(FIRST), dict(SECOND)
    for shape in given:
        first, second = shapes(shape, first), shapes(shape, second)
    Step(function, given).merged(first, second).check()


REFUSED: dict[str, tuple[Callable[..., list[Any]], list[Shape], str]] = {
    "sort": (lambda x: [jnp.sort(x, axis=1)], [(2, "U")], "sorting depends on a size"),
    "indexed with an array": (
        lambda x: [x[jnp.array([0, 1])]],
        [("U", 2)],
        "indexing with an array",
    ),
    "reversed": (lambda x: [x[::-1]], [("U",)], "reversing the order of values"),
    "a constant of integers": (
        lambda x: [x + np.arange(x.shape[0])],
        [("U",)],
        "a constant array of integers depends on a size",
    ),
    "eigenvalues": (lambda x: [jnp.linalg.eigh(x @ x.T)[0]], [("U", 2)], "eigh"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_refused(name: str) -> None:
    function, given, reason = REFUSED[name]
    with pytest.raises(CannotMerge, match=reason):
        Step(function, given).merged(FIRST, SECOND)


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda x: [x[:, :3]], [(2, "U")]),  # all of the first network's
        (lambda x: [x.reshape(3, 2)], [(2, "U")]),
        (lambda x: [x + jnp.ones(3)], [("U",)]),
        (lambda x: [x.reshape(-1, 3)], [(3, "V")]),
    ],
)
def test_sizes_that_coincide_in_the_first_network_only(function: Any, given: Any) -> None:
    with pytest.raises((CannotMerge, TypeError, ValueError)):
        Step(function, given).merged({"U": 3, "V": 4}, {"U": 4, "V": 6})


def test_an_array_of_integers_that_differs_is_refused() -> None:
    def step(factor: float) -> Step:
        return Step(lambda x: [x * np.full((2, 1), factor, "int32")], [(2, "U")])

    one, other = step(1.0).traced(FIRST), step(2.0).traced(SECOND)
    with pytest.raises(CannotMerge, match="an array that is a constant of the model differs"):
        Structure.of(one).check(other)
