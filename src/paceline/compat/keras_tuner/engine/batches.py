"""Data in batches as ``search`` takes them: ``tf.data``, generators, PyDataset, DataLoader.

They are loaded into memory where they fit and every pass gives the same rows, and streamed
otherwise; see `paceline.data.batch_loading`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.fit_arguments import FitArguments, is_in_batches
from paceline.data import Stream
from paceline.data.batch_loading import LoadingOptions
from paceline.data.opening import open_data, opened
from paceline.data.source_registry import provided
from paceline.study.plan.backend import choose_backend


def read_arguments(given: FitArguments, recorded: Mapping[str, Any] | None) -> FitArguments:
    """The arguments with data in batches as arrays, or else training and validation as streams.

    Args:
        given: the arguments of ``search``.
        recorded: the existing study's description of its data; None for a new one.

    Raises:
        InvalidInput: data that cannot be used.
        RunsAlone: data that only ``fit`` can use.
    """
    has_batches = given.is_in_batches or is_in_batches(given.validation_data)
    if has_batches and (backend := choose_backend()) != "jax":
        raise RunsAlone(f"the data are batches, which fit reads as they are, on {backend}")
    in_memory = False if recorded is not None and "batches" in recorded else None
    train = LoadingOptions(in_memory, given.steps_per_epoch, rows=given.batch_size or 32)
    held_out = LoadingOptions(in_memory, given.validation_steps, rows=train.rows)
    validation = opened(given.validation_data, held_out)
    is_stream = isinstance(validation, Stream)
    if given.is_in_batches:
        train = replace(train, in_memory=False) if is_stream else train
        source = open_data(provided(given.x)[0], train)
        if isinstance(source, Stream):
            return replace(given, x=source, validation_data=validation)
        return replace(
            given,
            x=source.x,
            y=source.y,
            sample_weight=source.sample_weight,
            batch_size=source.batch_size or given.batch_size,
            validation_data=validation,
        )
    if is_stream:
        raise RunsAlone(f"validation_data is {validation.name}, which is streamed, and x is arrays")
    return replace(given, validation_data=validation)


def stream_options(given: FitArguments) -> dict[str, Any]:
    """The options of `paceline.tune` for a stream."""
    return {
        "data": given.x,
        "validation": given.validation_data,
        "class_weight": given.class_weight,
    }
