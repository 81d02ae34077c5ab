"""The definition of a study of a function."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paceline.core import DIRECTIONS, InvalidInput, Objective, shown
from paceline.settings.rules import FromMemory
from paceline.space.hyperparameter import scalar
from paceline.study.plan.definition import Definition
from paceline.study.plan.passed_again import BUILD_AGAIN, absolute, again, fixed_values, name_of
from paceline.study.plan.user_code import callable_of, import_build
from paceline.study.resume.trust import check as check_trusted


def with_function(asked: Definition, given: Mapping[str, Any], trust: bool) -> Definition:
    """The definition of a study of a function."""
    settings, directory = asked.settings, asked.directory
    known = settings.function.build
    function = given.get("build")
    if function is None:
        if isinstance(known, str):
            check_trusted(known, directory, trust)
        function = again("function", None, known, BUILD_AGAIN, directory)
    found = import_build(function) if isinstance(function, str) else callable_of(function)
    if not callable(found):
        raise InvalidInput(f"build is {shown(found)}", expected="a function of hp")
    source = absolute(function) if isinstance(function, str) else FromMemory(name_of(function))
    fixed = {
        name: scalar(one, f"fixed[{name!r}]") for name, one in fixed_values(given, settings).items()
    }
    objective = function_objective(given.get("objective", settings.objective))
    settings = settings.with_values(function={"build": source, "fixed": fixed})
    settings = replace(settings, objective=objective)
    return replace(asked, settings=settings, build=found, space=given.get("space"))


def function_objective(given: Any) -> Objective:
    """Parses ``"max"``, ``("score", "max")`` or a metric's name; ``score`` is the default metric.

    Raises:
        InvalidInput: no objective was given, or it has no direction.
    """
    if given is None:
        raise InvalidInput(
            "no objective was given",
            expected="objective='max' or 'min', or a metric such as ('accuracy', 'max')",
            fix="On the terminal: --objective max",
        )
    if isinstance(given, str) and given.strip().lower() in DIRECTIONS:
        return Objective("score", given)
    return Objective.of(given)
