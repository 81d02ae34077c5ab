"""Each override against the primitive it replaces."""

import os
import re

os.environ.setdefault("KERAS_BACKEND", "jax")

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from paceline.train.constant_lifting import lift_constants
from paceline.train.lifted_evaluation import evaluate
from paceline.train.primitive_overrides import convolution, find_override, kernel_gradient

TOLERANCE = 1e-5


def lowered(function: Any, *args: Any, platform: str = "cpu") -> tuple[Any, list[str]]:
    """``function`` evaluated with overrides, and the primitives that were replaced."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    replaced: list[str] = []

    def noting(eqn: Any, reader: Any) -> Any:
        faster = find_override(eqn, reader, platform=platform)
        if faster is None:
            return None
        replaced.append(eqn.primitive.name)

        def checked(*operands: Any) -> list[Any]:
            outs = faster(*operands)
            assert [jnp.shape(out) for out in outs] == [
                variable.aval.shape for variable in eqn.outvars
            ], eqn
            return outs

        return checked

    outs = evaluate(lift_constants(closed).body, jax.tree.leaves(args), {}, noting)
    return jax.tree.unflatten(jax.tree.structure(shape), outs), replaced


def both_compiled(
    function: Any, *args: Any, lanes: Any = None, platform: str = "cpu"
) -> tuple[Any, Any, list[str]]:
    """``function(*args)`` with and without overrides, and the primitives that were replaced.

    Under ``vmap`` with ``in_axes=lanes`` if given.
    """
    replaced: list[str] = []

    def with_replacements(*args: Any) -> Any:
        outs, names = lowered(function, *args, platform=platform)
        replaced.extend(names)
        return outs

    pair = [f if lanes is None else jax.vmap(f, lanes) for f in (with_replacements, function)]
    got, want = jax.jit(lambda *args: [f(*args) for f in pair])(*args)
    return got, want, replaced


def assert_close(got: Any, want: Any) -> None:
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_allclose(
            g, w, rtol=TOLERANCE, atol=TOLERANCE * max(1e-6, float(jnp.abs(w).max()))
        )


def with_gradients(function: Any) -> Any:
    """The function's value and its gradients at a fixed random cotangent."""

    def both(*args: Any) -> Any:
        out, back = jax.vjp(function, *args)
        cotangent = jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)
        return out, back(cotangent)

    return both


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
    """Parameters of a convolution and the shapes of its operands."""
    rank = draw(st.sampled_from([1, 2, 2, 2]))
    size = [draw(st.integers(4, 9)) for _ in range(rank)]
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    images, channels, features = (draw(st.integers(1, 5)) for _ in range(3))
    dilation = [
        draw(st.sampled_from([1, 1, 1, 2])) if (k - 1) * 2 < n else 1
        for n, k in zip(size, kernel, strict=True)
    ]
    params: dict[str, Any] = {
        "window_strides": [draw(st.integers(1, 3)) for _ in range(rank)],
        "padding": draw(
            st.one_of(
                st.sampled_from(["SAME", "VALID"]),
                st.lists(
                    st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=rank, max_size=rank
                ),
            )
        ),
        "rhs_dilation": dilation,
    }
    spatial = "HW"[:rank]
    names = ["N" + spatial + "C", spatial + "IO", "N" + spatial + "C"]
    names = ["".join(draw(st.permutations(n))) if draw(st.booleans()) else n for n in names]
    params["dimension_numbers"] = tuple(names)
    lengths = dict(zip(spatial, size, strict=True)) | {"N": images, "C": channels}
    taps = dict(zip(spatial, kernel, strict=True)) | {"I": channels, "O": features}
    return params, tuple(lengths[a] for a in names[0]), tuple(taps[a] for a in names[1])


def convolution_of(params: dict[str, Any]) -> Any:
    return lambda x, w: lax.conv_general_dilated(x, w, **params)


convolution_2d: dict[str, Any] = {
    "window_strides": (1, 1),
    "padding": "SAME",
    "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
}


@settings(max_examples=5, deadline=None)
@given(convolutions(), st.integers(0, 99))
def test_a_convolution_and_its_gradients(case: Any, seed: int) -> None:
    params, *shapes = case
    x, w = (normal(seed + i, *shape) for i, shape in enumerate(shapes))
    assume(0 not in jax.eval_shape(convolution_of(params), x, w).shape)
    got, want, replaced = both_compiled(with_gradients(convolution_of(params)), x, w)
    assert replaced == ["conv_general_dilated"] * 3
    assert_close(got, want)


@settings(max_examples=4, deadline=None)
@given(convolutions(), st.sampled_from([(0, 0), (None, 0), (0, None), (1, -1)]))
def test_lanes_of_a_convolution(case: Any, axes: tuple[int | None, int | None]) -> None:
    params, *shapes = case
    assume(
        0
        not in jax.eval_shape(
            convolution_of(params), *(jax.ShapeDtypeStruct(s, "float32") for s in shapes)
        ).shape
    )
    pairs = list(zip(shapes, axes, strict=True))
    x, w = (
        normal(i, *(shape if axis is None else (3, *shape)))
        for i, (shape, axis) in enumerate(pairs)
    )
    x, w = (
        a if axis is None else np.moveaxis(a, 0, axis) for a, axis in zip((x, w), axes, strict=True)
    )
    got, want, _ = both_compiled(with_gradients(convolution_of(params)), x, w, lanes=axes)
    assert_close(got, want)


@settings(max_examples=6, deadline=None)
@given(convolutions(), st.integers(0, 99))
def test_the_gradient_of_a_kernel_as_a_product(case: Any, seed: int) -> None:
    """As for GPUs: each convolution that sums over more positions than its result has."""
    params, *shapes = case
    x, w = (normal(seed + i, 2, *shape) for i, shape in enumerate(shapes))
    out = jax.eval_shape(convolution_of(params), x[0], w[0]).shape
    assume(0 not in out)
    got, want, replaced = both_compiled(
        with_gradients(convolution_of(params)), x, w, lanes=0, platform="gpu"
    )
    _, kernel, result = params["dimension_numbers"]
    taps, positions = (
        np.prod([n for n, axis in zip(shape, names, strict=True) if axis in "HW"])
        for shape, names in ((shapes[1], kernel), (out, result))
    )
    assert replaced or taps >= positions
    assert_close(got, want)


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (4, 5), (9, 9)])
@pytest.mark.parametrize("limit", [0, 10_000, 1 << 20])
def test_slices_of_images_are_multiplied_in_blocks(
    kernel: tuple[int, int], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_gradient, "BLOCK_BYTES", limit)
    x, w = normal(0, 3, 4, 12, 12, 2), normal(1, 3, *kernel, 2, 5)
    function = with_gradients(convolution_of(convolution_2d))
    got, want, replaced = both_compiled(function, x, w, lanes=0, platform="gpu")
    # of more than 64 positions each would have a slice of all images
    assert replaced == ["conv_general_dilated"] * int(np.prod(kernel) <= 64)
    assert_close(got, want)


@pytest.mark.parametrize("images", [4, 8, 13])
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_blocks_of_images(images: int, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum over images in blocks of four or eight, with a remainder, single and in lanes."""
    monkeypatch.setattr(convolution, "FEW_CHANNELS", 1)
    monkeypatch.setattr(convolution, "BLOCK_BYTES", limit)
    x, w = normal(0, images, 8, 8, 3), normal(1, 2, 3, 3, 3, 4)
    function = with_gradients(convolution_of(convolution_2d))
    got, want, _ = both_compiled(function, x, w, lanes=(None, 0))
    assert_close(got, want)
    program = str(jax.make_jaxpr(lambda x, w: lowered(function, x, w)[0])(x, w[0]))
    assert ("while" in program or "scan" in program) == (images > (8 if limit else 4))


def test_a_transposed_convolution() -> None:
    def up(x: jax.Array, w: jax.Array) -> Any:
        return lax.conv_transpose(x, w, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    got, want, replaced = both_compiled(
        with_gradients(up), normal(0, 2, 5, 6, 3), normal(1, 3, 3, 3, 4)
    )
    assert replaced == ["conv_general_dilated"] * 3
    assert_close(got, want)


@pytest.mark.parametrize(("channels", "features", "groups"), [(4, 4, 4), (4, 8, 4), (6, 4, 2)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_groups(channels: int, features: int, groups: int, strides: tuple[int, int]) -> None:
    params = {**convolution_2d, "window_strides": strides, "feature_group_count": groups}
    x, w = normal(0, 5, 7, 6, channels), normal(1, 2, 3, 2, channels // groups, features)
    got, want, replaced = both_compiled(
        with_gradients(convolution_of(params)), x, w, lanes=(None, 0)
    )
    assert replaced == ["conv_general_dilated"] * 3
    assert_close(got, want)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.int32])
def test_other_types_keep_the_original(dtype: Any) -> None:
    x, w = jnp.ones((2, 6, 6, 4), dtype), jnp.ones((3, 3, 4, 4), dtype)
    assert lowered(convolution_of(convolution_2d), x, w)[1] == []
    assert (
        lowered(
            lambda x: lax.reduce_window(x, dtype(0), lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
            x,
        )[1]
        == []
    )


def test_other_platforms_keep_the_original() -> None:
    eqn = jax.make_jaxpr(convolution_of(convolution_2d))(
        jnp.ones((2, 6, 6, 4)), jnp.ones((3, 3, 4, 4))
    ).jaxpr.eqns[0]
    assert find_override(eqn, platform="cpu") is not None
    assert find_override(eqn, platform="gpu") is None
    assert find_override(eqn, platform="tpu") is None


@st.composite
def transposed_products(draw: st.DrawFn) -> tuple[Any, ...]:
    """Shapes of two factors, dimension numbers of their product, and the axes to exchange."""
    num_batch, num_sums = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    num_left, num_right = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    names = [*(f"b{i}" for i in range(num_batch)), *(f"s{i}" for i in range(num_sums))]
    sizes = {name: draw(st.integers(1, 4)) for name in [*names, "l0", "l1", "r0", "r1"]}
    left = draw(st.permutations([*names, *(f"l{i}" for i in range(num_left))]))
    right = draw(st.permutations([*names, *(f"r{i}" for i in range(num_right))]))
    sums, batch = names[num_batch:], names[:num_batch]
    numbers = tuple(
        tuple(tuple(f.index(n) for n in which) for f in (left, right)) for which in (sums, batch)
    )
    first, last = num_batch + num_left, num_batch + num_left + num_right
    axes = (*range(num_batch), *range(first, last), *range(num_batch, first))
    return [sizes[n] for n in left], [sizes[n] for n in right], numbers, axes


@settings(max_examples=10, deadline=None)
@given(transposed_products(), st.integers(0, 99))
def test_factors_of_a_transposed_product_are_exchanged(case: Any, seed: int) -> None:
    left, right, numbers, axes = case

    def function(a: Any, b: Any) -> Any:
        return lax.transpose(lax.dot_general(a, b, numbers), axes)

    got, want, replaced = both_compiled(function, normal(seed, *left), normal(seed + 1, *right))
    assert replaced == ["dot_general"]
    assert_close(got, want)


def test_a_product_that_is_not_only_transposed_is_kept() -> None:
    x, y = normal(0, 5, 3), normal(1, 5, 4)

    def product(a: Any, b: Any) -> Any:
        return lax.dot_general(a, b, (((0,), (0,)), ((), ())))

    assert lowered(product, x, y)[1] == []
    assert lowered(lambda a, b: product(a, b) + 1, x, y)[1] == []
    assert lowered(lambda a, b: (product(a, b), product(a, b).T), x, y)[1] == [
        "dot_general"
    ]  # of two, one is
    assert lowered(lambda a, b: (p := product(a, b), p.T), x, y)[1] == []
    assert lowered(lambda a, b: (p := product(a, b)) @ p.T, x, y)[1] == []


def test_the_gradient_of_a_dense_layer_is_not_transposed() -> None:
    """In XLA's program for a single lane no gradient is read across its rows."""
    x, w = normal(0, 1, 8, 40), normal(1, 1, 40, 24)
    gradient = jax.grad(lambda w, x: jnp.sum(jnp.square(x @ w)))
    steps = {}
    for replaced in (False, True):
        step = (lambda w, x: lowered(gradient, w, x)[0]) if replaced else gradient
        compiled = (
            jax.jit(jax.vmap(lambda w, x, step=step: w - 0.1 * step(w, x))).lower(w, x).compile()
        )
        steps[replaced] = re.search(r"= \S+ transpose\(", str(compiled.as_text())) is not None
    assert steps == {False: True, True: False}


@st.composite
def poolings(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    rank = draw(st.sampled_from([1, 2, 2]))
    window = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    strides = window if draw(st.booleans()) else tuple(draw(st.integers(1, 4)) for _ in range(rank))
    size = tuple(draw(st.integers(3, 9)) for _ in range(rank))
    padding = draw(st.sampled_from(["VALID", "SAME"]))
    return (2, *size, 3), {
        "window": (1, *window, 1),
        "strides": (1, *strides, 1),
        "padding": padding,
    }


@settings(max_examples=5, deadline=None)
@given(poolings(), st.integers(0, 99), st.booleans())
def test_pooling_and_its_gradient(case: Any, seed: int, many_ties: bool) -> None:
    shape, params = case
    args = (params["window"], params["strides"], params["padding"])
    x = normal(seed, *shape)
    x = np.round(x) if many_ties else x

    def pool(x: jax.Array) -> list[Any]:
        reductions: list[tuple[float, Any]] = [(-jnp.inf, lax.max), (0.0, lax.add)]
        return [
            with_gradients(lambda x, r=r: lax.reduce_window(x, r[0], r[1], *args))(x)
            for r in reductions
        ]

    got, want, replaced = both_compiled(pool, np.stack([x, -x], 1), lanes=1)
    assert replaced.count("select_and_scatter_add") == 1
    assert ("reduce_window_max" in replaced) == (params["window"] == params["strides"])
    assert_close(got, want)


def networks() -> list[Any]:
    layers = keras.layers
    return [
        pytest.param(
            (9, 9, 1), [layers.Conv2D(4, 3, padding="same"), layers.MaxPooling2D(2)], id="plain"
        ),
        pytest.param(
            (9, 9, 3),
            [layers.Conv2D(4, 3, 2), layers.AveragePooling2D(2, padding="same")],
            id="strided",
        ),
        pytest.param(
            (9, 8, 2),
            [layers.Conv2D(3, (3, 2), dilation_rate=2), layers.MaxPooling2D(3, 2)],
            id="dilated",
        ),
        pytest.param(
            (20, 2), [layers.Conv1D(4, 5, padding="causal"), layers.MaxPooling1D(2)], id="one axis"
        ),
        pytest.param(
            (8, 8, 4), [layers.SeparableConv2D(4, 3), layers.Conv2D(4, 2, groups=2)], id="groups"
        ),
        pytest.param(
            (5, 5, 2),
            [layers.Conv2DTranspose(3, 3, strides=2), layers.AveragePooling2D(3, 2)],
            id="up",
        ),
        pytest.param((4, 8, 8, 2), [layers.Conv3D(3, 2), layers.MaxPooling3D(2)], id="three axes"),
    ]


@pytest.mark.parametrize(("shape", "layers"), networks())
def test_keras_layers_and_their_gradients(shape: tuple[int, ...], layers: list[Any]) -> None:
    model = keras.Sequential([keras.Input(shape), *layers])
    variables = [v.value for v in model.trainable_variables]

    def function(variables: Any, x: jax.Array) -> Any:
        return model.stateless_call(variables, [], x)[0]

    x = normal(0, 4, *shape)
    got, want, replaced = both_compiled(with_gradients(function), variables, x)
    assert replaced
    assert_close(got, want)


def test_inside_a_loop_over_lanes() -> None:
    """As the engine uses it: a vmapped gradient step inside ``fori_loop``."""

    def loss(w: jax.Array, x: jax.Array) -> jax.Array:
        y = jax.nn.relu(lax.conv_general_dilated(x, w, **convolution_2d))
        return jnp.mean(
            lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") ** 2
        )

    def trained(gradient: Any, w: jax.Array, x: jax.Array) -> Any:
        step: Any = jax.vmap(lambda w: w - 0.1 * gradient(w, x))
        return jax.lax.fori_loop(0, 3, lambda _, w: step(w), w)

    x, w = normal(0, 4, 8, 8, 3), 0.1 * normal(1, 2, 3, 3, 3, 4)
    got = jax.jit(lambda w, x: trained(lambda *a: lowered(jax.grad(loss), *a)[0], w, x))(w, x)
    assert_close(got, jax.jit(lambda w, x: trained(jax.grad(loss), w, x))(w, x))
