"""Rules of operations that move values: broadcasts, reshapes, transpositions, slices, joins."""

from typing import Any, Literal

from jax import lax

from paceline.train.merging.axes import PRODUCT, SUM
from paceline.train.merging.rule import NETWORK, Call, Padded, PrimitiveRule, Site

Edges = tuple[int, int, int] | Literal["whole", "fixed"]
"""The axes before, within and after a slice of an axis, unless all of it is taken or its size may
not differ."""


def _relate_broadcast(site: Site) -> None:
    (operand,), (result,) = site.operands[:1], site.results
    for axis, place in zip(operand, site.params["broadcast_dimensions"], strict=True):
        if site.table.sizes[axis] == site.table.sizes[result[place]]:
            site.table.unify(axis, result[place])
        else:
            site.fix(axis)  # its size is 1


def _broadcast(call: Call) -> list[Padded]:
    operand, places = call.operands[0], call.params["broadcast_dimensions"]
    array = lax.broadcast_in_dim(operand.array, call.shape, places)
    ragged = call.ragged(call.results[0])
    is_zero = operand.is_zero and (
        not operand.axes or {places[i] for i in call.ragged(operand.axes)} >= set(ragged)
    )
    # padding holds copies of the operand's padding, or of its values
    bound = operand.limit if not call.ragged(operand.axes) else max(operand.limit, NETWORK)
    return [Padded(array, call.results[0], is_zero, bound)]


def _relate_reshape(site: Site) -> None:
    """Groups of axes with equal products are the same values in another arrangement."""
    (operand,) = site.operands
    order = site.params.get("dimensions") or range(len(operand))
    if site.sizes([operand[i] for i in order]) == site.sizes(site.results[0]):
        site.unify([operand[i] for i in order], site.results[0])
        return
    before = [operand[i] for i in order if site.table.sizes[operand[i]] != 1]
    after = [axis for axis in site.results[0] if site.table.sizes[axis] != 1]
    _relate_equal_products(site, before, after)


def _relate_equal_products(site: Site, before: list[int], after: list[int]) -> None:
    """Relates axes before and after a reshape: the smallest groups of equal product."""
    sizes = site.table.sizes
    while before and after:
        first, second = [before.pop(0)], [after.pop(0)]
        a, b = sizes[first[0]], sizes[second[0]]
        while a != b:
            side, rest = (first, before) if a < b else (second, after)
            if not rest:
                site.fix(*first, *second)
                return
            side.append(rest.pop(0))
            if side is first:
                a *= sizes[side[-1]]
            else:
                b *= sizes[side[-1]]
        _relate_group(site, first, second)
    site.fix(*before, *after)


def _relate_group(site: Site, first: list[int], second: list[int]) -> None:
    if len(first) == 1 and len(second) == 1:
        site.table.unify(first[0], second[0])
    elif len(first) == 1 or len(second) == 1:
        whole, parts = (first[0], second) if len(first) == 1 else (second[0], first)
        site.table.compose(whole, PRODUCT, parts)
    else:
        size = 1
        for axis in first:
            size *= site.table.sizes[axis]
        whole = site.table.new(size)
        site.table.compose(whole, PRODUCT, first)
        site.table.compose(whole, PRODUCT, second)


def _reshape(call: Call) -> list[Padded]:
    operand = call.operands[0]
    array = lax.reshape(operand.array, call.shape, call.params.get("dimensions"))
    return [Padded(array, call.results[0], operand.is_zero, operand.bound)]


def _relate_transpose(site: Site) -> None:
    operand = site.operands[0]
    site.unify([operand[i] for i in site.params["permutation"]], site.results[0])


def _relate_squeeze(site: Site) -> None:
    gone = {i % len(site.operands[0]) for i in site.params["dimensions"]}
    site.fix(*(axis for i, axis in enumerate(site.operands[0]) if i in gone))
    site.unify([a for i, a in enumerate(site.operands[0]) if i not in gone], site.results[0])


def _relate_expand(site: Site) -> None:
    new = {i % len(site.results[0]) for i in site.params["dimensions"]}
    site.unify(site.operands[0], [a for i, a in enumerate(site.results[0]) if i not in new])


def _relate_reverse(site: Site) -> None:
    site.unify(site.operands[0], site.results[0])
    site.fix(*(site.operands[0][i] for i in site.params["dimensions"]))


def _unchanged(call: Call) -> list[Padded]:
    operand = call.operands[0]
    (array,) = call.bind(call.arrays())
    return [Padded(array, call.results[0], operand.is_zero, operand.bound)]


def _related_part(site: Site, whole: int, part: int, before: int, after: int, step: int) -> Edges:
    """Relates an axis and a part of it, without ``before`` and ``after``, by steps of ``step``."""
    if (before, after, step) == (0, 0, 1):
        site.table.unify(whole, part)
        return "whole"
    if before < 0 or after < 0 or step != 1:
        site.fix(whole, part)
        return "fixed"
    edges = (site.table.new(before), part, site.table.new(after))
    site.table.compose(whole, SUM, edges)
    return edges


def _edge(call: Call, axis: int) -> int:
    return call.layout.size(axis) if call.layout.table.sizes[axis] else 0


def _relate_slice(site: Site) -> list[Edges]:
    starts, limits = site.params["start_indices"], site.params["limit_indices"]
    strides = site.params.get("strides") or (1,) * len(starts)
    places = zip(site.operands[0], site.results[0], starts, limits, strides, strict=True)
    return [
        _related_part(site, whole, part, start, site.table.sizes[whole] - limit, stride)
        for whole, part, start, limit, stride in places
    ]


def _slice(call: Call) -> list[Padded]:
    starts, limits = list(call.params["start_indices"]), list(call.params["limit_indices"])
    for i, edges in enumerate(call.related):
        if edges != "fixed":
            starts[i] = 0 if edges == "whole" else _edge(call, edges[0])
            limits[i] = starts[i] + call.shape[i]
    operand = call.operands[0]
    array = lax.slice(operand.array, starts, limits, call.params.get("strides"))
    return call.result(array, operand.is_zero)


def _relate_pad(site: Site) -> list[Edges]:
    places = zip(site.results[0], site.operands[0], site.params["padding_config"], strict=True)
    return [
        _related_part(site, whole, part, low, high, inside + 1)
        for whole, part, (low, high, inside) in places
    ]


def _pad(call: Call) -> list[Padded]:
    config = [
        given
        if edges == "fixed"
        else (0, 0, 0)
        if edges == "whole"
        else (_edge(call, edges[0]), _edge(call, edges[2]), 0)
        for edges, given in zip(call.related, call.params["padding_config"], strict=True)
    ]
    operand, value = call.operands
    array = lax.pad(operand.array, value.array, config)
    return call.result(array, operand.is_zero and value.is_zero)


def _relate_concatenate(site: Site) -> None:
    joined, (result,) = site.params["dimension"], site.results
    for operand in site.operands:
        others = [
            (a, b) for i, (a, b) in enumerate(zip(operand, result, strict=True)) if i != joined
        ]
        for a, b in others:
            site.table.unify(a, b)
    site.table.compose(result[joined], SUM, [operand[joined] for operand in site.operands])


def _concatenate(call: Call) -> list[Padded]:
    array = lax.concatenate(call.arrays(), call.params["dimension"])
    return call.result(array, all(operand.is_zero for operand in call.operands))


def _relate_split(site: Site) -> None:
    (operand,), divided = site.operands, site.params["axis"]
    for result in site.results:
        for i, (a, b) in enumerate(zip(operand, result, strict=True)):
            if i != divided:
                site.table.unify(a, b)
    parts = [result[divided] for result in site.results]
    site.table.compose(operand[divided], SUM, parts)


def _split(call: Call) -> list[Padded]:
    sizes = tuple(call.layout.size(axes[call.params["axis"]]) for axes in call.results)
    operand = call.operands[0]
    arrays = lax.split(operand.array, sizes, axis=call.params["axis"])
    return [
        Padded(array, axes, operand.is_zero)
        for array, axes in zip(arrays, call.results, strict=True)
    ]


def _relate_stack(site: Site) -> None:
    place, (result,) = site.params["axis"], site.results
    for operand in site.operands:
        site.unify(operand, [axis for i, axis in enumerate(result) if i != place])
    site.fix(result[place])


def _stack(call: Call) -> list[Padded]:
    zero = all(operand.is_zero for operand in call.operands)
    return call.result(call.bind(call.arrays())[0], zero)


def _relate_unstack(site: Site) -> None:
    place, (operand,) = site.params["axis"], site.operands
    for result in site.results:
        site.unify([axis for i, axis in enumerate(operand) if i != place], result)
    site.fix(operand[place])


def _unstack(call: Call) -> list[Padded]:
    zero = call.operands[0].is_zero
    arrays = call.bind(call.arrays())
    return [Padded(array, axes, zero) for array, axes in zip(arrays, call.results, strict=True)]


def _relate_tile(site: Site) -> list[int | None]:
    """Returns the axis that counts the copies; None for a single one."""
    counts: list[int | None] = []
    for axis, whole, count in zip(
        site.operands[0], site.results[0], site.params["reps"], strict=True
    ):
        copies = None if count == 1 else site.table.new(count)
        if copies is None:
            site.table.unify(whole, axis)
        else:
            site.table.compose(whole, PRODUCT, (copies, axis))
        counts.append(copies)
    return counts


def _tile(call: Call) -> list[Padded]:
    operand, counts = call.operands[0], call.related
    reps = [1 if axis is None else call.layout.size(axis) for axis in counts]
    (array,) = call.bind([operand.array], reps=tuple(reps))
    copied = any(axis is not None and call.layout.is_ragged(axis) for axis in counts)
    return call.result(array, operand.is_zero and not copied)


def _relate_iota(site: Site) -> None:
    """Its axes are those of the values that it meets."""


def _iota(call: Call) -> list[Padded]:
    place = call.params["dimension"]
    position = call.layout.position(call.results[0][place]).astype(call.params["dtype"])
    return call.result(lax.broadcast_in_dim(position, call.shape, (place,)))


RULES: dict[str, Any] = {
    "broadcast_in_dim": PrimitiveRule(_relate_broadcast, _broadcast),
    "reshape": PrimitiveRule(_relate_reshape, _reshape),
    "transpose": PrimitiveRule(_relate_transpose, _unchanged),
    "squeeze": PrimitiveRule(_relate_squeeze, _unchanged),
    "expand_dims": PrimitiveRule(_relate_expand, _unchanged),
    "rev": PrimitiveRule(_relate_reverse, _unchanged),
    "slice": PrimitiveRule(_relate_slice, _slice),
    "pad": PrimitiveRule(_relate_pad, _pad),
    "concatenate": PrimitiveRule(_relate_concatenate, _concatenate),
    "split": PrimitiveRule(_relate_split, _split),
    "stack": PrimitiveRule(_relate_stack, _stack),
    "unstack": PrimitiveRule(_relate_unstack, _unstack),
    "tile": PrimitiveRule(_relate_tile, _tile),
    "iota": PrimitiveRule(_relate_iota, _iota),
}
