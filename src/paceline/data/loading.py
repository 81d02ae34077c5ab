"""`load`: from whatever the user has to a validated `Dataset`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from paceline.core import InvalidInput, knows_its_arguments
from paceline.data import arrays, sources, tables, targets
from paceline.data.fingerprints import fingerprint
from paceline.data.partition import partition
from paceline.data.records import Column, Dataset, Stream, Task
from paceline.data.registry import SOURCES, Source
from paceline.data.trees import Array, Tree, leaves, num_rows, take

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = ("target", "data_dir", "test", "sample_weight", "task", "standardize")
"""What users pass beside the data, to `load` or to `paceline.data.split`: the ``**data_options`` of the public face."""

_TEST_FRACTION = 0.2
_TEST_STREAM = 1  # of random numbers; `splits` uses another


@overload
def load(
    source: "str | os.PathLike[str] | tuple[Any, ...] | pd.DataFrame | Dataset",
    *,
    target: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    task: Task | None = None,
    _sources: Mapping[str, Source] = SOURCES,
) -> Dataset: ...
@overload
def load(
    source: Any,
    *,
    target: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    task: Task | None = None,
    _sources: Mapping[str, Source] = SOURCES,
) -> Dataset | Stream: ...
@knows_its_arguments()
def load(
    source: Any,
    *,
    target: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    task: Task | None = None,
    _sources: Mapping[str, Source] = SOURCES,
) -> Dataset | Stream:
    """A data set from a name, a path, arrays, a data frame, or a ``keras.utils.PyDataset``.

    Args:
        source: one of
            a name: ``"digits"`` (comes with scikit-learn), ``"mnist"``, ``"fashion_mnist"``, ``"kmnist"``,
            ``"california_housing"``, or that of a folder of idx files in a data folder;
            a path: a folder of idx files, an ``.npz``, ``.csv``, ``.csv.gz`` or ``.parquet`` file;
            arrays: ``(x, y)``, ``(x, y, x_test, y_test)`` or ``((x, y), (x_test, y_test))``, where x and y may be dicts
            or lists of arrays for several inputs and outputs (a pair of pairs is always training and test part), or x
            a pandas data frame;
            a pandas data frame that holds the column ``target``;
            an object of ``keras.utils.PyDataset``, which is passed through as a `Stream`;
            a `Dataset`, which is returned as it is.
        target: the column to predict, for tables.
        data_dir: where to look for named data sets first; then the environment variable ``PACELINE_DATA``, then the
            user's cache, into which what is not found is downloaded.
        test: the test part: ``"auto"`` (the source's own; where it has none, 20 % of the rows of files and named sets,
            stratified, and none of data in memory), a fraction of the rows, ``(x_test, y_test)``, the path of a table,
            or None for no test part.
        seed: of the rows drawn for the test part.
        sample_weight: one number for each row of x, or the name of a table's column.
        task: ``"classification"`` or ``"regression"``; None to go by the target's type (texts, booleans and integers
            are classes, floats are amounts).

    Raises:
        MissingData: an unknown name, a file that is not there, a download that failed.
        InvalidInput: anything in the data that cannot be trained on; says what, where and how often.
    """
    if isinstance(source, Dataset):
        return source
    if any(kind.__name__ == "PyDataset" and kind.__module__.startswith("keras") for kind in type(source).__mro__):
        return _stream(source)
    raw = sources.read(source, target, data_dir, _sources)
    if isinstance(sample_weight, str):
        raw, sample_weight = sources.take_weights(raw, sample_weight)
    raw = sources.with_test(raw, test, target)
    fraction = _TEST_FRACTION if isinstance(test, str) and raw.from_file else test
    draws = raw.y_test is None and test is not None and not isinstance(fraction, str)
    return _prepare(raw, fraction if draws else None, seed, sample_weight, task)


def _stream(source: Any) -> Stream:
    try:
        length: int | None = len(source)
    except (TypeError, NotImplementedError):
        length = None
    note = "Batches come from your PyDataset as they are: no split, no standardisation."
    return Stream(type(source).__name__, source, length, (note,))


def _prepare(raw: sources.Raw, fraction: Any, seed: int, sample_weight: Any, task: Task | None) -> Dataset:
    """Validates, encodes the target, draws the test part, learns a table's columns, and names the contents."""
    prepared = targets.prepare(raw.y, raw.y_test, task=task, name=raw.target_name)
    x, y = _inputs(raw.x, "x"), prepared.y
    x_test, y_test = _inputs(raw.x_test, "x_test"), prepared.y_test
    _same_rows(x, y, ("x", "y"))
    _same_rows(x_test, y_test, ("x_test", "y_test"))
    weight = None if sample_weight is None else arrays.weights(sample_weight, num_rows(y))
    notes = raw.notes + prepared.notes
    if fraction is not None:
        labels = targets.labels(y, prepared.task)
        rest, part, drawn = partition(num_rows(y), fraction, seed=seed, stream=_TEST_STREAM, labels=labels, what="test")
        x, x_test, y, y_test = _take(x, rest), _take(x, part), take(y, rest), take(y, part)
        weight, notes = None if weight is None else weight[rest], notes + drawn
    x, x_test, columns, learned = _tabulate(x, x_test)
    named = raw.class_names if len(raw.class_names) == prepared.num_classes else prepared.class_names
    return Dataset(
        name=raw.name,
        x=x,
        y=y,
        x_test=x_test,
        y_test=y_test,
        task=prepared.task,
        num_classes=prepared.num_classes,
        fingerprint=fingerprint(repr((columns, prepared.task, prepared.class_names)), x, y, x_test, y_test, weight),
        sample_weight=weight,
        class_names=named,
        feature_names=tuple(feature for column in columns for feature in column.features) or raw.feature_names,
        target_name=raw.target_name,
        columns=columns,
        notes=notes + learned + _pixel_note(x),
    )


def _inputs(x: Any, what: str) -> Any:
    """Validated arrays; data frames as they are, until it is known which rows to learn their columns from."""
    if x is None:
        return None
    return tables.named(x, what) if arrays.is_frame(x) else arrays.inputs(x, what)


def _same_rows(x: Any, y: Any, names: tuple[str, str]) -> None:
    if (x is None) != (y is None):
        raise InvalidInput(f"{names[x is not None]} is None", expected=f"{names[0]} and {names[1]}, or neither")
    if x is not None:
        arrays.same_rows(x, y, names)


def _take(x: Any, rows: Array) -> Any:
    return x.iloc[rows] if arrays.is_frame(x) else take(x, rows)


def _tabulate(x: Any, x_test: Any) -> tuple[Tree, Tree | None, tuple[Column, ...], tuple[str, ...]]:
    """Data frames as matrices, learned from the rows outside the test part; arrays as they are."""
    if x_test is not None and arrays.is_frame(x) != arrays.is_frame(x_test):
        raise InvalidInput("one of x and x_test is a data frame and the other is not", expected="both or neither")
    if not arrays.is_frame(x):
        if x_test is not None:
            arrays.same_shape(x, x_test, ("x", "x_test"))
        return x, x_test, (), ()
    columns, notes = tables.learn_columns(x)
    test = None if x_test is None else tables.to_matrix(x_test, columns, "x_test")
    return tables.to_matrix(x, columns, "x"), test, columns, notes


def _pixel_note(x: Tree) -> tuple[str, ...]:
    if any(leaf.dtype == np.uint8 and leaf.ndim > 2 for _, leaf in leaves(x)):
        return ("Pixels 0 to 255 are used as they are: divide by 255 unless your network does so.",)
    return ()
