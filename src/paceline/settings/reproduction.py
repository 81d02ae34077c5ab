"""How to repeat a study: its settings as a call in Python, and as a command."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from paceline.settings.description import GROUPS, Settings
from paceline.settings.function import ASKED, FUNCTION, NETWORKS, FunctionSettings
from paceline.settings.rules import FromMemory, Rule, plain
from paceline.settings.typed import typed_value, untyped_value
from paceline.space import Space

_APART = ("build", "model", "source", "fixed")
"""Settings that are passed in a form of their own."""


def command(settings: Settings, space: Space, objects: Mapping[str, str]) -> str | None:
    """The command; None where something came from memory, or has settings that no option has.

    Args:
        settings: of the study.
        space: of the study, with the hyperparameters of the training loop.
        objects: as in `python`.
    """
    function = settings.function
    build = function.build if function.model is None else function.model
    memory = any(isinstance(value, FromMemory) for _, _, value in _values(settings))
    in_python = memory or objects or (function.kind == FUNCTION and _free(function))
    if not isinstance(build, str) or in_python or function.kind == ASKED:
        return None
    arguments = ["paceline", "tune", *([build] if function.model is None else ["--model", build])]
    for option, value in _options(settings, space):
        if value is None:
            return None
        arguments += [option] if value is True else [option, str(value)]
    return shlex.join(arguments)


def python(settings: Settings, space: Space, objects: Mapping[str, str]) -> str:
    """The call in Python. What was passed from memory stands there by its name.

    Args:
        settings: of the study.
        space: of the study.
        objects: arguments that names and numbers do not repeat (a schedule with settings of its
            own, a prior), as Python.
    """
    function, goal = settings.function, settings.objective
    is_function = function.kind == FUNCTION
    build = function.build if function.model is None else function.model
    arguments = [repr(build) if isinstance(build, str) else "objective" if is_function else "build"]
    if not is_function:
        source = settings.data.source
        arguments.append(repr(source) if isinstance(source, str) else "data")
    if goal is not None:
        arguments.append(repr((goal.metric, goal.direction[:3])))
    arguments += [
        f"{name}=paceline.Choice({values})"
        for name, values in _loop(settings, space)
        if name not in objects
    ]
    arguments += [
        _argument(rule.argument or name, value)
        for name, rule, value in _values(settings)
        if name not in (*_APART, *objects)
    ]
    arguments += [f"{name}={value}" for name, value in objects.items()]
    if function.fixed:
        arguments.append(f"fixed={dict(function.fixed)!r}")
    if is_function and _free(function):
        arguments.append("space=space")
    lines = ",\n    ".join(arguments)
    return f"paceline.{'optimize' if is_function else 'tune'}(\n    {lines},\n)"


def _free(function: FunctionSettings) -> bool:
    """Whether something of a function's space was given that is not a fixed value."""
    given = Space() if not function.space else Space.from_json(function.space)
    return not set(given.names) <= function.fixed.keys()


def _argument(name: str, value: Any) -> str:
    if isinstance(value, FromMemory):
        return f"{name}={name}"
    if name == "schedule":
        return f"schedule={value['schedule']!r}"
    if name == "callbacks":
        return f"callbacks=[{', '.join(value)}]"
    return f"{name}={plain(value)!r}"


def _values(settings: Settings) -> Iterator[tuple[str, Rule, Any]]:
    """Every option that is not at its default, with its rule; the seed in any case. Hyperparameters
    of the training loop are apart.
    """
    for group, name, value in settings.non_default():
        if value is not None or name not in ("epochs", "batch_size"):
            yield name, GROUPS[group].rules()[name], value
    if not settings.search.seed:
        yield "seed", GROUPS["search"].rules()["seed"], settings.search.seed


def _loop(settings: Settings, space: Space) -> Iterator[tuple[str, list[Any]]]:
    """The hyperparameters of the training loop, with their values."""
    for name in ("epochs", "batch_size"):
        tuned = settings.function.kind == NETWORKS and getattr(settings.training, name) is None
        if tuned and name in space:
            yield name, _choices(name, space)


def _options(settings: Settings, space: Space) -> Iterator[tuple[str, Any]]:
    """Options with what is typed; True where nothing is; None where it cannot be typed."""
    goal = settings.objective
    if settings.data.source is not None:
        yield "--data", settings.data.source
    if goal is not None:
        yield "--objective", f"{goal.metric}:{goal.direction[:3]}"
    for name, values in _loop(settings, space):
        yield f"--{name.replace('_', '-')}", ",".join(map(str, values))
    for name, rule, value in _values(settings):
        if name not in _APART:
            yield _typed(name, value, rule)
    for name, value in settings.function.fixed.items():
        yield "--set", _pair(name, value, settings.function.kind)


def _typed(name: str, value: Any, rule: Rule) -> tuple[str, Any]:
    terminal = rule.terminal
    if terminal is None or value is None:
        return name, None
    flags = (terminal.flags or f"--{name.replace('_', '-')}").split("/")
    if terminal.kind is bool:
        return flags[0 if value else -1], True
    text = terminal.write(value)
    is_read = text is not None and (name == "schedule" or _read(name, text, rule) == value)
    return flags[0], text if is_read else None


def _read(name: str, text: str, rule: Rule) -> Any:
    """The value that the command line makes of a typed text."""
    terminal = rule.terminal
    if terminal is None:
        return None
    typed = terminal.kind(text)
    return rule.check(name, typed if terminal.parse is None else terminal.parse(typed))


def _pair(name: str, value: Any, kind: str) -> str | None:
    """``NAME=VALUE``; None where that is read as something else."""
    text = typed_value(value)
    read = untyped_value(text) if kind == FUNCTION else value
    same = type(read) is type(value) and read == value
    clean = "=" not in name and name == name.strip() and text == text.strip() and text
    return f"{name}={text}" if same and clean else None


def _choices(name: str, space: Space) -> list[Any]:
    hyperparameter = space[name]
    return [hyperparameter.value_at(index) for index in range(hyperparameter.num_values or 0)]
