"""Streamed data: the options that a ``keras.utils.PyDataset`` allows, and its description."""

from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data import Stream, load
from paceline.data.fingerprints import fingerprint
from paceline.data.source_registry import provided
from paceline.data.trees import map_leaves
from paceline.space import Space
from paceline.study.inputs.stream_parts import StreamParts, weights_of_classes
from paceline.study.plan.definition import Definition

if TYPE_CHECKING:
    from paceline.train.stream_feed import DatasetBatches

_DEFAULT_BATCH_SIZE = 32  # values of `tune` that are the same as passing nothing
_ACCEPTED = "another keras.utils.PyDataset, (x, y), (x, y, sample_weight) or None"


def stream_parts(stream: Stream, definition: Definition) -> StreamParts:
    """The stream with the validation data, test data and class weights of the definition.

    Raises:
        InvalidInput: an option does not apply to a stream, or the dataset does not return batches.
    """
    from paceline.train.stream_feed import DatasetBatches, StreamFeed

    check_batch_size(definition.loop, stream)
    options = dict(definition.data_options)
    test = options.pop("test", None)
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InvalidInput(
            f"{given[0]} was given and data is the stream {stream.name}",
            expected="no option but test",
            fix="Let the dataset give what the network is to see; (x, y, sample_weight) for "
            "weights.",
        )
    validation, notes = _validation(definition, stream)
    weights = definition.class_weight
    train = DatasetBatches(
        stream.source, None if weights is None else lambda y: weights_of_classes(y, weights)
    )
    feed = StreamFeed(
        train,
        None
        if validation is None
        else _batches(validation, definition.settings.training.validation_batch_size),
    )
    identity = fingerprint("stream", stream.name, str(train.count), *_identity(validation))
    if definition.settings.training.batch_size not in (None, _DEFAULT_BATCH_SIZE):
        notes = (
            *notes,
            f"batch_size={definition.settings.training.batch_size} is not used: {stream.name} "
            f"gives batches of its own.",
        )
    if getattr(stream.source, "use_multiprocessing", False):
        notes = (*notes, f"{stream.name} loads in {train.num_workers} threads, not in processes.")
    return StreamParts(
        stream,
        feed,
        _test(test),
        identity,
        notes,
        definition.settings.training.validation_batch_size,
    )


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


def _validation(definition: Definition, stream: Stream) -> tuple[Any, tuple[str, ...]]:
    """The validation data (None if there are none), and notes about them."""
    validation, metric = _opened(definition.validation), definition.objective.metric
    if not isinstance(validation, int | float) and validation is not None:
        return validation, ()
    if metric.startswith("val_"):
        raise InvalidInput(
            f"objective is {metric!r}, validation is {validation!r} and data is the stream "
            f"{stream.name}",
            expected="validation data apart, since a stream cannot be split",
            fix=f"Pass validation=(x_val, y_val) or another PyDataset, or tune "
            f"{metric.removeprefix('val_')!r}.",
        )
    return None, (
        "No validation data: candidates are compared by how well they fit what they were trained "
        "on.",
    )


def _batches(given: Any, batch_size: int | None) -> "DatasetBatches":
    from paceline.train.stream_feed import ArrayBatches, DatasetBatches

    if _is_stream(given):
        if batch_size is not None:
            name = type(given).__name__
            raise InvalidInput(
                f"validation_batch_size is {batch_size} and validation is the stream {name}",
                expected="none: a stream gives batches of its own",
            )
        return DatasetBatches(given)
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        passed = (
            f"a tuple of {len(given)}" if isinstance(given, tuple) else f"a {type(given).__name__}"
        )
        raise InvalidInput(f"validation is {passed} and data is a stream", expected=_ACCEPTED)
    return DatasetBatches(ArrayBatches(given, batch_size))


def _test(given: Any) -> Any:
    if given is None or (isinstance(given, str) and given == "auto"):
        return None
    given = _opened(given)
    if not _is_stream(given) and not isinstance(given, tuple):
        raise InvalidInput(f"test is {given!r}", expected=_ACCEPTED)
    return given


def _identity(validation: Any) -> list[Any]:
    """The part of the fingerprint that identifies the validation data."""
    if validation is None:
        return ["no validation"]
    if _is_stream(validation):
        stream = load(validation)
        return [stream.name, str(getattr(stream, "num_batches", None))]
    return [map_leaves(lambda _, leaf: np.asarray(leaf), part) for part in validation]


def _opened(given: Any) -> Any:
    """Opens the data source for data of this type, if there is one; else returns them."""
    found = given if isinstance(given, str) else provided(given)[0]
    return found.source if isinstance(found, Stream) else found


def _is_stream(value: Any) -> bool:
    import keras

    return isinstance(value, keras.utils.PyDataset)
