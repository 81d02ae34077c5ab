"""Data whose rows can be taken by their numbers: loaded into memory, or streamed in batches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data.array_files import pixels
from paceline.data.batch_loading import LoadingOptions
from paceline.data.memory import SHARE, in_mib
from paceline.data.partition import partition
from paceline.data.records import Stream
from paceline.data.row_digests import row_digests
from paceline.data.source_reader import Raw
from paceline.data.trees import Array, Tree, leaves, map_leaves, take

_COMPARED_ROWS = 256  # at once
_FLOAT_BYTES = 5  # for each byte of an image: itself, and a float
_PROBED_ROWS = 16  # from which the size of all rows is estimated
_VALIDATION_STREAM = 4  # of random numbers; others draw the parts of arrays


@dataclass(frozen=True, slots=True, eq=False)
class RowSource:
    """Rows that can be taken by their numbers.

    Attributes:
        name: what they are, for messages and the record of a study.
        num_rows: how many.
        take: returns ``(x, y)`` of the rows with these numbers, in this order.
        labels: class of each row as whole numbers, by which parts are stratified; None for none.
        target_name, class_names, has_pixels, notes: as in `Raw`.
        num_workers: threads in which rows may be taken at once.
        test: rows of the source's own test set.
        from_file: as in `Raw`.
        may_vary: whether a row may differ each time that it is taken, as with random transforms.
    """

    name: str
    num_rows: int
    take: Callable[[Array], tuple[Tree, Tree]]
    labels: Array | None = None
    target_name: str = "y"
    class_names: tuple[str, ...] = ()
    has_pixels: bool = False
    notes: tuple[str, ...] = ()
    num_workers: int = 1
    test: "RowSource | None" = None
    from_file: bool = False
    may_vary: bool = False

    def __post_init__(self) -> None:
        if self.num_rows == 0:
            raise InvalidInput(f"the {self.name} has no rows", expected="at least one")

    @property
    def num_bytes(self) -> int:
        """Bytes of all rows, estimated from a few."""
        count = min(_PROBED_ROWS, self.num_rows)
        probed = self.take(np.arange(count))
        size = sum(int(leaf.nbytes) for part in probed for _, leaf in leaves(part))
        return size * self.num_rows // count + (0 if self.test is None else self.test.num_bytes)

    def subset(self, rows: Array) -> "RowSource":
        """The source with only these rows."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(
            self, num_rows=len(rows), take=lambda own: self.take(rows[own]), labels=labels
        )


def read_rows(source: RowSource, options: LoadingOptions) -> Raw | Stream:
    """The data of a source, in memory or as a stream."""
    size, wanted = source.num_bytes, options.in_memory
    needed = size * _FLOAT_BYTES if source.has_pixels else size  # they are also kept as floats
    if wanted is False or (wanted is None and needed > options.memory()):
        why = f"{in_mib(needed)} are more than {SHARE:.0%} of the free memory"
        return _streamed(source, options, why if wanted is None else "")
    every = np.arange(source.num_rows)
    x, y = source.take(every)
    if source.may_vary and not wanted and _varies(source, (x, y)):
        return _streamed(source, options, "its rows differ each time that they are read")
    x_test, y_test = (
        (None, None) if source.test is None else source.test.take(np.arange(source.test.num_rows))
    )
    note = (
        f"{source.num_rows:,} rows ({in_mib(size)}) of the {source.name} were loaded into memory."
    )
    return Raw(
        source.name,
        x,
        y,
        x_test,
        y_test,
        class_names=source.class_names,
        target_name=source.target_name,
        has_pixels=source.has_pixels,
        from_file=source.from_file,
        notes=(*source.notes, note),
    )


def _streamed(source: RowSource, options: LoadingOptions, why: str) -> Stream:
    note = (
        f"The {source.num_rows:,} rows of the {source.name} are streamed"
        f"{f', since {why}' if why else ''}: each batch is loaded once an epoch for all networks "
        "that train together."
    )
    batches = RowBatches(source, options.rows, is_shuffled=True)
    return Stream(source.name, batches, batches.num_batches, (*source.notes, note), why)


def _varies(source: RowSource, known: tuple[Tree, Tree]) -> bool:
    """Whether rows differ when they are taken again."""
    for start in range(0, source.num_rows, _COMPARED_ROWS):
        rows = np.arange(start, min(start + _COMPARED_ROWS, source.num_rows))
        again = source.take(rows)
        if not np.array_equal(row_digests(again), row_digests(take(known, rows))):
            return True
    return False


class RowBatches:
    """Batches of a source's rows: `paceline.core.batches.Batches`.

    Batches are counted over all epochs of a training: each pass over the rows has an order of its
    own, which depends on its number only.

    Args:
        source: the rows.
        size: rows of a batch.
        is_shuffled: whether each pass has an order of its own.

    Attributes:
        name, num_batches: of the source.
        source: the rows.
    """

    is_iterator = False
    has_passes = True
    has_rows = True
    max_queue_size = 8
    use_multiprocessing = False

    def __init__(self, source: RowSource, size: int, is_shuffled: bool) -> None:
        self.name, self.source = source.name, source
        self.num_batches = -(-source.num_rows // size)
        self.workers = source.num_workers
        self._size, self._is_shuffled = size, is_shuffled
        self._order: tuple[int, Array] = (-1, np.arange(0))

    @property
    def is_in_order(self) -> bool:
        """Whether each pass has the order of the source."""
        return not self._is_shuffled

    @property
    def test(self) -> "RowBatches | None":
        """Batches of the source's own test set."""
        own = self.source.test
        return None if own is None else RowBatches(own, self._size, is_shuffled=False)

    def on_epoch_begin(self) -> None:
        """Does nothing."""

    def on_epoch_end(self) -> None:
        """Does nothing."""

    def __getitem__(self, place: int) -> tuple[Tree, ...]:
        """The batch at a place, counted over all passes."""
        number, index = divmod(place, self.num_batches)
        rows = self._rows(number)[index * self._size :][: self._size]
        x, y = self.source.take(rows)
        # as the preparation of images in memory does
        return (map_leaves(lambda _, leaf: pixels(leaf), x) if self.source.has_pixels else x), y

    def _rows(self, number: int) -> Array:
        """The order of the rows in a pass."""
        if not self._is_shuffled:
            return np.arange(self.source.num_rows)
        known, order = self._order
        if known != number:
            order = np.random.default_rng([1, number]).permutation(self.source.num_rows)
            self._order = (number, order)
        return order

    def divided(
        self, fraction: float, seed: int, validation_size: int
    ) -> tuple["RowBatches", "RowBatches", tuple[str, ...]]:
        """Batches for training and for validation, drawn at random, and notes.

        Args:
            fraction: of the rows for validation.
            seed: of the draw.
            validation_size: rows of a validation batch.

        Raises:
            InvalidInput: a fraction that leaves a part empty.
        """
        train, held_out, notes = partition(
            self.source.num_rows,
            fraction,
            seed=seed,
            stream=_VALIDATION_STREAM,
            labels=self.source.labels,
            what="validation",
        )
        return (
            RowBatches(self.source.subset(train), self._size, is_shuffled=True),
            RowBatches(self.source.subset(held_out), validation_size, is_shuffled=False),
            notes,
        )

    def in_order(self, size: int) -> "RowBatches":
        """The same rows in their own order, as for validation, in batches of another size."""
        return RowBatches(self.source, size, is_shuffled=False)


def from_rows(name: str, length: int, one: Callable[[int], Any]) -> RowSource:
    """A source of rows that can be taken one by one.

    Args:
        name, length: as in `RowSource`.
        one: returns ``(x, y)`` of a row.
    """
    from paceline.data.batch_sources import BatchSource

    elements = BatchSource(name, lambda: iter(()), has_rows=True)

    def take(rows: Array) -> tuple[Tree, Tree]:
        batch = elements.stacked_rows([one(int(row)) for row in rows])
        if len(batch) != 2:
            raise InvalidInput(f"{name} gives tuples of {len(batch)}", expected="(x, y)")
        return batch[0], batch[1]

    return RowSource(name, length, take, may_vary=True)
