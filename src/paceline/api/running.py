"""Runs a study with its callbacks, for all public functions."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from paceline.callbacks import Callback, callbacks_of
from paceline.core import checks
from paceline.report import Study
from paceline.report.continuation import interruptible
from paceline.settings.function import FUNCTION
from paceline.store import study_directory
from paceline.study import carry_out, make_plan
from paceline.study.plan.definition import Definition

Display = Literal["auto"] | bool


def directory_of(study: str | os.PathLike[str] | Study) -> Path:
    """The directory of a study, given by its path or as a study.

    Raises:
        InvalidInput: it cannot be a directory.
    """
    return study.directory if isinstance(study, Study) else study_directory(study)


def display_of(given: Any) -> Display:
    """The display for an argument ``display``.

    Raises:
        InvalidInput: neither True, False nor ``"auto"``.
    """
    if isinstance(given, str) and given == "auto":
        return "auto"
    return checks.flag("display", given, also=", or 'auto'")


def carry_out_study(
    definition: Definition,
    display: Display,
    callbacks: Iterable[Callback | str] = (),
    *,
    search: bool = True,
) -> Study:
    """Carries out a study; without ``search`` only what follows the search."""
    began, directory = time.monotonic(), definition.directory
    is_function = definition.settings.function.kind == FUNCTION
    opening = "Calling the function ..." if is_function else "Loading data and trying build(hp) ..."
    with (
        interruptible(directory),
        callbacks_of(callbacks, display, opening=opening) as observer,
    ):
        plan = make_plan(definition)
        record = carry_out(plan, directory, observer, began, search=search)
    return Study(directory, record, definition)
