"""Data sets of Hugging Face's ``datasets``: columns by name, one of which is the target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline.core import InvalidInput, did_you_mean
from paceline.data.batch_sources import BatchSource
from paceline.data.row_sources import RowSource
from paceline.data.source_reader import Raw
from paceline.data.source_registry import register_type
from paceline.data.trees import Array, Tree

_TARGETS = ("label", "labels")  # columns that are the target where none is named
_TRAIN, _TEST = "train", "test"


@dataclass(frozen=True, slots=True, eq=False)
class NeedsTarget:
    """Data of which a column is the target.

    Attributes:
        read: returns the data, given the name of the target or None.
    """

    read: Callable[[Any], Raw | RowSource]


@register_type("datasets.Dataset")
def dataset_columns(dataset: Any) -> NeedsTarget:
    """A ``datasets.Dataset``."""
    return NeedsTarget(lambda target: _read(dataset, None, target))


@register_type("datasets.DatasetDict")
def dataset_parts(parts: Any) -> NeedsTarget:
    """A ``datasets.DatasetDict`` with the part ``train``, and perhaps ``test``.

    Raises:
        InvalidInput: there is no training part.
    """
    if _TRAIN not in parts:
        raise InvalidInput(
            f"data is a DatasetDict of {', '.join(map(repr, parts))}",
            expected="one with the part 'train', or one of its parts",
        )
    unused = sorted(set(parts) - {_TRAIN, _TEST})
    note = (
        f"Parts of the DatasetDict that are not used: {', '.join(unused)}. To validate on one of "
        f"them, pass validation=dataset[{unused[0]!r}]."
        if unused
        else ""
    )

    def read(target: Any) -> Raw | RowSource:
        found = _read(parts[_TRAIN], parts.get(_TEST), target)
        return replace(found, notes=(*found.notes, note)) if note else found

    return NeedsTarget(read)


@register_type("datasets.IterableDataset")
def dataset_stream(dataset: Any) -> BatchSource:
    """A ``datasets.IterableDataset``: rows as dicts."""
    return BatchSource("IterableDataset", lambda: iter(dataset), has_rows=True, target=_TARGETS[0])


def _read(dataset: Any, test: Any, target: Any) -> Raw | RowSource:
    """A data set of values as a table; one of images or texts row by row."""
    target = _target_of(dataset, target)
    names = [name for name in dataset.column_names if name != target]
    feature = dataset.features[target]
    classes = tuple(getattr(feature, "names", None) or ())
    if all(_is_value(dataset.features[name]) for name in names):
        x, y = _frame(dataset, target)
        x_test, y_test = (None, None) if test is None else _frame(test, target)
        return Raw(
            "Dataset",
            x,
            y,
            x_test,
            y_test,
            class_names=classes,
            target_name=target,
            from_file=False,
        )
    rows = _rows(dataset, names, target)
    return replace(
        rows, class_names=classes, test=None if test is None else _rows(test, names, target)
    )


def _target_of(dataset: Any, target: Any) -> str:
    """The column of the target: the one that was named, or one with a usual name."""
    columns = list(dataset.column_names)
    if target is None:
        found = next((name for name in _TARGETS if name in columns), None)
        if found is not None:
            return found
    listed = ", ".join(map(repr, columns[:60]))
    if target is None or str(target) not in columns:
        what = "target is not given" if target is None else f"there is no column {target!r}"
        raise InvalidInput(
            f"data is a Dataset and {what}",
            expected=f"the name of one of its columns as target: {listed}",
            fix="" if target is None else did_you_mean(str(target), columns),
        )
    if len(columns) < 2:
        raise InvalidInput(
            f"data is a Dataset with the column {target!r} only", expected="columns of inputs"
        )
    return str(target)


def _is_value(feature: Any) -> bool:
    """Whether a column has one number, text or date in each row."""
    return type(feature).__name__ in ("Value", "ClassLabel")


def _frame(dataset: Any, target: str) -> tuple[Any, Any]:
    """A data set of plain columns as a data frame without the target, and the target."""
    frame = dataset.with_format(None).to_pandas()
    return frame.drop(columns=target), frame[target]


def _rows(dataset: Any, names: Sequence[str], target: str) -> RowSource:
    """The rows of a data set with columns of arrays or images.

    Raises:
        InvalidInput: a column of texts.
    """
    for name in names:
        if getattr(dataset.features[name], "dtype", "") in ("string", "large_string"):
            raise InvalidInput(
                f"column {name!r} of the Dataset contains texts beside columns of arrays",
                expected="columns of arrays, images and numbers",
                fix=f"Leave it out: dataset.remove_columns({name!r}).",
            )
    # a transform of the user stays, other formats are for other frameworks
    plain = dataset if dataset.format["type"] == "custom" else dataset.with_format(None)

    def take(numbers: Array) -> tuple[Tree, Tree]:
        rows = plain[numbers.tolist()]
        x = {name: _stacked(rows, name) for name in names}
        return x[names[0]] if len(names) == 1 else x, _stacked(rows, target)

    labels = np.asarray(dataset.with_format(None)[target]) if _is_class(dataset, target) else None
    return RowSource(
        "Dataset", len(dataset), take, labels, target_name=target, may_vary=plain is dataset
    )


def _is_class(dataset: Any, target: str) -> bool:
    return type(dataset.features[target]).__name__ == "ClassLabel"


def _stacked(rows: Mapping[str, Sequence[Any]], name: str) -> Array:
    """A column of some rows as one array.

    Raises:
        InvalidInput: its rows differ in shape.
    """
    cells = [np.asarray(cell) for cell in rows[name]]
    shapes = {cell.shape for cell in cells}
    if len(shapes) != 1:
        listed = " and ".join(map(str, sorted(shapes)[:2]))
        raise InvalidInput(
            f"rows of the column {name!r} have shapes such as {listed}",
            expected="rows of one shape",
            fix="Resize or pad them with dataset.map(...).",
        )
    return np.stack(cells)
