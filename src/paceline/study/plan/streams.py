"""Streamed data: the options that they allow, and their description."""

from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import InvalidInput
from paceline.core.batches import Batches, source_batches
from paceline.data import Stream
from paceline.data.fingerprints import fingerprint
from paceline.data.folds import plain_name_of
from paceline.data.opening import opened
from paceline.data.row_sources import RowBatches
from paceline.data.trees import map_leaves
from paceline.space import Space
from paceline.study.inputs.stream_parts import StreamParts, weights_of_classes
from paceline.study.plan.definition import Definition

if TYPE_CHECKING:
    from paceline.train.stream_feed import DatasetBatches

_DEFAULT_BATCH_SIZE = 32  # values of `tune` that are the same as passing nothing
_ACCEPTED = "another keras.utils.PyDataset or other batches, (x, y), (x, y, sample_weight) or None"
_OF_LOADING = ("in_memory", "target")  # data options that have been used by then


def stream_parts(stream: Stream, definition: Definition) -> StreamParts:
    """The stream with the validation data, test data and class weights of the definition.

    Args:
        stream: the training data.
        definition: that of the study; its validation data have been opened.

    Raises:
        InvalidInput: an option does not apply to a stream, or the dataset does not return batches.
    """
    from paceline.train.stream_feed import DatasetBatches, StreamFeed

    _check_not_in_folds(stream, definition)
    check_batch_size(definition.loop, stream)
    test = _test(_checked_options(stream, definition), stream)
    source, validation, notes = _parts(definition, stream)
    weights, training = definition.class_weight, definition.settings.training
    train = DatasetBatches(
        source,
        None if weights is None else lambda y: weights_of_classes(y, weights),
        training.steps_per_epoch,
    )
    feed = StreamFeed(train, None if validation is None else _batches(validation, definition))
    identity = fingerprint("stream", stream.name, str(train.count), *_identity(validation))
    if not _has_rows(stream) and training.batch_size not in (None, _DEFAULT_BATCH_SIZE):
        notes = (
            *notes,
            f"batch_size={training.batch_size} is not used: {stream.name} gives batches of its "
            "own.",
        )
    if getattr(stream.source, "use_multiprocessing", False):
        notes = (*notes, f"{stream.name} loads in {train.num_workers} threads, not in processes.")
    return StreamParts(stream, feed, test, identity, notes, training.validation_batch_size)


def _has_rows(stream: Stream) -> bool:
    """Whether it gives single rows, so that the size of its batches is free."""
    own = source_batches(stream.source)
    return own is not None and own.has_rows


def _checked_options(stream: Stream, definition: Definition) -> Any:
    """The option ``test``, after a check that there is no other one."""
    options = dict(definition.data_options)
    test = options.pop("test", "auto")
    used = () if source_batches(stream.source) is None else _OF_LOADING
    given = [name for name, value in options.items() if value is not None and name not in used]
    if given:
        raise InvalidInput(
            f"{given[0]} was given and data is the stream {stream.name}",
            expected="no option but test",
            fix="Let the dataset give what the network is to see; (x, y, sample_weight) for "
            "weights.",
        )
    return test


def check_batch_size(space: Space, stream: Stream) -> None:
    """Checks that the batch size is left to the dataset.

    Raises:
        InvalidInput: it is a hyperparameter.
    """
    if "batch_size" in space:
        raise InvalidInput(
            f"batch_size is a hyperparameter and data is the stream {stream.name}",
            expected="no batch_size: all candidates see the batches that the dataset gives",
            fix="To tune it pass arrays, a file or a named data set.",
        )


def _check_not_in_folds(stream: Stream, definition: Definition) -> None:
    """Refuses folds: each would need a reader of its own.

    Raises:
        InvalidInput: they are given.
    """
    if definition.folds is None:
        return
    apart = "0.2" if isinstance(stream.source, RowBatches) else "(x_val, y_val) or other batches"
    raise InvalidInput(
        f"folds is {plain_name_of(definition.folds)} and data is the stream {stream.name}"
        + (f", since {stream.why}" if stream.why else ""),
        expected="data in memory, whose rows can be divided into folds",
        fix=f"{_how_to_load(stream, definition)} Or pass validation={apart} in place of folds.",
    )


def _how_to_load(stream: Stream, definition: Definition) -> str:
    """What to pass so that the rows of a stream are in memory."""
    if definition.data_options.get("in_memory") is False:
        return "Leave out in_memory=False: what fits into memory is loaded."
    if isinstance(stream.source, RowBatches) or stream.is_large:
        return "With in_memory=True all rows are loaded, whatever their size."
    if source_batches(stream.source) is None:  # a PyDataset
        return (
            "If its batches are the same in every epoch, pass "
            "lambda: (data[i] for i in range(len(data))): they are loaded where they fit."
        )
    return "Pass arrays, or batches that are the same rows in every pass."


def _parts(definition: Definition, stream: Stream) -> tuple[Batches, Any, tuple[str, ...]]:
    """The training batches, the validation data (None if there are none), and notes."""
    validation, metric = definition.validation, definition.objective.metric
    if isinstance(validation, float) and isinstance(stream.source, RowBatches):
        training = definition.settings.training
        size = training.validation_batch_size or training.batch_size or _DEFAULT_BATCH_SIZE
        train, held_out, notes = stream.source.divided(validation, definition.seed, size)
        return train, Stream(stream.name, held_out, held_out.num_batches), notes
    if not isinstance(validation, int | float) and validation is not None:
        return stream.source, validation, getattr(validation, "notes", ())
    if metric.startswith("val_"):
        raise _needs_validation(stream, definition)
    note = (
        "No validation data: candidates are compared by how well they fit what they were trained "
        "on."
    )
    return stream.source, None, (note,)


def _needs_validation(stream: Stream, definition: Definition) -> InvalidInput:
    """The error about a stream without validation data."""
    validation, metric = definition.validation, definition.objective.metric
    passed = f"objective is {metric!r}, validation is {validation!r} and data is"
    apart = "Pass validation=(x_val, y_val) or other batches, or tune "
    apart += f"{metric.removeprefix('val_')!r}."
    if not stream.why:
        return InvalidInput(
            f"{passed} the stream {stream.name}",
            expected="validation data apart, since a stream cannot be split",
            fix=f"{apart} {_how_to_load(stream, definition)}",
        )
    return InvalidInput(
        f"the {stream.name} cannot be loaded into memory and split, since {stream.why}; {passed} "
        "this stream",
        expected="batches (x, y) that can be split, or validation data apart",
        fix=f"{apart} {_how_to_load(stream, definition)}" if stream.is_large else apart,
    )


def _batches(given: Any, definition: Definition) -> "DatasetBatches":
    """Validation batches."""
    from paceline.train.stream_feed import ArrayBatches, DatasetBatches

    training = definition.settings.training
    size, steps = training.validation_batch_size, training.validation_steps
    if isinstance(given, Stream):
        if size is not None and not _has_rows(given):
            raise InvalidInput(
                f"validation_batch_size is {size} and validation is the stream {given.name}",
                expected="none: a stream gives batches of its own",
            )
        source = given.source
        if isinstance(source, RowBatches) and not source.is_in_order:
            source = source.in_order(size or training.batch_size or _DEFAULT_BATCH_SIZE)
        return DatasetBatches(source, steps=steps, is_repeated=False)
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        passed = (
            f"a tuple of {len(given)}" if isinstance(given, tuple) else f"a {type(given).__name__}"
        )
        raise InvalidInput(f"validation is {passed} and data is a stream", expected=_ACCEPTED)
    return DatasetBatches(ArrayBatches(given, size), steps=steps, is_repeated=False)


def _test(given: Any, stream: Stream) -> Any:
    """A stream, ``(x, y)``, ``(x, y, sample_weight)``, or None."""
    if given is None:
        return None
    if isinstance(given, str) and given == "auto":
        own = stream.source.test if isinstance(stream.source, RowBatches) else None
        return None if own is None else Stream(stream.name, own, own.num_batches)
    found = opened(given)
    if not isinstance(found, Stream | tuple):
        raise InvalidInput(f"test is {given!r}", expected=_ACCEPTED)
    return found


def _identity(validation: Any) -> list[Any]:
    """The part of the fingerprint that identifies the validation data."""
    if validation is None:
        return ["no validation"]
    if isinstance(validation, Stream):
        return [validation.name, str(validation.num_batches)]
    return [map_leaves(lambda _, leaf: np.asarray(leaf), part) for part in validation]
