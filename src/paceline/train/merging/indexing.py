"""Rules of operations that read or write at computed places."""

from typing import Any

from paceline.train.merging.rule import Call, Padded, PrimitiveRule, Site


def _relate_gather(site: Site) -> None:
    """Axes that are read as a whole, such as the width of an embedding, are unconcerned."""
    (operand, indices), (result,) = site.operands, site.results
    numbers, sizes = site.params["dimension_numbers"], site.params["slice_sizes"]
    removed = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    window = [i for i in range(len(operand)) if i not in removed]
    for place, i in zip(numbers.offset_dims, window, strict=True):
        _relate_window(site, operand[i], result[place], sizes[i])
    site.fix(*(operand[i] for i in numbers.collapsed_slice_dims))
    batch = [axis for i, axis in enumerate(result) if i not in numbers.offset_dims]
    site.unify(batch, indices[:-1])
    site.unify(
        [operand[i] for i in numbers.operand_batching_dims],
        [indices[i] for i in numbers.start_indices_batching_dims],
    )
    site.fix(indices[-1])


def _relate_window(site: Site, whole: int, part: int, size: int) -> None:
    if site.table.sizes[whole] == size:
        site.table.unify(whole, part)
    else:
        site.fix(whole, part)


def _gather(call: Call) -> list[Padded]:
    operand, indices = call.operands
    sizes = tuple(
        call.layout.size(axis) if call.layout.is_ragged(axis) else size
        for axis, size in zip(operand.axes, call.params["slice_sizes"], strict=True)
    )
    numbers = call.params["dimension_numbers"]
    batching = set(numbers.operand_batching_dims)
    sizes = tuple(1 if i in batching else size for i, size in enumerate(sizes))
    (array,) = call.bind(call.arrays(), slice_sizes=sizes)
    return call.result(array, operand.is_zero and not call.ragged(indices.axes))


def _relate_scatter(site: Site) -> None:
    (operand, indices, updates), (result,) = site.operands, site.results
    numbers = site.params["dimension_numbers"]
    site.unify(operand, result)
    removed = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    window = [i for i in range(len(operand)) if i not in removed]
    for place, i in zip(numbers.update_window_dims, window, strict=True):
        _relate_window(site, operand[i], updates[place], site.table.sizes[updates[place]])
    site.fix(*(operand[i] for i in numbers.inserted_window_dims), *indices)
    batch = [axis for i, axis in enumerate(updates) if i not in numbers.update_window_dims]
    site.unify(batch, indices[:-1])
    site.fix(*(operand[i] for i in numbers.operand_batching_dims))


def _scatter(call: Call) -> list[Padded]:
    operand, _, updates = call.operands
    (array,) = call.bind(call.arrays())
    return call.result(array, operand.is_zero and updates.is_zero)


def _relate_dynamic_slice(site: Site) -> None:
    for whole, part in zip(site.operands[0], site.results[0], strict=True):
        _relate_window(site, whole, part, site.table.sizes[part])


def _dynamic_slice(call: Call) -> list[Padded]:
    (array,) = call.bind(call.arrays(), slice_sizes=call.shape)
    return call.result(array, call.operands[0].is_zero)


def _relate_dynamic_update(site: Site) -> None:
    operand, update = site.operands[:2]
    site.unify(operand, site.results[0])
    for whole, part in zip(operand, update, strict=True):
        _relate_window(site, whole, part, site.table.sizes[part])


def _dynamic_update(call: Call) -> list[Padded]:
    (array,) = call.bind(call.arrays())
    return call.result(array, call.operands[0].is_zero and call.operands[1].is_zero)


RULES: dict[str, Any] = {
    "gather": PrimitiveRule(_relate_gather, _gather),
    "scatter-add": PrimitiveRule(_relate_scatter, _scatter),
    "scatter": PrimitiveRule(_relate_scatter, _scatter),
    "dynamic_slice": PrimitiveRule(_relate_dynamic_slice, _dynamic_slice),
    "dynamic_update_slice": PrimitiveRule(_relate_dynamic_update, _dynamic_update),
}
