"""`load_study` and `open_study`: a study to be looked at, and one whose trials its user runs."""

import os
from collections.abc import Mapping
from typing import Any

from paceline.core import knows_its_arguments
from paceline.report import Study
from paceline.search import Strategy
from paceline.space import Hyperparameter, Space
from paceline.store import study_directory
from paceline.study.asktell import OpenStudy


@knows_its_arguments()
def load_study(directory: str | os.PathLike[str]) -> Study:
    """A study as it stands, finished or not; another process may be writing it.

    Raises:
        InvalidInput: there is none in this directory.
    """
    return Study.open(study_directory(directory, "directory"))


@knows_its_arguments()
def open_study(
    study: str | os.PathLike[str],
    space: Space | Mapping[str, Hyperparameter] | None = None,
    objective: Any = None,
    *,
    search: str | Strategy = "auto",
    seed: int | None = None,
    change_space: bool = False,
) -> OpenStudy:
    """A study whose trials you run yourself: ``ask`` says what to try next, ``tell`` takes what came of it.

    Example::

        with paceline.open_study("runs/oven", {"heat": paceline.Float(150, 250)}, "max") as study:
            for trial in study.ask(4):
                study.tell(trial, bake(**trial.config))
        study.best.config

    Args:
        study: its directory. One that is there is opened again; ``pending`` are the trials not told of yet.
        space: what may vary; of a study that is there, it need not be passed.
        objective: ``"max"`` or ``"min"``, or a metric such as ``("accuracy", "max")``; the same.
        search: as in `tune`; of a study that is there, its own is taken.
        seed: as in `tune`.
        change_space: as in `tune`: whether a study that is there may go on with another ``space``.

    Raises:
        InvalidInput: anything that cannot be used; nothing has been written then.
        StudyMismatch: the directory holds another study.
        StudyLocked: another process is writing it.
    """
    return OpenStudy(study, space, objective, search, seed, change_space)
