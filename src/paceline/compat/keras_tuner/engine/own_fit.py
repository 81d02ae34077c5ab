"""A ``fit`` or ``run_trial`` of the user that only changes the arguments of training.

Such a method is called twice, with other values of its hyperparameters and with something in place
of the model that records the arguments. If these differ in ``batch_size`` and ``epochs`` alone, and
each is the hyperparameter of that name, they are hyperparameters of the training loop, and trials
train together all the same. Anything else is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.core import InvalidInput
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
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    loop: Mapping[str, Hyperparameter]


class ModelStandIn:
    """Takes the place of a model, and records the calls of its ``fit``."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def fit(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Records the arguments."""
        self._calls.append((args, kwargs))
        return {}


class _Asked(int):
    """A whole number that is the value of a hyperparameter."""

    name: str


class _Marking(HyperParameters):
    """Marks the whole numbers that it returns as values of hyperparameters."""

    def _kept(self, name: str, value: Any) -> Any:
        found = super()._kept(name, value)
        if type(found) is not int:
            return found
        marked = _Asked(found)
        marked.name = self._full(name)
        return marked


def own_arguments(what: str, run: Callable[[HyperParameters, list[Call]], Any]) -> OwnArguments:
    """The arguments that a method of the user passes to training.

    Args:
        what: the method, for messages.
        run: calls it; the list receives the calls of training.

    Raises:
        InvalidInput: it does something else than change these arguments.
    """
    hp = _Marking()
    args, kwargs = _call(what, run, hp)
    other = _Marking()
    other.values = {one.name: one.from_unit(1.0) for one in hp.space}
    args_again, kwargs_again = _call(what, run, other)
    passed: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    again: dict[Any, Any] = {**dict(enumerate(args_again)), **kwargs_again}
    loop = {key: value for key, value in kwargs.items() if isinstance(value, _Asked)}
    for key in passed.keys() | again.keys():
        if key not in loop and not _same(passed.get(key), again.get(key)):
            raise _refusal(what, f"computes {key} from hyperparameters")
    for key, value in loop.items():
        if key not in _LOOP or value.name != key:
            raise _refusal(what, f"passes the hyperparameter {value.name!r} as {key}")
    space = {one.name: one for one in hp.space}
    unused = [name for name in space if name not in loop]
    if unused:
        raise _refusal(what, f"uses the hyperparameter {unused[0]!r}")
    rest = {key: value for key, value in kwargs.items() if key not in loop}
    return OwnArguments(args, rest, {key: space[key] for key in loop})


def _call(
    what: str, run: Callable[[HyperParameters, list[Call]], Any], hp: HyperParameters
) -> Call:
    calls: list[Call] = []
    try:
        run(hp, calls)
    except AttributeError as error:
        if "ModelStandIn" not in str(error):
            raise
        raise _refusal(what, f"does more with the model than model.fit ({error})") from None
    if len(calls) != 1:
        raise _refusal(what, f"trains {len(calls)} times")
    return calls[0]


def _same(one: Any, other: Any) -> bool:
    """Whether two arguments are the same; lists and callbacks are, if their parts are."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, int | float | str):
        return bool(one == other)
    if isinstance(one, Sequence) and len(one) == len(other):
        return all(map(_same, one, other))
    if hasattr(one, "on_epoch_end") and vars(one).keys() == vars(other).keys():
        return all(_same(value, vars(other)[name]) for name, value in vars(one).items())
    return False


def _refusal(what: str, does: str) -> InvalidInput:
    return InvalidInput(
        f"{what} {does}",
        expected="a method that passes everything on and only sets batch_size and epochs, to "
        "hyperparameters of these names or to constants",
        fix="Other hyperparameters belong in build(hp). paceline.optimize tunes any function of "
        "hp that trains by itself.",
    )
