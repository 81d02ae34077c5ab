"""Opens data of other libraries: in memory where they fit, as streams otherwise."""

from dataclasses import replace
from typing import Any

from paceline.core import InvalidInput
from paceline.data import batch_readers, image_folders  # noqa: F401 - they register themselves
from paceline.data.batch_loading import LoadingOptions, read_batches
from paceline.data.batch_sources import BatchSource
from paceline.data.foreign import is_foreign_table, is_sparse, known_form, sparse_rows
from paceline.data.hugging_face import NeedsTarget
from paceline.data.records import Stream
from paceline.data.row_sources import RowSource, read_rows
from paceline.data.source_reader import Raw
from paceline.data.source_registry import explained, provided


def open_data(source: Any, options: LoadingOptions) -> Any:
    """Data as `Raw` or a `Stream`, if they come from another library; others unchanged.

    Args:
        source: what `paceline.data.source_registry.provided` returned.
        options: how they are read.

    Raises:
        InvalidInput: data that cannot be used.
    """
    needs_target = isinstance(source, NeedsTarget)
    if isinstance(source, NeedsTarget):
        source = source.read(options.target)
    if isinstance(source, tuple):
        source = _open_tuple(source, options)
    if isinstance(source, BatchSource):
        target = options.target
        named = source if target is None else replace(source, target=str(target))
        with explained(source.name):
            return read_batches(named, options)
    if isinstance(source, RowSource):
        if options.target is not None and not needs_target:
            raise InvalidInput(
                f"target is {options.target!r} and data is the {source.name}, which has a "
                "separate target",
                expected="target=None",
            )
        with explained(source.name):
            return read_rows(source, options)
    return source


def opened(data: Any, options: LoadingOptions | None = None) -> Any:
    """Validation or test data: ``(x, y)``, ``(x, y, sample_weight)``, or a stream.

    Anything else is returned unchanged.

    Raises:
        InvalidInput: see `open_data`.
    """
    if data is None or isinstance(data, str):
        return data
    found = open_data(provided(data)[0], options or LoadingOptions())
    if not isinstance(found, Raw):
        return found
    return (
        (found.x, found.y)
        if found.sample_weight is None
        else (
            found.x,
            found.y,
            found.sample_weight,
        )
    )


def _open_tuple(source: tuple[Any, ...], options: LoadingOptions) -> Any:
    """A tuple of arrays with tables and sparse matrices in forms that are known."""
    if any(isinstance(part, tuple) for part in source):
        return tuple(
            _open_tuple(part, options) if isinstance(part, tuple) else part for part in source
        )
    if not any(is_sparse(part) or is_foreign_table(part) for part in source):
        return source
    x, y, *rest = source
    if is_sparse(x) and not rest and not is_sparse(y):
        return sparse_rows(x, y)
    return tuple(map(known_form, source))


def check_in_memory(wanted: bool, source: Any) -> None:
    """Checks that data of no other library can be used as was asked for.

    Raises:
        InvalidInput: arrays are to be streamed, or a stream is to be loaded.
    """
    if wanted and isinstance(source, Stream):
        raise InvalidInput(
            f"in_memory is True and data is the stream {source.name}, which is asked for its "
            "batches in each epoch, as by fit, and never loaded",
            expected="in_memory=None or False",
            fix="To load it pass a function that gives its batches: "
            "lambda: (batches[i] for i in range(len(batches))).",
        )
    if not wanted and not isinstance(source, Stream):
        raise InvalidInput(
            "in_memory is False and data is in memory",
            expected="in_memory=None",
            fix="Pass a function that returns an iterator of batches (x, y).",
        )
