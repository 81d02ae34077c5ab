"""Rules of operations that combine values along axes: sums, maxima, products, convolutions."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from paceline.train.merging.axes import PRODUCT
from paceline.train.merging.rule import Axes, Call, Padded, PrimitiveRule, Site


def _kept(axes: Axes, site: Any) -> list[int]:
    gone = {i % len(axes) for i in site.params["axes"]}
    return [axis for i, axis in enumerate(axes) if i not in gone]


def _relate_reduction(site: Site) -> None:
    for operand, result in zip(site.operands, site.results, strict=True):
        site.unify(_kept(operand, site), result)


def _reduction(neutral: Any) -> Any:
    """A reduction of values, to which ``neutral(dtype)`` adds nothing."""

    def evaluate(call: Call) -> list[Padded]:
        operand = call.operands[0]
        fill = neutral(operand.array.dtype)
        masked = call.masked(operand, call.params["axes"], fill)
        params = {"out_sharding": None} if call.params.get("out_sharding") is not None else {}
        return call.result(call.bind([masked.array], **params)[0], operand.is_zero)

    return evaluate


def _sum(call: Call) -> list[Padded]:
    operand = call.operands[0]
    if set(call.ragged(operand.axes)) & set(call.params["axes"]):
        operand = call.masked(operand)  # along all axes, so that the result needs no mask
    return call.result(call.bind([operand.array])[0], operand.is_zero)


def _lowest(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return -jnp.inf
    return False if dtype == jnp.bool_ else np.iinfo(dtype).min


def _highest(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.inf
    return True if dtype == jnp.bool_ else np.iinfo(dtype).max


def _argument(extreme: Any) -> Any:
    def evaluate(call: Call) -> list[Padded]:
        operand = call.operands[0]
        (axis,) = call.params["axes"]
        masked = call.masked(operand, (axis,), extreme(operand.array.dtype))
        (found,) = call.bind([masked.array])
        if call.layout.is_ragged(operand.axes[axis]):
            positions = call.layout.position(operand.axes[axis])
            found = jnp.take(positions, found).astype(found.dtype)
        return call.result(found)

    return evaluate


def _relate_cumulative(site: Site) -> None:
    site.unify(site.operands[0], site.results[0])


def _cumulative(neutral: Any) -> Any:
    """A cumulative operation, for which ``neutral(dtype)`` changes nothing."""

    def evaluate(call: Call) -> list[Padded]:
        operand, axis = call.operands[0], call.params["axis"]
        if call.layout.is_ragged(operand.axes[axis]):
            operand = call.masked(operand, (axis,), neutral(operand.array.dtype))
            return call.result(call.bind([operand.array])[0])
        return call.result(call.bind([operand.array])[0], operand.is_zero)

    return evaluate


def _relate_sort(site: Site) -> None:
    for operand, result in zip(site.operands, site.results, strict=True):
        site.unify(operand, result)
        site.unify(site.operands[0], operand)
    site.fix(site.operands[0][site.params["dimension"]])


def _relate_top(site: Site) -> None:
    operand = site.operands[0]
    for result in site.results:
        site.unify(operand[:-1], result[:-1])
    site.fix(operand[-1])


def _unchanged(call: Call) -> list[Padded]:
    arrays = call.bind(call.arrays())
    return [Padded(array, axes) for array, axes in zip(arrays, call.results, strict=True)]


def _without_padding(call: Call, left: Padded, right: Padded) -> tuple[Padded, Padded]:
    """Two values whose padding does not count in their product."""
    if (left.is_zero and right.is_finite) or (right.is_zero and left.is_finite):
        return left, right
    return call.masked(left), call.masked(right)


def _relate_product(site: Site) -> None:
    (left, right), (result,) = site.operands, site.results
    (left_sums, right_sums), (left_batch, right_batch) = site.params["dimension_numbers"]
    site.unify([left[i] for i in left_sums], [right[i] for i in right_sums])
    site.unify([left[i] for i in left_batch], [right[i] for i in right_batch])
    free = [
        *(left[i] for i in left_batch),
        *(left[i] for i in range(len(left)) if i not in (*left_sums, *left_batch)),
        *(right[i] for i in range(len(right)) if i not in (*right_sums, *right_batch)),
    ]
    site.unify(free, result)


def _product(call: Call) -> list[Padded]:
    left, right = call.operands
    (left_sums, right_sums), _ = call.params["dimension_numbers"]
    if call.ragged([left.axes[i] for i in left_sums]):
        left, right = _without_padding(call, left, right)
    (array,) = call.bind([left.array, right.array])
    free = [
        not set(call.ragged(value.axes)) - set(sums) or value.is_zero
        for value, sums in ((left, left_sums), (right, right_sums))
    ]
    return call.result(array, all(free))


def _relate_convolution(site: Site) -> int:
    """Returns the axis that counts the groups of channels, or of images."""
    (image, kernel), (result,) = site.operands, site.results
    numbers = site.params["dimension_numbers"]
    one, two, three = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    for axes, spec in ((image, one), (kernel, two), (result, three)):
        site.fix(*(axes[i] for i in spec[2:]))  # the places in the image
    batch, channels = image[one[0]], image[one[1]]
    filters, inputs = kernel[two[0]], kernel[two[1]]
    site.unify((filters,), (result[three[1]],))
    features, images = site.params["feature_group_count"], site.params["batch_group_count"]
    groups = site.table.new(max(features, images))
    for whole, part, count in (
        (channels, inputs, features),
        (batch, result[three[0]], images),
        (filters, None, max(features, images)),
    ):
        if count > 1:
            part = site.table.new(site.table.sizes[whole] // count) if part is None else part
            site.table.compose(whole, PRODUCT, (groups, part))
        elif part is not None:
            site.table.unify(whole, part)
    return groups


def _convolution(call: Call) -> list[Padded]:
    """In groups, channels beside each other in a group are still so in the program."""
    image, kernel = call.operands
    numbers = call.params["dimension_numbers"]
    summed = (numbers.lhs_spec[1], numbers.rhs_spec[1])
    if call.layout.is_ragged(kernel.axes[summed[1]]) or call.layout.is_ragged(
        image.axes[summed[0]]
    ):
        image, kernel = _without_padding(call, image, kernel)
    groups = {
        name: call.layout.size(call.related)
        for name in ("feature_group_count", "batch_group_count")
        if call.params[name] > 1
    }
    (array,) = call.bind([image.array, kernel.array], **groups)
    is_grouped = bool(groups)
    free = [
        not set(call.ragged(value.axes)) - (set() if is_grouped else {place}) or value.is_zero
        for value, place in zip((image, kernel), summed, strict=True)
    ]
    return call.result(array, all(free))


def _relate_windows(site: Site) -> None:
    """Axes with windows of one value are unconcerned; all operands and results have them."""
    params, ranks = site.params, len(site.operands[0])
    sizes = params["window_dimensions"]
    strides = params.get("window_strides") or (1,) * ranks
    padding = params.get("padding") or ((0, 0),) * ranks
    for i in range(ranks):
        axes = [values[i] for values in (*site.operands, *site.results) if values]
        if sizes[i] == 1 and strides[i] == 1 and tuple(padding[i]) == (0, 0):
            for axis in axes[1:]:
                site.table.unify(axes[0], axis)
        else:
            site.fix(*axes)


def _windows(call: Call) -> list[Padded]:
    # each window holds a value, and so none is only what surrounds the image
    params = call.params
    padding = params.get("padding") or ()
    sizes = params["window_dimensions"]
    has_value = all(max(pair) < size for pair, size in zip(padding, sizes, strict=bool(padding)))
    is_zero = call.operands[0].is_zero and (
        has_value or call.equation.name not in ("reduce_window_max", "reduce_window_min")
    )
    return call.result(call.bind(call.arrays())[0], is_zero)


RULES = {
    "reduce_sum": PrimitiveRule(_relate_reduction, _sum),
    "reduce_prod": PrimitiveRule(_relate_reduction, _reduction(lambda _: 1)),
    "reduce_max": PrimitiveRule(_relate_reduction, _reduction(_lowest)),
    "reduce_min": PrimitiveRule(_relate_reduction, _reduction(_highest)),
    "reduce_and": PrimitiveRule(_relate_reduction, _reduction(lambda _: True)),
    "reduce_or": PrimitiveRule(_relate_reduction, _reduction(lambda _: False)),
    "argmax": PrimitiveRule(_relate_reduction, _argument(_lowest)),
    "argmin": PrimitiveRule(_relate_reduction, _argument(_highest)),
    "cumsum": PrimitiveRule(_relate_cumulative, _cumulative(lambda _: 0)),
    "cumprod": PrimitiveRule(_relate_cumulative, _cumulative(lambda _: 1)),
    "cummax": PrimitiveRule(_relate_cumulative, _cumulative(_lowest)),
    "cummin": PrimitiveRule(_relate_cumulative, _cumulative(_highest)),
    "cumlogsumexp": PrimitiveRule(_relate_cumulative, _cumulative(_lowest)),
    "sort": PrimitiveRule(_relate_sort, _unchanged),
    "top_k": PrimitiveRule(_relate_top, _unchanged),
    "dot_general": PrimitiveRule(_relate_product, _product),
    "conv_general_dilated": PrimitiveRule(_relate_convolution, _convolution),
    "reduce_window_sum": PrimitiveRule(_relate_windows, _windows),
    "reduce_window_max": PrimitiveRule(_relate_windows, _windows),
    "reduce_window_min": PrimitiveRule(_relate_windows, _windows),
    "select_and_scatter_add": PrimitiveRule(_relate_windows, _windows),
}
