"""Options of commands that are settings of a study, made from the settings' declarations.

They are made when a command runs or shows its help, so that ``paceline --help`` does not import the
declarations. An option that is not typed keeps the study's value or the default.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from paceline.cli.verbosity import LoggedCommand

if TYPE_CHECKING:
    from paceline.settings.rules import Terminal

F = TypeVar("F", bound=Callable[..., Any])

DATA = (
    "data_dir",
    "target",
    "task",
    "test",
    "groups",
    "shuffle",
    "standardize",
    "scale_target",
    "decimal",
    "texts",
    "in_memory",
)
"""Settings of the data, for commands that load them."""

_typed: ContextVar[Mapping[str, Any]] = ContextVar("typed", default=MappingProxyType({}))
"""The settings that were typed, by their names, while a command runs."""

_ELSEWHERE = ("source", "model")
"""Settings that commands declare by themselves."""


def takes_settings(names: Collection[str] | None = None) -> Callable[[F], F]:
    """Decorator: a command takes these settings as options, and receives typed ones as keywords.

    Args:
        names: names of the settings; None for all.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def call(*args: Any, **own: Any) -> Any:
            return command(*args, **own, **_typed.get())

        own = inspect.signature(command)
        shown = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
        call.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
        call.settings_taken = names  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


class SettingsCommand(LoggedCommand):
    """A command with the options of `takes_settings`, made at first use."""

    _made: list[Any] | None = None

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, and those of the settings."""
        if not hasattr(self.callback, "settings_taken"):
            return list(super().get_params(ctx))
        if self._made is None:
            self._made = _parameters(self.callback.settings_taken)  # type: ignore[union-attr]
        *own, help_option = super().get_params(ctx)
        return [*own, *self._made, help_option]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments; says of an unknown option which one it may be."""
        try:
            return list(super().parse_args(ctx, args))
        except Exception as error:
            unknown = getattr(error, "option_name", None)
            if unknown is None or not hasattr(error, "possibilities"):
                raise
            from paceline.cli.unknown_options import suggestion

            of_tune = [f"--{name.replace('_', '-')}" for name in _declared(None)]
            if text := suggestion(unknown, self.get_params(ctx), of_tune):
                error.message, error.possibilities = f"{error}. {text}", None  # type: ignore[attr-defined]
            raise

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; the settings bypass Typer, which knows only its own parameters."""
        names = [one.name for one in self._made or ()]
        token = _typed.set({name: ctx.params.pop(name) for name in names if name in ctx.params})
        try:
            return super().invoke(ctx)
        finally:
            _typed.reset(token)


def given(typed: Mapping[str, Any]) -> dict[str, Any]:
    """The typed settings as arguments of `paceline.tune`.

    Raises:
        InvalidInput: a text that cannot be read.
    """
    from paceline.core import InvalidInput

    found = {}
    for name, terminal in _declared(None).items():
        value = typed.get(name)
        if value is None:
            continue
        if isinstance(value, str) and not value.strip() and terminal.parse is None:
            raise InvalidInput(f"{name} is {value!r}", expected="a text that is not empty")
        found[name] = value if terminal.parse is None else terminal.parse(value)
    return found


def _declared(names: Collection[str] | None) -> "dict[str, Terminal]":
    """The settings that can be typed, by argument name."""
    from paceline.settings.description import GROUPS

    found = {}
    for group in GROUPS.values():
        for field, rule in group.rules().items():
            name = rule.argument or field
            if rule.terminal is None or field in _ELSEWHERE or not (names is None or name in names):
                continue
            found[name] = rule.terminal
    return found


def _parameters(names: Collection[str] | None) -> list[Any]:
    """Click's parameters for these settings, as Typer makes them from a signature."""

    def command() -> None: ...

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[terminal.kind | None, _option(name, terminal)],
        )
        for name, terminal in _declared(names).items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(command)
    return list(typer.main.get_command(app).params)


def _option(name: str, terminal: "Terminal") -> Any:
    flags = terminal.flags or f"--{name.replace('_', '-')}"
    default = _default(name) if terminal.default is None else terminal.default
    help_text = f"{terminal.help}{'' if default is None else f'  [default: {default}]'}"
    return typer.Option(flags, metavar=terminal.metavar, help=help_text)


def _default(name: str) -> Any:
    from paceline.settings.description import Settings

    settings = Settings()
    groups = (settings.search, settings.training, settings.evaluation)
    values = (getattr(group, name) for group in groups if hasattr(group, name))
    return next(values, None)
