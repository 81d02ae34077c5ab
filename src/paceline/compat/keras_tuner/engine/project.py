"""The directory of a tuner's project: what is there, and whether it may be continued."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.compat.keras_tuner.engine.oracle_files import is_known
from paceline.core import InvalidInput, StudyMismatch, checks
from paceline.report import Study
from paceline.store import has_study
from paceline.study.loop.session import INTERRUPTED
from paceline.study.record.record import REPAIRED

_ORACLE = "oracle.json"

ANEW = (
    "With overwrite=True the project is deleted and begins anew; with another project_name it "
    "stays."
)
"""What to do about a project that cannot be continued."""


def project_directory(directory: Any, project_name: Any) -> Path:
    """The directory of a project.

    Raises:
        InvalidInput: not the names of a directory.
    """
    parent = os.fspath(checks.path("directory", "." if directory is None else directory))
    name = "untitled_project" if project_name is None else project_name
    return Path(parent) / os.fspath(checks.path("project_name", name))


def check_project(directory: Path, overwrite: bool) -> None:
    """Checks that a directory is new, or has a project that may be continued or overwritten.

    Raises:
        InvalidInput: the directory holds something else.
    """
    if not directory.exists() or _has_own(directory):
        return
    is_other = (directory / _ORACLE).exists()
    if is_other and not overwrite:
        raise InvalidInput(
            f"{directory} holds a project of KerasTuner",
            expected="a project of this tuner, or a new one",
            fix="Pass another project_name; with overwrite=True what is there is deleted.",
        )
    if overwrite and not is_other and (not directory.is_dir() or any(directory.iterdir())):
        raise InvalidInput(
            f"overwrite is True and {directory} holds something else than a project",
            expected="a project, or an empty directory",
            fix="Delete it yourself, or pass another project_name.",
        )


def clear_project(directory: Path) -> None:
    """Deletes a project that `check_project` has found."""
    if directory.exists():
        shutil.rmtree(directory)


@contextmanager
def replaced(directory: Path) -> Iterator[None]:
    """A project is moved aside while the block runs.

    It is deleted when the block has begun another one in its place; otherwise it is moved back.
    """
    if not directory.exists():
        yield
        return
    aside = directory.with_name(f"{directory.name}.replaced")
    clear_project(aside)  # left by a process that was killed here
    directory.rename(aside)
    try:
        yield
    finally:
        if has_study(directory) or trained_alone(directory):
            clear_project(aside)
        else:
            clear_project(directory)
            aside.rename(directory)


def is_finished(study: Study | None, num_trials: int | None) -> bool:
    """Whether a project whose trials train together has nothing left to train.

    Args:
        study: of the project; None for a new one.
        num_trials: how many the search may try; None for all of a grid.
    """
    ended = None if study is None else study.record.ended
    if study is None or ended is None or ended.reason in (INTERRUPTED, REPAIRED):
        return False
    has_all = num_trials is None or len(study.trials) >= num_trials
    has_all = has_all or ended.reason in study.record.notes  # that the space is exhausted
    has_best = study.record.best is not None
    return has_all and has_best and all(one.state.is_final for one in study.trials)


def is_same(one: Study, other: Study) -> bool:
    """Whether two readings of a project found the same."""
    return one.trials == other.trials and one.record.ended == other.record.ended


def warn_finished(directory: str, difference: StudyMismatch) -> None:
    """Says that a search trains nothing, though its arguments are not those of the project."""
    warn_once(
        f"finished: {directory}: {difference.passed}",
        f"The project in {directory} has finished, so nothing is trained and its results stay, "
        f"although {difference.passed} (expected {difference.expected}). With overwrite=True it "
        "begins anew.",
    )


def check_same_search(study: Study, oracle: Any, directory: str) -> None:
    """Checks that a project belongs to a search of the same kind and objective.

    Raises:
        StudyMismatch: it has another objective, by which its trials would be ranked.
        RuntimeError: another kind of tuner made it, as KerasTuner says.
    """
    had, objective = study.record.objective, oracle.objective
    if (had.metric, had.direction[:3]) != (objective.name, objective.direction):
        raise StudyMismatch(
            f"objective is {objective.name} ({objective.direction})",
            expected=f"{had.metric} ({had.direction}), as in {directory}",
            fix=ANEW,
        )
    searched = study.settings.search.search
    schedule = (study.settings.search.schedule or {"schedule": "full"})["schedule"]
    now = (oracle.strategy, getattr(oracle.schedule, "name", oracle.schedule))
    if oracle.strategy is not None and (searched, schedule) != now:
        raise RuntimeError(
            f"The project in {directory} is one of another tuner (search {searched}, schedule "
            f"{schedule}), which {type(oracle).__name__} cannot continue. To delete what is "
            "there, pass `overwrite=True`; otherwise pass another `project_name`."
        )


def trained_alone(directory: Path) -> bool:
    """Whether there is a project whose trials were run one by one."""
    return is_known(directory / _ORACLE)


def _has_own(directory: Path) -> bool:
    return trained_alone(directory) or (has_study(directory) and not (directory / _ORACLE).exists())
