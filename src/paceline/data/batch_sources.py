"""Data that arrive in batches: what they have in common, whichever library they come from.

A `BatchSource` can be read, pass after pass. `paceline.data.batch_loading` reads it into memory, or
makes `IteratedBatches` of it, which has the methods of a ``keras.utils.PyDataset`` that training
uses, without importing Keras.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data.trees import Array, Tree, leaves, map_leaves

_END = object()
_BATCH = "(x, y) or (x, y, sample_weight) of arrays whose first axis counts rows"
_ROW = "(x, y) or (x, y, sample_weight)"


@dataclass(frozen=True, slots=True, eq=False)
class BatchSource:
    """Something that gives batches, or single rows.

    Attributes:
        name: what it is, for messages and the record of a study.
        start: begins a pass; returns an iterator of batches ``(x, y)`` or ``(x, y, weight)``.
        count: number of batches of a pass, or of rows; None if it is not known.
        has_end: whether a pass ends; False only if it is known not to.
        is_single: whether it can be read once only.
        has_rows: whether it gives single rows in place of batches.
        target: the key of the target, if it gives dicts of inputs and target.
    """

    name: str
    start: Callable[[], Iterator[Any]]
    count: int | None = None
    has_end: bool = True
    is_single: bool = False
    has_rows: bool = False
    target: str | None = None

    def batches(self, rows: int) -> Iterator[tuple[Tree, ...]]:
        """Begins a pass over the batches.

        Args:
            rows: rows of a batch, if the source gives single rows.

        Raises:
            InvalidInput: an element that is not a batch.
        """
        elements = iter(self.start())
        if not self.has_rows:
            yield from (self._batch(element) for element in elements)
            return
        while group := list(islice(elements, rows)):
            yield self.stacked_rows(group)

    def num_batches(self, rows: int) -> int | None:
        """Number of batches of a pass; None if it is not known."""
        return None if self.count is None else -(-self.count // (rows if self.has_rows else 1))

    def stacked_rows(self, rows: list[Any]) -> tuple[Tree, ...]:
        """A batch of single rows.

        Raises:
            InvalidInput: rows of different shape.
        """
        return _stacked([self._batch(row, _ROW) for row in rows], self.name)

    def _batch(self, element: Any, expected: str = _BATCH) -> tuple[Tree, ...]:
        if self.target is not None:
            element = _with_target(element, self.target, self.name)
        if isinstance(element, list):
            element = tuple(element)
        if not isinstance(element, tuple):
            element = (element,)
        if not 1 <= len(element) <= 3:
            raise InvalidInput(f"{self.name} gives tuples of {len(element)}", expected=expected)
        return tuple(None if part is None else map_leaves(_to_array, part) for part in element)


def _with_target(element: Any, target: str, name: str) -> tuple[Any, Any]:
    if not isinstance(element, Mapping):
        raise InvalidInput(
            f"target is {target!r} and the {name} gives a {type(element).__name__}",
            expected="dicts of inputs and target, or no target",
        )
    if target not in element:
        listed = ", ".join(map(repr, list(element)[:20]))
        raise InvalidInput(f"{name} has no {target!r}", expected=f"target among {listed}")
    rest = {key: value for key, value in element.items() if key != target}
    return next(iter(rest.values())) if len(rest) == 1 else rest, element[target]


def _to_array(_: str, leaf: Any) -> Array:
    """An array of NumPy from one of NumPy, JAX, TensorFlow or PyTorch, or from a number."""
    if hasattr(leaf, "detach"):
        leaf = leaf.detach().cpu()
    return np.asarray(leaf)


def _stacked(rows: list[tuple[Tree, ...]], name: str) -> tuple[Tree, ...]:
    try:
        return tuple(_column([row[place] for row in rows]) for place in range(len(rows[0])))
    except (ValueError, KeyError, IndexError) as error:
        raise InvalidInput(
            f"the rows of {name} differ in shape ({error})",
            expected="rows of one shape",
            fix="Resize or pad them first.",
        ) from error


def _column(cells: list[Tree]) -> Tree:
    """One part of all rows as arrays."""
    if cells[0] is None:
        return None
    found = [dict(leaves(cell)) for cell in cells]
    return map_leaves(lambda path, _: np.stack([one[path] for one in found]), cells[0])


def num_rows_of(batch: tuple[Tree, ...]) -> int:
    """Number of rows of a batch.

    Raises:
        InvalidInput: its arrays differ in it, or have none.
    """
    lengths = {
        leaf.shape[0] if leaf.ndim else 0
        for part in batch
        if part is not None
        for _, leaf in leaves(part)
    }
    if len(lengths) != 1 or 0 in lengths:
        raise InvalidInput(
            f"a batch has arrays of {', '.join(map(str, sorted(lengths)))} rows", expected=_BATCH
        )
    return int(lengths.pop())


class IteratedBatches:
    """Batches of a source in the order in which it gives them: `paceline.core.batches.Batches`.

    Batch 0 begins a new pass, and so does any other batch that does not follow the last one. After
    the last batch of a pass the next one begins.

    Args:
        source: what is read.
        num_batches: of a pass; None if it has no end, or is read by ``steps_per_epoch``.
        rows: rows of a batch, if the source gives single rows.

    Attributes:
        name, num_batches: as above.
        has_rows: whether the source gives single rows, so that the size of batches is free.
        is_iterator: True: batches cannot be loaded in another order.
        has_passes: False: only their order counts, not the pass.
        workers, max_queue_size, use_multiprocessing: as in ``keras.utils.PyDataset``.
    """

    is_iterator = True
    has_passes = False
    workers = 1
    max_queue_size = 2
    use_multiprocessing = False

    def __init__(self, source: BatchSource, num_batches: int | None, rows: int = 32) -> None:
        self.name, self.num_batches = source.name, num_batches
        self.has_rows = source.has_rows
        self._source, self._rows = source, rows
        self._batches: Iterator[Any] = iter(())
        self._has_begun = False
        self._place = 0  # of the next batch
        self._num_read = 0  # batches of this pass
        self._first: Any = None  # first batch of a source that can be read once only

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process begins a pass of its own.

        Raises:
            InvalidInput: the source can be read once only.
        """
        if self._source.is_single:
            raise InvalidInput(
                f"the {self.name} can be read once only", expected="the function that makes it"
            )
        return type(self), (self._source, self.num_batches, self._rows)

    def on_epoch_begin(self) -> None:
        """Does nothing: a pass begins with its first batch."""

    def on_epoch_end(self) -> None:
        """Does nothing."""

    def __getitem__(self, place: int) -> Any:
        """The batch at a place, counted over all epochs of a training.

        Raises:
            InvalidInput: the source can be read once only, and has ended.
        """
        if place == 0 or place != self._place:
            batch = self._begin() or self._next()
        else:
            batch = self._next()
        self._place = place + 1
        return batch

    def _begin(self) -> Any:
        """Begins a pass; returns the first batch if it was read from a source without another."""
        if not self._source.is_single or not self._has_begun:
            self._start()
            return None
        return self._first if self._num_read == 1 else None

    def _start(self) -> None:
        self._batches, self._num_read = self._source.batches(self._rows), 0
        self._has_begun = True

    def _next(self) -> Any:
        batch = next(self._batches, _END)
        if batch is _END and self._num_read and not self._source.is_single:
            self._start()
            batch = next(self._batches, _END)
        if batch is _END:
            raise self._ended()
        self._num_read += 1
        self._first = batch if self._source.is_single and self._num_read == 1 else None
        return batch

    def _ended(self) -> InvalidInput:
        if not self._source.is_single:
            return InvalidInput(f"{self.name} has no batches", expected="at least one")
        return InvalidInput(
            f"{self.name} ended after {self._num_read} batches and can be read once only",
            expected="batches for every epoch of every candidate",
            fix="Pass the function that makes the generator in place of the generator, or one "
            "without an end.",
        )
