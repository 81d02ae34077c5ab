"""Assembles a `Dataset` from data as read: checks, targets, test set, columns of tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data import arrays, source_reader, table_columns, table_values, targets
from paceline.data.batch_loading import LoadingOptions
from paceline.data.fingerprints import fingerprint
from paceline.data.grouping import groups_of
from paceline.data.partition import last_rows, partition
from paceline.data.records import (
    RULE,
    Classes,
    Column,
    Dataset,
    SourceFacts,
    Task,
    features_of,
    starts_of,
)
from paceline.data.trees import Array, Tree, is_branch, num_rows, take

_TEST_STREAM = 1  # of random numbers; `splits` uses another one


@dataclass(frozen=True, slots=True)
class HeldOutDraw:
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


def assemble(
    raw: source_reader.Raw,
    drawn: HeldOutDraw,
    task: Task | None,
    rule: int,
    options: LoadingOptions,
) -> Dataset:
    """Validates, encodes the target, splits off the test set, and fits a table's columns.

    Args:
        raw: the data as read.
        drawn: how to draw the test set.
        task: as in `paceline.data.load`.
        rule: version of the rules of preparation.
        options: what categories and texts become.
    """
    as_before = rule < RULE
    writing = _writing(raw, as_before, options)
    raw = raw if as_before or task == "classification" else _with_target_numbers(raw, writing)
    prepared = targets.prepare(raw.y, raw.y_test, task=task, name=raw.target_name)
    x, x_test = _checked_inputs(raw, prepared)
    y, y_test = prepared.y, prepared.y_test
    weight, groups = raw.sample_weight, raw.groups
    weight = None if weight is None else arrays.weights(weight, num_rows(y))
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
        notes += () if as_before else _leakage_notes(x, y, columns, prepared.task)
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
        origin=SourceFacts(raw.has_pixels, raw.batch_size),
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
    raw: source_reader.Raw, as_before: bool, options: LoadingOptions
) -> table_columns.TableNotation:
    if not arrays.is_frame(raw.x):
        return table_columns.TableNotation(raw.decimal, as_before=as_before)
    return table_columns.table_notation(
        raw.x,
        raw.decimal,
        is_semicolon=raw.is_semicolon,
        as_before=as_before,
        coded=options.is_coded,
        texts=options.texts,
        texts_alone=options.texts_alone,
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


def _leakage_notes(x: Array, y: Tree, columns: Sequence[Column], task: Task) -> tuple[str, ...]:
    """A warning for each column that determines the target."""
    if is_branch(y) or y.ndim != 1:
        return ()
    same = [
        column.name
        for index, column in zip(starts_of(columns), columns, strict=True)
        if column.features and not column.has_texts and _determines(x[:, index], y, task)
    ]
    return tuple(
        f"Warning: column '{name}' determines the target (each of its values occurs with one of "
        "the target's only): leave it out unless it is known beforehand."
        for name in same
    )


def _determines(cells: Array, y: Array, task: Task) -> bool:
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
        feature_names=features_of(columns),
        fingerprint=fingerprint(dataset.fingerprint, "categories as numbers"),
    )
