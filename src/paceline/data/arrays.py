"""Conversion and validation of arrays: NumPy, JAX, pandas, lists, and trees of them."""

from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data.trees import Array, Tree, leaves, map_leaves, num_rows

_INT32 = np.iinfo(np.int32)
_NUM_LISTED = 5  # rows that a message names


def is_frame(value: object) -> bool:
    """Whether ``value`` is like a pandas data frame, decided without importing pandas."""
    return hasattr(value, "columns") and hasattr(value, "iloc") and hasattr(value, "to_numpy")


def to_array(value: Any, what: str) -> Array:
    """Converts a value to one array with at least one row and one axis.

    Args:
        value: anything that NumPy can convert.
        what: its name in messages.

    Raises:
        InvalidInput: ragged, a scalar, without rows, or of Python objects.
    """
    try:
        array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{what} is not an array ({error})", expected="rows of equal shape"
        ) from error
    if array.dtype == object and array.ndim > 0:
        array = _without_objects(array, what)
    if array.ndim == 0:
        fix = "Call its .toarray() first." if hasattr(value, "toarray") else ""
        raise InvalidInput(
            f"{what} is a {type(value).__name__}",
            expected="an array with one row per example",
            fix=fix,
        )
    if array.size == 0:
        raise InvalidInput(f"{what} is empty, of shape {array.shape}", expected="at least one row")
    return array


def _without_objects(array: Array, what: str) -> Array:
    """Converts an object array of texts or numbers to a proper one."""
    kinds = {
        str
        if isinstance(part, str)
        else float
        if isinstance(part, int | float | np.number | np.bool_)
        else None
        for part in array.ravel()
    }
    if len(kinds) != 1 or None in kinds:
        raise InvalidInput(
            f"{what} is an array of Python objects (such as {type(array.ravel()[0]).__name__})"
            if array.size
            else what,
            expected="numbers, all rows of equal shape",
            fix="Convert it with numpy.asarray(..., dtype='float32'); pad rows of unequal length.",
        )
    return np.asarray(array.tolist())


def inputs(x: Any, what: str = "x") -> Tree:
    """Inputs as a tree of float32, int32 or uint8 arrays with equal numbers of rows.

    Floats and booleans become float32, integers int32; bytes (uint8) stay bytes. One-dimensional
    inputs become one column.

    Raises:
        InvalidInput: not numbers, NaN or infinite values, or inputs of different length.
    """
    tree = map_leaves(
        lambda path, leaf: _input(to_array(leaf, f"{what}{path}"), f"{what}{path}"), x
    )
    lengths = {f"{what}{path}": len(leaf) for path, leaf in leaves(tree)}
    if not lengths:
        raise InvalidInput(f"{what} contains no arrays", expected="at least one")
    if len(set(lengths.values())) > 1:
        rows = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise InvalidInput(
            f"the inputs differ in their numbers of rows ({rows})", expected="one row per example"
        )
    return tree


def _input(array: Array, what: str) -> Array:
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise InvalidInput(
            f"{what} is an array of {_plain(array)}",
            expected="numbers",
            fix=_TO_NUMBERS.get(array.dtype.kind, ""),
        )
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind in "iu" and array.min() >= _INT32.min and array.max() <= _INT32.max:
        return np.ascontiguousarray(array, dtype=np.int32)
    return finite(array, what)


_TEXTS = (
    "Pass a pandas data frame: its columns of texts become tf-idf or sequences of their words "
    "(texts=), and those of a few different values categories."
)
_TO_NUMBERS = {
    "U": _TEXTS,
    "S": _TEXTS,
    "c": "Pass their real and imaginary parts as numbers.",
    **dict.fromkeys(
        "Mm",
        "Turn them into numbers first, or pass a pandas data frame, whose dates are understood.",
    ),
}


def _plain(array: Array) -> str:
    return {
        "U": "texts",
        "S": "texts",
        "M": "dates",
        "m": "time spans",
        "c": "complex numbers",
    }.get(array.dtype.kind, str(array.dtype))


def finite(array: Array, what: str) -> Array:
    """``array`` as float32.

    Raises:
        InvalidInput: NaN or infinite values; says how many.
    """
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(floats.sum(dtype=np.float64)):
        num_nan, num_infinite = int(np.isnan(floats).sum()), int(np.isinf(floats).sum())
        counted = ((num_nan, "NaN"), (num_infinite, "infinite"))
        found = " and ".join(f"{number:,} {kind}" for number, kind in counted if number)
        raise InvalidInput(
            f"{what} contains {found} among its {floats.size:,} values "
            f"({listed(rows_of(~np.isfinite(floats)))})",
            expected="finite numbers (of float32's range)",
            fix="Drop these rows or fill them; columns of a data frame or table file are filled "
            "for you.",
        )
    return floats


def rows_of(marked: Array) -> Array:
    """The numbers of the rows of which anything is marked, counted from 0."""
    return np.flatnonzero(marked.reshape(len(marked), -1).any(axis=1))


def listed(rows: Array) -> str:
    """A few of the rows with these numbers: ``"rows 3, 17, 20, ..., counted from 0"``."""
    shown = ", ".join(map(str, rows[:_NUM_LISTED].tolist()))
    more = ", ..." if len(rows) > _NUM_LISTED else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}, counted from 0"


def weights(sample_weight: Any, rows: int) -> Array:
    """Sample weights as float32 (rows,).

    Raises:
        InvalidInput: of another length, negative, not finite, or all zero.
    """
    array = to_array(sample_weight, "sample_weight")
    if array.dtype.kind not in "fiub" or array.shape not in ((rows,), (rows, 1)):
        raise InvalidInput(
            f"sample_weight is {array.dtype} of shape {array.shape}",
            expected=f"one number per row, of shape ({rows},)",
        )
    numbers = finite(array.reshape(-1), "sample_weight")
    if numbers.min() < 0 or numbers.max() == 0:
        raise InvalidInput(
            f"sample_weight lies between {numbers.min():g} and {numbers.max():g}",
            expected="numbers of at least 0, not all of them 0",
        )
    return numbers


def same_rows(x: Tree, y: Tree, names: tuple[str, str] = ("x", "y")) -> None:
    """Checks that inputs and targets have equal numbers of rows.

    Raises:
        InvalidInput: they differ.
    """
    if num_rows(x) != num_rows(y):
        raise InvalidInput(
            f"{names[0]} has {num_rows(x):,} rows and {names[1]} has {num_rows(y):,}",
            expected="one target for each row of inputs",
        )


def same_shape(x: Tree, other: Tree, names: tuple[str, str]) -> None:
    """Checks that the inputs of two parts have equal shapes.

    Raises:
        InvalidInput: other structure, or rows of another shape.
    """
    shapes = [{path: leaf.shape[1:] for path, leaf in leaves(tree)} for tree in (x, other)]
    if shapes[0] != shapes[1]:
        shown = [next(iter(each.values())) if list(each) == [""] else each for each in shapes]
        raise InvalidInput(
            f"rows of {names[0]} have the shape {shown[0]} and rows of {names[1]} {shown[1]}",
            expected="equal shapes",
        )
