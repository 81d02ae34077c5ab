"""Reads data that arrive in batches into memory where they fit, and streams them otherwise.

They are loaded only if that changes nothing but the order of the rows: a second pass must give the
same rows as the first one. A pipeline that augments, samples or drops rows at random gives others
in every epoch, and is streamed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data.batch_sources import BatchSource, IteratedBatches, num_rows_of
from paceline.data.memory import SHARE, data_memory, in_mib
from paceline.data.records import Stream
from paceline.data.row_digests import row_digests
from paceline.data.source_reader import Raw
from paceline.data.trees import Array, Tree, is_branch, leaves, map_leaves, take

_ROWS_AT_ONCE = 256  # of sources that give single rows
_STREAMED = (
    "each is loaded once an epoch for all networks that train together, and used unchanged: no "
    "split, no standardisation."
)


@dataclass(frozen=True, slots=True)
class LoadingOptions:
    """How data that arrive in batches are read.

    Attributes:
        in_memory: True to load them into memory whatever their size, False to stream them; None to
            decide by their size.
        steps: number of batches in an epoch; None for all.
        memory: returns the bytes that they may occupy.
        rows: rows of a batch when sources of single rows are streamed.
        target: the column or key of the target; None for the only one.
        is_coded: whether categories of a table become numbers, and not features of their own.
        texts: what columns of texts become, see `paceline.data.texts`.
        texts_alone: whether all other columns of a table that has texts are left out.
    """

    in_memory: bool | None = None
    steps: int | None = None
    memory: Callable[[], int] = data_memory
    rows: int = 32
    target: Any = None
    is_coded: bool = False
    texts: str | Mapping[str, str] = "tfidf"
    texts_alone: bool = False


class _Stream(Exception):
    """The data have to be streamed; the message says why.

    Attributes:
        count: number of batches of a pass, if it has been found.
        is_large: whether they would be loaded if they were smaller.
    """

    def __init__(self, why: str, count: int | None = None, *, is_large: bool = False) -> None:
        super().__init__(why)
        self.count, self.is_large = count, is_large


@dataclass
class _Pass:
    """The batches of a pass over the data."""

    batches: list[tuple[Tree, ...]]
    digests: Array

    @property
    def num_bytes(self) -> int:
        return sum(map(_num_bytes, self.batches))


def read_batches(source: BatchSource, options: LoadingOptions) -> Raw | Stream:
    """The data of a source, in memory or as a stream.

    Raises:
        InvalidInput: data without an end, or that cannot be read as was asked for.
    """
    if options.in_memory and not source.has_end:
        raise InvalidInput(
            f"in_memory is True and the {source.name} has no end",
            expected="in_memory=None or False",
        )
    if not source.has_end and options.steps is None:
        raise InvalidInput(
            f"the {source.name} has no end and the number of batches in an epoch is not given",
            expected="steps_per_epoch, or validation_steps for validation data",
            fix="Pass steps_per_epoch=..., or leave out repeat().",
        )
    if not source.has_end or (source.count is None and options.steps is not None):
        return _stream(source, options, None)  # it may have no end
    if options.in_memory is False:
        return _stream(source, options, _count(source, options))
    try:
        return _loaded(source, options)
    except _Stream as why:
        if options.in_memory:
            raise InvalidInput(
                f"in_memory is True and the {source.name} cannot be loaded: {why}",
                expected="in_memory=None or False",
            ) from None
        count = why.count or _count(source, options)
        return replace(_stream(source, options, count, str(why)), is_large=why.is_large)


def _stream(
    source: BatchSource, options: LoadingOptions, count: int | None, why: str = ""
) -> Stream:
    because = f", since {why}" if why else ""
    note = f"The batches of the {source.name} are streamed{because}: {_STREAMED}"
    return Stream(source.name, IteratedBatches(source, count, options.rows), count, (note,), why)


def _count(source: BatchSource, options: LoadingOptions) -> int:
    """Number of batches of a pass, found by reading one if it is not known.

    Raises:
        InvalidInput: it is more than fits into memory, so that it may have no end.
    """
    known = source.num_batches(options.rows)
    if known is not None:
        return known
    limit, total, count = options.memory(), 0, 0
    if not source.is_single:
        for batch in source.batches(options.rows):
            total += _num_bytes(batch)
            if total > limit:
                break
            count += 1
        else:
            return count
    what = "can be read once only" if source.is_single else f"has more than {in_mib(limit)}"
    fix = ""
    if source.is_single:
        fix = (
            "Pass the function that makes the generator in place of the generator, or "
            "steps_per_epoch=..."
        )
    elif options.in_memory is None:
        fix = "If it has an end, in_memory=True loads all rows, whatever their size."
    raise InvalidInput(
        f"the {source.name} {what}, and the number of batches in an epoch is not known",
        expected="steps_per_epoch, or validation_steps for validation data",
        fix=fix,
    )


def _loaded(source: BatchSource, options: LoadingOptions) -> Raw:
    """The data in memory.

    Raises:
        _Stream: they do not fit, or cannot be arrays.
    """
    rows = options.rows if options.rows and not source.has_rows else _ROWS_AT_ONCE
    limit = None if options.in_memory else options.memory()
    read = _read(source, rows, limit)
    size = None if source.has_rows else _batch_size(read.batches)
    order = None if source.is_single else _order(read, source.batches(rows))
    x, y, *weight = (_joined([batch[i] for batch in read.batches]) for i in range(_width(read)))
    if order is not None:
        x, y, *weight = (take(part, order) for part in (x, y, *weight))
    count = len(read.digests)
    note = (
        f"{count:,} rows ({in_mib(read.num_bytes)}) of the {source.name} were loaded into memory; "
        "they are shuffled anew in each epoch."
    )
    return Raw(
        source.name,
        x,
        y,
        from_file=False,
        sample_weight=weight[0] if weight else None,
        batch_size=size,
        notes=(note,),
    )


def _read(source: BatchSource, rows: int, limit: int | None) -> _Pass:
    found, digests, total = [], [], 0
    for batch in source.batches(rows):
        _check_shape(batch)
        total += _num_bytes(batch)
        if limit is not None and total > limit:
            raise _Stream(
                f"it has more than {in_mib(limit)}, which is {SHARE:.0%} of the free memory",
                is_large=True,
            )
        # a copy, since a source may reuse its arrays
        found.append(tuple(map_leaves(lambda _, leaf: np.array(leaf), part) for part in batch))
        digests.append(row_digests(batch))
    if not found:
        raise InvalidInput(f"{source.name} has no batches", expected="at least one")
    return _Pass(found, np.concatenate(digests))


def _check_shape(batch: tuple[Tree, ...]) -> None:
    num_rows_of(batch)
    if len(batch) < 2 or any(part is None for part in batch):
        raise _Stream("it has no targets (a batch is x alone, not (x, y))")
    weight = batch[2] if len(batch) == 3 else None
    if weight is not None and (is_branch(weight) or weight.ndim > 2 or weight[0].size != 1):
        raise _Stream("its weights are not one number for each row")


def _batch_size(batches: list[tuple[Tree, ...]]) -> int:
    """The rows of a batch, where all but the last one have as many."""
    sizes = [num_rows_of(batch) for batch in batches]
    if any(size != sizes[0] for size in sizes[:-1]) or sizes[-1] > sizes[0]:
        raise _Stream("its batches differ in their numbers of rows")
    return sizes[0]


def _order(read: _Pass, again: Iterator[tuple[Tree, ...]]) -> Array | None:
    """The order of the rows that every pass agrees on; None for the one in which they were read.

    Raises:
        _Stream: a second pass gives other rows.
    """
    known, other, count = set(read.digests.tolist()), [], 0
    for batch in again:
        digests = row_digests(batch)
        count += len(digests)
        if count > len(read.digests) or not known.issuperset(digests.tolist()):
            raise _Stream("a second pass gives other rows", len(read.batches))
        other.append(digests)
    second = np.concatenate(other) if other else np.zeros(0, np.uint64)
    if np.array_equal(second, read.digests):
        return None
    order = np.argsort(read.digests, kind="stable")
    if not np.array_equal(np.sort(second), read.digests[order]):
        raise _Stream("a second pass gives other rows", len(read.batches))
    return order


def _width(read: _Pass) -> int:
    widths = {len(batch) for batch in read.batches}
    if len(widths) != 1:
        raise _Stream("some of its batches have weights")
    return widths.pop()


def _joined(parts: list[Tree]) -> Tree:
    found = [dict(leaves(part)) for part in parts]
    shapes = [{path: leaf.shape[1:] for path, leaf in one.items()} for one in found]
    other = next((one for one in shapes if one != shapes[0]), None)
    if other is not None:
        named = " and ".join(_shapes(one) for one in (shapes[0], other))
        raise _Stream(f"its batches differ in the shape of a row ({named})")
    return map_leaves(lambda path, _: np.concatenate([one[path] for one in found]), parts[0])


def _shapes(row: Mapping[str, tuple[int, ...]]) -> str:
    """The shapes of a row's arrays: ``(4,)``, or ``image (8, 8), size (1,)``."""
    return ", ".join(f"{path} {shape}".strip() for path, shape in row.items())


def _num_bytes(batch: tuple[Tree, ...]) -> int:
    return sum(leaf.nbytes for part in batch if part is not None for _, leaf in leaves(part))
