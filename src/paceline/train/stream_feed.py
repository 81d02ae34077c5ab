"""Batches of a ``keras.utils.PyDataset`` or an object like it, for data that are not in memory.

Each batch is loaded once and used by all lanes. A `StreamFeed` corresponds to the `ArrayFeed` of
arrays: it names the batch shapes, for which steps are traced and compiled, and loads the batches of
an epoch in threads while the device trains.

The first and the last batch are loaded once when the feed is created, since their shapes must be
known before anything is compiled. Other shapes get a name when they first occur.
"""

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, Literal, TypeVar

import jax
import keras
import numpy as np

from paceline.core import InvalidInput
from paceline.core.batches import Batches, source_batches
from paceline.train.array_feed import (
    ArrayFeed,
    PooledData,
    TrainingData,
    Tree,
    to_device_dtype,
    to_fit_dtype,
)

T = TypeVar("T")
Phase = Literal["train", "test"]
Steps = tuple[int | None, int | None]
"""Batches in an epoch of training and of validation; None for all."""

_AHEAD = 2  # batches loaded in advance if the dataset has one worker
_DEFAULT_ROWS = 32  # rows in a batch of arrays, in `fit`
_IN_FLIGHT = 2  # batches on the device that wait for their step


class BatchFailed(InvalidInput):
    """A dataset raised an error or returned an invalid batch: no network can train on it."""


class ArrayBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Arrays in memory as a dataset, in order.

    Args:
        arrays: ``(x, y)`` or ``(x, y, sample_weight)``, each a tree of arrays whose first axis
            counts rows.
        batch_size: rows in a batch; None for the default of ``fit``.
    """

    def __init__(self, arrays: tuple[Tree, ...], batch_size: int | None = None) -> None:
        super().__init__()
        self._arrays = jax.tree.map(to_fit_dtype, arrays)
        self._rows = len(jax.tree.leaves(self._arrays)[0])
        self._size = batch_size or _DEFAULT_ROWS

    def __len__(self) -> int:
        return -(-self._rows // self._size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self._size, (index + 1) * self._size)
        return jax.tree.map(lambda array: array[rows], self._arrays)


class DatasetBatches:
    """A dataset with clear errors, whose batches are converted to the types that ``fit`` uses.

    Args:
        dataset: a ``keras.utils.PyDataset``, or other batches.
        row_weights: returns the weights of the rows of a batch, given its targets; None for no
            class weights.
        steps: number of batches in an epoch; None for all.
        is_repeated: whether an epoch of so many steps begins where the last one ended, and after
            the last batch with the first one; otherwise each begins at the first batch, and ends at
            the last one.

    Raises:
        BatchFailed: the dataset has no number of batches, or no batches.
    """

    def __init__(
        self,
        dataset: Batches,
        row_weights: Callable[[Any], Any] | None = None,
        steps: int | None = None,
        is_repeated: bool = True,
    ) -> None:
        own = source_batches(dataset)
        self._dataset, self._row_weights = dataset, row_weights
        self._is_iterator = own is not None and own.is_iterator
        self._has_passes = own is not None and own.has_passes
        self.name = own.name if own is not None and own.is_iterator else type(dataset).__name__
        self._steps, self._is_repeated = steps, is_repeated
        self._first = 0  # place of the epoch's first batch in the dataset
        if self._own_count == 0 or self.count == 0:
            raise BatchFailed(f"{self.name} has no batches", expected="at least one")

    @property
    def count(self) -> int:
        """Number of batches in an epoch."""
        own = self._own_count
        if self._steps is not None:
            return self._steps if own is None or self._is_repeated else min(self._steps, own)
        if own is None:
            name = "steps_per_epoch" if self._is_repeated else "validation_steps"
            raise BatchFailed(
                f"{self.name} has an infinite number of batches, and {name} is not given",
                expected=f"{name}, the number of batches in an epoch, or a dataset with an end",
            )
        return own

    @property
    def _own_count(self) -> int | None:
        """Number of batches of the dataset; None if it has no end."""
        try:
            count = self._dataset.num_batches
        except Exception as error:
            raise self._failed("num_batches", error) from error
        return None if count is None else int(count)

    @property
    def probed(self) -> list[int]:
        """The batches to load beforehand, for their shapes: the first and, if possible, the last.

        The last one of an iterator could only be reached through all others.
        """
        return [0] if self._is_iterator else sorted({0, self.count - 1})

    @property
    def num_workers(self) -> int:
        """Number of threads that load batches."""
        return max(1, int(self._dataset.workers))

    @property
    def num_ahead(self) -> int:
        """Number of batches that are loaded in advance."""
        return max(_AHEAD, int(self._dataset.max_queue_size)) if self.num_workers > 1 else _AHEAD

    @contextmanager
    def epoch(self, number: int = 0) -> Iterator[None]:
        """Calls the hooks of the dataset; that at the end only if the epoch is complete.

        Args:
            number: of the epoch, from 0: with steps it decides with which batch it begins.
        """
        is_continued = self._is_repeated and (self._steps is not None or self._has_passes)
        self._first = number * self.count if is_continued else 0
        self._call_hook("on_epoch_begin")
        yield
        self._call_hook("on_epoch_end")

    def load(self, index: int) -> tuple[Tree, ...]:
        """Loads a batch of the epoch to the host.

        Raises:
            BatchFailed: the dataset raised an error or returned an invalid batch.
        """
        counts = self._is_iterator or self._has_passes
        own, place = None if counts else self._own_count, self._first + index
        try:
            batch = self._dataset[place if own is None else place % own]
        except InvalidInput as error:
            raise BatchFailed(error.passed, expected=error.expected, fix=error.fix) from error
        except Exception as error:
            raise self._failed(f"batch {index} of {self.count}", error) from error
        try:
            return jax.tree.map(_standard, self._weighted(_as_tuple(batch)))  # type: ignore[no-any-return]
        except Exception as error:
            raise BatchFailed(
                f"batch {index} of {self.name} cannot be used ({error})",
                expected="(x, y) or (x, y, sample_weight) of arrays of numbers whose first axis "
                "counts rows",
            ) from error

    def _weighted(self, batch: tuple[Tree, ...]) -> tuple[Tree, ...]:
        if self._row_weights is None or len(batch) < 2:
            return batch
        if len(batch) == 3 and batch[2] is not None:
            raise ValueError("it has sample weights, and class_weight was also given")
        return (*batch[:2], self._row_weights(batch[1]))

    def _call_hook(self, name: str) -> None:
        try:
            getattr(self._dataset, name)()
        except Exception as error:
            raise self._failed(name, error) from error

    def _failed(self, what: str, error: Exception) -> BatchFailed:
        return BatchFailed(
            f"{self.name} raised {type(error).__name__} at {what}: {error}".removesuffix("."),
            expected="a dataset that can load all its batches",
            fix="No measurement is lost: resume the study when the dataset is fixed.",
        )


class FitBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches for Keras ``fit``, without the hooks, which it would call once too often."""

    def __init__(self, batches: DatasetBatches) -> None:
        workers = batches.num_workers
        super().__init__(workers=workers, max_queue_size=batches.num_ahead)
        self._batches = batches

    def __len__(self) -> int:
        return self._batches.count

    def __getitem__(self, index: int) -> Any:
        return self._batches.load(index)


class StreamFeed:
    """Batches of datasets, with names of their shapes.

    Parts are named by phase and shape: ``train``, ``train_1``, ..., ``test``, ``test_1``, ...

    Args:
        train: the training batches.
        validation: the validation batches, or None.

    Attributes:
        first_batches: of the training and the validation, by part, on the host.
    """

    def __init__(self, train: DatasetBatches, validation: DatasetBatches | None) -> None:
        self.sources: Mapping[Phase, DatasetBatches] = (
            {"train": train} if validation is None else {"train": train, "test": validation}
        )
        self.first_batches: dict[str, tuple[Tree, ...]] = {}
        self._names: dict[Hashable, str] = {}
        self._specs: dict[str, tuple[Tree, ...]] = {}
        for kind, source in self.sources.items():
            for index in source.probed:
                batch = source.load(index)
                part = self.part_of(kind, batch)
                if index == 0:
                    self.first_batches[part] = batch
        self.parts = tuple(self._specs)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process loads batches for itself."""
        return type(self), (self.sources["train"], self.sources.get("test"))

    @property
    def num_steps(self) -> int:
        """Number of batches in an epoch, validation included."""
        return sum(source.count for source in self.sources.values())

    @property
    def num_bytes(self) -> int:
        """Bytes on the device, whatever the number of lanes: batches in advance and in flight."""
        batch: int = max(
            sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(spec))
            for spec in self._specs.values()
        )
        return batch * (_IN_FLIGHT + max(source.num_ahead for source in self.sources.values()))

    def batch_spec(self, name: str) -> tuple[Tree, ...]:
        """Shapes and types of a batch of a part."""
        return self._specs[name]

    @property
    def identity(self) -> str:
        """A text that differs for feeds that cannot share a program."""
        return f"stream {[self._specs[name] for name in self.parts]}"

    def part_of(self, kind: Phase, batch: tuple[Tree, ...]) -> str:
        """The part of a batch; a new one for a new shape."""
        leaves, structure = jax.tree.flatten(batch)
        shape = (kind, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves))
        if shape not in self._names:
            known = sum(name.startswith(kind) for name in self._specs)
            name = f"{kind}_{known}" if known else kind
            self._specs[name] = jax.tree.map(
                lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), batch
            )
            self._names[shape] = name
        return self._names[shape]

    def epoch(
        self, kind: Phase, sharding: Any = None, number: int = 0
    ) -> Generator[tuple[str, list[jax.Array]], None, None]:
        """Yields for each batch of an epoch the name of its part and its leaves on the device.

        Args:
            kind: training or validation.
            sharding: of the batches on the devices.
            number: of the epoch, from 0.

        Raises:
            BatchFailed: the dataset raised an error or returned an invalid batch.
        """
        source = self.sources[kind]

        def load(index: int) -> tuple[tuple[Tree, ...], list[jax.Array]]:
            batch = source.load(index)
            return batch, jax.device_put(jax.tree.leaves(batch), sharding)

        loaded = load_in_order(load, source.count, source.num_workers, source.num_ahead)
        with source.epoch(number), closing(loaded):
            for batch, leaves in loaded:
                yield self.part_of(kind, batch), leaves


AnyFeed = ArrayFeed | StreamFeed
"""Data divided into batches: both have the shapes of their batches, by part."""


def feed_of(
    data: TrainingData | PooledData | StreamFeed,
    batch_size: int,
    validation_batch_size: int | None = None,
    steps: Steps = (None, None),
) -> AnyFeed:
    """Divides data into batches; a stream is returned unchanged, with its own batches.

    Args:
        data: the data.
        batch_size, validation_batch_size: as in `ArrayFeed`.
        steps: batches in an epoch of training and of validation, as in `ArrayFeed`.
    """
    if isinstance(data, StreamFeed):
        return data
    train, validation = steps
    return ArrayFeed(
        data,
        batch_size,
        validation_batch_size,
        steps_per_epoch=train,
        validation_steps=validation,
    )


def load_in_order(
    load: Callable[[int], T], count: int, num_workers: int, num_ahead: int
) -> Generator[T, None, None]:
    """Yields ``load(0)`` to ``load(count - 1)``, each called once.

    Args:
        load: loads an item.
        count: number of items.
        num_workers: number of threads.
        num_ahead: number of items that are loaded in advance.
    """
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="paceline-load")
    try:
        indices = iter(range(count))
        waiting: deque[Future[T]] = deque(
            pool.submit(load, index) for index in islice(indices, num_ahead)
        )
        while waiting:
            loaded = waiting.popleft().result()
            waiting.extend(pool.submit(load, index) for index in islice(indices, 1))
            yield loaded
    finally:
        # wait: another epoch of the dataset may start next
        pool.shutdown(wait=True, cancel_futures=True)


class InFlightLimit:
    """Limits the number of dispatched steps.

    Without it the host would send all batches of an epoch to a slow device.
    """

    def __init__(self) -> None:
        self._in_flight: deque[Any] = deque()

    def add(self, result: Any) -> None:
        """Adds the results of a dispatched step; waits if there are too many."""
        self._in_flight.append(result)
        if len(self._in_flight) > _IN_FLIGHT:
            jax.block_until_ready(self._in_flight.popleft())


def _as_tuple(batch: Any) -> tuple[Tree, ...]:
    if isinstance(batch, list):
        batch = tuple(batch)
    if not isinstance(batch, tuple):
        return (batch,)
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"it is a tuple of {len(batch)}")
    return batch


def _standard(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf.cpu() if hasattr(leaf, "cpu") else leaf)
    if array.ndim == 0:
        raise ValueError(f"it contains a {type(leaf).__name__}")
    if array.dtype != bool and not jax.numpy.issubdtype(array.dtype, jax.numpy.number):
        raise ValueError(f"it contains an array of {array.dtype}")
    # a copy, since a dataset may reuse its array for the next batch while this one is in use
    return to_device_dtype(array.copy())
