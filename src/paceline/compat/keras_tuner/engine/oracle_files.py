"""The files of an oracle whose trials run one by one.

``oracle.json`` has the state of the oracle, ``trial_<id>/trial.json`` that of each trial: the names
that KerasTuner has, with ``"made_by": "paceline"`` in the first, since their content differs.
"""

from pathlib import Path
from typing import Any

from paceline.compat.keras_tuner.engine.stateful import load_json, save_json
from paceline.compat.keras_tuner.engine.trial import Trial

_MADE_BY = {"made_by": "paceline"}


def save_oracle(path: Path, oracle: Any) -> None:
    """Writes the state of an oracle."""
    save_json(path, {**_MADE_BY, "oracle": type(oracle).__name__, **oracle.get_state()})


def load_oracle(path: Path, oracle: Any) -> None:
    """Takes over the state of an oracle and of its trials.

    Raises:
        RuntimeError: it is the state of another oracle.
    """
    trials = [Trial.load(str(one)) for one in sorted(path.parent.glob("trial_*/trial.json"))]
    oracle.trials = {one.trial_id: one for one in trials}
    state = load_json(path)
    try:
        oracle.set_state(state)
    except KeyError as error:
        raise RuntimeError(
            f"The project in {path.parent} is one of a {state.get('oracle', 'another oracle')}, "
            f"which {type(oracle).__name__} cannot continue ({error} is missing). To delete what "
            "is there, pass `overwrite=True`; otherwise pass another `project_name`."
        ) from error


def save_trial(project: Path, trial: Trial) -> None:
    """Writes the state of a trial."""
    save_json(project / f"trial_{trial.trial_id}" / "trial.json", trial.get_state())


def is_known(path: Path) -> bool:
    """Whether there is a file of `save_oracle`."""
    if not path.is_file():
        return False
    try:
        state = load_json(path)
    except ValueError:
        return False
    return isinstance(state, dict) and state.get("made_by") == "paceline"
