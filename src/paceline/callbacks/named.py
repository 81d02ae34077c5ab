"""Callbacks by name, registered or installed."""

import inspect
from collections.abc import Iterable
from typing import Any

from paceline.callbacks.csv_writer import TrialsCSV
from paceline.callbacks.interface import Callback
from paceline.core import InvalidInput, Registry, closest, shown, subclass_of
from paceline.exporters.mlflow_runs import MLflow
from paceline.exporters.optuna_storage import OptunaStorage
from paceline.exporters.tables import Tables
from paceline.exporters.tensorboard_logs import TensorBoard
from paceline.exporters.wandb_runs import WandB

_LIKE = 0.85  # from which similarity on a name is taken for a misspelt one


CALLBACKS: Registry[type[Callback]] = Registry(
    "callback",
    "callbacks",
    "paceline.callbacks",
    "paceline.callbacks",
    "a subclass of paceline.Callback",
    subclass_of(Callback),
)
"""Classes of callbacks that can be made without arguments, by their names."""

register = CALLBACKS.register
callback_names = CALLBACKS.names

for _kind in (TrialsCSV, TensorBoard, MLflow, WandB, OptunaStorage, Tables):
    register(_kind)


def create(name: str) -> Callback:
    """A callback by its name, made without arguments.

    Raises:
        InvalidInput: none has this name, or it cannot be made without arguments.
    """
    kind = CALLBACKS.get(name)
    try:
        return kind()
    except TypeError as error:
        raise InvalidInput(
            f"callback {name!r} cannot be made without arguments ({error})",
            expected="a class whose arguments all have defaults",
            fix="Pass an instance of it.",
        ) from error


def resolved(given: Any) -> list[Callback]:
    """The callbacks that a user passed: objects, and names of registered classes.

    Raises:
        InvalidInput: anything else, or an object twice.
    """
    if given is None:
        return []
    many = given if isinstance(given, Iterable) and not isinstance(given, str) else None
    if many is None:
        raise InvalidInput(
            f"callbacks is {shown(given)}", expected="a list: callbacks=[...]", fix="Put it in []."
        )
    callbacks = [create(one) if isinstance(one, str) else checked(one) for one in many]
    for number, one in enumerate(callbacks):
        if any(one is other for other in callbacks[:number]):
            raise InvalidInput(
                f"callbacks contains {shown(one)} twice", expected="each object once"
            )
    return callbacks


def checked(given: object) -> Callback:
    """A callback, as it was passed.

    Raises:
        InvalidInput: it is none, or has a method that would never be called or could not be.
    """
    if isinstance(given, Callback):
        _check_methods(given)
        return given
    fix = "Derive its class from paceline.Callback."
    if hasattr(given, "set_model") and hasattr(given, "on_epoch_end"):
        fix = (
            "A callback of Keras is called where Paceline trains networks: in tune(build, data). A "
        )
        fix += "function of your own passes it to model.fit."
    if isinstance(given, type) and issubclass(given, Callback):
        fix = f"Pass an instance: {getattr(given, '__name__', given)}(...)."
    expected = f"instances of paceline.Callback, or names: {', '.join(map(repr, callback_names()))}"
    raise InvalidInput(f"callbacks contains {shown(given)}", expected=expected, fix=fix)


def _check_methods(callback: Callback) -> None:
    """Makes sure that methods are not misspelt, and take the arguments that they are given."""
    known = [name for name in dir(Callback) if name.startswith("on_")]
    kind = type(callback).__name__
    for name in dir(callback):
        meant = closest(name, known, _LIKE) if name.startswith("on_") else None
        if meant is None:
            continue
        if name != meant:
            raise InvalidInput(
                f"{kind} has a method {name}, which is never called",
                expected="a method of paceline.Callback",
                fix=f"Did you mean {meant!r}?",
            )
        given = inspect.signature(getattr(Callback, name))
        names = list(given.parameters)[1:]  # without self
        try:
            inspect.signature(getattr(callback, name)).bind(*names)
        except TypeError as error:
            raise InvalidInput(
                f"{kind}.{name} cannot be called ({error})",
                expected=f"{name}({', '.join(['self', *names])})",
            ) from error
