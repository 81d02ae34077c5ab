"""The data as the engine sees it: arrays resident on the device, cut into batches by index."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

Tree = Any
"""An array, or a dict, list or tuple of them: what Keras takes as x and y."""

# Where the batch size of an evaluation is free: this many rows keep a core busy and their
# activations in its cache.
_EVALUATION_ROWS = 512


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Arrays to train on and to validate with, moved to the device once.

    Attributes:
        train: ``(x, y)`` or ``(x, y, sample_weight)``, each a tree of arrays whose first axis
            counts rows.
        validation: the same, or None.
    """

    train: tuple[Tree, ...]
    validation: tuple[Tree, ...] | None

    @classmethod
    def of(cls, train: tuple[Tree, ...], validation: tuple[Tree, ...] | None) -> "TrainingData":
        """Takes what Keras's ``fit`` takes and brings it to the types that ``fit`` would use."""
        return cls(_standard(train), None if validation is None else _standard(validation))

    @property
    def num_train(self) -> int:
        """Number of rows to train on."""
        return _rows(self.train)

    @property
    def num_validation(self) -> int:
        """Number of rows to validate with."""
        return 0 if self.validation is None else _rows(self.validation)

    @cached_property
    def leaves(self) -> tuple[list[jax.Array], list[jax.Array]]:
        """The training and the validation arrays, flat, on the device."""
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
        """Tells apart data for which a program compiled for the one cannot serve the other."""
        return f"{self.num_train}/{self.num_validation}"

    def rows(self, split: int) -> tuple[np.ndarray, np.ndarray] | None:  # noqa: ARG002 - as in `PooledData`
        """None: there is one split, and its parts lie apart."""
        return None

    def parts(self, split: int) -> tuple[tuple[Tree, ...], tuple[Tree, ...] | None]:  # noqa: ARG002 - as above
        """Training and validation part, on the host."""
        return self.train, self.validation


@dataclass(frozen=True, eq=False)
class PooledData:
    """Arrays of which each lane trains on rows of its own and validates with others: folds, and
    fresh splits.

    Attributes:
        train: ``(x, y)`` or ``(x, y, sample_weight)``: every row that any split trains on.
        validation: the same for rows to validate with: mostly the very same arrays.
        splits: for each split by its number: rows to train on and rows to validate with, int32. All
            splits have the same two lengths.
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
        """Brings the arrays to the types that ``fit`` would use, and the row numbers to int32.

        Raises:
            ValueError: splits of different sizes.
        """
        if len({(len(rows), len(held_out)) for rows, held_out in splits.values()}) != 1:
            raise ValueError("splits of one pool have one size")
        rows = {n: (t.astype(np.int32), v.astype(np.int32)) for n, (t, v) in splits.items()}
        converted: dict[
            int, Tree
        ] = {}  # what is there twice is converted, and lies on the device, once
        for part in (*train, *validation):
            converted.setdefault(id(part), _standard((part,))[0])
        first, second = (
            tuple(converted[id(part)] for part in parts) for parts in (train, validation)
        )
        return cls(first, second, rows)

    @property
    def num_train(self) -> int:
        """Number of rows that a lane trains on."""
        return len(next(iter(self.splits.values()))[0])

    @property
    def num_validation(self) -> int:
        """Number of rows that a lane validates with."""
        return len(next(iter(self.splits.values()))[1])

    @cached_property
    def leaves(self) -> tuple[list[jax.Array], list[jax.Array]]:
        """Both trees, flat, on the device."""
        there = {key: jax.device_put(leaf) for key, leaf in self._arrays.items()}
        train, validation = (
            [there[id(leaf)] for leaf in jax.tree.leaves(part)]
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
        """Tells apart data for which a program compiled for the one cannot serve the other."""
        return f"{self.num_train}/{self.num_validation} of {_rows(self.train)}"

    def rows(self, split: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows to train on and rows to validate with."""
        return self.splits[split]

    def parts(self, split: int) -> tuple[tuple[Tree, ...], tuple[Tree, ...] | None]:
        """Training and validation part, on the host."""
        rows, held_out = self.splits[split]
        return jax.tree.map(lambda leaf: leaf[rows], self.train), jax.tree.map(
            lambda leaf: leaf[held_out], self.validation
        )


def _rows(batch: tuple[Tree, ...]) -> int:
    return int(jax.tree.leaves(batch)[0].shape[0])


def _standard(batch: tuple[Tree, ...]) -> tuple[Tree, ...]:
    return tuple(jax.tree.map(as_fit_takes, part) for part in batch)


def as_fit_takes(array: Any) -> np.ndarray:
    """An array of all rows with the type that ``fit`` gives it: all floats, of 16 bits too, become
    Keras's own.
    """
    # Imported here: Keras decides its backend on first import.
    import keras

    found = np.asarray(array)
    if jax.numpy.issubdtype(found.dtype, jax.numpy.floating):
        return found.astype(keras.config.floatx(), copy=False)
    return as_on_device(found)


def as_on_device(array: np.ndarray) -> np.ndarray:
    """An array with the type that it has on the device: JAX keeps 64 bits only where it is told to,
    others always.
    """
    import keras

    if keras.backend.backend() != "jax" or array.dtype.kind not in "iufc":
        return array
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


@dataclass(frozen=True, eq=False)
class Feed:
    """Training data cut into batches of one size.

    Training batches hold ``batch_size`` rows and, like ``fit``'s, a smaller last one when the rows
    do not divide. So do validation batches, which ``fit`` makes as large as training batches unless
    told otherwise.

    Attributes:
        data: the arrays.
        batch_size: rows in a training batch.
        validation_batch_size: rows in a validation batch; None for as many as in a training batch.
        is_merged: whether validation is in larger batches, whose size suits the machine: only for a
            model of which it is known that this changes nothing, see `paceline.train.additive`.
    """

    data: TrainingData | PooledData
    batch_size: int
    validation_batch_size: int | None = None
    is_merged: bool = False

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Rows in a batch of each traced part: ``train``, ``train_rest``, ``test``, ``test_rest``
        where they occur.
        """
        sizes = _sizes("train", self.data.num_train, self.batch_size)
        rows = self.data.num_validation
        if rows:
            size = self.validation_batch_size or self.batch_size
            sizes |= _sizes("test", rows, evaluation_rows(rows) if self.is_merged else size)
        return sizes

    @cached_property
    def merged(self) -> "Feed | None":
        """The same with validation in larger batches; None where one batch holds all rows or they
        are as large.
        """
        larger = replace(self, is_merged=True)
        return larger if larger.sizes.get("test", 0) > self.sizes.get("test", 0) else None

    @property
    def num_bytes(self) -> int:
        """What lies on the device whatever the number of lanes."""
        return self.data.num_bytes

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts to trace."""
        return tuple(self.sizes)

    @property
    def num_steps(self) -> int:
        """Number of full training batches in an epoch."""
        return self.data.num_train // self.sizes["train"]

    def batch_spec(self, name: str) -> tuple[Tree, ...]:
        """Shapes and types of one batch of a part."""
        batch = self.data.train if name.startswith("train") else self.data.validation
        size = self.sizes[name]
        return tuple(
            jax.tree.map(lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype), part)
            for part in batch or ()
        )

    @cached_property
    def identity(self) -> str:
        """Tells feeds apart whose programs must not be shared: sizes, shapes and structure."""
        specs = [self.batch_spec(name) for name in self.parts]
        return f"{self.data.shape}/{specs}"


def _sizes(name: str, rows: int, size: int) -> dict[str, int]:
    """Rows in a batch, and in the smaller last one where there is one."""
    full = min(size, rows)
    return {name: full, f"{name}_rest": rows % full} if rows % full else {name: full}


def evaluation_rows(rows: int) -> int:
    """A batch size that divides ``rows`` when one near `_EVALUATION_ROWS` does, so that no second
    shape is compiled.
    """
    if rows <= 2 * _EVALUATION_ROWS:
        return rows
    divisors = [d for i in range(1, math.isqrt(rows) + 1) if rows % i == 0 for d in (i, rows // i)]
    fitting = [d for d in divisors if _EVALUATION_ROWS // 4 <= d <= 2 * _EVALUATION_ROWS]
    return min(fitting, key=lambda d: abs(d - _EVALUATION_ROWS)) if fitting else _EVALUATION_ROWS


def batch_order(seed: int, epoch: int, rows: int, shuffle: bool = True) -> np.ndarray:
    """The order in which epoch ``epoch`` (from 0) visits the rows, int32 ``(rows,)``: a function of
    the arguments.
    """
    if not shuffle:
        return np.arange(rows, dtype=np.int32)
    return np.random.default_rng([seed, epoch]).permutation(rows).astype(np.int32)
