"""Options of the public functions as typed keywords, and their documentation.

Each option is documented once, below its entry in a `TypedDict`, where editors find it.
`documented` adds it to a function's docstring for ``help()``. The command line has a shorter
sentence, in the setting's `Terminal`.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from paceline.settings.data import DataOptions
from paceline.settings.evaluation import EvaluationOptions, FinalOptions
from paceline.settings.execution import (
    ExecutionOptions,
    FunctionExecutionOptions,
    PlacementOptions,
)
from paceline.settings.function import CallOptions, FunctionOptions
from paceline.settings.search_settings import SearchOptions
from paceline.settings.training import TrainingOptions

F = TypeVar("F", bound=Callable[..., Any])


class TuneOptions(
    SearchOptions,
    TrainingOptions,
    EvaluationOptions,
    DataOptions,
    FunctionOptions,
    ExecutionOptions,
    CallOptions,
    total=False,
):
    """The options of `paceline.tune` besides its named arguments."""


class OptimizeOptions(
    SearchOptions, FinalOptions, FunctionOptions, FunctionExecutionOptions, total=False
):
    """The options of `paceline.optimize` besides its named arguments."""


ResumeOptions = TuneOptions
"""The options of `paceline.resume`, `finish` and `ablate`."""


OF_TUNE = (
    SearchOptions,
    TrainingOptions,
    FinalOptions,
    EvaluationOptions,
    DataOptions,
    FunctionOptions,
    ExecutionOptions,
    PlacementOptions,
    CallOptions,
)
OF_OPTIMIZE = (
    SearchOptions,
    FinalOptions,
    FunctionOptions,
    FunctionExecutionOptions,
    PlacementOptions,
)
"""The groups of each function's options, in the order of the documentation."""


def names(options: Any) -> tuple[str, ...]:
    """The names of the options of a `TypedDict`, in order of declaration."""
    return tuple(options.__annotations__)


@cache
def documentation(options: Any) -> dict[str, str]:
    """The documentation of each option of a `TypedDict` itself, in order of declaration."""
    try:
        source = textwrap.dedent(inspect.getsource(options))
    except (OSError, TypeError):  # without sources there is no documentation to show
        return {}
    body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
    return {
        ast.unparse(entry.target): inspect.cleandoc(ast.literal_eval(text.value))
        for entry, text in itertools.pairwise(body)
        if isinstance(entry, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def documented(*groups: Any) -> Callable[[F], F]:
    """Decorator: replaces ``{options}`` in a docstring with the documentation of the options."""

    def decorate(function: F) -> F:
        entries = [
            textwrap.fill(
                f"{name}: {' '.join(text.split())}",
                100,
                initial_indent=" " * 8,
                subsequent_indent=" " * 12,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for group in groups
            for name, text in documentation(group).items()
        ]
        function.__doc__ = (function.__doc__ or "").replace("        {options}", "\n".join(entries))
        return function

    return decorate
