"""A record and its clock as JSON, to be stored as a snapshot beside the events.

The form follows from the types of the fields, so that a new field needs nothing here. Trials are
written as columns, a list for each field: this is half as long, and faster to read.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import PydanticSerializationError

from paceline.core import Configuration, Trial
from paceline.study.record.record import Record
from paceline.study.record.timeline import Clock

_VERSION = 1
"""Increased when `Record.apply` or `Clock.take` changes its result for the same events."""


def dump(record: Record, clock: Clock) -> str | None:
    """Both as JSON; None if JSON cannot represent them, such as a path that is not text."""
    model, columns = _models()
    trials = record.trials.values()
    values: dict[str, Any] = {name: getattr(record, name) for name in _names(Record)}
    values["trials"] = columns.model_construct(
        None, **{name: [getattr(trial, name) for trial in trials] for name in _names(Trial)}
    )
    try:
        return model.model_construct(
            None, version=_VERSION, clock=clock, **values
        ).model_dump_json()
    except PydanticSerializationError:
        return None


def load(body: str | bytes) -> tuple[Record, Clock] | None:
    """Reads the output of `dump`; None if it is damaged or of another version."""
    with _collecting_later():
        try:
            found: Any = _models()[0].model_validate_json(body)
            trials = map(Trial, *(getattr(found.trials, name) for name in _names(Trial)))
            values = {name: getattr(found, name) for name in _names(Record)}
            return Record(
                **{**values, "trials": {trial.number: trial for trial in trials}}
            ), found.clock
        except (ValidationError, LookupError, ValueError, TypeError):
            return None


@cache
def _models() -> tuple[type[BaseModel], type[BaseModel]]:
    """Pydantic models of a snapshot, and of the trials in it."""
    strict = ConfigDict(extra="forbid", ser_json_inf_nan="strings")
    hints: dict[str, Any] = {name: (list[hint], ...) for name, hint in _hints(Trial).items()}  # type: ignore[valid-type]
    columns = create_model("Trials", __config__=strict, **hints)
    hints = {name: (hint, ...) for name, hint in _hints(Record).items()}
    hints |= {"trials": (columns, ...), "clock": (Clock, ...), "version": (Literal[_VERSION], ...)}
    return create_model("Snapshot", __config__=strict, **hints), columns


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _hints(kind: type) -> dict[str, Any]:
    found = get_type_hints(kind, include_extras=True)
    # JSON can contain only values of hyperparameters; validating each again would take a quarter of
    # the time
    quick = {name: dict[str, Any] for name, hint in found.items() if hint == Configuration}
    return {name: {**found, **quick}[name] for name in _names(kind)}


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Postpones garbage collection while many objects are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
