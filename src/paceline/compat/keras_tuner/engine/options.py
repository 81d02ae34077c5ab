"""The constructor's arguments that all tuners have in common."""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paceline.core import InvalidInput, StudyWarning, check_argument, checks, shown

_UNUSED = {
    "distribution_strategy": "Paceline uses all devices of this machine by itself.",
    "logger": "tuner.study has everything that was measured.",
    "tuner_id": "Paceline needs no name for a tuner.",
    "max_retries_per_trial": "A trial that fails is recorded as failed and not repeated.",
    "max_consecutive_failed_trials": "A search stops if its first trials all fail.",
}
"""Arguments that are accepted with a warning, and what happens instead."""

_REFUSED = {
    "hyperparameters": "Define them in build(hp); to fix one, use hp.Fixed.",
    "optimizer": "Compile the model with it in build(hp).",
    "loss": "Compile the model with it in build(hp).",
    "metrics": "Compile the model with them in build(hp).",
    "max_model_size": "Raise an error in build(hp) if model.count_params() is too large: such a "
    "trial is recorded as failed.",
    "tune_new_entries": "Replace what is not to be tuned by hp.Fixed in build(hp).",
    "allow_new_entries": "Replace what is not to be tuned by hp.Fixed in build(hp).",
}
"""Arguments that are refused unless they have their default, and what to write instead."""

_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys((*_UNUSED, *_REFUSED)),
    "max_retries_per_trial": 0,
    "max_consecutive_failed_trials": 3,
    "tune_new_entries": True,
    "allow_new_entries": True,
}
_OWN = ("seed", "directory", "project_name", "overwrite", "executions_per_trial", "final")

said: set[str] = set()
"""What warnings were about so far: each is given once per process."""


def warn_once(about: str, message: str) -> None:
    """Warns, unless it was done before in this process."""
    if about not in said:
        said.add(about)
        warnings.warn(message, StudyWarning, stacklevel=4)


@dataclass(frozen=True)
class TunerOptions:
    """The arguments that all tuners have in common.

    Attributes:
        seed: of everything random; None draws one.
        directory, project_name: the study is in the directory ``directory/project_name``.
        overwrite: whether what is there is deleted; otherwise the study continues.
        executions_per_trial: trainings of each configuration; its score is the mean.
        final: Paceline's option of that name: fresh trainings of the best after the search.
    """

    seed: int | None = None
    directory: str = "."
    project_name: str = "untitled_project"
    overwrite: bool = False
    executions_per_trial: int = 1
    final: Any = "off"

    @classmethod
    def of(cls, tuner: str, own: tuple[str, ...], given: Mapping[str, Any]) -> "TunerOptions":
        """Checks the arguments that a tuner was given besides its own.

        Args:
            tuner: the name of its class.
            own: the names of its own arguments.
            given: the others.

        Raises:
            InvalidInput: an unknown argument, or one that cannot be honoured.
        """
        for name, value in given.items():
            check_argument(tuner, name, (*own, *_OWN, *_DEFAULTS))
            if name in _OWN or value == _DEFAULTS[name] or value is None:
                continue
            if name in _REFUSED:
                raise InvalidInput(
                    f"{name} is {shown(value)}",
                    expected="no such argument: it is not supported yet",
                    fix=_REFUSED[name],
                )
            warn_once(name, f"{name} has no effect in {tuner}. {_UNUSED[name]}")
        known = {name: given[name] for name in _OWN if given.get(name) is not None}
        read: dict[str, Callable[[str, Any], Any]] = {
            "seed": lambda name, value: checks.whole_number(name, value, 0),
            "directory": lambda name, value: os.fspath(checks.path(name, value)),
            "project_name": lambda name, value: os.fspath(checks.path(name, value)),
            "overwrite": checks.flag,
            "executions_per_trial": checks.whole_number,
        }
        return cls(**{name: read.get(name, _as_is)(name, value) for name, value in known.items()})

    @property
    def project_dir(self) -> Path:
        """The directory of the study."""
        return Path(self.directory) / self.project_name


def _as_is(_: str, value: Any) -> Any:
    return value
