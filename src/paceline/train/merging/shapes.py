"""Rules of operations that move values: broadcasts, reshapes, transpositions, slices, joins."""

from collections.abc import Sequence
from typing import Any

from jax import lax

from paceline.train.merging.axes import PRODUCT, SUM
from paceline.train.merging.rule import Axes, Call, Padded, PrimitiveRule, Site

Boundaries = list[tuple[int, int, int] | None]
"""For each axis the axes before, within and after a slice of it; None if all of it is taken."""


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
    return call.result(array, is_zero)


def _relate_reshape(site: Site) -> None:
    """Groups of axes with equal products are the same values in another arrangement."""
    if site.params.get("dimensions") is not None:
        site.fix_all()
        return
    before = [axis for axis in site.operands[0] if site.table.sizes[axis] != 1]
    after = [axis for axis in site.results[0] if site.table.sizes[axis] != 1]
    _relate_equal_products(site, before, after)


def _relate_equal_products(site: Site, before: list[int], after: list[int]) -> None:
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
    return call.result(lax.reshape(operand.array, call.shape), operand.is_zero)


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
    return call.result(call.bind(call.arrays())[0], call.operands[0].is_zero)


def _related_slice(
    site: Site, whole: Axes, part: Axes, before: Sequence[int], after: Sequence[int]
) -> Boundaries:
    """Relates the axes of a value and of a part of it; ``before`` and ``after`` are left out."""
    boundaries: Boundaries = []
    for axis, inner, low, high in zip(whole, part, before, after, strict=True):
        if not low and not high:
            site.table.unify(axis, inner)
            boundaries.append(None)
            continue
        edges = (site.table.new(low), site.table.new(high))
        site.table.compose(axis, SUM, (edges[0], inner, edges[1]))
        boundaries.append((edges[0], inner, edges[1]))
    return boundaries


def _relate_slice(site: Site) -> Boundaries | None:
    strides = site.params.get("strides")
    if strides is not None and set(strides) != {1}:
        site.fix_all()
        return None
    sizes = site.sizes(site.operands[0])
    before = site.params["start_indices"]
    after = [size - end for size, end in zip(sizes, site.params["limit_indices"], strict=True)]
    return _related_slice(site, site.operands[0], site.results[0], before, after)


def _slice(call: Call) -> list[Padded]:
    starts = [
        0
        if edges is None
        else call.layout.size(edges[0])
        if call.layout.table.sizes[edges[0]]
        else 0
        for edges in call.related
    ]
    limits = [start + size for start, size in zip(starts, call.shape, strict=True)]
    return call.result(lax.slice(call.operands[0].array, starts, limits), call.operands[0].is_zero)


def _relate_pad(site: Site) -> Boundaries | None:
    config = site.params["padding_config"]
    if any(low < 0 or high < 0 or inside for low, high, inside in config):
        site.fix_all()
        return None
    low, high = [one[0] for one in config], [one[1] for one in config]
    return _related_slice(site, site.results[0], site.operands[0], low, high)


def _pad(call: Call) -> list[Padded]:
    def size(axis: int) -> int:
        return call.layout.size(axis) if call.layout.table.sizes[axis] else 0

    config = [
        (0, 0, 0) if edges is None else (size(edges[0]), size(edges[2]), 0)
        for edges in call.related
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
    "iota": PrimitiveRule(_relate_iota, _iota),
}
