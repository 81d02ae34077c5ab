"""Determines for each primitive of JAX whether it keeps the rows of a batch apart.

A value with a row axis is *row-wise* if its entry ``i`` along that axis depends only on row ``i``
of the batch. The functions determine whether an equation whose operands are row-wise, or the same
for all rows, has row-wise results. They know the primitives of common forward passes; for others
the result is False.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paceline.train.internals import Equation

RowsAxis = int | None
"""The axis of a value that counts rows; None for a value without rows."""


@dataclass(frozen=True, slots=True)
class Operands:
    """An equation with the row axis of each of its inputs and outputs."""

    equation: Equation
    ins: Sequence[RowsAxis]
    outs: Sequence[RowsAxis]

    @property
    def name(self) -> str:
        """The primitive's name."""
        return str(self.equation.primitive.name)

    def param(self, name: str, default: Any = None) -> Any:
        """A parameter of the equation."""
        return self.equation.params.get(name, default)

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of an input."""
        return tuple(self.equation.invars[index].aval.shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return tuple(self.equation.outvars[0].aval.shape)

    @property
    def axis(self) -> int:
        """Row axis of the first input."""
        return -1 if self.ins[0] is None else self.ins[0]


ELEMENTWISE = frozenset(
    {
        "abs",
        "acos",
        "acosh",
        "add",
        "add_any",
        "and",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bitcast_convert_type",
        "cbrt",
        "ceil",
        "clamp",
        "convert_element_type",
        "copy",
        "copy_p",
        "cos",
        "cosh",
        "digamma",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "integer_pow",
        "is_finite",
        "le",
        "lgamma",
        "log",
        "log1p",
        "log2",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "one_minus_square",
        "or",
        "pow",
        "reduce_precision",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "xor",
    }
)

REDUCTIONS = frozenset(
    {
        "reduce_sum",
        "reduce_max",
        "reduce_min",
        "reduce_prod",
        "reduce_and",
        "reduce_or",
        "argmax",
        "argmin",
    }
)


def keeps_rows_apart(equation: Equation, ins: Sequence[RowsAxis], outs: Sequence[RowsAxis]) -> bool:
    """Whether all results are row-wise.

    Args:
        equation: its operands with a row axis are row-wise, the others are the same for all rows.
        ins: the row axis of each input.
        outs: the row axis of each output.
    """
    of = Operands(equation, ins, outs)
    if None in outs:
        return False
    if of.name in ELEMENTWISE:
        return True  # shapes broadcast, so the rows of all operands lie on one axis
    rule = _RULES.get(of.name)
    makes_rows = not any(axis is not None for axis in ins[:1]) and of.name not in _FOR_EVERY_ROW
    return rule is not None and not makes_rows and rule(of)


def sums_rows(equation: Equation, ins: Sequence[RowsAxis], outs: Sequence[RowsAxis]) -> bool:
    """Whether the only result is a sum of terms that depend on one row each.

    Args:
        equation, ins, outs: as in `keeps_rows_apart`.
    """
    of = Operands(equation, ins, outs)
    if any(axis is not None for axis in outs):
        return False
    if of.name == "reduce_sum":
        return of.axis in of.param("axes")
    if of.name == "dot_general":
        (left, right), _ = of.param("dimension_numbers")
        return None not in ins and (ins[0], ins[1]) in list(zip(left, right, strict=True))
    return of.name == "scatter-add" and ins[0] is None and _row_is_scattered(of)


def _row_is_scattered(of: Operands) -> bool:
    """Whether each index, and each window of updates, belongs to one row."""
    numbers, indices, updates = of.param("dimension_numbers"), of.ins[1], of.ins[2]
    if indices is None or updates is None or indices == len(of.shape(1)) - 1:
        return False
    scattered = [i for i in range(len(of.shape(2))) if i not in numbers.update_window_dims]
    return updates in scattered and scattered.index(updates) == indices


def _transpose(of: Operands) -> bool:
    return bool(of.param("permutation")[of.outs[0]] == of.axis)


def _reshape(of: Operands) -> bool:
    """Rows stay contiguous and in order: the axes before them keep their number of entries."""
    before, after = of.shape(0)[: of.axis], of.out_shape[: of.outs[0]]
    return of.param("dimensions") is None and math.prod(before) == math.prod(after)


def _broadcast(of: Operands) -> bool:
    return of.ins[0] is None or of.param("broadcast_dimensions")[of.axis] == of.outs[0]


def _reduce(of: Operands) -> bool:
    return of.axis not in of.param("axes")


def _squeeze(of: Operands) -> bool:
    return of.axis not in of.param("dimensions")


def _along(name: str) -> Callable[[Operands], bool]:
    """A rule for primitives along an axis: it must not be the row axis."""

    def rule(of: Operands) -> bool:
        along = of.param(name, -1)
        return (along + len(of.shape(0)) if along < 0 else along) not in of.ins

    return rule


def _pad(of: Operands) -> bool:
    return tuple(of.param("padding_config")[of.axis]) == (0, 0, 0)


def _slice(of: Operands) -> bool:
    strides = of.param("strides")
    whole = (
        of.param("start_indices")[of.axis] == 0
        and of.param("limit_indices")[of.axis] == of.shape(0)[of.axis]
    )
    return bool(whole and (strides is None or strides[of.axis] == 1))


def _dynamic_slice(of: Operands) -> bool:
    return bool(of.param("slice_sizes")[of.axis] == of.shape(0)[of.axis])


def _dynamic_update(of: Operands) -> bool:
    return of.ins[1] == of.axis and of.shape(1)[of.axis] == of.shape(0)[of.axis]


def _reverse(of: Operands) -> bool:
    return of.axis not in of.param("dimensions")


def _window(of: Operands) -> bool:
    sizes = (
        of.param(name)
        for name in ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    )
    unmoved = all(size is None or size[of.axis] == 1 for size in sizes)
    return unmoved and tuple(of.param("padding")[of.axis]) == (0, 0)


def _convolution(of: Operands) -> bool:
    batch = of.param("dimension_numbers").lhs_spec[0]
    return of.ins[1] is None and of.axis == batch and of.param("batch_group_count") == 1


def _dot(of: Operands) -> bool:
    (left, right), (left_batch, right_batch) = of.param("dimension_numbers")
    if None not in of.ins:
        return (of.ins[0], of.ins[1]) in list(zip(left_batch, right_batch, strict=True))
    # a row axis that is not contracted is one of the result
    return of.ins[0] not in left and of.ins[1] not in right


def _gather(of: Operands) -> bool:
    numbers, indices = of.param("dimension_numbers"), of.ins[1]
    operand_batch = tuple(getattr(numbers, "operand_batching_dims", ()))
    indices_batch = tuple(getattr(numbers, "start_indices_batching_dims", ()))
    if of.ins[0] is None:  # rows index an operand that is the same for all
        looked_up = [i for i in range(len(of.out_shape)) if i not in numbers.offset_dims]
        return indices in range(len(of.shape(1)) - 1) and looked_up[indices or 0] == of.outs[0]
    if indices is not None:  # each row indexes itself
        return (of.axis, indices) in list(zip(operand_batch, indices_batch, strict=True))
    whole = of.param("slice_sizes")[of.axis] == of.shape(0)[of.axis]
    apart = (*numbers.collapsed_slice_dims, *numbers.start_index_map, *operand_batch)
    return whole and of.axis not in apart


def _scatter(of: Operands) -> bool:
    """Each row is updated separately."""
    numbers = of.param("dimension_numbers")
    batch, indices_batch = (
        tuple(getattr(numbers, name, ()))
        for name in ("operand_batching_dims", "scatter_indices_batching_dims")
    )
    if None in of.ins[1:2]:  # all rows at the same position
        windows = [
            i for i in range(len(of.shape(0))) if i not in (*numbers.inserted_window_dims, *batch)
        ]
        moved = of.axis in numbers.scatter_dims_to_operand_dims or of.axis not in windows
        return not moved and numbers.update_window_dims[windows.index(of.axis)] == of.ins[2]
    return (of.axis, of.ins[1]) in list(zip(batch, indices_batch, strict=True))


def _iota(of: Operands) -> bool:
    return bool(of.param("dimension") != of.outs[0])


def _fourier(of: Operands) -> bool:
    return of.axis < len(of.shape(0)) - len(of.param("fft_lengths"))


_FOR_EVERY_ROW = ("broadcast_in_dim", "tile", "iota", "gather", "dot_general")
"""Primitives that may add a row axis."""

_RULES: dict[str, Callable[[Operands], bool]] = {
    "tile": lambda of: of.ins[0] is None or of.param("reps")[of.axis] == 1,
    "stack": lambda of: None not in of.ins,
    **dict.fromkeys(("scatter", "scatter-add"), _scatter),
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "squeeze": _squeeze,
    **dict.fromkeys(REDUCTIONS, _reduce),
    **dict.fromkeys(
        ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "split", "unstack"),
        _along("axis"),
    ),
    "sort": _along("dimension"),
    "concatenate": _along("dimension"),
    "top_k": _along("axis"),
    "pad": _pad,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
    "rev": _reverse,
    **dict.fromkeys(("reduce_window_sum", "reduce_window_max", "reduce_window_min"), _window),
    "conv_general_dilated": _convolution,
    "dot_general": _dot,
    "gather": _gather,
    "iota": _iota,
    "fft": _fourier,
}
