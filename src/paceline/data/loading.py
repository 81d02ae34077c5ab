"""`load`: a validated `Dataset` from a name, a path, arrays, a data frame or batches."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from paceline.core import InvalidInput, checks, validates_argument_names
from paceline.data import arrays, data_folders, source_reader, table_columns, table_values, targets
from paceline.data.fingerprints import fingerprint
from paceline.data.grouping import groups_of
from paceline.data.named_sets import NamedSet
from paceline.data.notation import Decimal
from paceline.data.partition import last_rows, partition
from paceline.data.records import RULE, Classes, Column, Dataset, Stream, Task
from paceline.data.source_registry import provided, register_type
from paceline.data.trees import Array, Tree, is_branch, num_rows, take

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = (
    "target",
    "data_dir",
    "test",
    "sample_weight",
    "task",
    "decimal",
    "shuffle",
    "standardize",
    "scale_target",
)
"""Arguments beside the data, of `load` and `paceline.data.split`, that `tune` accepts, too."""

_TEST_FRACTION = 0.2
_TEST_STREAM = 1  # of random numbers; `splits` uses another one


@overload
def load(
    source: "str | os.PathLike[str] | tuple[Any, ...] | pd.DataFrame | Dataset",
    *,
    target: str | int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    groups: Any = None,
    task: Task | None = None,
    decimal: Decimal | None = None,
    shuffle: bool = True,
    _sources: Mapping[str, NamedSet] | None = None,
    _rule: int = RULE,
    _coded: bool = False,
) -> Dataset: ...
@overload
def load(
    source: Any,
    *,
    target: str | int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    groups: Any = None,
    task: Task | None = None,
    decimal: Decimal | None = None,
    shuffle: bool = True,
    _sources: Mapping[str, NamedSet] | None = None,
    _rule: int = RULE,
    _coded: bool = False,
) -> Dataset | Stream: ...
@validates_argument_names()
def load(
    source: Any,
    *,
    target: str | int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    groups: Any = None,
    task: Task | None = None,
    decimal: Decimal | None = None,
    shuffle: bool = True,
    _sources: Mapping[str, NamedSet] | None = None,
    _rule: int = RULE,
    _coded: bool = False,
) -> Dataset | Stream:
    """Loads a data set from a name, a path, arrays, a data frame, or a ``keras.utils.PyDataset``.

    Args:
        source: one of
            a name: ``"digits"`` (comes with scikit-learn), ``"mnist"``, ``"fashion_mnist"``,
            ``"kmnist"``, ``"california_housing"``, or that of a folder of idx files in a data
            folder;
            a path: a folder of idx files, an ``.npz``, ``.csv``, ``.csv.gz`` or ``.parquet`` file;
            arrays: ``(x, y)``, ``(x, y, x_test, y_test)`` or ``((x, y), (x_test, y_test))``, where
            x and y may be dicts or lists of arrays for several inputs and outputs (a pair of pairs
            is always training and test set), or x a pandas data frame; a pandas data frame with the
            column ``target``; a ``keras.utils.PyDataset``, which is used unchanged as a `Stream`;
            a `Dataset`, which is returned unchanged.
        target: the column to predict, for tables.
        data_dir: where to look for named data sets first; then the environment variable
            ``PACELINE_DATA``, then the user's cache, into which missing ones are downloaded.
        test: the test set: ``"auto"`` (the source's own; without one, 20 % of the rows of files and
            named sets, stratified, and none of data in memory), a fraction of the rows,
            ``(x_test, y_test)``, the path of a table, or None for no test set.
        seed: of the rows drawn for the test set.
        sample_weight: one number for each row of x, or the name of a table's column.
        groups: of each row of x (a patient, a user, a site), or the name of a table's column: all
            rows of a group are in the same of training, validation and drawn test set.
        task: ``"classification"`` or ``"regression"``; None to decide by the target's type (texts,
            booleans and integers are classes, floats are regression targets).
        decimal: the decimal mark of a table's numbers, ``","`` or ``"."``; None to detect it.
        shuffle: whether the test set is drawn at random; False for the last rows, as for rows in
            the order of time.
        _coded: whether categories of a table become numbers, and not features of their own.

    Raises:
        MissingData: an unknown name, a file that does not exist, a failed download.
        InvalidInput: anything in the data that cannot be trained on; says what, where and how
            often.
    """
    named: str | None = None
    if _sources is None or not isinstance(source, str) or source not in _sources:
        source, named = provided(source, data_dir)
    if isinstance(source, Stream):
        return source if named is None else replace(source, name=named)
    if isinstance(source, Dataset):
        known = with_codes(source) if _coded else source
        return known if groups is None or known.groups is not None else with_groups(known, groups)
    if decimal not in (None, ".", ","):
        raise InvalidInput(f"decimal is {decimal!r}", expected="',' or '.'")
    shuffle = checks.flag("shuffle", shuffle)
    if data_dir is not None:
        data_folders.existing("data_dir", checks.path("data_dir", data_dir).expanduser())
    reader = source_reader.SourceReader(
        target, data_dir, _sources or {}, decimal, as_before=_rule < RULE
    )
    raw = reader.read(source, named)
    if isinstance(sample_weight, str):
        raw, sample_weight = source_reader.take_column(raw, sample_weight, "sample_weight")
    if isinstance(groups, str):
        raw, groups = source_reader.take_column(raw, groups, "groups")
    if groups is not None and not shuffle:
        raise InvalidInput(
            "groups were given and shuffle is False",
            expected="one of them: the last rows may belong to groups of earlier rows",
        )
    raw = reader.with_test(raw, test)
    fraction = _TEST_FRACTION if isinstance(test, str) and raw.from_file else test
    draws = raw.y_test is None and test is not None and not isinstance(fraction, str)
    drawn = _TestDraw(fraction if draws else None, seed, shuffle)
    writing = _writing(raw, as_before=_rule < RULE, coded=_coded)
    return _prepare(raw, drawn, sample_weight, groups, task, writing)


def with_groups(dataset: Dataset, groups: Any) -> Dataset:
    """A data set with the group of each of its rows outside the test set.

    Raises:
        InvalidInput: not one for each of these rows.
    """
    return replace(dataset, groups=groups_of(groups, dataset.num_rows))


def with_codes(dataset: Dataset) -> Dataset:
    """A data set whose categories are numbers for the network, and not features of their own."""
    if not any(column.kind == "categorical" for column in dataset.columns):
        return dataset
    columns = tuple(
        replace(column, kind="coded") if column.kind == "categorical" else column
        for column in dataset.columns
    )
    return replace(
        dataset,
        columns=columns,
        feature_names=tuple(name for column in columns for name in column.features),
        fingerprint=fingerprint(dataset.fingerprint, "categories as numbers"),
    )


@dataclass(frozen=True, slots=True)
class _TestDraw:
    """How to draw the test set: the fraction (None for none), the seed, and whether at random."""

    fraction: Any
    seed: int
    shuffle: bool

    def divide(
        self, rows: int, labels: Array | None, groups: Array | None
    ) -> tuple[Array, Array, tuple[str, ...]]:
        """Row numbers of the rest and of the test set, and notes."""
        if not self.shuffle:
            return (*last_rows(rows, self.fraction, "test"), ())
        return partition(
            rows,
            self.fraction,
            seed=self.seed,
            stream=_TEST_STREAM,
            labels=labels,
            what="test",
            groups=groups,
        )


@register_type("keras.PyDataset")
def _stream(source: Any) -> Stream:
    try:
        length: int | None = len(source)
    except (TypeError, NotImplementedError):
        length = None
    note = "Batches come from your PyDataset unchanged: no split, no standardisation."
    return Stream(type(source).__name__, source, length, (note,))


def _prepare(
    raw: source_reader.Raw,
    drawn: _TestDraw,
    sample_weight: Any,
    groups: Any,
    task: Task | None,
    writing: table_columns.TableNotation,
) -> Dataset:
    """Validates, encodes the target, splits off the test set, and fits a table's columns."""
    as_before = writing.as_before
    raw = raw if as_before or task == "classification" else _with_target_numbers(raw, writing)
    prepared = targets.prepare(raw.y, raw.y_test, task=task, name=raw.target_name)
    x, x_test = _checked_inputs(raw, prepared)
    y, y_test = prepared.y, prepared.y_test
    weight = None if sample_weight is None else arrays.weights(sample_weight, num_rows(y))
    groups = None if groups is None else groups_of(groups, num_rows(y))
    notes = raw.notes + prepared.notes
    if drawn.fraction is not None:
        rest, part, split_notes = drawn.divide(
            num_rows(y), targets.labels(y, prepared.task), groups
        )
        x, x_test, y, y_test = _take(x, rest), _take(x, part), take(y, rest), take(y, part)
        weight, notes = None if weight is None else weight[rest], notes + split_notes
        groups = None if groups is None else groups[rest]
    x, x_test, learned = _tabulate(x, x_test, writing)
    columns = learned.columns
    named = repr((columns, prepared.task, prepared.classes.names))
    contents = fingerprint(named, x, y, x_test, y_test, weight)
    if columns:  # stored in float32, as models take it; the fingerprint is that of earlier versions
        x, x_test = x.astype(np.float32), None if x_test is None else x_test.astype(np.float32)
        notes += () if as_before else _telling(x, y, columns, prepared.task)
    return Dataset(
        name=raw.name,
        x=x,
        y=y,
        x_test=x_test,
        y_test=y_test,
        task=prepared.task,
        fingerprint=contents,
        classes=_named_classes(prepared.classes, raw.class_names),
        sample_weight=weight,
        feature_names=learned.features or raw.feature_names,
        target_name=raw.target_name,
        columns=columns,
        notes=notes + learned.notes,
        became=learned.became,
        has_pixels=raw.has_pixels,
        groups=groups,
    )


def _checked_inputs(raw: source_reader.Raw, prepared: targets.Targets) -> tuple[Any, Any]:
    """Validated inputs of both parts, with as many rows as targets."""
    x, x_test = _inputs(raw.x, "x"), _inputs(raw.x_test, "x_test")
    _same_rows(x, prepared.y, ("x", "y"))
    _same_rows(x_test, prepared.y_test, ("x_test", "y_test"))
    return x, x_test


def _named_classes(classes: Classes, names: tuple[str, ...]) -> Classes:
    """The classes with the names of their source, if it has one for each."""
    return replace(classes, names=names) if len(names) == classes.number else classes


def _writing(
    raw: source_reader.Raw, *, as_before: bool, coded: bool
) -> table_columns.TableNotation:
    if not arrays.is_frame(raw.x):
        return table_columns.TableNotation(raw.decimal, as_before=as_before)
    return table_columns.table_notation(
        raw.x, raw.decimal, is_semicolon=raw.is_semicolon, as_before=as_before, coded=coded
    )


def _with_target_numbers(
    raw: source_reader.Raw, writing: table_columns.TableNotation
) -> source_reader.Raw:
    """The source with a target of texts such as ``"€ 178,500"`` as numbers."""
    if getattr(raw.y, "ndim", 1) != 1 or is_branch(raw.y):
        return raw
    y, form = table_columns.target_numbers(raw.y, raw.target_name, writing)
    if form is None:
        return raw
    y_test = (
        None
        if raw.y_test is None
        else table_columns.target_numbers(raw.y_test, raw.target_name, writing)[0]
    )
    note = (
        f"The target {raw.target_name} contains {form.described}: pass task='classification' if "
        "they are classes."
    )
    return replace(raw, y=y, y_test=y_test, notes=(*raw.notes, note))


def _telling(x: Array, y: Tree, columns: Sequence[Column], task: Task) -> tuple[str, ...]:
    """A warning for each column that determines the target."""
    if is_branch(y) or y.ndim != 1:
        return ()
    same = [
        column.name
        for index, column in enumerate(columns)
        if column.features and _tells(x[:, index], y, task)
    ]
    return tuple(
        f"Warning: column '{name}' determines the target (each of its values occurs with one of "
        "the target's only): leave it out unless it is known beforehand."
        for name in same
    )


def _tells(cells: Array, y: Array, task: Task) -> bool:
    if task == "regression":
        return bool(np.array_equal(cells, y) and len(np.unique(y)) > 1)
    values = np.unique(cells)
    classes = np.unique(y)
    if len(values) != len(classes) or np.isnan(values).any():
        return False
    pairs = np.unique(np.stack([cells, y.astype(np.float32)]), axis=1)
    return bool(pairs.shape[1] == len(classes))


def _inputs(x: Any, what: str) -> Any:
    """Validated arrays; data frames unchanged, until the training rows are known."""
    if x is None:
        return None
    return table_columns.named(x, what) if arrays.is_frame(x) else arrays.inputs(x, what)


def _same_rows(x: Any, y: Any, names: tuple[str, str]) -> None:
    if (x is None) != (y is None):
        raise InvalidInput(
            f"{names[x is not None]} is None", expected=f"{names[0]} and {names[1]}, or neither"
        )
    if x is not None:
        arrays.same_rows(x, y, names)


def _take(x: Any, rows: Array) -> Any:
    return x.iloc[rows] if arrays.is_frame(x) else take(x, rows)


def _tabulate(
    x: Any, x_test: Any, writing: table_columns.TableNotation
) -> tuple[Tree, Tree | None, table_columns.Learned]:
    """Data frames as matrices, fitted to the rows outside the test set; arrays unchanged."""
    if x_test is not None and arrays.is_frame(x) != arrays.is_frame(x_test):
        raise InvalidInput(
            "one of x and x_test is a data frame and the other is not", expected="both or neither"
        )
    if not arrays.is_frame(x):
        if x_test is not None:
            arrays.same_shape(x, x_test, ("x", "x_test"))
        return x, x_test, table_columns.Learned((), (), ())
    learned = table_columns.learn_columns(x, writing)
    test = None if x_test is None else table_values.to_matrix(x_test, learned.columns, "x_test")
    return table_values.to_matrix(x, learned.columns, "x"), test, learned
