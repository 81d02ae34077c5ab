"""The state of an oracle: the space, the trials, and their storage."""

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from paceline.compat.keras_tuner.engine.display import Display
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.objective import MultiObjective, create_objective
from paceline.compat.keras_tuner.engine.oracle_files import (
    is_known,
    load_oracle,
    save_oracle,
    save_trial,
)
from paceline.compat.keras_tuner.engine.stateful import Stateful
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.core import InvalidInput, checks, shown

_MOST_COLLISIONS = 20
"""Repeated configurations in a row after which a space counts as exhausted."""


class OracleState(Stateful):
    """The space, the trials and their files; see `.oracle.Oracle`.

    Attributes:
        strategy: Paceline's strategy that does the same, by which trials train together; None if
            there is none. It holds for the class itself alone, not for its subclasses.
    """

    strategy: ClassVar[str | None] = None

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = None,
        hyperparameters: HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
    ) -> None:
        self.objective = create_objective(objective)
        if max_trials is not None:
            max_trials = checks.whole_number("max_trials", max_trials)
        self.max_trials = max_trials
        for name, is_free in (
            ("tune_new_entries", tune_new_entries),
            ("allow_new_entries", allow_new_entries),
        ):
            if hyperparameters is None and not is_free:
                raise InvalidInput(
                    f"{name}=False and hyperparameters is missing",
                    expected="hyperparameters=..., the space to search",
                )
        if hyperparameters is not None and not isinstance(hyperparameters, HyperParameters):
            raise InvalidInput(
                f"hyperparameters is {shown(hyperparameters)}",
                expected="an object of HyperParameters",
                fix="Define them by its methods, such as hp.Int(...), and pass hyperparameters=hp.",
            )
        self.given = None if hyperparameters is None else hyperparameters.copy()
        self.hyperparameters = HyperParameters() if hyperparameters is None else hyperparameters
        self.allow_new_entries, self.tune_new_entries = allow_new_entries, tune_new_entries
        self.given_seed = None if seed is None else checks.whole_number("seed", seed, 0)
        self.seed = random.randint(1, 10_000) if self.given_seed is None else self.given_seed
        self.max_retries_per_trial = checks.whole_number(
            "max_retries_per_trial", max_retries_per_trial, 0
        )
        self.max_consecutive_failed_trials = checks.whole_number(
            "max_consecutive_failed_trials", max_consecutive_failed_trials
        )
        self._begin()

    def _begin(self) -> None:
        """The state before the first trial."""
        self.trials: dict[str, Trial] = {}
        self.ongoing_trials: dict[str, Trial] = {}
        self.start_order: list[str] = []
        self.end_order: list[str] = []
        self.tuner_ids: set[str] = set()
        self._num_runs: dict[str, int] = defaultdict(int)
        self._retry_queue: list[str] = []
        self._num_draws = self.seed
        self._tried: dict[str, str] = {}  # hashes of values by trial
        self._directory: Any = None
        self._project_name = "untitled_project"
        self._display = Display(self)

    @property
    def verbose(self) -> Any:
        """0 for silence, 1 otherwise."""
        return self._display.verbose

    @verbose.setter
    def verbose(self, value: Any) -> None:
        self._display.verbose = 1 if value == "auto" else int(value)

    # -- where trials train together

    @property
    def num_trials(self) -> int | None:
        """How many configurations are tried; None for all of a grid."""
        return self.max_trials

    @property
    def schedule(self) -> Any:
        """Paceline's schedule: which trials train to their end."""
        return "full"

    @property
    def epochs(self) -> int | None:
        """The epochs of a full training; None for those of ``search``."""
        return None

    # -- the space

    def get_space(self) -> HyperParameters:
        """A copy of all hyperparameters that are known."""
        return self.hyperparameters.copy()

    def update_space(self, hyperparameters: HyperParameters) -> None:
        """Adds hyperparameters that are new.

        Raises:
            RuntimeError: there are new ones, and ``allow_new_entries`` is False.
        """
        new = [
            one
            for one in hyperparameters.space
            if not self.hyperparameters._exists(one.name, one.conditions)
        ]
        if new and not self.allow_new_entries:
            names = ", ".join(one.name for one in new)
            raise RuntimeError(
                f"`allow_new_entries` is `False`, but there are hyperparameters that are not in "
                f"`hyperparameters`: {names}."
            )
        if self.tune_new_entries:
            self.hyperparameters.merge(new)

    def _random_values(self) -> dict[str, Any] | None:
        """Random values that were not tried before; None if none are found."""
        for _ in range(_MOST_COLLISIONS + 1):
            drawn = HyperParameters()
            for one in self.hyperparameters.space:
                drawn._add(one)
                if drawn.is_active(one):
                    drawn.values[one.name] = one.random_sample(self._num_draws)
                    self._num_draws += 1
            if not self._duplicate(drawn.values):
                return drawn.values
        return None

    def _duplicate(self, values: Mapping[str, Any]) -> bool:
        """Whether values were tried before."""
        return self._compute_values_hash(values) in self._tried.values()

    def _compute_values_hash(self, values: Mapping[str, Any]) -> str:
        text = "".join(f"{name}={values[name]}" for name in sorted(values))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _record_values(self, trial: Trial) -> None:
        trial.hyperparameters.ensure_active_values()
        values = trial.hyperparameters.values
        self._tried[trial.trial_id] = self._compute_values_hash(values)

    def _continue_trials(self) -> None:
        """Continues with trials that have trained together: the oracle has not chosen them."""
        for trial_id, trial in self.trials.items():
            self._record_values(trial)
            if trial_id in self.end_order:
                self._num_runs[trial_id] = 1
            else:
                self._retry_queue.append(trial_id)

    def _check_brackets(self, study: Any) -> None:
        """Checks that the trials of a study would be in the same brackets here, if there are any.

        Raises:
            StudyMismatch: they would be in others.
        """

    def _has_ended_round(self, trial: Trial) -> bool:  # noqa: ARG002 - of brackets
        """Whether a trial that has not ended has a result all the same: that of a round."""
        return False

    def _from_start(self, trial: Trial) -> Trial:
        """A trial with the configuration and the id of another one, to be run."""
        return Trial(trial.hyperparameters, trial.trial_id)

    def _forget(self) -> None:
        """Forgets the trials, and the space but for what was given."""
        self.hyperparameters = HyperParameters() if self.given is None else self.given.copy()
        self.trials, self.start_order, self.end_order = {}, [], []
        self._display.trial_number = {}

    def num_runs(self, trial_id: str) -> int:
        """How often a trial has run to its end or failed."""
        return self._num_runs.get(trial_id, 0)

    # -- results

    def get_trial(self, trial_id: str | int) -> Trial:
        """The trial with an id.

        Raises:
            KeyError: there is none.
        """
        text = str(trial_id)
        if text not in self.trials and text.isdecimal():  # with or without leading zeros
            same = (one for one in self.trials if one.isdecimal() and int(one) == int(text))
            text = next(same, text)
        return self.trials[text]

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The trials with the best scores, the best first; then those without one."""
        done = [one for one in self.trials.values() if one.status == TrialStatus.COMPLETED]
        is_max = self.objective.direction == "max"
        ranked = sorted(done, key=_score, reverse=is_max)
        others = [one for one in self.trials.values() if one.status != TrialStatus.COMPLETED]
        return [*ranked, *others][:num_trials] if len(ranked) < num_trials else ranked[:num_trials]

    def remaining_trials(self) -> int | None:
        """How many trials are left; None where there is no limit."""
        return None if self.max_trials is None else max(0, self.max_trials - len(self.trials))

    def _directions(self) -> dict[str, str]:
        """The direction of each metric of the objective."""
        if isinstance(self.objective, MultiObjective):
            return self.objective.name_to_direction
        return {self.objective.name: self.objective.direction}

    # -- files

    def get_state(self) -> dict[str, Any]:
        """As JSON types; trials have files of their own."""
        return {
            "ongoing_trials": {name: one.trial_id for name, one in self.ongoing_trials.items()},
            "hyperparameters": self.hyperparameters.get_config(),
            "start_order": self.start_order,
            "end_order": self.end_order,
            "num_runs": dict(self._num_runs),
            "retry_queue": self._retry_queue,
            "seed": self.seed,
            "num_draws": self._num_draws,
            "tried": self._tried,
            "display": self._display.get_state(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        self.ongoing_trials = {
            name: self.trials[one] for name, one in state["ongoing_trials"].items()
        }
        self.hyperparameters = HyperParameters.from_config(state["hyperparameters"])
        self.start_order, self.end_order = list(state["start_order"]), list(state["end_order"])
        self._num_runs = defaultdict(int, state["num_runs"])
        self._retry_queue = list(state["retry_queue"])
        self.seed, self._num_draws = state["seed"], state["num_draws"]
        self._tried = dict(state["tried"])
        self._display.set_state(state["display"])

    def save(self, fname: str | None = None) -> None:
        """Writes the state to the project's directory, where there is one."""
        if fname is not None or self._directory is not None:
            save_oracle(self._file if fname is None else Path(fname), self)

    def reload(self, fname: str | None = None) -> None:
        """Takes over the state of the project's directory; trials that were running are repeated.

        Raises:
            RuntimeError: the directory holds the state of another oracle.
        """
        load_oracle(self._file if fname is None else Path(fname), self)
        self._retry_queue += [one.trial_id for one in self.ongoing_trials.values()]
        self.ongoing_trials = {}

    def _set_project_dir(self, directory: Any, project_name: str) -> None:
        self._directory, self._project_name = directory, project_name

    @property
    def _project_dir(self) -> str:
        return os.path.join(str(self._directory or "."), self._project_name)

    @property
    def _file(self) -> Path:
        return Path(self._project_dir) / "oracle.json"

    def _is_stored(self) -> bool:
        return self._directory is not None and is_known(self._file)

    def _save_trial(self, trial: Trial) -> None:
        if self._directory is not None:
            save_trial(Path(self._project_dir), trial)


def _score(trial: Trial) -> float:
    return 0.0 if trial.score is None else trial.score
