"""The records of this room: a loaded data set, its parts after the split, and what is known of the
named ones.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from paceline.data.notation import Form
from paceline.data.preparation import How, Preparation
from paceline.data.trees import Array, Tree, leaves, map_leaves, num_rows

RULE = 2
"""The rule by which data are prepared now. Studies keep theirs: 1 is that of studies that recorded
none.
"""

Task = Literal["classification", "regression"]
"""What the target asks for."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table and how it becomes numbers.

    Attributes:
        name: its name in the file.
        kind: ``"numeric"`` (one feature), ``"categorical"`` (one feature per entry of
            ``categories``) or ``"unused"`` (numbers that are left out; a row of the table has them
            all the same).
        categories: the values that have a feature of their own, in order. The last ones may be
            `OTHER`, which gathers rare and unknown values, and `MISSING`.
        num_missing: how many values of it are missing in training and validation rows.
        form: how its texts are read as numbers or dates; None where they are not.
    """

    name: str
    kind: Literal["numeric", "categorical", "unused"]
    categories: tuple[str, ...] = ()
    num_missing: int = 0
    form: Form | None = field(default=None, repr=False)  # fingerprints hold the rest

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that it becomes."""
        if self.kind == "categorical":
            return tuple(f"{self.name}={value}" for value in self.categories)
        return (self.name,) if self.kind == "numeric" else ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Column":
        """Back from `to_json`."""
        form = state["form"]
        return cls(
            state["name"],
            state["kind"],
            tuple(state["categories"]),
            state["num_missing"],
            None if form is None else Form(**form),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A data set, validated: rows to train and validate on, and a test part that is kept apart.

    Attributes:
        name: the name of a named data set, the file's name, or ``"arrays"``.
        x: inputs, (rows, ...); a tree of them for several inputs. Images from files are float32 in
            [0, 1] of shape (rows, height, width), without a channel axis where the file has none.
            Of a table (``columns`` is not empty), x is float32 of shape (rows, columns): numbers as
            they are, dates as days since 1970, categories as their index in `Column.categories`,
            NaN where missing; `split` turns it into features, fitted on the training part.
        y: targets: int32 classes of shape (rows,), or float32 of shape (rows,) or (rows, outputs);
            a tree for several outputs. One-hot classes stay as they are, float32 of shape (rows,
            classes).
        x_test, y_test: the same for the test part, or None.
        sample_weight: float32 (rows,), or None.
        task: ``"classification"`` or ``"regression"``.
        num_classes: number of classes, or None for regression and trees of targets.
        class_names: what each class is called, in the order of their numbers; empty for regression.
        feature_names: of tabular data, the names of the features that the network will see;
            otherwise empty.
        target_name: the target's name, ``"y"`` where it has none.
        columns: of a table from a file or data frame, how each column of ``x`` becomes features;
            otherwise empty.
        became: of a table, each column's name and what became of it in a few words, those left out
            too.
        has_pixels: whether bytes are images of a file, of 0 to 255, which `split` brings to 0 to 1.
        class_values: of classes that are whole numbers other than 0 to k-1, these, in the order of
            ``class_names``.
        are_bools: whether the classes are False and True.
        fingerprint: hash of contents and preparation: equal for equal data, on every machine.
        notes: plain sentences about what was done to the data.
        groups: of each row outside the test part, shape (rows,): rows of a group stay together;
            None for none.
    """

    name: str
    x: Tree
    y: Tree
    x_test: Tree
    y_test: Tree
    task: Task
    num_classes: int | None
    fingerprint: str
    sample_weight: Array | None = None
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    target_name: str = "y"
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    became: tuple[tuple[str, str], ...] = ()
    has_pixels: bool = False
    class_values: tuple[int, ...] = ()
    are_bools: bool = False
    groups: Array | None = None

    def __repr__(self) -> str:
        test = "no test part" if self.x_test is None else f"{num_rows(self.x_test)} test rows"
        what = f"{self.num_classes} classes" if self.num_classes else self.task
        return (
            f"<Dataset {self.name}: {self.num_rows} rows, {test}, input {self.input_shape}, {what}>"
        )

    @property
    def num_rows(self) -> int:
        """Rows outside the test part."""
        return num_rows(self.x)

    @property
    def is_table(self) -> bool:
        """Whether its inputs are named columns, as opposed to arrays."""
        return bool(self.feature_names)

    @property
    def input_shape(self) -> Any:
        """Shape of one row as the network sees it; a tree of shapes for several inputs."""
        if self.columns:
            return (len(self.feature_names),)
        return map_leaves(lambda _, leaf: leaf.shape[1:], self.x)

    @property
    def num_outputs(self) -> int | None:
        """Units that a network's last layer needs: classes, or target columns; None for trees of
        targets.
        """
        if self.num_classes is not None:
            return self.num_classes
        shapes = [leaf.shape for _, leaf in leaves(self.y)]
        if len(shapes) != 1 or isinstance(self.y, dict | list | tuple):
            return None
        return int(np.prod(shapes[0][1:], dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The parts of a data set, ready to train on: float32 (or integer) inputs without missing
    values.

    Attributes:
        x_train, y_train, x_val, y_val: training and validation part; trees where the data set has
            trees.
        x_test, y_test: the test part, prepared like the others but no part of the fitting; None
        where there is none. sample_weight_train, sample_weight_val: float32 (rows,), or None.
        train_rows, val_rows: int64 row numbers in the data set; val_rows is None where validation
            data were given.
        how: whose numbers are shifted and scaled, see `paceline.data.preparing.fit`.
        preparation: what was done to the inputs, fitted on the training part; None where they are
            as they were.
        feature_names: one per feature of tabular data; otherwise empty.
        fingerprint: hash of the data set and of everything that shaped the split.
        notes: plain sentences about what was done.
        dataset: where it comes from.
        shuffle: whether validation rows were drawn by chance; False where they are the last ones.
    """

    x_train: Tree
    y_train: Tree
    x_val: Tree
    y_val: Tree
    x_test: Tree
    y_test: Tree
    sample_weight_train: Array | None
    sample_weight_val: Array | None
    train_rows: Array
    val_rows: Array | None
    how: How
    preparation: Preparation | None
    fingerprint: str
    notes: tuple[str, ...]
    dataset: Dataset = field(repr=False)
    shuffle: bool = True

    def __repr__(self) -> str:
        test = "no test part" if self.x_test is None else f"{num_rows(self.x_test)} test"
        parts = f"{num_rows(self.x_train)} training, {num_rows(self.x_val)} validation, {test}"
        return f"<Split of {self.dataset.name}: {parts}>"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features of tabular data, or empty."""
        return self.dataset.feature_names

    @property
    def input_shape(self) -> Any:
        """Shape of one row as the network sees it; a tree of shapes for several inputs."""
        return map_leaves(lambda _, leaf: leaf.shape[1:], self.x_train)


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Data that arrive in batches from an object of ``keras.utils.PyDataset``; passed through as
    they are.

    Attributes:
        name: the object's class.
        source: the object.
        num_batches: its length, or None where it does not say.
        notes: plain sentences about what that means.
    """

    name: str
    source: Any
    num_batches: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What ``paceline data`` shows of a named data set.

    Attributes:
        name: pass it to `load`.
        title: what it is.
        rows: rows outside the test part.
        test_rows: rows of the test part.
        shape: of one row.
        task: ``"classification"`` or ``"regression"``.
        num_classes: number of classes, or None.
        licence: as its makers state it.
        source: whose it is; an address where there is one.
        found: folder or file where it lies, ``"scikit-learn"``, or None where it is not here yet.
        addresses: where it would be downloaded from, first choice first.
        files: names of its files.
    """

    name: str
    title: str
    rows: int
    test_rows: int
    shape: tuple[int, ...]
    task: Task
    num_classes: int | None
    licence: str
    source: str
    found: str | None
    addresses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
