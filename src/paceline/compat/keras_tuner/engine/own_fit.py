"""A ``fit`` or ``run_trial`` of the user that only changes the arguments of training.

Such a method is called twice, with other values of its hyperparameters and with something in place
of the model that records the arguments. If it trains once and returns what training returns, and
the arguments differ in ``batch_size`` and ``epochs`` alone, each of which is a hyperparameter, then
these are hyperparameters of the training loop, and trials train together all the same. With any
other method they train one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameter, HyperParameters
from paceline.compat.keras_tuner.engine.hyperparameters.conversion import to_paceline
from paceline.compat.keras_tuner.engine.own_state import StateRead, changed, reads_changed
from paceline.space import Hyperparameter

_LOOP = ("batch_size", "epochs")

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and named arguments."""


@dataclass(frozen=True)
class OwnArguments:
    """The arguments of training that such a method passes on.

    Attributes:
        args, kwargs: without those that are hyperparameters.
        loop: the hyperparameters, by argument.
        names: those of the hyperparameters, by argument.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    loop: Mapping[str, Hyperparameter] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class Trained:
    """The result of a recorded training."""


class Recorder:
    """Records calls of training."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.trained = Trained()

    def take(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trained:
        """Records a call."""
        self.calls.append((args, dict(kwargs)))
        return self.trained


class ModelStandIn:
    """Takes the place of a model, and records the calls of its ``fit``."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def fit(self, *args: Any, **kwargs: Any) -> Trained:
        """Records the arguments."""
        return self._recorder.take(args, kwargs)


class HyperModelStandIn:
    """Takes the place of a hypermodel in a ``run_trial`` that builds and fits by itself."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def build(self, hp: HyperParameters) -> ModelStandIn:  # noqa: ARG002
        """Something in place of the model."""
        return ModelStandIn(self._recorder)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Trained:  # noqa: ARG002
        """Records the arguments."""
        return self._recorder.take(args, kwargs)


class _Used(Exception):
    """Something else was done with the value of a hyperparameter than to pass it on."""


class _Asked:
    """In place of a whole number that is the value of a hyperparameter.

    It can be passed on. All else raises `_Used`, and is noted, as that may be caught.
    """

    __class__ = int  # type: ignore[assignment]  # to `isinstance`

    def __init__(self, name: str) -> None:
        self.name, self.is_used = name, False

    def __getattr__(self, name: str) -> Any:
        raise self.used()

    def used(self) -> _Used:
        """Notes a use."""
        self.is_used = True
        return _Used(f"it computes with the hyperparameter {self.name!r}")


def _use(self: _Asked, *_: Any) -> Any:
    raise self.used()


_COMPARING = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__"}
_SHOWING = {"__str__", "__repr__", "__format__"}
for _operation in {*dir(int)} - {*dir(object)} | _COMPARING | _SHOWING:
    if _operation.startswith("__"):  # others are found by `__getattr__`
        setattr(_Asked, _operation, _use)


class _Watched(dict[str, Any]):
    """Values that know whether one of those that ``build`` defines was looked up."""

    def __init__(self, values: Mapping[str, Any], before: frozenset[str]) -> None:
        super().__init__(values)
        self.before = before
        self.read: list[str] = []

    def _look(self, name: Any) -> None:
        if name in self.before:
            self.read.append(name)

    def __getitem__(self, name: str) -> Any:
        self._look(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._look(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._look(name)
        return super().__contains__(name)

    def __iter__(self) -> Any:
        self.read += sorted(self.before)
        return super().__iter__()

    def keys(self) -> Any:
        self.read += sorted(self.before)
        return super().keys()

    def setdefault(self, name: str, default: Any = None) -> Any:
        self._look(name)
        return super().setdefault(name, default)

    def items(self) -> Any:
        self.read += sorted(self.before)
        return super().items()

    def values(self) -> Any:
        self.read += sorted(self.before)
        return super().values()

    def copy(self) -> dict[str, Any]:
        return dict(self.items())


class _Marking(HyperParameters):
    """Marks the whole numbers that it returns, and notes what is looked up of the ``build``."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[_Asked] = []

    def _retrieve(self, one: HyperParameter) -> Any:
        return self._marked(one.name, super()._retrieve(one))

    def get(self, name: str) -> Any:
        return self._marked(self._full(name), super().get(name))

    def _marked(self, name: str, value: Any) -> Any:
        if type(value) is not int:
            return value
        self.marked.append(_Asked(name))
        return self.marked[-1]


Build = Callable[[HyperParameters], Any]
"""A function ``build(hp)``."""

Method = Callable[[HyperParameters, Recorder], Any]
"""Calls a method of the user; returns what it returns."""


def own_arguments(what: str, run: Method, known: HyperParameters) -> OwnArguments:
    """The arguments that a method of the user passes to training.

    Args:
        what: the method, for messages.
        run: calls it.
        known: the hyperparameters of ``build``, which the method may look up.

    Raises:
        RunsAlone: it does something else than change these arguments.
    """
    hp: _Marking = _Marking.with_values(known.space, known.values)
    before = list(hp.space)
    names = frozenset(one.name for one in before)
    args, kwargs = _call(what, run, hp, names)
    other = _Marking.with_values(before, {one.name: _another(one) for one in hp.space})
    args_again, kwargs_again = _call(what, run, other, names)
    passed: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    again: dict[Any, Any] = {**dict(enumerate(args_again)), **kwargs_again}
    loop = {key: value for key, value in kwargs.items() if type(value) is _Asked}
    for key in passed.keys() | again.keys():
        if key not in loop and not _same(passed.get(key), again.get(key)):
            raise RunsAlone(f"{what} computes {key} from hyperparameters")
    passed_on = {key: value.name for key, value in loop.items()}
    for key, name in passed_on.items():
        if key not in _LOOP or (key != name and key in names):
            raise RunsAlone(f"{what} passes the hyperparameter {name!r} as {key}")
    new = {one.name: one for one in hp.space if one not in before}
    if unused := [name for name in new if name not in passed_on.values()]:
        raise RunsAlone(f"{what} uses the hyperparameter {unused[0]!r}")
    if missing := [name for name in passed_on.values() if name not in new]:
        raise RunsAlone(f"{what} uses {missing[0]!r}, which build(hp) defines")
    if len({*passed_on.values()}) < len(passed_on):
        raise RunsAlone(f"{what} passes one hyperparameter as {' and '.join(passed_on)}")
    rest = {key: value for key, value in kwargs.items() if key not in loop}
    found = {key: to_paceline(new[name]) for key, name in passed_on.items()}
    return OwnArguments(args, rest, found, passed_on)


def check_state(what: str, state: StateRead, build: Build, known: HyperParameters) -> None:
    """Checks that a method of the user reads nothing that ``build`` changes.

    Args:
        what: the method, for messages.
        state: what it reads.
        build: makes a model; it is called twice, with other values.
        known: the hyperparameters of ``build``.

    Raises:
        RunsAlone: it does.
    """
    values = {one.name: _another(one) for one in known.space}
    try:
        build(known.copy())
        before = state.now()
        build(HyperParameters.with_values(known.space, values))
    except Exception as error:
        raise RunsAlone(f"build(hp) raises {_said(error)}") from None
    if name := changed(before, state.now()):
        raise RunsAlone(reads_changed(what, name))


def _another(one: HyperParameter) -> Any:
    """Another value than the default, where there is one."""
    others = (value for value in reversed(list(one.values)) if value != one.default)
    return next(others, one.default)


def _call(what: str, run: Method, hp: _Marking, names: frozenset[str]) -> Call:
    recorder, values = Recorder(), _Watched(hp.values, names)
    hp.values = values
    try:
        returned = run(hp, recorder)
    except Exception as error:  # it may do anything with the stand-ins
        _check_used(what, hp, values)
        raise RunsAlone(f"{what} does more than pass arguments to fit ({_said(error)})") from None
    _check_used(what, hp, values)
    if len(recorder.calls) != 1:
        raise RunsAlone(f"{what} trains {len(recorder.calls)} times")
    each = returned if type(returned) is list else [returned]
    if returned is not None and not (len(each) == 1 and each[0] is recorder.trained):
        raise RunsAlone(f"{what} returns something else than what fit returns")
    return recorder.calls[0]


def _said(error: Exception) -> str:
    """An exception as text, if it can be one: its argument may be an `_Asked`."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:
        return kind


def _check_used(what: str, hp: _Marking, values: _Watched) -> None:
    """Refuses a method that looks up what ``build`` defines, or computes with what is its own."""
    if values.read or hp.values is not values:
        raise RunsAlone(f"{what} looks up {values.read[0] if values.read else 'values'!r} of build")
    if used := [one.name for one in hp.marked if one.is_used]:
        raise RunsAlone(f"{what} computes with the hyperparameter {used[0]!r}")


def _same(one: Any, other: Any) -> bool:
    """Whether two arguments are the same; lists and callbacks are, if their parts are."""
    if one is other:
        return True
    if type(one) is not type(other) or type(one) is _Asked:
        return False
    if isinstance(one, int | float | str):
        return bool(one == other)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, Sequence) and len(one) == len(other):
        return all(map(_same, one, other))
    if hasattr(one, "on_epoch_end") and vars(one).keys() == vars(other).keys():
        return all(_same(value, vars(other)[name]) for name, value in vars(one).items())
    return False
