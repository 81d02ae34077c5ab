"""The rows of a search, untouched, and which of them validate.

Values are as `fit` uses them: floats as float32, whole numbers as int32; nothing is relabelled,
scaled, shuffled or stratified. All rows are one data set, and the division is given by row numbers,
so that further trainings of a configuration use the same.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.fit_arguments import FitArguments
from paceline.core import InvalidInput
from paceline.data import Dataset, arrays
from paceline.data.fingerprints import fingerprint
from paceline.data.trees import Array, Tree, is_branch, leaves, map_leaves, num_rows
from paceline.study.inputs.stream_parts import weights_of_classes


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a search.

    Attributes:
        dataset: training rows, then validation rows.
        num_train: how many are for training.
    """

    dataset: Dataset
    num_train: int

    @property
    def division(self) -> tuple[Array, Array]:
        """Row numbers of the training and the validation part."""
        return np.arange(self.num_train), np.arange(self.num_train, self.dataset.num_rows)

    @property
    def validation_share(self) -> float:
        """The fraction of the rows that validate."""
        return 1.0 - self.num_train / self.dataset.num_rows

    @classmethod
    def of(cls, given: FitArguments) -> "Rows":
        """The rows that ``search`` was given.

        Raises:
            InvalidInput: rows that cannot be used, or a part without any.
            RunsAlone: validation rows that are not arrays.
        """
        x, y = arrays.inputs(_arrays(given.x)), _targets(_arrays(given.y), "y")
        arrays.same_rows(x, y)
        num_train, held_out = num_rows(y), None
        if given.validation_data is None:
            num_train = math.floor(num_rows(y) * (1.0 - given.validation_split))  # as in Keras
        else:
            x_val, y_val, held_out = _validation(given.validation_data)
            arrays.same_rows(x_val, y_val, ("x_val", "y_val"))
            arrays.same_shape(x, x_val, ("x", "x_val"))
            arrays.same_shape(y, y_val, ("y", "y_val"))
            x, y = _joined(x, x_val), _joined(y, y_val)
        if not 0 < num_train < num_rows(y):
            raise InvalidInput(
                f"validation_split is {given.validation_split} of {num_rows(y)} rows",
                expected="at least one row for training and one for validation",
            )
        weight = _weights(given, y, num_train, held_out)
        dataset = Dataset(
            name="arrays",
            x=x,
            y=y,
            x_test=None,
            y_test=None,
            task="regression",  # rows are not stratified, targets not encoded
            fingerprint=fingerprint("as passed", x, y, weight),
            sample_weight=weight,
        )
        return cls(dataset, num_train)


def row_options(given: FitArguments) -> dict[str, Any]:
    """The options of `paceline.tune` for arrays.

    Raises:
        InvalidInput: rows that cannot be used, or a part without any.
    """
    rows = Rows.of(given)
    return {
        "data": rows.dataset,
        "batch_size": given.batch_size_for(rows.num_train),
        "folds": [rows.division],
        "validation": rows.validation_share,
        "shuffle": False,
        "standardize": False,
        "scale_target": False,
    }


def _arrays(tree: Any) -> Any:
    """Data frames and series as arrays; lists of numbers as one array, as in ``fit``."""
    if hasattr(tree, "to_numpy"):
        return tree.to_numpy()
    if isinstance(tree, list | tuple) and not any(np.ndim(part) for part in tree[:1]):
        return np.asarray(tree)
    return tree


def _targets(y: Any, what: str) -> Tree:
    """Targets as ``fit`` uses them, with their shapes."""

    def target(path: str, leaf: Any) -> Array:
        array = arrays.to_array(leaf, f"{what}{path}")
        if array.dtype.kind in "iub":
            return np.ascontiguousarray(array, np.int32 if array.dtype.kind != "b" else np.float32)
        if array.dtype.kind != "f":
            raise InvalidInput(
                f"{what}{path} is an array of {array.dtype}",
                expected="numbers, as in fit",
                fix="Encode classes as numbers, for example with "
                "sklearn.preprocessing.LabelEncoder.",
            )
        return arrays.finite(array, f"{what}{path}")

    return map_leaves(target, y)


def _validation(given: Any) -> tuple[Tree, Tree, Array | None]:
    if not isinstance(given, tuple | list):
        raise RunsAlone(f"validation_data is a {type(given).__name__}, and not arrays")
    if len(given) not in (2, 3):
        raise InvalidInput(
            f"validation_data is a {type(given).__name__} of {len(given)}",
            expected="(x_val, y_val) or (x_val, y_val, sample_weight)",
        )
    y = _targets(_arrays(given[1]), "y_val")
    weight = None if len(given) == 2 or given[2] is None else given[2]
    x = arrays.inputs(_arrays(given[0]), "x_val")
    return x, y, None if weight is None else arrays.weights(weight, num_rows(y))


def _weights(given: FitArguments, y: Tree, num_train: int, held_out: Any) -> Array | None:
    """The weight of each row in the loss: training rows, then validation rows.

    Class weights count in training alone, and ``validation_data`` have weights of their own, as in
    ``fit``; ``validation_split`` divides the weights as well.
    """
    weight = np.ones(num_rows(y), np.float32)
    num_given = len(weight) if given.validation_data is None else num_train
    if given.class_weight is not None:
        if is_branch(y):
            raise InvalidInput(
                "class_weight is given for several outputs",
                expected="sample_weight, one number for each row",
            )
        weight[:num_train] = weights_of_classes(y[:num_train], given.class_weight)
    elif given.sample_weight is not None:
        own = arrays.weights(given.sample_weight, num_given)
        weight[: len(own)] = own
    elif held_out is None:
        return None
    if held_out is not None:
        weight[num_train:] = held_out
    return weight


def _joined(one: Tree, other: Tree) -> Tree:
    parts = dict(leaves(other))
    return map_leaves(
        lambda path, leaf: np.concatenate([leaf, parts[path].astype(leaf.dtype, copy=False)]), one
    )
