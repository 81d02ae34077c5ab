"""Targets: inference of the task, and encoding of classes as numbers 0 to k-1."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data.arrays import finite, listed, rows_of, to_array
from paceline.data.fingerprints import fingerprint
from paceline.data.records import NO_CLASSES, Classes, Dataset, Task
from paceline.data.trees import Array, Tree, is_branch, leaves, map_leaves

# Whole numbers with more distinct values than this, each seen less often than that, are regression
# targets, not classes.
_MAX_CLASSES, _MIN_ROWS_PER_CLASS = 100, 20
_EXACT = 2.0**53  # up to here, whole floats are exact integers
_LARGEST_CLASS = np.iinfo(np.int32).max
_LARGEST = 1e18  # of a regression target
# Networks learn a target within these bounds without scaling.
_NEAR_MEAN, _NEAR_DEVIATION = 5.0, (0.1, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Encoded targets.

    Attributes:
        y, y_test: as in `Dataset`.
        task, classes: as in `Dataset`.
        notes: what was done.
    """

    y: Tree
    y_test: Tree | None
    task: Task
    classes: Classes = NO_CLASSES
    notes: tuple[str, ...] = ()


def prepare(y: Any, y_test: Any = None, *, task: Task | None = None, name: str = "y") -> Targets:
    """Encodes the targets of training and test set alike.

    Texts, booleans and integers are classes; floats are regression targets. Integers with more than
    100 distinct values, each seen fewer than 20 times on average, are regression targets, with a
    note. ``task`` overrides that.

    Raises:
        InvalidInput: missing or infinite values (says how many), a single class, or an unsupported
            type.
    """
    if task not in (None, "classification", "regression"):
        raise InvalidInput(f"task is {task!r}", expected="'classification' or 'regression'")
    if is_branch(y):
        return _several(y, y_test, task, name)
    values, test = (
        _values(y, name),
        None if y_test is None else _values(y_test, f"{name} of the test set"),
    )
    if test is not None and values.shape[1:] != test.shape[1:]:
        raise InvalidInput(
            f"rows of {name} have the shape {values.shape[1:]}, those of the test set "
            f"{test.shape[1:]}",
            expected="equal shapes",
        )
    if values.ndim > 1:
        return _wide(values, test, task, name)
    inferred, notes = _infer(values, name)
    if task is not None:
        inferred, notes = task, ()
    if inferred == "classification":
        return _classes(values, test, notes, name)
    amounts = _amounts(values, name)
    return Targets(
        amounts, None if test is None else _amounts(test, name), "regression", notes=notes
    )


def encode(y: Any, like: Dataset, name: str = "y_val") -> Tree:
    """Encodes further targets like those of the data set ``like``: classes by their names.

    Raises:
        InvalidInput: an unknown class, or another kind of target.
    """
    if is_branch(y):
        return _several(y, None, like.task, name).y
    values = _values(y, name)
    if values.ndim > 1:
        return _wide(values, None, like.task, name).y
    if not like.class_names:
        return _amounts(values, name)
    codes = {label: code for code, label in enumerate(like.class_names)}
    if not any(label.isdigit() for label in codes):  # named classes may be given as numbers, too
        codes |= {str(code): code for code in codes.values()}
    labels = [str(label) for label in _whole(values, name).tolist()]
    unknown = sorted({label for label in labels if label not in codes})
    if unknown:
        known = ", ".join(like.class_names[:20])
        raise InvalidInput(
            f"{name} contains the classes {', '.join(unknown[:10])}",
            expected=f"classes among {known}",
        )
    return np.asarray([codes[label] for label in labels], dtype=np.int32)


def labels(y: Tree, task: Task) -> Array | None:
    """Classes for stratification, int (rows,), or None if rows do not have exactly one class.

    Args:
        y: encoded targets.
        task: the task.
    """
    if task != "classification" or is_branch(y):
        return None
    if y.ndim == 1:
        return np.asarray(y)
    return np.asarray(y.argmax(axis=1)) if y.ndim == 2 and y.dtype == np.float32 else None


def _values(y: Any, name: str) -> Array:
    """One array without missing values; (n, 1) becomes (n,)."""
    missing = np.asarray(y.isna()) if hasattr(y, "isna") else _missing_objects(y)
    array = None if missing.any() else to_array(y, name)
    if array is not None and array.dtype.kind == "f":
        missing = ~np.isfinite(array)
    if missing.any() or array is None:
        rows = rows_of(missing)
        raise InvalidInput(
            f"the target {name} is missing or infinite in {len(rows):,} of {len(y):,} rows "
            f"({listed(rows)})",
            expected="a target for every row",
            fix="Drop these rows.",
        )
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _missing_objects(y: Any) -> Array:
    """Which of a list's or an array's Python objects are None or NaN; of others none."""
    is_plain = isinstance(y, np.ndarray) and y.dtype != object
    if is_plain or not isinstance(y, list | tuple | np.ndarray):
        return np.zeros(1, bool)
    return np.asarray([one is None or (isinstance(one, float) and one != one) for one in y], bool)


def _infer(values: Array, name: str) -> tuple[Task, tuple[str, ...]]:
    if values.dtype.kind == "f":
        distinct = np.unique(values[:10_000])
        if len(distinct) <= 20 < len(values) and np.all(distinct == np.round(distinct)):
            return "regression", (
                f"The target {name} is a float and used for regression; it has {len(distinct)} "
                "distinct whole values: pass task='classification' if they are classes.",
            )
        return "regression", ()
    if values.dtype.kind in "iu":
        num_distinct = len(np.unique(values))
        if num_distinct > _MAX_CLASSES and len(values) / num_distinct < _MIN_ROWS_PER_CLASS:
            return "regression", (
                f"The target {name} has {num_distinct:,} distinct whole values and is used for "
                "regression: pass task='classification' if they are classes.",
            )
    return "classification", ()


def _whole(values: Array, name: str) -> Array:
    """Class labels; whole floats as integers."""
    if values.dtype.kind == "f":
        if np.any(values != np.round(values)):
            raise InvalidInput(
                f"the target {name} contains fractions", expected="classes: whole numbers or texts"
            )
        return values.astype(np.int64) if np.abs(values).max() <= _EXACT else values
    if values.dtype.kind not in "iubUS":
        raise InvalidInput(
            f"the target {name} is of type {values.dtype}", expected="numbers, booleans or texts"
        )
    return values


def _classes(values: Array, test: Array | None, notes: tuple[str, ...], name: str) -> Targets:
    """A target as numbers of classes, in the order of their labels."""
    values = _whole(values, name)
    both = values if test is None else np.concatenate([values, _whole(test, name)])
    classes, codes = np.unique(both, return_inverse=True)
    if len(classes) < 2:
        raise InvalidInput(
            f"the target {name} has a single class, {classes[0]!s}", expected="at least two classes"
        )
    names = tuple(str(label) for label in classes.tolist())
    if names != tuple(map(str, range(len(names)))):
        notes = (*notes, _numbered(names))
    num_unseen = len(names) - len(np.unique(codes[: len(values)]))
    if num_unseen:
        notes = (*notes, f"{num_unseen} of {len(names)} classes occur in the test set only.")
    codes = codes.astype(np.int32)
    y_test = None if test is None else codes[len(values) :]
    whole = both.dtype.kind in "iu" and classes[0] >= 0 and classes[-1] <= _LARGEST_CLASS
    kept = tuple(classes.tolist()) if whole and classes[-1] >= len(classes) else ()
    return Targets(
        codes[: len(values)],
        y_test,
        "classification",
        Classes(len(names), names, kept, both.dtype.kind == "b"),
        notes,
    )


def _numbered(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"Classes {shown} are numbered 0 to {len(names) - 1}."


def keep_values(dataset: Dataset, width: int) -> Dataset:
    """The data set with the user's whole numbers as classes, if a network has enough outputs.

    Args:
        dataset: with ``class_values``.
        width: the number of the network's outputs, more than the largest class.
    """
    values = np.asarray(dataset.class_values, np.int32)
    notes = tuple(note for note in dataset.notes if note != _numbered(dataset.class_names))
    return replace(
        dataset,
        y=values[dataset.y],
        y_test=None if dataset.y_test is None else values[dataset.y_test],
        classes=Classes(width, tuple(map(str, range(width)))),
        notes=notes,
        fingerprint=fingerprint(dataset.fingerprint, "classes as they were passed"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class TargetScale:
    """Shift and scale of a regression target.

    Attributes:
        shift: float32, a scalar or of shape (outputs,): the mean.
        scale: float32, a scalar: the standard deviation; the root mean square of those of several
            outputs, so that their weights in the loss are unchanged.
    """

    shift: Array
    scale: Array

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {"shift": self.shift.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "TargetScale":
        """The inverse of `to_json`."""
        return cls(np.asarray(state["shift"], np.float32), np.asarray(state["scale"], np.float32))


def scale_of(y: Tree) -> TargetScale | None:
    """Shift and scale of a float32 regression target; None if it is constant or a tree."""
    if is_branch(y) or y.dtype != np.float32:
        return None
    axis = 0 if y.ndim == 2 else None
    mean = y.mean(axis=axis, dtype=np.float64)
    deviation = np.sqrt(np.mean(np.square(y - mean), dtype=np.float64))
    if not deviation > np.finfo(np.float32).eps * np.abs(mean).max():
        return None
    return TargetScale(np.asarray(mean, np.float32), np.asarray(deviation, np.float32))


def is_far(scale: TargetScale) -> bool:
    """Whether a target is so far from 0 ± 1 that networks learn it better scaled.

    That is, a mean is outside -5 to 5, or the standard deviation is outside 0.1 to 10.
    """
    low, high = _NEAR_DEVIATION
    return bool(np.abs(scale.shift).max() > _NEAR_MEAN or not low <= scale.scale <= high)


def _amounts(values: Array, name: str) -> Array:
    if values.dtype.kind not in "fiub":
        raise InvalidInput(
            f"the target {name} contains {values.dtype} values", expected="numbers for regression"
        )
    amounts = finite(values, f"the target {name}")
    largest = float(np.abs(amounts).max(initial=0))
    if largest > _LARGEST:
        raise InvalidInput(
            f"the target {name} is as large as {largest:.2g}",
            expected=f"at most {_LARGEST:.0e}, since losses square it in float32",
            fix="Pass it in another unit.",
        )
    return amounts


def _wide(values: Array, test: Array | None, task: Task | None, name: str) -> Targets:
    """Targets of several columns: one-hot classes; integers as classes per position; floats."""
    if values.dtype.kind not in "fiub":
        raise InvalidInput(
            f"the target {name} is {values.dtype} of shape {values.shape}", expected="one column"
        )
    one_hot = values.ndim == 2 and task != "regression" and _is_one_hot(values)
    if one_hot or values.dtype.kind == "f" or task == "regression":
        y, y_test = _amounts(values, name), None if test is None else _amounts(test, name)
        if not one_hot:
            return Targets(y, y_test, "regression")
        width = values.shape[1]
        return Targets(
            y,
            y_test,
            "classification",
            Classes(width),
            (f"The target {name} is one-hot encoded, with {width} classes.",),
        )
    y = values.astype(np.int32)
    largest = max(int(part.max()) for part in (values, test) if part is not None)
    return Targets(
        y, None if test is None else test.astype(np.int32), "classification", Classes(largest + 1)
    )


def _is_one_hot(values: Array) -> bool:
    return bool(np.all((values == 0) | (values == 1)) and np.all(values.sum(axis=1) == 1))


def _several(y: Tree, y_test: Tree | None, task: Task | None, name: str) -> Targets:
    """Trees of numeric targets, for networks with several outputs, used unchanged."""

    def one(path: str, leaf: Any) -> Array:
        values = _values(leaf, f"{name}{path}")
        if values.dtype.kind in "iub":
            return values.astype(np.int32)
        return _amounts(values, f"{name}{path}")

    prepared = map_leaves(one, y)
    lengths = {len(leaf) for _, leaf in leaves(prepared)}
    if len(lengths) != 1:
        raise InvalidInput(
            f"the targets have {sorted(lengths)} rows", expected="the same number of rows in each"
        )
    whole = all(leaf.dtype.kind == "i" for _, leaf in leaves(prepared))
    inferred: Task = "classification" if whole else "regression"
    return Targets(prepared, None if y_test is None else map_leaves(one, y_test), task or inferred)
