"""`split`: training, validation and test part, prepared by parameters of the training part."""

from typing import Any

import numpy as np

from paceline.core import InvalidInput, checks
from paceline.data import arrays, preparation_fit, table_columns, table_values, targets
from paceline.data.fingerprints import fingerprint
from paceline.data.foreign import known_form
from paceline.data.overlap import num_shared
from paceline.data.partition import last_rows, partition
from paceline.data.preparation import How, Preparation, Scaling
from paceline.data.records import Dataset, Split
from paceline.data.trees import Array, Tree, leaves, num_rows, take

_VALIDATION_STREAM = 2  # of random numbers; `loading` uses another one
_MOST_MOVED = 0.02
_FAR = 30.0  # larger unscaled numbers are noted
_LOOKED_AT = 10_000  # rows examined for that


def split(
    dataset: Dataset,
    *,
    validation: float | tuple[Any, ...] = 0.1,
    seed: int = 0,
    stratify: bool | None = None,
    standardize: bool | None = None,
    shuffle: bool = True,
    batch_rows: int = 1,
    keep_groups: bool = True,
) -> Split:
    """Splits a data set into training and validation part and prepares all parts.

    Parameters (the medians for missing values, mean and scale) are fitted to the training part
    only. The test set is separate: it is prepared with the same parameters.

    Tables are prepared and arrays are used unchanged: numeric columns of a table are shifted and
    scaled to mean 0 and standard deviation 1, categories are one-hot encoded, missing values are
    filled. Bytes of images from a file are scaled from 0 to 255 to 0 to 1.

    Args:
        dataset: from `load`.
        validation: fraction of the rows outside the test set, ``(x_val, y_val)`` or
            ``(x_val, y_val, sample_weight)``.
        seed: of the drawn rows.
        stratify: whether to stratify by class; None for classification only.
        standardize: True to shift and scale the floats of arrays too, position by position, and the
            bytes of images; False to leave the numbers of tables unchanged, too. None for tables
            only.
        shuffle: whether the validation rows are drawn at random; False for the last ones, as for
            rows in the order of time.
        batch_rows: number of rows in a batch. If few rows would be left over after the last full
            batch of the training part (at most `_MOST_MOVED` of it), they are moved to the
            validation part, with a note.
        keep_groups: whether groups of the data set, if it has any, are kept together.

    Raises:
        InvalidInput: a fraction that leaves a part empty, or validation data that do not fit.
    """
    return split_with(
        _how_of(standardize),
        dataset,
        validation=validation,
        seed=seed,
        stratify=stratify,
        shuffle=shuffle,
        batch_rows=batch_rows,
        keep_groups=keep_groups,
    )


def split_with(
    how: How,
    dataset: Dataset,
    *,
    validation: float | tuple[Any, ...] = 0.1,
    seed: int = 0,
    stratify: bool | None = None,
    shuffle: bool = True,
    batch_rows: int = 1,
    keep_groups: bool = True,
) -> Split:
    """As `split`, with any way to standardize inputs; see `paceline.data.preparation_fit.fit`."""
    _check_dataset(dataset)
    groups = dataset.groups if keep_groups else None
    validation, moved = _whole_batches(
        dataset.num_rows, validation, batch_rows if groups is None else 1
    )
    train_rows, val_rows, notes = _divide(dataset, validation, seed, stratify, shuffle, groups)
    notes = (*notes, *moved, *_overlap(dataset))
    identity: tuple[Any, ...] = (train_rows, val_rows)
    if val_rows is None:
        x_val, y_val, weight_val = _given(dataset, validation)
        identity = (x_val, y_val) if weight_val is None else (x_val, y_val, weight_val)
    else:
        x_val, y_val = take(dataset.x, val_rows), take(dataset.y, val_rows)
        weight_val = _of_rows(dataset.sample_weight, val_rows)
    x_train = dataset.x if val_rows is None else take(dataset.x, train_rows)
    fitted = preparation_fit.fit(x_train, dataset, how)
    parts = [_prepared(part, fitted) for part in (x_train, x_val, dataset.x_test)]
    return Split(
        x_train=parts[0],
        y_train=dataset.y if val_rows is None else take(dataset.y, train_rows),
        x_val=parts[1],
        y_val=y_val,
        x_test=parts[2],
        y_test=dataset.y_test,
        sample_weight_train=_of_rows(dataset.sample_weight, train_rows),
        sample_weight_val=weight_val,
        train_rows=train_rows,
        val_rows=val_rows,
        how=how,
        preparation=fitted,
        fingerprint=fingerprint(
            dataset.fingerprint, f"standardised: {_is_scaled(fitted, how)}", *identity
        ),
        notes=(*notes, *_preparation_notes(fitted, dataset, how)),
        dataset=dataset,
        shuffle=shuffle,
    )


def _of_rows(weight: Array | None, rows: Array) -> Array | None:
    return None if weight is None else weight[rows]


def _check_dataset(dataset: object) -> None:
    if not isinstance(dataset, Dataset):
        raise InvalidInput(
            f"dataset is a {type(dataset).__name__}", expected="a Dataset from paceline.data.load"
        )


def _prepared(x: Tree | None, fitted: Preparation | None) -> Tree | None:
    return x if x is None or fitted is None else fitted.apply(x)


def prepare(split: Split, x: Any) -> Tree:
    """Prepares further inputs, for instance for predictions, like those of the split.

    Args:
        split: whose preparation is used.
        x: in the form in which the data set was passed to `load`: a data frame for tables,
            otherwise arrays of rows (images from files: scaled to [0, 1]).

    Raises:
        InvalidInput: inputs that do not fit the data set.
    """
    inputs = _like(split.dataset, x, "x")
    return inputs if split.preparation is None else split.preparation.apply(inputs)


def _how_of(standardize: Any) -> How:
    if standardize not in (None, True, False):
        raise InvalidInput(f"standardize is {standardize!r}", expected="True, False or nothing")
    return "tables" if standardize is None else "all" if standardize else "none"


def _is_scaled(fitted: Preparation | None, how: How) -> bool:
    """Whether anything is shifted and scaled by parameters of the training part."""
    return fitted is not None and fitted.is_fitted and how != "none"


def _preparation_notes(fitted: Preparation | None, dataset: Dataset, how: How) -> tuple[str, ...]:
    """Notes on what was done to the inputs, and what was not although networks may need it."""
    notes = []
    has_numbers = not dataset.columns or any(one.kind == "numeric" for one in dataset.columns)
    if has_numbers and _is_scaled(fitted, how):
        what = "Numbers of the table" if dataset.is_table else "Inputs"
        notes.append(
            f"{what} were shifted and scaled to mean 0 and standard deviation 1 of the training "
            f"part."
        )
    scaled = fitted.of if isinstance(fitted, Scaling) else {}
    arrays_ = [] if dataset.is_table else list(leaves(dataset.x))
    images = [path for path, leaf in arrays_ if leaf.dtype == np.uint8 and leaf.ndim > 2]
    if any(path in scaled for path in images):
        notes.append("Pixels were scaled from 0 to 255 to 0 to 1.")
    elif images:
        notes.append(
            "Pixels 0 to 255 are used unchanged: divide by 255 unless your network does so."
        )
    far = [
        leaf
        for path, leaf in arrays_
        if path not in scaled and leaf.dtype == np.float32 and leaf.ndim == 2
    ]
    largest = max((float(np.abs(leaf[:_LOOKED_AT]).max()) for leaf in far), default=0.0)
    if largest > _FAR:
        notes.append(
            f"Inputs of up to {largest:,.0f} are used unchanged, like all arrays: unless your "
            "network scales them, pass standardize=True."
        )
    return tuple(notes)


def _whole_batches(num_rows: int, validation: Any, batch_rows: int) -> tuple[Any, tuple[str, ...]]:
    """The fraction that makes the training part a whole number of batches, if it moves few rows."""
    share = checks.real(validation)
    if share is None or not 0 < share < 1:
        return validation, ()
    size = max(1, round(share * num_rows))
    left_over = (num_rows - size) % max(1, batch_rows)
    if left_over == 0 or left_over > _MOST_MOVED * (num_rows - size):
        return validation, ()
    note = (
        f"The validation part has {left_over} rows more than requested, so that every training "
        "batch is full."
    )
    return (size + left_over) / num_rows, (note,)


def _overlap(dataset: Dataset) -> tuple[str, ...]:
    """A warning if rows of the test set also occur in the training data."""
    shared = 0 if dataset.x_test is None else num_shared(dataset.x, dataset.x_test)
    if not shared:
        return ()
    inputs = "1 test input" if shared == 1 else f"{shared:,} test inputs"
    verb = "occurs" if shared == 1 else "occur"
    return (
        f"Warning: leakage: {inputs} also {verb} in the training data, so the test score is too "
        "optimistic.",
    )


def _divide(
    dataset: Dataset,
    validation: Any,
    seed: int,
    stratify: bool | None,
    shuffle: bool,
    groups: Array | None,
) -> tuple[Array, Array | None, tuple[str, ...]]:
    """Row numbers of training and validation part; the latter None if validation data are given."""
    if isinstance(validation, tuple):
        return np.arange(dataset.num_rows), None, ()
    if not shuffle:
        return (*last_rows(dataset.num_rows, validation, "validation"), ())
    labels = None if stratify is False else targets.labels(dataset.y, dataset.task)
    if stratify and labels is None:
        raise InvalidInput(
            "stratify is True and rows do not have exactly one class",
            expected="stratify=None or False",
        )
    return partition(
        dataset.num_rows,
        validation,
        seed=seed,
        stream=_VALIDATION_STREAM,
        labels=labels,
        what="validation",
        groups=groups,
    )


def _given(dataset: Dataset, validation: Any) -> tuple[Tree, Tree, Array | None]:
    """The user's validation data, encoded like the data set, and their weights."""
    num_parts = len(validation)
    if num_parts not in (2, 3) or any(part is None for part in validation[:2]):
        what = "a tuple with None in it" if num_parts in (2, 3) else f"a tuple of {num_parts}"
        raise InvalidInput(
            f"validation is {what}",
            expected="(x_val, y_val), (x_val, y_val, sample_weight), or a fraction",
            fix="For a model of x alone, pass (x_val, x_val).",
        )
    x, y = _like(dataset, validation[0], "x_val"), targets.encode(validation[1], dataset)
    arrays.same_rows(x, y, ("x_val", "y_val"))
    arrays.same_shape(dataset.y, y, ("y", "y_val"))
    weight = validation[2] if num_parts == 3 else None
    return x, y, None if weight is None else arrays.weights(weight, num_rows(y))


def _like(dataset: Dataset, x: Any, what: str) -> Tree:
    """Further inputs in the data set's form: a table's matrix, or arrays of equal shape."""
    x = known_form(x)
    if not dataset.columns:
        inputs = arrays.inputs(x, what)
        arrays.same_shape(dataset.x, inputs, ("x", what))
        return inputs
    if not arrays.is_frame(x):
        raise InvalidInput(
            f"the data set is a table and {what} is not", expected="a data frame of its columns"
        )
    return table_values.to_matrix(table_columns.named(x, what), dataset.columns, what).astype(
        np.float32
    )
