"""`load_study`, `open_study` and `doctor`: read a study, run its trials yourself, check it."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paceline.api.running import directory_of
from paceline.callbacks import Callback, callbacks_of
from paceline.core import checks, validates_argument_names
from paceline.core.deprecation import renamed_arguments
from paceline.report import Study
from paceline.search import Strategy
from paceline.space import Hyperparameter, Space
from paceline.study.asktell import OpenStudy

if TYPE_CHECKING:
    from paceline.study.health.doctor import Diagnosis


@renamed_arguments(directory="study")
@validates_argument_names()
def load_study(study: str | os.PathLike[str] | Study) -> Study:
    """Loads a study, finished or not; another process may be writing it.

    Args:
        study: its directory, or a loaded study, to read it again.

    Raises:
        InvalidInput: there is no study in this directory.
    """
    return Study.open(directory_of(study))


@validates_argument_names()
def doctor(study: str | os.PathLike[str] | Study, *, repair: bool = False) -> "Diagnosis":
    """Checks a study's directory for damage, and can repair it.

    It checks the database and its events, the checkpoints with their checksums, the best model,
    files left by a killed process, and the versions of the packages. Print the result to read it:
    ``print(paceline.doctor("runs/mnist"))``.

    Args:
        study: its directory.
        repair: if some events are unusable, make a new database of those before the first such
            event; the damaged one is kept. Otherwise nothing is changed.

    Raises:
        InvalidInput: there is no study in this directory.
        StudyLocked: it is to be repaired, and another process is writing it.
    """
    from paceline.study.health import doctor as doctors

    directory = directory_of(study)
    return (
        doctors.repair(directory) if checks.flag("repair", repair) else doctors.examine(directory)
    )


@validates_argument_names()
def open_study(
    study: str | os.PathLike[str],
    space: Space | Mapping[str, Hyperparameter] | None = None,
    objective: Any = None,
    *,
    search: str | Strategy | None = None,
    seed: int | None = None,
    change_space: bool = False,
    callbacks: Sequence[Callback | str] | None = (),
    store: str | None = None,
) -> OpenStudy:
    """A study whose trials you run yourself: ``ask`` proposes a trial, ``tell`` takes its result.

    Example::

        with paceline.open_study("runs/oven", {"heat": paceline.Float(150, 250)}, "max") as study:
            for _ in range(10):
                trial = study.ask()
                study.tell(trial, bake(**trial.config))
        study.best.config

    Args:
        study: its directory. An existing one is opened again; ``pending`` are its trials without
            a result.
        space: the search space; not needed for an existing study.
        objective: ``"max"`` or ``"min"``, or a metric such as ``("accuracy", "max")``; the same.
        search: as in `tune`; None for that of the existing study, else ``"auto"``.
        seed: as in `tune`.
        change_space: as in `tune`: whether an existing study may continue with another ``space``.
        callbacks: as in `tune`.
        store: as in `tune`: where a new study's record is kept.

    Raises:
        InvalidInput: anything that cannot be used; nothing has been written then.
        StudyMismatch: the directory holds another study.
        StudyLocked: another process is writing it.
    """
    called = callbacks_of(callbacks, False, report=False)
    return OpenStudy(study, space, objective, search, seed, change_space, called, store)
