"""Writing a model as a ``.keras`` file, and knowing beforehand whether that can work.

Keras writes many models that it cannot read again: functions and classes that are not registered,
Python lambdas, layers whose ``get_config`` leaves something out. So a file counts as written only
when it has been read again and the model in it computes what the original computes.
"""

import inspect
import json
import re
import types
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from paceline.train.feed import Tree
from paceline.train.isolation import GlobalState
from paceline.train.twins import description

_TOLERANCE = 1e-5  # the same arithmetic on the same numbers: what is left is the order of sums
_LONGEST = 200  # characters of an error that are repeated in a reason


class CannotSave(Exception):
    """The model does not survive a ``.keras`` file; the message says why."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What whoever loads a ``.keras`` file has to have.

    Attributes:
        objects: classes and functions that are not Keras's own, by the name under which Keras looks
            for them.
        registered: whether importing their code is enough: they are registered with Keras.
        safe_mode: whether the file can be loaded without running code that is in it.
    """

    objects: Mapping[str, Any]
    registered: bool
    safe_mode: bool

    @property
    def is_nothing(self) -> bool:
        """Whether the file can be loaded anywhere."""
        return self.safe_mode and not self.objects

    @property
    def modules(self) -> tuple[str, ...]:
        """Where the objects are defined."""
        return tuple(sorted({str(found.__module__) for found in self.objects.values()}))


Attempt = Callable[[Mapping[str, Any], bool], None]
"""Reads a model, given custom objects and whether in safe mode; raises where that does not work."""


def save(model: keras.Model, path: Path, batch: Callable[[], tuple[Tree, Tree]]) -> Needs:
    """Writes the model and reads it again; what reading it needs.

    Args:
        model: compiled, with all its variables.
        path: ends in ``.keras``; what is there is replaced. Where it fails, the file may be
            half-written.
        batch: gives ``(x, y)`` of a few rows, on which the model read again has to agree with the
            model; asked only where the two may differ.

    Raises:
        CannotSave: Keras cannot write it, or what it wrote cannot be read or computes something
            else.
        OSError: the disk fails.
    """

    def read(objects: Mapping[str, Any], safe: bool) -> None:
        _compare(
            model,
            keras.saving.load_model(path, custom_objects=dict(objects), safe_mode=safe),
            batch,
        )

    with warnings.catch_warnings(action="ignore"):
        try:
            model.save(path)
            with zipfile.ZipFile(path) as archive:
                written = archive.read("config.json").decode()
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise CannotSave(_in_a_line(error)) from error
        return _least_needed(model, written, read)


def foresee(model: keras.Model) -> Needs:
    """What reading the model from a ``.keras`` file would need, by its configuration alone; nothing
    is written.

    Raises:
        CannotSave: it could not be read, as far as the configuration shows.
    """

    def read(objects: Mapping[str, Any], safe: bool) -> None:
        with keras.saving.custom_object_scope(dict(objects)):
            keras.saving.deserialize_keras_object(json.loads(written), safe_mode=safe)

    if description(model) is not None:  # all of it is Keras's own, and says everything of itself
        return Needs({}, True, True)
    with warnings.catch_warnings(action="ignore"):
        try:
            written = json.dumps(keras.saving.serialize_keras_object(model))
        except Exception as error:
            raise CannotSave(_in_a_line(error)) from error
        return _least_needed(model, written, read)


def _least_needed(model: keras.Model, written: str, read: Attempt) -> Needs:
    """The first that works of: nothing, the model's own objects, these and running code that is in
    the file.
    """
    objects = _own_objects(model, written)
    failure: Exception | None = None
    for needs in (
        Needs(objects, True, True),
        Needs(objects, False, True),
        Needs(objects, False, False),
    ):
        try:
            with GlobalState(
                0
            ):  # what is made to see whether it can be made leaves no trace in the user's names
                read({} if needs.registered else objects, needs.safe_mode)
        except Exception as error:
            failure = error
        else:
            return needs
    if not isinstance(failure, CannotSave) and any(
        _name(value) == "<lambda>" for value in _parts(model)
    ):
        raise CannotSave("it holds a Python lambda") from failure
    raise CannotSave(_in_a_line(failure)) from failure


def _own_objects(model: keras.Model, written: str) -> dict[str, Any]:
    """Classes and functions that the written configuration names and that are not Keras's own."""
    found: dict[str, Any] = {}
    for value in _parts(model):
        named = value if isinstance(value, types.FunctionType) else type(value)
        name = keras.saving.get_registered_name(named)
        if not f"{named.__module__}.".startswith("keras.") and f'"{name}"' in written:
            found[name] = named
    return dict(sorted(found.items()))


def _name(value: Any) -> str:
    return value.__name__ if isinstance(value, types.FunctionType) else type(value).__name__


def _parts(model: keras.Model) -> Iterator[Any]:
    """Everything in a model that its configuration may describe, and the functions among it."""
    seen: set[int] = set()
    stack: list[Any] = [model]
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Mapping):
            stack.extend(value.values())
        elif isinstance(value, list | tuple | set):
            stack.extend(value)
        elif isinstance(value, types.FunctionType):
            yield value
        elif hasattr(type(value), "get_config") and not isinstance(value, type):
            yield value
            stack.extend(vars(value).values() if hasattr(value, "__dict__") else ())


def _compare(
    model: keras.Model, loaded: keras.Model, batch: Callable[[], tuple[Tree, Tree]]
) -> None:
    """Makes sure that a model that was read is the one that was written.

    Raises:
        CannotSave: it is not.
    """
    mine, its = _weights(model), _weights(loaded)
    if len(mine) != len(its) or not all(map(_same, mine, its)):
        raise CannotSave("the file does not hold all of the model's weights")
    said = description(model)
    if said is not None and said == description(loaded):
        return  # all of it is Keras's own, and says the same of itself
    x, y = batch()
    predicted = _predict(model, x, model)
    if not _agree(predicted, _predict(loaded, x, model)):
        raise CannotSave("the model read from the file predicts something else")
    try:
        loss = _loss(model, x, y, predicted)
    except Exception:  # a model that measures its loss elsewhere, such as in a test_step of its own
        return
    if not loaded.compiled:
        raise CannotSave("the model read from the file is not compiled")
    if not _agree(loss, _loss(loaded, x, y, predicted)):
        raise CannotSave("the model read from the file has another loss")


def _weights(model: keras.Model) -> list[np.ndarray]:
    """All variables of layers but the states of random streams, which Keras does not write."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [
        np.asarray(keras.ops.convert_to_numpy(v))
        for v in variables
        if v.name != "seed_generator_state"
    ]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(
        np.all((one == other) | ((one != one) & (other != other)))
    )


def _predict(model: keras.Model, x: Tree, origin: keras.Model) -> Any:
    """What a model predicts with the variables of another; changes nothing in either."""
    groups = origin.trainable_variables, origin.non_trainable_variables
    parameters = inspect.signature(model.call).parameters.values()
    takes = any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)
    state = ([variable.value for variable in group] for group in groups)
    return model.stateless_call(*state, x, **({"training": False} if takes else {}))[0]


def _loss(model: keras.Model, x: Tree, y: Tree, predicted: Any) -> Any:
    """The loss of predictions; changes nothing in the model."""
    with keras.StatelessScope():
        return model.compute_loss(x=x, y=y, y_pred=predicted, training=False)


def _agree(one: Any, other: Any) -> bool:
    mine, its = (keras.tree.flatten(value) for value in (one, other))
    if len(mine) != len(its):
        return False
    arrays = [[np.asarray(keras.ops.convert_to_numpy(v)) for v in values] for values in (mine, its)]
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        for a, b in zip(*arrays, strict=True)
    )


def _in_a_line(error: Exception | None) -> str:
    if isinstance(error, CannotSave):
        return str(error)
    # what Keras says of the innermost of nested objects says most; it may colour it
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split()).rpartition(
        "Exception encountered: "
    )[2]
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    return f"{type(error).__name__}: {text[:_LONGEST]}{'...' if len(text) > _LONGEST else ''}"
