"""Primitives of JAX that combine or look up values along axes, as functions of NumPy.

See `paceline.train.numpy_primitives`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Function = Callable[..., Any]


def widened(x: Any) -> Any:
    """As float32 if it is a float of 16 bits: sums of those are rounded at their end only."""
    return x.astype(np.float32) if is_float(x) and x.dtype.itemsize < 4 else x


def is_float(x: Any) -> bool:
    """Whether an array has a floating-point type, also one of 16 bits."""
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


def product(
    x: Any, y: Any, dimension_numbers: Any, preferred_element_type: Any = None, **_: Any
) -> Any:
    """A product, summed over some axes of its factors."""
    (summed_x, summed_y), (batch_x, batch_y) = dimension_numbers
    x, y = _factor(x, preferred_element_type), _factor(y, preferred_element_type)
    if not batch_x:
        return np.tensordot(x, y, (tuple(summed_x), tuple(summed_y)))
    free_x = [i for i in range(x.ndim) if i not in (*summed_x, *batch_x)]
    free_y = [i for i in range(y.ndim) if i not in (*summed_y, *batch_y)]
    sizes = [[a.shape[i] for i in axes] for a, axes in ((x, batch_x), (x, free_x), (y, free_y))]
    shapes = [math.prod(own) for own in sizes]
    count = math.prod(x.shape[i] for i in summed_x)
    left = np.transpose(x, (*batch_x, *free_x, *summed_x)).reshape(shapes[0], shapes[1], count)
    right = np.transpose(y, (*batch_y, *summed_y, *free_y)).reshape(shapes[0], count, shapes[2])
    return (left @ right).reshape(*sizes[0], *sizes[1], *sizes[2])


def _factor(x: Any, dtype: Any) -> Any:
    """A factor in the type in which products are summed."""
    if is_float(x) or dtype is None:
        return widened(x)
    return x.astype(dtype)


def pad(x: Any, value: Any, padding_config: Any) -> Any:
    """Pads an array, or cuts it; None if it is cut and has padding between its values."""
    cut = tuple(
        slice(max(-low, 0), n - max(-high, 0))
        for n, (low, high, _) in zip(x.shape, padding_config, strict=True)
    )
    if any(inside and (low < 0 or high < 0) for low, high, inside in padding_config):
        return None
    x = x[cut]
    padding_config = [(max(low, 0), max(high, 0), inside) for low, high, inside in padding_config]
    shape = [
        low + high + n + max(n - 1, 0) * inside
        for n, (low, high, inside) in zip(x.shape, padding_config, strict=True)
    ]
    result = np.full(shape, value, x.dtype)
    places = tuple(
        slice(low, low + n + max(n - 1, 0) * inside, inside + 1)
        for n, (low, _, inside) in zip(x.shape, padding_config, strict=True)
    )
    result[places] = x
    return result


def convolution(
    x: Any,
    kernel: Any,
    dimension_numbers: Any,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any = None,
    **windows: Any,
) -> Any:
    """A sum of products, one for each place of the kernel."""
    x, kernel = _factor(x, preferred_element_type), _factor(kernel, preferred_element_type)
    image = np.transpose(x, dimension_numbers.lhs_spec)
    weights = np.transpose(kernel, dimension_numbers.rhs_spec)
    groups = max(feature_group_count, batch_group_count)
    images = np.split(image, groups, 0 if batch_group_count > 1 else 1)
    parts = [
        _convolved(one, own, **windows)
        for one, own in zip(images, np.split(weights, groups), strict=True)
    ]
    if any(part is None for part in parts):
        return None
    return np.transpose(np.concatenate(parts, 1), np.argsort(dimension_numbers.out_spec))


def _convolved(
    image: Any,
    weights: Any,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    **_: Any,
) -> Any:
    """The images ``(rows, channels, ...)`` convolved with weights ``(filters, channels, ...)``."""
    config = [(low, high, n - 1) for (low, high), n in zip(padding, lhs_dilation, strict=True)]
    image = pad(image, 0, [(0, 0, 0), (0, 0, 0), *config])
    if image is None:
        return None
    sizes = [
        (n - step * (k - 1) - 1) // stride + 1
        for n, k, step, stride in zip(
            image.shape[2:], weights.shape[2:], rhs_dilation, window_strides, strict=True
        )
    ]
    result = np.zeros((weights.shape[0], image.shape[0], *sizes), np.result_type(image, weights))
    for place in np.ndindex(*weights.shape[2:]):
        window = tuple(
            slice(i * step, i * step + stride * (n - 1) + 1, stride)
            for i, step, stride, n in zip(place, rhs_dilation, window_strides, sizes, strict=True)
        )
        result += np.tensordot(
            weights[(..., *place)], image[(slice(None), slice(None), *window)], (1, 1)
        )
    return np.swapaxes(result, 0, 1)


def lowest(dtype: Any) -> Any:
    """The least number of a type."""
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(dtype).min


def _views(
    x: Any, empty: Any, window_dimensions: Any, window_strides: Any, padding: Any, **others: Any
) -> Any:
    """The windows of an array, and the array with its padding; None if they are dilated."""
    dilations = (*(others.get("base_dilation") or ()), *(others.get("window_dilation") or ()))
    if any(n != 1 for n in dilations) or any(min(pair) < 0 for pair in padding):
        return None
    filled = pad(x, empty, [(low, high, 0) for low, high in padding])
    views = np.lib.stride_tricks.sliding_window_view(filled, window_dimensions)
    return views[tuple(slice(None, None, step) for step in window_strides)], filled


def windows(reduce: Function, empty: Function) -> Function:
    """A reduction of windows of an array."""

    def evaluate(x: Any, **params: Any) -> Any:
        found = _views(x, empty(x.dtype), **params)
        return None if found is None else reduce(found[0], tuple(range(x.ndim, 2 * x.ndim)))

    return evaluate


def to_largest(source: Any, x: Any, select_prim: Any, **params: Any) -> Any:
    """Adds each value to the place of the largest value in its window."""
    found = _views(x, lowest(x.dtype), **params)
    if found is None or str(select_prim) != "ge":
        return None
    views, filled = found
    sizes, strides = params["window_dimensions"], params["window_strides"]
    largest = np.unravel_index(views.reshape(*source.shape, -1).argmax(-1), sizes)
    starts = np.meshgrid(*map(np.arange, source.shape), indexing="ij")
    places = [a * step + b for a, step, b in zip(starts, strides, largest, strict=True)]
    result = np.zeros(filled.shape, source.dtype)
    np.add.at(result, tuple(places), source)
    edges = zip(params["padding"], x.shape, strict=True)
    return result[tuple(slice(low, low + n) for (low, _), n in edges)]


def gather(
    x: Any, indices: Any, dimension_numbers: Any, slice_sizes: Any, mode: Any, **others: Any
) -> Any:
    """Reads whole slices at computed places, as an embedding does; None for parts of slices."""
    taken = tuple(dimension_numbers.start_index_map)
    expected = tuple(1 if i in taken else n for i, n in enumerate(x.shape))
    removed = tuple(dimension_numbers.collapsed_slice_dims)
    if set(removed) != set(taken) or dimension_numbers.operand_batching_dims:
        return None
    if tuple(slice_sizes) != expected:
        return None
    places, is_inside = _places(x, indices, taken)
    values = np.moveaxis(x, taken, range(len(taken)))[places]
    if mode == lax.GatherScatterMode.FILL_OR_DROP and not is_inside.all():
        fill = others.get("fill_value")
        fill = (np.nan if is_float(x) else None) if fill is None else fill
        if fill is None:
            return None
        shape = is_inside.shape + (1,) * (values.ndim - is_inside.ndim)
        values = np.where(is_inside.reshape(shape), values, np.asarray(fill, x.dtype))
    count = indices.ndim - 1
    return np.moveaxis(values, range(count, values.ndim), dimension_numbers.offset_dims)


def scatter_add(
    x: Any, indices: Any, updates: Any, dimension_numbers: Any, mode: Any, **_: Any
) -> Any:
    """Adds whole slices at computed places; None for parts of slices."""
    taken = tuple(dimension_numbers.scatter_dims_to_operand_dims)
    window = tuple(dimension_numbers.update_window_dims)
    kept = [n for i, n in enumerate(x.shape) if i not in taken]
    if set(dimension_numbers.inserted_window_dims) != set(taken):
        return None
    if dimension_numbers.operand_batching_dims or [updates.shape[i] for i in window] != kept:
        return None
    places, is_inside = _places(x, indices, taken)
    if mode == lax.GatherScatterMode.CLIP and not is_inside.all():
        return None
    batch = indices.ndim - 1
    rows = np.moveaxis(updates, window, range(batch, updates.ndim))[is_inside]
    result = widened(x).copy()
    np.add.at(
        np.moveaxis(result, taken, range(len(taken))), tuple(p[is_inside] for p in places), rows
    )
    return result


def _places(x: Any, indices: Any, axes: Sequence[int]) -> tuple[tuple[Any, ...], Any]:
    """Indices along axes of an array, within it; and which of them were."""
    limits = np.array([x.shape[axis] - 1 for axis in axes])
    found = np.asarray(indices, np.int64)
    inside = np.clip(found, 0, limits)
    return tuple(np.moveaxis(inside, -1, 0)), (inside == found).all(-1)
