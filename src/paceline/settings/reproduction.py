"""How to repeat a study: its settings as a call in Python, and as a command."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from paceline.core.errors import shown
from paceline.settings.description import GROUPS, Settings
from paceline.settings.function import ASKED, FUNCTION
from paceline.settings.rules import FromMemory, Terminal
from paceline.settings.typed import typed_value
from paceline.space import Space

_APART = ("build", "model", "source", "fixed")
"""Settings that are passed in a form of their own."""


def command(settings: Settings, space: Space, name: str) -> str | None:
    """The command; None where something came from memory, or has settings that no option has.

    Args:
        settings: of the study.
        space: of the study, with the hyperparameters of the training loop.
        name: of the schedule whose settings are those that its name alone makes; empty for one with
            others.
    """
    function = settings.function
    build = function.build if function.model is None else function.model
    memory = any(isinstance(value, FromMemory) for _, value in _values(settings))
    if not isinstance(build, str) or memory or not name or function.kind == ASKED:
        return None
    said = ["paceline", "tune", *([build] if function.model is None else ["--model", build])]
    for option, value in _options(settings, space):
        if value is None:
            return None
        said += [option] if value is True else [option, str(value)]
    return shlex.join(said)


def python(settings: Settings, space: Space) -> str:
    """The call in Python. What was passed from memory stands there by its name.

    Args:
        settings: of the study.
        space: of the study.
    """
    function, goal = settings.function, settings.objective
    is_function = function.kind == FUNCTION
    build = function.build if function.model is None else function.model
    said = [repr(build) if isinstance(build, str) else "objective" if is_function else "build"]
    if not is_function:
        source = settings.data.source
        said.append(repr(source) if isinstance(source, str) else "data")
    if goal is not None:
        said.append(repr((goal.metric, goal.direction[:3])))
    for name in ("epochs", "batch_size"):
        if name in space and getattr(settings.training, name) is None:
            said.append(f"{name}=paceline.Choice({_choices(name, space)})")
    said += [_argument(name, value) for name, value in _values(settings) if name not in _APART]
    if function.fixed:
        said.append(f"fixed={dict(function.fixed)!r}")
    if is_function and function.space is not None and len(Space.from_json(function.space)):
        said.append("space=space")
    lines = ",\n    ".join(said)
    return f"paceline.{'optimize' if is_function else 'tune'}(\n    {lines},\n)"


def _argument(name: str, value: Any) -> str:
    if isinstance(value, FromMemory):
        return f"{name}={name}"
    if name == "seconds":
        return f"budget={value:g}"
    if name == "schedule":
        return f"schedule={value['schedule']!r}"
    return f"{name}={shown(value)}"


def _values(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Every option that is not at its default, with the seed in any case."""
    yield from ((name, value) for _, name, value in settings.non_default())
    if not settings.search.seed:
        yield "seed", settings.search.seed


def _options(settings: Settings, space: Space) -> Iterator[tuple[str, Any]]:
    """Options with what is typed; True where nothing is; None where it cannot be typed."""
    goal = settings.objective
    if settings.data.source is not None:
        yield "--data", settings.data.source
    if goal is not None:
        yield "--objective", f"{goal.metric}:{goal.direction[:3]}"
    for name in ("epochs", "batch_size"):
        if getattr(settings.training, name) is None and name in space:
            yield f"--{name.replace('_', '-')}", ",".join(map(str, _choices(name, space)))
    for name, value in _values(settings):
        if name in _APART or value is None:
            continue
        yield _typed(name, value, _terminals()[name])
    for name, value in settings.function.fixed.items():
        yield "--set", f"{name}={typed_value(value)}"


def _typed(name: str, value: Any, terminal: Terminal | None) -> tuple[str, Any]:
    if terminal is None:
        return name, None
    flags = (terminal.flags or f"--{name.replace('_', '-')}").split("/")
    if terminal.kind is bool:
        return flags[0 if value else -1], True
    return flags[0], terminal.write(value)


def _terminals() -> Mapping[str, Terminal | None]:
    return {
        name: rule.terminal for group in GROUPS.values() for name, rule in group.rules().items()
    }


def _choices(name: str, space: Space) -> list[Any]:
    hyperparameter = space[name]
    return [hyperparameter.value_at(index) for index in range(hyperparameter.num_values or 0)]
