"""Saves a model as a ``.keras`` file, and checks in advance whether that can work.

Keras saves many models that it cannot load: functions and classes that are not registered, Python
lambdas, layers whose ``get_config`` is incomplete. A file therefore counts as saved only after it
was loaded again and the loaded model computes the same.
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

from paceline.train.array_feed import Tree
from paceline.train.internals import fast_initialization
from paceline.train.isolation import GlobalState
from paceline.train.model_config import model_config

_TOLERANCE = 1e-5  # for another order of sums
_MAX_LENGTH = 200  # characters of an error that are included in a reason


class CannotSave(Exception):
    """The model cannot be saved as a ``.keras`` file; the message says why."""


@dataclass(frozen=True, slots=True)
class LoadRequirements:
    """Requirements for loading a ``.keras`` file.

    Attributes:
        objects: custom classes and functions, by the name under which Keras looks them up.
        registered: whether importing their code suffices, since they are registered with Keras.
        safe_mode: whether the file can be loaded without running code that it contains.
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
        """The modules that define the objects."""
        return tuple(sorted({str(found.__module__) for found in self.objects.values()}))


def load(path: Path, objects: Mapping[str, Any] | None = None, safe_mode: bool = True) -> Any:
    """Loads a ``.keras`` file as Keras does, which draws initial weights and then replaces them.

    No program is compiled for each shape of these weights.
    """
    with fast_initialization():
        return keras.saving.load_model(path, custom_objects=objects, safe_mode=safe_mode)


Loader = Callable[[Mapping[str, Any], bool], None]
"""Loads a model, given custom objects and whether to use safe mode; raises if it cannot."""


def save(
    model: keras.Model, path: Path, batch: Callable[[], tuple[Tree, Tree]]
) -> LoadRequirements:
    """Saves the model, loads it again, and returns what loading requires.

    Args:
        model: compiled, with all its variables.
        path: ends in ``.keras``; an existing file is replaced, and may be incomplete after an
            error.
        batch: returns ``(x, y)`` of some rows, for which the loaded model must compute the same;
            called only if the two may differ.

    Raises:
        CannotSave: Keras cannot save the model, or cannot load it, or the loaded model differs.
        OSError: writing failed.
    """

    def read(objects: Mapping[str, Any], safe: bool) -> None:
        _compare(
            model,
            load(path, dict(objects), safe),
            batch,
        )

    with warnings.catch_warnings(action="ignore"):
        try:
            model.save(path)
            with zipfile.ZipFile(path) as archive:
                config = archive.read("config.json").decode()
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise CannotSave(_in_a_line(error)) from error
        return _requirements(model, config, read)


def check_savable(model: keras.Model) -> LoadRequirements:
    """Returns what loading the model would require, by its configuration; writes nothing.

    Raises:
        CannotSave: it could not be loaded, according to its configuration.
    """

    def read(objects: Mapping[str, Any], safe: bool) -> None:
        with fast_initialization(), keras.saving.custom_object_scope(dict(objects)):
            keras.saving.deserialize_keras_object(json.loads(config), safe_mode=safe)

    if model_config(model) is not None:  # only classes of Keras, with complete configurations
        return LoadRequirements({}, True, True)
    with warnings.catch_warnings(action="ignore"):
        try:
            config = json.dumps(keras.saving.serialize_keras_object(model))
        except Exception as error:
            raise CannotSave(_in_a_line(error)) from error
        return _requirements(model, config, read)


def _requirements(model: keras.Model, config: str, read: Loader) -> LoadRequirements:
    """The first requirements that suffice: none, custom objects, or also unsafe mode."""
    objects = _custom_objects(model, config)
    failure: Exception | None = None
    for needs in (
        LoadRequirements(objects, True, True),
        LoadRequirements(objects, False, True),
        LoadRequirements(objects, False, False),
    ):
        try:
            with GlobalState(0):  # the trial does not change Keras's name counters
                read({} if needs.registered else objects, needs.safe_mode)
        except Exception as error:
            failure = error
        else:
            return needs
    if not isinstance(failure, CannotSave) and any(
        _name(value) == "<lambda>" for value in _parts(model)
    ):
        raise CannotSave("it contains a Python lambda") from failure
    raise CannotSave(_in_a_line(failure)) from failure


def _custom_objects(model: keras.Model, config: str) -> dict[str, Any]:
    """The custom classes and functions in a serialized configuration."""
    found: dict[str, Any] = {}
    for value in _parts(model):
        named = value if isinstance(value, types.FunctionType) else type(value)
        name = keras.saving.get_registered_name(named)
        if not f"{named.__module__}.".startswith("keras.") and f'"{name}"' in config:
            found[name] = named
    return dict(sorted(found.items()))


def _name(value: Any) -> str:
    return value.__name__ if isinstance(value, types.FunctionType) else type(value).__name__


def _parts(model: keras.Model) -> Iterator[Any]:
    """Yields the objects of a model with a configuration, and the functions among them."""
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
    """Checks that a loaded model is equal to the saved one.

    Raises:
        CannotSave: it is not.
    """
    saved, read = _weights(model), _weights(loaded)
    if len(saved) != len(read) or not all(map(_same, saved, read)):
        raise CannotSave("the file does not contain all weights of the model")
    known, found = model_config(model), model_config(loaded)
    if known is not None and found is not None and known.exact == found.exact:
        return  # only classes of Keras
    x, y = batch()
    predicted = _predict(model, x, model)
    if not _agree(predicted, _predict(loaded, x, model)):
        raise CannotSave("the model loaded from the file has other predictions")
    try:
        loss = _loss(model, x, y, predicted)
    except Exception:  # the model computes its loss elsewhere, such as in a custom test_step
        return
    if not loaded.compiled:
        raise CannotSave("the model loaded from the file is not compiled")
    if not _agree(loss, _loss(loaded, x, y, predicted)):
        raise CannotSave("the model loaded from the file has another loss")


def _weights(model: keras.Model) -> list[np.ndarray]:
    """All variables of layers, except for the states of seed generators, which are not saved."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [
        np.asarray(keras.ops.convert_to_numpy(v))
        for v in variables
        if v.name != "seed_generator_state"
    ]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


def _predict(model: keras.Model, x: Tree, origin: keras.Model) -> Any:
    """The predictions of a model with the variables of another; neither is changed."""
    groups = origin.trainable_variables, origin.non_trainable_variables
    parameters = inspect.signature(model.call).parameters.values()
    takes = any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)
    state = ([variable.value for variable in group] for group in groups)
    return model.stateless_call(*state, x, **({"training": False} if takes else {}))[0]


def _loss(model: keras.Model, x: Tree, y: Tree, predicted: Any) -> Any:
    """The loss of predictions; the model is not changed."""
    with keras.StatelessScope():
        return model.compute_loss(x=x, y=y, y_pred=predicted, training=False)


def _agree(a: Any, b: Any) -> bool:
    first, second = (keras.tree.flatten(value) for value in (a, b))
    if len(first) != len(second):
        return False
    arrays = [
        [np.asarray(keras.ops.convert_to_numpy(v)) for v in values] for values in (first, second)
    ]
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        for a, b in zip(*arrays, strict=True)
    )


def _in_a_line(error: Exception | None) -> str:
    if isinstance(error, CannotSave):
        return str(error)
    # the message for the innermost of nested objects is most specific; it may have colours
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split()).rpartition(
        "Exception encountered: "
    )[2]
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    return f"{type(error).__name__}: {text[:_MAX_LENGTH]}{'...' if len(text) > _MAX_LENGTH else ''}"
