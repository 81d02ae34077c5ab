"""Records: data sets, streams, splits, table columns, and descriptions of named data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from paceline.core.batches import Batches
from paceline.data.notation import Form
from paceline.data.preparation import How, Preparation
from paceline.data.texts import width_of
from paceline.data.trees import Array, Tree, leaves, map_leaves, num_rows

RULE = 2
"""Version of the rules of preparation. Studies keep theirs; 1 is that of studies without one."""

Task = Literal["classification", "regression"]
"""The task that the target defines."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, and its conversion to numbers.

    Attributes:
        name: its name in the file.
        kind: ``"numeric"`` (one feature), ``"categorical"`` (one feature per entry of
            ``categories``), ``"coded"`` (one feature, the index in ``categories``), ``"tfidf"`` or
            ``"sequences"`` (texts, see `paceline.data.texts`) or ``"unused"`` (numbers that are not
            used as a feature, but are part of the table's rows).
        categories: the values with a feature or an index of their own, in order. The last ones may
            be `OTHER`, for rare and unknown values, and `MISSING`. Of texts their words, the most
            frequent first.
        num_missing: number of missing values in training and validation rows.
        form: the notation of its texts as numbers or dates; None for others.
        width: numbers of a row of the table's matrix that it has: words of a text, else one.
    """

    name: str
    kind: Literal["numeric", "categorical", "coded", "tfidf", "sequences", "unused"]
    categories: tuple[str, ...] = ()
    num_missing: int = 0
    form: Form | None = field(default=None, repr=False)  # the repr is part of fingerprints
    width: int = field(default=1, repr=False)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of its features."""
        if self.kind == "categorical":
            return tuple(f"{self.name}={value}" for value in self.categories)
        if self.has_texts:
            count = width_of(self.kind, self.width, len(self.categories))
            return tuple(f"{self.name}: {number}" for number in range(1, count + 1))
        return () if self.kind == "unused" else (self.name,)

    @property
    def has_texts(self) -> bool:
        """Whether its values are texts, not categories or numbers."""
        return self.kind in ("tfidf", "sequences")

    @property
    def has_categories(self) -> bool:
        """Whether its values are categories, not numbers."""
        return self.kind in ("categorical", "coded")

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Column":
        """The inverse of `to_json`."""
        form = state["form"]
        return cls(
            state["name"],
            state["kind"],
            tuple(state["categories"]),
            state["num_missing"],
            None if form is None else Form(**form),
            state.get("width", 1),
        )


def starts_of(columns: Sequence[Column]) -> list[int]:
    """The place of each column's first number in a row of the table's matrix."""
    return [sum(column.width for column in columns[:place]) for place in range(len(columns))]


def features_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """Names of the features of a table, in order: those of texts are the last ones."""
    ordered = sorted(columns, key=lambda column: column.has_texts)
    return tuple(feature for column in ordered for feature in column.features)


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a target.

    Attributes:
        number: of classes, or None for regression and trees of targets.
        names: in the order of their numbers; empty for regression and one-hot targets.
        values: whole numbers other than 0 to k-1 that are the classes, in the order of ``names``.
        are_bools: whether the classes are False and True.
    """

    number: int | None = None
    names: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    are_bools: bool = False


NO_CLASSES = Classes()
"""Of regression, and of trees of targets."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Facts of the source of a data set.

    Attributes:
        has_pixels: whether bytes are images of a file, 0 to 255.
        batch_size: rows of a batch, if it gave batches.
    """

    has_pixels: bool = False
    batch_size: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A validated data set: rows for training and validation, and a separate test set.

    Attributes:
        name: the name of a named data set, the file's name, or ``"arrays"``.
        x: inputs, (rows, ...); a tree of them for several inputs. Images from files are float32 in
            [0, 1] of shape (rows, height, width), without a channel axis if the file has none. For
            a table (``columns`` is not empty), x is float32 of shape (rows, columns): numbers
            unchanged, dates as days since 1970, categories as their index in `Column.categories`,
            NaN if missing; `split` converts it to features, fitted to the training part.
        y: targets: int32 classes of shape (rows,), or float32 of shape (rows,) or (rows, outputs);
            a tree for several outputs. One-hot classes are unchanged, float32 of shape (rows,
            classes).
        x_test, y_test: the same for the test set, or None.
        sample_weight: float32 (rows,), or None.
        task: ``"classification"`` or ``"regression"``.
        classes: of the target; see also ``num_classes``, ``class_names``, ``class_values`` and
            ``are_bools``.
        feature_names: names of the features of tabular data, as the network sees them; otherwise
            empty.
        target_name: the target's name, ``"y"`` without one.
        columns: for a table, how each column of ``x`` becomes features; otherwise empty.
        became: for a table, each column's name and its use in a few words, including unused ones.
        origin: facts of the source; see also ``has_pixels`` and ``batch_size``.
        fingerprint: hash of contents and preparation, equal for equal data on every machine.
        notes: sentences about what was done to the data.
        groups: of each row outside the test set, shape (rows,): rows of a group stay together; None
            for none.
    """

    name: str
    x: Tree
    y: Tree
    x_test: Tree
    y_test: Tree
    task: Task
    fingerprint: str
    classes: Classes = NO_CLASSES
    sample_weight: Array | None = None
    feature_names: tuple[str, ...] = ()
    target_name: str = "y"
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    became: tuple[tuple[str, str], ...] = ()
    origin: SourceFacts = SourceFacts()
    groups: Array | None = None

    def __repr__(self) -> str:
        test = "no test part" if self.x_test is None else f"{num_rows(self.x_test)} test rows"
        what = f"{self.num_classes} classes" if self.num_classes else self.task
        return (
            f"<Dataset {self.name}: {self.num_rows} rows, {test}, input {self.input_shape}, {what}>"
        )

    @property
    def num_classes(self) -> int | None:
        """Number of classes, or None for regression and trees of targets."""
        return self.classes.number

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers; empty for regression."""
        return self.classes.names

    @property
    def class_values(self) -> tuple[int, ...]:
        """Whole numbers other than 0 to k-1 that are the classes."""
        return self.classes.values

    @property
    def are_bools(self) -> bool:
        """Whether the classes are False and True."""
        return self.classes.are_bools

    @property
    def has_pixels(self) -> bool:
        """Whether bytes are images of a file, 0 to 255, which `split` scales to 0 to 1."""
        return self.origin.has_pixels

    @property
    def batch_size(self) -> int | None:
        """Rows of a batch of the source, if it gave batches."""
        return self.origin.batch_size

    @property
    def num_rows(self) -> int:
        """Number of rows outside the test set."""
        return num_rows(self.x)

    @property
    def is_table(self) -> bool:
        """Whether its inputs are named columns, not arrays."""
        return bool(self.feature_names)

    @property
    def input_shape(self) -> Any:
        """Shape of one row for the network; a tree of shapes for several inputs."""
        if self.columns:
            return (len(self.feature_names),)
        return map_leaves(lambda _, leaf: leaf.shape[1:], self.x)

    @property
    def num_outputs(self) -> int | None:
        """Units of a network's last layer: classes or target columns; None for trees of targets."""
        if self.num_classes is not None:
            return self.num_classes
        shapes = [leaf.shape for _, leaf in leaves(self.y)]
        if len(shapes) != 1 or isinstance(self.y, dict | list | tuple):
            return None
        return int(np.prod(shapes[0][1:], dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The parts of a data set, ready for training: numbers without missing values.

    Attributes:
        x_train, y_train, x_val, y_val: training and validation part; trees if the data set has
            trees.
        x_test, y_test: the test set, prepared with the same parameters; None if there is none.
        sample_weight_train, sample_weight_val: float32 (rows,), or None.
        train_rows, val_rows: int64 row numbers in the data set; val_rows is None if validation data
            were given.
        how: which inputs are shifted and scaled, see `fit`.
        preparation: of the inputs, fitted to the training part; None if they are unchanged.
        feature_names: one per feature of tabular data; otherwise empty.
        fingerprint: hash of the data set and of everything that determines the split.
        notes: sentences about what was done.
        dataset: the data set.
        shuffle: whether validation rows were drawn at random; False if they are the last ones.
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
        """Names of the features of tabular data; otherwise empty."""
        return self.dataset.feature_names

    @property
    def input_shape(self) -> Any:
        """Shape of one row for the network; a tree of shapes for several inputs."""
        return map_leaves(lambda _, leaf: leaf.shape[1:], self.x_train)


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Data that arrive in batches and are used unchanged.

    Attributes:
        name: the object's class, or what it is.
        source: the batches.
        num_batches: its length; None if it has no end.
        notes: sentences about what that means.
        why: why it is not in memory, a clause; empty if it was to be streamed.
        is_large: whether that is its size alone.
    """

    name: str
    source: Batches
    num_batches: int | None
    notes: tuple[str, ...] = ()
    why: str = ""
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """Description of a named data set, as ``paceline data`` shows it.

    Attributes:
        name: for `load`.
        title: a short description.
        rows: number of rows outside the test set.
        test_rows: number of rows of the test set.
        shape: of one row.
        task: ``"classification"`` or ``"regression"``.
        num_classes: number of classes, or None.
        licence: as its authors state it.
        source: its authors; with an address if there is one.
        found: folder or file that contains it, ``"scikit-learn"``, or None if it is not on this
            machine.
        addresses: for downloads, first choice first.
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
