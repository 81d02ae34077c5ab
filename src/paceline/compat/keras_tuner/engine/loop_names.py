"""Hyperparameters of the training loop, under the names that the user's methods give them.

``fit`` of a `HyperModel` may pass ``hp.Choice("size", [16, 32])`` as ``batch_size``. Paceline's
study calls that hyperparameter ``batch_size``; in this interface it is ``size``. The names are in
the project's file ``tuner0.json``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.callbacks import Callback
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.stateful import load_json, save_json
from paceline.report import Study
from paceline.study.hooks.view import StudyView

NAMES = "tuner0.json"
"""The file with the names, in the project."""


class KeepsNames(Callback):
    """Writes the names when the study exists.

    Args:
        names: of the hyperparameters, by argument of ``fit``.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)

    def on_study_begin(self, study: StudyView) -> None:
        """Writes the file."""
        save_json(Path(study.directory) / NAMES, {"made_by": "paceline", "names": self._names})


def load_names(directory: Path) -> dict[str, str]:
    """The names of a project; empty if there are none but those of the arguments."""
    path = directory / NAMES
    if not path.is_file():
        return {}
    found: dict[str, str] = load_json(path)["names"]
    return found


def defined_by_build(
    known: HyperParameters, study: Study | None, names: Mapping[str, str]
) -> HyperParameters:
    """The hyperparameters without those of the training loop.

    Args:
        known: all of them.
        study: that of the project; None for a new one.
        names: of those of the training loop, by argument.
    """
    training: Any = None if study is None else study.settings.training
    loop = {
        names.get(argument, argument)
        for argument in ("batch_size", "epochs")
        if training is not None and getattr(training, argument) is None
    }
    space = [one for one in known.space if one.name not in loop]
    return HyperParameters.with_values(
        space, {name: value for name, value in known.values.items() if name not in loop}
    )
