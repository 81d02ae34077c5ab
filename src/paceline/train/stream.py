"""Data that do not fit on the device: batches of a ``keras.utils.PyDataset``, each loaded once and
seen by all lanes.

A `StreamFeed` is to a stream what `Feed` is to resident arrays: it names the batch shapes, which
are what is traced and compiled, and hands out the batches of an epoch, loaded by threads of their
own while the device trains.

The first batch and the last are loaded once when the feed is made, since their shapes must be known
before anything can be compiled. A shape that is met only later gets a name then.
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
from paceline.train.feed import Feed, PooledData, TrainingData, Tree, as_fit_takes, as_on_device

T = TypeVar("T")
Kind = Literal["train", "test"]

_AHEAD = 2  # batches that are loaded before they are needed, where the dataset has one worker
_STANDARD_ROWS = 32  # in a batch of arrays, for `fit`
_IN_FLIGHT = (
    2  # batches that wait on the device; without a limit a slow device would gather them all
)


class BatchFailed(InvalidInput):
    """A dataset raised, or gave something that is no batch: no network can be trained on it."""


class ArrayBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Arrays in memory as a dataset, in order.

    Args:
        arrays: ``(x, y)`` or ``(x, y, sample_weight)``, each a tree of arrays whose first axis
            counts rows.
        batch_size: rows in a batch; None for those that ``fit`` takes when nobody says.
    """

    def __init__(self, arrays: tuple[Tree, ...], batch_size: int | None = None) -> None:
        super().__init__()
        self._arrays = jax.tree.map(as_fit_takes, arrays)
        self._rows = len(jax.tree.leaves(self._arrays)[0])
        self._size = batch_size or _STANDARD_ROWS

    def __len__(self) -> int:
        return -(-self._rows // self._size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self._size, (index + 1) * self._size)
        return jax.tree.map(lambda array: array[rows], self._arrays)


class Batches:
    """A dataset, with its errors made clear and its batches brought to the types that ``fit`` would
    use.

    Args:
        dataset: a ``keras.utils.PyDataset``.
        row_weights: gives the weights of a batch's rows from its targets; None for no class
            weights.

    Raises:
        BatchFailed: it does not say how many batches it has, or has none.
    """

    def __init__(self, dataset: Any, row_weights: Callable[[Any], Any] | None = None) -> None:
        self.name = type(dataset).__name__
        self._dataset, self._row_weights = dataset, row_weights
        if self.count == 0:
            raise BatchFailed(f"{self.name} has no batches", expected="at least one")

    @property
    def count(self) -> int:
        """Number of batches in an epoch."""
        try:
            count = self._dataset.num_batches
        except Exception as error:
            raise self._failed("num_batches", error) from error
        if count is None:
            raise BatchFailed(
                f"{self.name} is endless",
                expected="a dataset with __len__, the batches of an epoch",
            )
        return int(count)

    @property
    def num_workers(self) -> int:
        """Threads that load its batches."""
        return max(1, int(self._dataset.workers))

    @property
    def num_ahead(self) -> int:
        """How many batches are loaded before they are needed."""
        return max(_AHEAD, int(self._dataset.max_queue_size)) if self.num_workers > 1 else _AHEAD

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Tells the dataset that an epoch begins, and that it is over unless it was given up."""
        self._tell("on_epoch_begin")
        yield
        self._tell("on_epoch_end")

    def load(self, index: int) -> tuple[Tree, ...]:
        """One batch, on the host.

        Raises:
            BatchFailed: the dataset raised, or gave no batch.
        """
        try:
            batch = self._dataset[index]
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
            raise ValueError("it has sample weights, and class_weight was given too")
        return (*batch[:2], self._row_weights(batch[1]))

    def _tell(self, what: str) -> None:
        try:
            getattr(self._dataset, what)()
        except Exception as error:
            raise self._failed(what, error) from error

    def _failed(self, what: str, error: Exception) -> BatchFailed:
        return BatchFailed(
            f"{self.name} raised {type(error).__name__} at {what}: {error}".removesuffix("."),
            expected="a dataset whose every batch can be loaded",
            fix="Nothing that was measured is lost: call it again when the dataset is mended.",
        )


class ForFit(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches for Keras's own ``fit``, without the hooks, which it calls once too often."""

    def __init__(self, batches: Batches) -> None:
        workers = batches.num_workers
        super().__init__(workers=workers, max_queue_size=batches.num_ahead)
        self._batches = batches

    def __len__(self) -> int:
        return self._batches.count

    def __getitem__(self, index: int) -> Any:
        return self._batches.load(index)


class StreamFeed:
    """Batches that come one after another, with the names of their shapes.

    Parts are named by kind and shape: ``train``, ``train_1``, ..., ``test``, ``test_1``, ...

    Args:
        train: what to train on.
        validation: what to validate with, or None.
    """

    def __init__(self, train: Batches, validation: Batches | None) -> None:
        self.sources: Mapping[Kind, Batches] = (
            {"train": train} if validation is None else {"train": train, "test": validation}
        )
        self._names: dict[Hashable, str] = {}
        self._specs: dict[str, tuple[Tree, ...]] = {}
        for kind, source in self.sources.items():
            for index in sorted({0, source.count - 1}):
                self.part_of(kind, source.load(index))
        self.parts = tuple(self._specs)

    @property
    def num_steps(self) -> int:
        """Number of batches in an epoch, validation included."""
        return sum(source.count for source in self.sources.values())

    @property
    def num_bytes(self) -> int:
        """What may lie on the device whatever the number of lanes: batches loaded ahead and under
        way.
        """
        batch: int = max(
            sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(spec))
            for spec in self._specs.values()
        )
        return batch * (_IN_FLIGHT + max(source.num_ahead for source in self.sources.values()))

    def batch_spec(self, name: str) -> tuple[Tree, ...]:
        """Shapes and types of one batch of a part."""
        return self._specs[name]

    @property
    def identity(self) -> str:
        """Tells feeds apart whose programs must not be shared."""
        return f"stream {[self._specs[name] for name in self.parts]}"

    def part_of(self, kind: Kind, batch: tuple[Tree, ...]) -> str:
        """The part that a batch belongs to; a new one for a shape that was not met before."""
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
        self, kind: Kind, sharding: Any = None
    ) -> Generator[tuple[str, list[jax.Array]], None, None]:
        """The batches of an epoch in order, each with its part's name and, flat, on the device.

        Args:
            kind: training or validation.
            sharding: where on the devices the batches go.

        Raises:
            BatchFailed: the dataset raised, or gave no batch.
        """
        source = self.sources[kind]

        def load(index: int) -> tuple[tuple[Tree, ...], list[jax.Array]]:
            batch = source.load(index)
            return batch, jax.device_put(jax.tree.leaves(batch), sharding)

        loaded = in_order(load, source.count, source.num_workers, source.num_ahead)
        with source.epoch(), closing(loaded):
            for batch, leaves in loaded:
                yield self.part_of(kind, batch), leaves


def feed_of(
    data: TrainingData | PooledData | StreamFeed,
    batch_size: int,
    validation_batch_size: int | None = None,
) -> Feed | StreamFeed:
    """The batches of some data; a stream has its own batch size."""
    return data if isinstance(data, StreamFeed) else Feed(data, batch_size, validation_batch_size)


def in_order(
    load: Callable[[int], T], count: int, num_workers: int, num_ahead: int
) -> Generator[T, None, None]:
    """``load(0)`` to ``load(count - 1)``, each called once, in threads, so many ahead of the one
    that is asked for.
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
        # whoever gives up an epoch may begin another: the dataset is let go of first
        pool.shutdown(wait=True, cancel_futures=True)


class Window:
    """Waits for the device so that no more than a few batches are under way.

    Without it the host would hand a slow device all the batches there are.
    """

    def __init__(self) -> None:
        self._under_way: deque[Any] = deque()

    def add(self, result: Any) -> None:
        """Takes what a dispatched step will give."""
        self._under_way.append(result)
        if len(self._under_way) > _IN_FLIGHT:
            jax.block_until_ready(self._under_way.popleft())


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
        raise ValueError(f"it holds a {type(leaf).__name__}")
    if array.dtype != bool and not jax.numpy.issubdtype(array.dtype, jax.numpy.number):
        raise ValueError(f"it holds an array of {array.dtype}")
    # a copy: a dataset may fill the same array again for its next batch, which is loaded while this
    # one is in use
    return as_on_device(array.copy())
