"""The user's function: found by name, checked, and with some hyperparameters at fixed values."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from paceline import networks
from paceline.core import InvalidInput, Value, did_you_mean
from paceline.core.events import Json
from paceline.data import Dataset, Stream
from paceline.space import Hyperparameter, HyperParameters, Space
from paceline.study.inputs.model_inputs import Build
from paceline.study.inputs.stream_form import stream_form
from paceline.study.inputs.tokens import tokens_of
from paceline.study.plan.backend import choose_backend
from paceline.study.plan.user_files import run_file

_FORM = "model.py:build, a Python file and the name of a function build(hp) in it"


class Builder(Protocol):
    """An object with a method ``build(hp)``, such as KerasTuner's ``HyperModel``."""

    def build(self, hp: HyperParameters, /) -> Any:
        """Returns the compiled model."""


Buildable = Build | Builder | str
"""The argument ``build``: a function, an object with such a method, or a name."""


def split_build(text: str) -> tuple[Path, str]:
    """Splits ``"model.py:build"`` into file and function.

    Raises:
        InvalidInput: the text has another form.
    """
    file, colon, name = text.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise InvalidInput(f"build is {text!r}", expected=_FORM)
    return Path(file).expanduser(), name


def import_build(text: str) -> Callable[[HyperParameters], Any]:
    """Imports the function that ``"model.py:build"`` names.

    The file is run once, with its folder on ``sys.path``.

    Raises:
        InvalidInput: there is no such file or function, it raises when run, or the name is not that
            of a function.
    """
    build = callable_of(import_name(text))
    if not callable(build):
        name, kind = split_build(text)[1], type(build).__name__
        raise InvalidInput(
            f"build is {text!r} and {name} is a {kind}", expected="a function build(hp)"
        )
    return build  # type: ignore[no-any-return]


def callable_of(given: Any) -> Any:
    """The function to call with ``hp``: the argument, or the ``build`` method of an object.

    KerasTuner's ``HyperModel`` is such an object. Other arguments are returned unchanged.

    Raises:
        InvalidInput: a class instead of an instance, or an object that overrides training.
    """
    build = getattr(given, "build", None)
    if isinstance(given, type) and callable(build):
        raise InvalidInput(
            f"build is the class {given.__name__}",
            expected=f"an instance of it, {given.__name__}()",
        )
    if callable(given) or not callable(build):
        return given
    kind = type(given)
    known = next((one for one in kind.__mro__ if one.__name__ == "HyperModel"), None)
    if known is not None and getattr(kind, "fit", None) is not getattr(known, "fit", None):
        raise InvalidInput(
            f"build is a {kind.__name__}, which has a fit of its own",
            expected="one that only builds the model",
            fix="To train it as Keras does, pass its build: tune(hypermodel.build, ...).",
        )
    return build


def import_name(text: str) -> Any:
    """Imports what ``"model.py:build"`` names.

    The file is run once, with its folder on ``sys.path``.

    Raises:
        InvalidInput: there is no such file or name, or the file raises when run.
    """
    file, name = split_build(text)
    if not file.is_file():
        raise InvalidInput(f"build is {text!r} and there is no file {file}", expected=_FORM)
    module = run_file(file.resolve(), _FORM)
    found = getattr(module, name, None)
    if found is None:
        functions = [
            key
            for key, value in vars(module).items()
            if callable(value) and not key.startswith("_")
        ]
        listed = (
            f"one of those in {file}: {', '.join(functions)}"
            if functions
            else f"a function defined in {file}"
        )
        raise InvalidInput(f"build is {text!r} and {file} defines no {name!r}", expected=listed)
    return found


def network(name: str, described: Mapping[str, Json]) -> Callable[[HyperParameters], Any]:
    """The build function of a built-in network for data of the form that `form_of` returns.

    Raises:
        InvalidInput: an unknown network, or data that it cannot take.
    """
    shape = described["input_shape"]  # JSON has no tuples
    return networks.create(
        name, **{**described, "input_shape": tuple(shape) if isinstance(shape, list) else shape}
    )


def form_of(name: str, dataset: Dataset | Stream) -> dict[str, Json]:
    """Describes data for a built-in network.

    Raises:
        InvalidInput: data that it cannot take.
    """
    if isinstance(dataset, Stream):
        return stream_form(name, dataset)
    one_hot = dataset.num_classes is not None and getattr(dataset.y, "ndim", 1) == 2
    return {
        "input_shape": dataset.input_shape,
        "task": dataset.task,
        "num_outputs": dataset.num_outputs,
        "one_hot": one_hot,
        **(tokens_of(dataset) if networks.find(name).reads_tokens else {}),
        **(_categories_of(dataset) if networks.find(name).reads_codes else {}),
    }


def _categories_of(dataset: Dataset) -> dict[str, Json]:
    """The number of categories of each feature of a table, and how many are weights of words.

    The number is 0 for amounts. Weights of words are the last features.

    Raises:
        InvalidInput: texts that are sequences.
    """
    sequences = [column.name for column in dataset.columns if column.kind == "sequences"]
    if sequences:
        raise InvalidInput(
            f"texts of column {sequences[0]!r} are 'sequences', and the network takes tables",
            expected="texts='tfidf' or 'off'",
            fix="The networks 'lstm' and 'transformer' read sequences of words.",
        )
    counts = [
        len(column.categories) if column.kind == "coded" else 0
        for column in dataset.columns
        for _ in column.features
        if not column.has_texts
    ]
    weights = sum(len(column.features) for column in dataset.columns if column.has_texts)
    if not weights:
        return {"categories": counts}
    return {"categories": counts + [0] * weights, "num_weights": weights}


def fix(
    build: Callable[[HyperParameters], Any], given: Mapping[str, Value]
) -> Callable[[HyperParameters], Any]:
    """The build function with some hyperparameters fixed.

    Raises:
        InvalidInput: the default configuration has no such hyperparameter, or the value is not
            legal.
    """
    values = _fixed_values(build, given)

    def fixed(hp: HyperParameters) -> Any:
        hp.fix(values)
        return build(hp)

    return fixed


def _fixed_values(
    build: Callable[[HyperParameters], Any], given: Mapping[str, Any]
) -> dict[str, Value]:
    """Legal values of hyperparameters that ``build`` uses, by default or with earlier values."""
    choose_backend()
    from paceline.train.isolation import GlobalState

    values: dict[str, Value] = {}
    while len(values) < len(given):
        probe = HyperParameters(fixed=values)
        with GlobalState(0):
            build(probe)
        new = {
            name: value
            for name, value in given.items()
            if name in probe.used and name not in values
        }
        if not new:
            return legal_values(probe.space, given)  # raises the error
        values |= {
            name: _legal_of([h for h in probe.known if h.name == name], new[name]) for name in new
        }
    return values


def legal_values(space: Space, given: Mapping[str, Any]) -> dict[str, Value]:
    """Parses values of hyperparameters, including typed text: ``"0.001"``, ``"yes"``, ``"relu"``.

    Raises:
        InvalidInput: an unknown name, or a value that its hyperparameter cannot take.
    """
    for name in given:
        if name not in space:
            fix = did_you_mean(name, space.names)
            raise InvalidInput(
                f"{name!r} is not a hyperparameter",
                expected=f"one of {', '.join(space.names)}",
                fix=fix,
            )
    return {name: _legal_of(space.variants(name), value) for name, value in given.items()}


def _legal_of(variants: Sequence[Hyperparameter], given: Any) -> Value:
    """A value that any of the variants of a name can take; the error is that of the first."""
    for h in variants[1:]:
        with suppress(InvalidInput):
            return legal_value(h, given)
    return legal_value(variants[0], given)


def legal_value(hyperparameter: Hyperparameter, given: Any) -> Value:
    """Parses one value; see `legal_values`."""
    if not isinstance(given, str) or hyperparameter.admits(given):
        return hyperparameter.legal(given)
    for read in (_parsed_bool, int, float):
        try:
            value = read(given.strip())
        except ValueError:
            continue
        if hyperparameter.admits(value):
            return hyperparameter.legal(value)
    # raises the error, in which a typed number is a number
    return hyperparameter.legal(_parsed_number(given))


def _parsed_bool(text: str) -> bool:
    known = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


def _parsed_number(text: str) -> Any:
    try:
        return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        return text
