"""`split`: training, validation and test part, prepared by what the training part alone says."""

from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data import arrays, preparing, tables, targets
from paceline.data.fingerprints import fingerprint
from paceline.data.overlap import num_shared
from paceline.data.partition import partition
from paceline.data.records import Dataset, Split
from paceline.data.trees import Array, Tree, take

_VALIDATION_STREAM = 2  # of random numbers; `loading` uses another
_MOST_MOVED = 0.02
_STANDARDIZED = "Inputs were shifted and scaled to mean 0 and standard deviation 1 of the training part."


def split(
    dataset: Dataset,
    *,
    validation: float | tuple[Any, Any] = 0.1,
    seed: int = 0,
    stratify: bool | None = None,
    standardize: bool | None = None,
    batch_rows: int = 1,
) -> Split:
    """Divides a data set into training and validation part and prepares all parts.

    What is fitted (the medians that fill gaps, mean and scale) is fitted on the training part only. The test part is
    kept apart: it is prepared by the same numbers and changes none of them.

    Args:
        dataset: from `load`.
        validation: fraction of the rows outside the test part, or ``(x_val, y_val)``.
        seed: of the rows drawn.
        stratify: give both parts equal shares of each class; None for classification only.
        standardize: shift and scale float inputs to mean 0 and standard deviation 1, position by position; None for
            tabular inputs (two axes) only. The one-hot features of categories are left alone.
        batch_rows: rows of a batch. Where few rows would be left over after the last full batch of the training part
            (at most `_MOST_MOVED` of it), the validation part takes them too, with a note.

    Raises:
        InvalidInput: a fraction that leaves nothing, or validation data that do not fit.
    """
    if not isinstance(dataset, Dataset):
        raise InvalidInput(f"dataset is a {type(dataset).__name__}", expected="a Dataset from paceline.data.load")
    validation, moved = _whole_batches(dataset.num_rows, validation, batch_rows)
    train_rows, val_rows, notes = _divide(dataset, validation, seed, stratify)
    notes = (*notes, *moved, *_overlap(dataset))
    if val_rows is None:
        x_val, y_val = _given(dataset, validation)
        how: tuple[Any, ...] = (x_val, y_val)
    else:
        x_val, y_val = take(dataset.x, val_rows), take(dataset.y, val_rows)
        how = (train_rows, val_rows)
    x_train = dataset.x if val_rows is None else take(dataset.x, train_rows)
    medians = tables.fit_medians(x_train, dataset.columns) if dataset.columns else None
    parts = [preparing.features(dataset, part, medians) for part in (x_train, x_val, dataset.x_test)]
    fitted = preparing.fit(parts[0], dataset, standardize)
    parts = [preparing.scaled(part, fitted) for part in parts]
    weight = dataset.sample_weight
    return Split(
        x_train=parts[0],
        y_train=dataset.y if val_rows is None else take(dataset.y, train_rows),
        x_val=parts[1],
        y_val=y_val,
        x_test=parts[2],
        y_test=dataset.y_test,
        sample_weight_train=None if weight is None else weight[train_rows],
        sample_weight_val=None if weight is None or val_rows is None else weight[val_rows],
        train_rows=train_rows,
        val_rows=val_rows,
        medians=medians,
        standardization=fitted,
        fingerprint=fingerprint(dataset.fingerprint, f"standardised: {fitted is not None}", *how),
        notes=notes if fitted is None else (*notes, _STANDARDIZED),
        dataset=dataset,
    )


def prepare(split: Split, x: Any) -> Tree:
    """Further inputs, such as those to predict for, prepared as the parts of the split are.

    Args:
        split: whose fitted medians, mean and scale are used.
        x: in the form in which the data set was given to `load`: a data frame for tables, arrays of rows otherwise
            (images from files: scaled to [0, 1]).

    Raises:
        InvalidInput: inputs that do not fit the data set.
    """
    features = preparing.features(split.dataset, _like(split.dataset, x, "x"), split.medians)
    return preparing.scaled(features, split.standardization)


def _whole_batches(num_rows: int, validation: Any, batch_rows: int) -> tuple[Any, tuple[str, ...]]:
    """The fraction with which the training part is a whole number of batches, where that moves few rows."""
    if not isinstance(validation, int | float) or isinstance(validation, bool) or not 0 < validation < 1:
        return validation, ()
    size = max(1, round(float(validation) * num_rows))
    left_over = (num_rows - size) % max(1, batch_rows)
    if left_over == 0 or left_over > _MOST_MOVED * (num_rows - size):
        return validation, ()
    note = f"The validation part has {left_over} rows more than asked for, so that every training batch is full."
    return (size + left_over) / num_rows, (note,)


def _overlap(dataset: Dataset) -> tuple[str, ...]:
    """A warning where the test part holds rows that are trained on."""
    shared = 0 if dataset.x_test is None else num_shared(dataset.x, dataset.x_test)
    if not shared:
        return ()
    told = "1 row" if shared == 1 else f"{shared:,} rows"
    return (f"Warning: {told} of the test part have the very inputs of rows outside it, so the test flatters.",)


def _divide(
    dataset: Dataset, validation: Any, seed: int, stratify: bool | None
) -> tuple[Array, Array | None, tuple[str, ...]]:
    """Row numbers of training and validation part; the latter None where validation data are given."""
    if isinstance(validation, tuple):
        return np.arange(dataset.num_rows), None, ()
    labels = None if stratify is False else targets.labels(dataset.y, dataset.task)
    if stratify and labels is None:
        raise InvalidInput("stratify is True and rows do not have one class each", expected="stratify=None or False")
    return partition(
        dataset.num_rows, validation, seed=seed, stream=_VALIDATION_STREAM, labels=labels, what="validation"
    )


def _given(dataset: Dataset, validation: Any) -> tuple[Tree, Tree]:
    """Validation data from the user, encoded like the data set."""
    if len(validation) != 2:
        raise InvalidInput(f"validation is a tuple of {len(validation)}", expected="(x_val, y_val), or a fraction")
    x, y = _like(dataset, validation[0], "x_val"), targets.encode(validation[1], dataset)
    arrays.same_rows(x, y, ("x_val", "y_val"))
    arrays.same_shape(dataset.y, y, ("y", "y_val"))
    return x, y


def _like(dataset: Dataset, x: Any, what: str) -> Tree:
    """Further inputs in the data set's own form: a table's matrix, or validated arrays of the same shape."""
    if not dataset.columns:
        inputs = arrays.inputs(x, what)
        arrays.same_shape(dataset.x, inputs, ("x", what))
        return inputs
    if not arrays.is_frame(x):
        raise InvalidInput(f"the data set is a table and {what} is not", expected="a data frame of its columns")
    return tables.to_matrix(tables.named(x, what), dataset.columns, what)
