"""Arrays on the device, divided into batches by row numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

Tree = Any
"""An array, or a dict, list or tuple of them: what Keras takes as x and y."""

# The batch size of an evaluation, if it is free: it keeps a core busy and activations in its cache.
_EVALUATION_ROWS = 512


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Arrays for training and validation, moved to the device once.

    Attributes:
        train: ``(x, y)`` or ``(x, y, sample_weight)``, each a tree of arrays whose first axis
            counts rows.
        validation: the same, or None.
    """

    train: tuple[Tree, ...]
    validation: tuple[Tree, ...] | None

    @classmethod
    def of(cls, train: tuple[Tree, ...], validation: tuple[Tree, ...] | None) -> "TrainingData":
        """Converts what ``fit`` accepts to the types that ``fit`` would use."""
        return cls(_standard(train), None if validation is None else _standard(validation))

    @property
    def num_train(self) -> int:
        """Number of training rows."""
        return _rows(self.train)

    @property
    def num_validation(self) -> int:
        """Number of validation rows."""
        return 0 if self.validation is None else _rows(self.validation)

    @cached_property
    def leaves(self) -> tuple[list[jax.Array], list[jax.Array]]:
        """The leaves of the training and the validation arrays, on the device."""
        return tuple(
            [jax.device_put(leaf) for leaf in jax.tree.leaves(part)]
            for part in (self.train, self.validation)
        )  # type: ignore[return-value]

    @property
    def num_bytes(self) -> int:
        """Size of all arrays."""
        return sum(leaf.nbytes for leaf in jax.tree.leaves((self.train, self.validation)))

    @property
    def shape(self) -> str:
        """A text that differs for data that cannot share a compiled program."""
        return f"{self.num_train}/{self.num_validation}"

    def rows(self, split: int) -> tuple[np.ndarray, np.ndarray] | None:  # noqa: ARG002 - as in `PooledData`
        """None: there is one split, in separate arrays."""
        return None

    def parts(self, split: int) -> tuple[tuple[Tree, ...], tuple[Tree, ...] | None]:  # noqa: ARG002 - as above
        """The training and the validation arrays, on the host."""
        return self.train, self.validation


@dataclass(frozen=True, eq=False)
class PooledData:
    """Arrays of which each lane uses its own rows: folds, and fresh splits.

    Attributes:
        train: ``(x, y)`` or ``(x, y, sample_weight)`` with the training rows of all splits.
        validation: the same with their validation rows: usually the same arrays.
        splits: training and validation rows of each split by its number, int32. All splits have the
            same two lengths.
    """

    train: tuple[Tree, ...]
    validation: tuple[Tree, ...]
    splits: Mapping[int, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(
        cls,
        train: tuple[Tree, ...],
        validation: tuple[Tree, ...],
        splits: Mapping[int, tuple[np.ndarray, np.ndarray]],
    ) -> "PooledData":
        """Converts arrays to the types that ``fit`` would use, and row numbers to int32.

        Raises:
            ValueError: the splits differ in size.
        """
        if len({(len(rows), len(held_out)) for rows, held_out in splits.values()}) != 1:
            raise ValueError("all splits of a pool need the same size")
        rows = {n: (t.astype(np.int32), v.astype(np.int32)) for n, (t, v) in splits.items()}
        converted: dict[int, Tree] = {}  # arrays that occur twice are converted only once
        for part in (*train, *validation):
            converted.setdefault(id(part), _standard((part,))[0])
        first, second = (
            tuple(converted[id(part)] for part in parts) for parts in (train, validation)
        )
        return cls(first, second, rows)

    @property
    def num_train(self) -> int:
        """Number of training rows of a lane."""
        return len(next(iter(self.splits.values()))[0])

    @property
    def num_validation(self) -> int:
        """Number of validation rows of a lane."""
        return len(next(iter(self.splits.values()))[1])

    @cached_property
    def leaves(self) -> tuple[list[jax.Array], list[jax.Array]]:
        """The leaves of both trees, on the device."""
        on_device = {key: jax.device_put(leaf) for key, leaf in self._arrays.items()}
        train, validation = (
            [on_device[id(leaf)] for leaf in jax.tree.leaves(part)]
            for part in (self.train, self.validation)
        )
        return train, validation

    @property
    def num_bytes(self) -> int:
        """Size of all arrays."""
        return sum(leaf.nbytes for leaf in self._arrays.values())

    @property
    def _arrays(self) -> dict[int, np.ndarray]:
        return {id(leaf): leaf for leaf in jax.tree.leaves((self.train, self.validation))}

    @property
    def shape(self) -> str:
        """A text that differs for data that cannot share a compiled program."""
        return f"{self.num_train}/{self.num_validation} of {_rows(self.train)}"

    def rows(self, split: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The training and the validation rows of a split."""
        return self.splits[split]

    def parts(self, split: int) -> tuple[tuple[Tree, ...], tuple[Tree, ...] | None]:
        """The training and the validation arrays of a split, on the host."""
        rows, held_out = self.splits[split]
        train = jax.tree.map(lambda leaf: leaf[rows], self.train)
        if not len(held_out):
            return train, None
        return train, jax.tree.map(lambda leaf: leaf[held_out], self.validation)


def _rows(batch: tuple[Tree, ...]) -> int:
    return int(jax.tree.leaves(batch)[0].shape[0])


def _standard(batch: tuple[Tree, ...]) -> tuple[Tree, ...]:
    return tuple(jax.tree.map(to_fit_dtype, part) for part in batch)


def to_fit_dtype(array: Any) -> np.ndarray:
    """Converts an array as ``fit`` does: all floats, also float16, to Keras's float type."""
    # imported here, since Keras selects its backend on first import
    import keras

    found = np.asarray(array)
    if jax.numpy.issubdtype(found.dtype, jax.numpy.floating):
        return found.astype(keras.config.floatx(), copy=False)
    return to_device_dtype(found)


def to_device_dtype(array: np.ndarray) -> np.ndarray:
    """Converts an array to its type on the device: 64 bits only if JAX is configured so."""
    import keras

    if keras.backend.backend() != "jax" or array.dtype.kind not in "iufc":
        return array
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


@dataclass(frozen=True, eq=False)
class ArrayFeed:
    """Training data divided into batches of one size.

    Training batches have ``batch_size`` rows and, as in ``fit``, the last one has fewer if the size
    does not divide the number of rows. So do validation batches, which in ``fit`` have the same
    size by default.

    With ``steps_per_epoch`` an epoch has so many batches, all full: it continues where the last one
    ended, in rows that are shuffled anew for each pass, like a dataset that is repeated.

    Attributes:
        data: the arrays.
        batch_size: rows in a training batch.
        validation_batch_size: rows in a validation batch; None for the size of a training batch.
        is_merged: whether validation uses larger batches, of an efficient size; only for models for
            which this gives the same results, see `paceline.train.batch_invariance`.
        steps_per_epoch: training batches in an epoch; None for all rows.
        validation_steps: the first so many validation batches are used; None for all.
    """

    data: TrainingData | PooledData
    batch_size: int
    validation_batch_size: int | None = None
    is_merged: bool = False
    steps_per_epoch: int | None = None
    validation_steps: int | None = None

    @cached_property
    def num_train(self) -> int:
        """Number of training rows in an epoch."""
        rows = self.data.num_train
        if self.steps_per_epoch is None:
            return rows
        return self.steps_per_epoch * min(self.batch_size, rows)

    @cached_property
    def num_validation(self) -> int:
        """Number of validation rows that are used."""
        rows = self.data.num_validation
        if self.validation_steps is None:
            return rows
        return min(rows, self.validation_steps * (self.validation_batch_size or self.batch_size))

    def order(self, seed: int, epoch: int, shuffle: bool = True) -> np.ndarray:
        """The rows of an epoch in order, int32 ``(num_train,)``; see `batch_order`."""
        rows, count = self.data.num_train, self.num_train
        if self.steps_per_epoch is None:
            return batch_order(seed, epoch, rows, shuffle)
        first, start = divmod(epoch * count, rows)
        last = (epoch * count + count - 1) // rows
        passes = [batch_order(seed, number, rows, shuffle) for number in range(first, last + 1)]
        return np.concatenate(passes)[start : start + count]

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Rows per batch of each part: ``train``, ``train_rest``, ``test``, ``test_rest``."""
        sizes = _sizes("train", self.num_train, min(self.batch_size, self.data.num_train))
        rows = self.num_validation
        if rows:
            size = self.validation_batch_size or self.batch_size
            sizes |= _sizes("test", rows, evaluation_rows(rows) if self.is_merged else size)
        return sizes

    @cached_property
    def merged(self) -> "ArrayFeed | None":
        """The same with larger validation batches; None if these would not be larger."""
        larger = replace(self, is_merged=True)
        return larger if larger.sizes.get("test", 0) > self.sizes.get("test", 0) else None

    @property
    def num_bytes(self) -> int:
        """Bytes on the device, whatever the number of lanes."""
        return self.data.num_bytes

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts to trace."""
        return tuple(self.sizes)

    @property
    def num_steps(self) -> int:
        """Number of full training batches in an epoch."""
        return self.num_train // self.sizes["train"]

    def batch_spec(self, name: str) -> tuple[Tree, ...]:
        """Shapes and types of a batch of a part."""
        batch = self.data.train if name.startswith("train") else self.data.validation
        size = self.sizes[name]
        return tuple(
            jax.tree.map(lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype), part)
            for part in batch or ()
        )

    @cached_property
    def identity(self) -> str:
        """A text that differs for feeds that cannot share a program."""
        specs = [self.batch_spec(name) for name in self.parts]
        data = self.data
        are_all = (self.num_train, self.num_validation) == (data.num_train, data.num_validation)
        steps = "" if are_all else f"{self.num_train}/{self.num_validation} used/"
        return f"{data.shape}/{steps}{specs}"


def _sizes(name: str, rows: int, size: int) -> dict[str, int]:
    """Rows in a batch, and in the smaller last one if there is one."""
    full = min(size, rows)
    return {name: full, f"{name}_rest": rows % full} if rows % full else {name: full}


def evaluation_rows(rows: int) -> int:
    """A batch size near `_EVALUATION_ROWS`, one that divides ``rows`` if there is one nearby."""
    if rows <= 2 * _EVALUATION_ROWS:
        return rows
    divisors = [d for i in range(1, math.isqrt(rows) + 1) if rows % i == 0 for d in (i, rows // i)]
    fitting = [d for d in divisors if _EVALUATION_ROWS // 4 <= d <= 2 * _EVALUATION_ROWS]
    return min(fitting, key=lambda d: abs(d - _EVALUATION_ROWS)) if fitting else _EVALUATION_ROWS


def batch_order(seed: int, epoch: int, rows: int, shuffle: bool = True) -> np.ndarray:
    """The order of the rows in an epoch, int32 ``(rows,)``, a function of the arguments.

    Args:
        seed: of the training.
        epoch: number of the epoch, from 0.
        rows: number of rows.
        shuffle: False for the order of the data.
    """
    if not shuffle:
        return np.arange(rows, dtype=np.int32)
    return np.random.default_rng([seed, epoch]).permutation(rows).astype(np.int32)
