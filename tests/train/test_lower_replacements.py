"""Each replacement against the primitive it replaces."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from jax.extend import core as jex

from paceline.train.lower import replacement

INLINED = {"jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint"}
TOLERANCE = 1e-5


def evaluate(jaxpr: Any, consts: Any, args: Any, replaced: list[str]) -> list[Any]:
    """Evaluates a jaxpr with replacements, noting in ``replaced`` which primitives had one."""
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, jex.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        values = [read(v) for v in eqn.invars]
        inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
        faster = replacement(eqn, platform="cpu")
        if faster is not None:
            replaced.append(eqn.primitive.name)
            outs = faster(*values)
        elif inner is not None and eqn.primitive.name in INLINED:
            outs = evaluate(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), values, replaced)
        else:
            outs = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
            outs = outs if eqn.primitive.multiple_results else [outs]
        for variable, value, have in zip(eqn.outvars, outs, [jnp.shape(o) for o in outs], strict=True):
            assert have == variable.aval.shape, eqn
            env[variable] = value
    return [read(v) for v in jaxpr.outvars]


def lowered(function: Any, *args: Any) -> tuple[Any, list[str]]:
    """``function`` evaluated with replacements; and which primitives were replaced."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    replaced: list[str] = []
    outs = evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args), replaced)
    return jax.tree.unflatten(jax.tree.structure(shape), outs), replaced


def assert_close(got: Any, want: Any) -> None:
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=TOLERANCE, atol=TOLERANCE * max(1e-6, float(jnp.abs(w).max())))


def with_gradients(function: Any) -> Any:
    """The function's value and its gradients at a fixed random cotangent."""

    def both(*args: Any) -> Any:
        out, back = jax.vjp(function, *args)
        cotangent = jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)
        return out, back(cotangent)

    return both


def normal(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
    """Parameters of a convolution and the shapes of its operands."""
    rank = draw(st.sampled_from([1, 2, 2, 2]))
    size = [draw(st.integers(4, 9)) for _ in range(rank)]
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    images, channels, features = (draw(st.integers(1, 5)) for _ in range(3))
    dilation = [draw(st.sampled_from([1, 1, 1, 2])) if (k - 1) * 2 < n else 1 for n, k in zip(size, kernel, strict=True)]
    params = {
        "window_strides": [draw(st.integers(1, 3)) for _ in range(rank)],
        "padding": draw(
            st.one_of(
                st.sampled_from(["SAME", "VALID"]),
                st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=rank, max_size=rank),
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


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.integers(0, 99))
def test_a_convolution_and_its_gradients(case: Any, seed: int) -> None:
    params, *shapes = case
    x, w = (normal(seed + i, *shape) for i, shape in enumerate(shapes))
    if 0 in jax.eval_shape(lambda x, w: lax.conv_general_dilated(x, w, **params), x, w).shape:
        return
    function = with_gradients(lambda x, w: lax.conv_general_dilated(x, w, **params))
    got, replaced = lowered(function, x, w)
    assert replaced == ["conv_general_dilated"] * 3
    assert_close(got, function(x, w))
