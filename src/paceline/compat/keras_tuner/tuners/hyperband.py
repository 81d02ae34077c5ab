"""Hyperband (Li et al. 2018), with the brackets of KerasTuner."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from paceline.compat.keras_tuner.engine.oracle import Oracle
from paceline.compat.keras_tuner.engine.project import ANEW
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.core import InvalidInput, StudyMismatch, checks, shown
from paceline.schedule.halving import whole_log
from paceline.schedule.keras_tuner_brackets import KerasTunerHyperband

_OWN = ("tuner/epochs", "tuner/initial_epoch", "tuner/bracket", "tuner/round")
"""Values that say how long a trial trains."""


class HyperbandOracle(Oracle):
    """Many short trainings, of which the best continue, as trials of their own.

    Args:
        objective, **options: see `Oracle`.
        max_epochs: epochs of a full training.
        factor: one in so many trials continues, for so many times the epochs; at least 2.
        hyperband_iterations: how often all brackets are carried out.
    """

    strategy: ClassVar[str | None] = "random"

    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(objective, **options)
        self.max_epochs = checks.whole_number("max_epochs", max_epochs)
        if checks.integer(factor) is None or factor < 2:
            raise InvalidInput(
                f"factor is {shown(factor)}; factor needs to be large enough",
                expected="a whole number of at least 2",
            )
        self.factor = int(factor)
        self.hyperband_iterations = checks.whole_number(
            "hyperband_iterations", hyperband_iterations
        )
        self._sizes = KerasTunerHyperband(self.factor)
        self._current_iteration = 0
        self._current_bracket = self._get_num_brackets() - 1
        self._brackets: list[dict[str, Any]] = []
        self._start_new_bracket()

    @property
    def num_trials(self) -> int:
        """How many configurations begin."""
        return self.hyperband_iterations * self._sizes.num_trials(self.max_epochs)

    @property
    def schedule(self) -> KerasTunerHyperband:
        """The brackets."""
        return self._sizes

    @property
    def epochs(self) -> int:
        """Those of the constructor; those of ``search`` are ignored, as in KerasTuner."""
        return self.max_epochs

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The best trial of a round that is complete enough, or a random one."""
        self._brackets = [one for one in self._brackets if not self._is_complete(one)]
        for bracket in self._brackets:
            number, rounds = bracket["bracket_num"], bracket["rounds"]
            if len(rounds[0]) < self._get_size(number, 0):
                return self._random_trial(trial_id, bracket)
            for round_ in range(1, len(rounds)):
                best = self._next_of(bracket, round_)
                if best is not None:
                    rounds[round_].append({"past_id": best.trial_id, "id": trial_id})
                    values = {
                        **best.hyperparameters.values,
                        "tuner/trial_id": best.trial_id,
                        **self._own_values(number, round_),
                    }
                    return {"status": TrialStatus.RUNNING, "values": values}
        is_last = self._current_iteration + 1 >= self.hyperband_iterations
        if self._current_bracket == 0 and is_last:
            return self._nothing()
        self._current_bracket -= 1
        if self._current_bracket < 0:
            self._current_bracket = self._get_num_brackets() - 1
            self._current_iteration += 1
        self._start_new_bracket()
        return self._random_trial(trial_id, self._brackets[-1])

    def _next_of(self, bracket: Mapping[str, Any], round_: int) -> Trial | None:
        """The trial of the round before that continues in a round next."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        chosen = {one["past_id"] for one in rounds[round_]}
        before = [one["id"] for one in rounds[round_ - 1] if one["id"] not in chosen]
        done = [
            self.trials[one]
            for one in before
            if one in self.trials and self.trials[one].status == TrialStatus.COMPLETED
        ]
        dropped = self._get_size(number, round_ - 1) - self._get_size(number, round_)
        if len(done) <= dropped:
            return None
        choose = max if self.objective.direction == "max" else min
        return choose(done, key=lambda one: 0.0 if one.score is None else one.score)

    def _random_trial(self, trial_id: str, bracket: Mapping[str, Any]) -> dict[str, Any]:
        values = self._random_values()
        if values is None:
            return self._nothing()
        bracket["rounds"][0].append({"past_id": None, "id": trial_id})
        values |= self._own_values(bracket["bracket_num"], 0)
        return {"status": TrialStatus.RUNNING, "values": values}

    def _nothing(self) -> dict[str, Any]:
        """Wait for those that run, or stop."""
        return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}

    def _own_values(self, bracket: int, round_: int) -> dict[str, int]:
        begun = 0 if round_ == 0 else self._get_epochs(bracket, round_ - 1)
        own = (self._get_epochs(bracket, round_), begun, bracket, round_)
        return dict(zip(_OWN, own, strict=True))

    def _compute_values_hash(self, values: Mapping[str, Any]) -> str:
        return super()._compute_values_hash(
            {name: value for name, value in values.items() if name not in _OWN}
        )

    # -- brackets

    def _start_new_bracket(self) -> None:
        number = self._current_bracket
        rounds: list[list[Any]] = [[] for _ in range(self._get_num_rounds(number))]
        self._brackets.append({"bracket_num": number, "rounds": rounds})

    def _is_complete(self, bracket: Mapping[str, Any]) -> bool:
        last = len(bracket["rounds"]) - 1
        return len(bracket["rounds"][last]) >= self._get_size(bracket["bracket_num"], last)

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        return self._sizes.size(self.max_epochs, bracket_num, round_num)

    def _get_epochs(self, bracket_num: int, round_num: int) -> int:
        return math.ceil(self.max_epochs / float(self.factor) ** (bracket_num - round_num))

    def _get_num_rounds(self, bracket_num: int) -> int:
        return bracket_num + 1

    def _get_num_brackets(self) -> int:
        return whole_log(self.max_epochs, self.factor) + 1

    # -- trials that have trained together, of which one has several rounds

    def _continue_trials(self) -> None:
        """Puts each trial into the rounds of its bracket that it has trained."""
        super()._continue_trials()
        brackets: dict[Any, list[Trial]] = {}
        for number, trial in enumerate(self.trials.values()):
            group = self._sizes.group(number, self.max_epochs)
            brackets.setdefault(group, []).append(trial)
        self._brackets = []
        for group, trials in brackets.items():
            self._current_iteration = group.first // self._sizes.num_trials(self.max_epochs)
            self._current_bracket = group.halvings
            self._start_new_bracket()
            for trial in trials:
                last = trial.hyperparameters.values["tuner/round"]
                for round_, known in enumerate(self._brackets[-1]["rounds"][: last + 1]):
                    past = trial.trial_id if round_ else None
                    known.append({"past_id": past, "id": trial.trial_id})
        if not self._brackets:
            self._start_new_bracket()

    def _check_brackets(self, study: Any) -> None:
        sizes = KerasTunerHyperband.from_json(study.settings.search.schedule)
        had = (study.settings.training.epochs, sizes.eta)
        if had != (self.max_epochs, self.factor):
            raise StudyMismatch(
                f"max_epochs is {self.max_epochs} and factor is {self.factor}",
                expected=f"max_epochs={had[0]} and factor={had[1]}, as in {study.directory}, "
                "where brackets are not complete",
                fix=f"Pass these. {ANEW}",
            )

    def _has_ended_round(self, trial: Trial) -> bool:
        epochs = 0 if trial.measured is None else len(trial.measured.measurements)
        return bool(epochs == trial.hyperparameters.values["tuner/epochs"])

    def _from_start(self, trial: Trial) -> Trial:
        found = super()._from_start(trial)
        found.hyperparameters.values["tuner/initial_epoch"] = 0
        return found

    def get_state(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            **super().get_state(),
            "brackets": self._brackets,
            "current_bracket": self._current_bracket,
            "current_iteration": self._current_iteration,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        super().set_state(state)
        self._brackets = [dict(one) for one in state["brackets"]]
        self._current_bracket = state["current_bracket"]
        self._current_iteration = state["current_iteration"]


class Hyperband(Tuner):
    """Many short trainings, of which the best continue, in KerasTuner's brackets.

    Args:
        hypermodel, objective: as in `RandomSearch`.
        max_epochs: epochs of a full training; those of ``search`` are ignored, as in KerasTuner.
        factor: one in so many trials continues, for so many times the epochs; at least 2.
        hyperband_iterations: how often all brackets are carried out.
        seed, hyperparameters, tune_new_entries, allow_new_entries, max_retries_per_trial,
            max_consecutive_failed_trials: see `Oracle`.
        **options: see `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int = 1,
        seed: int | None = None,
        hyperparameters: Any = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **options: Any,
    ) -> None:
        oracle = HyperbandOracle(
            objective,
            max_epochs,
            factor,
            hyperband_iterations,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **options)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        """Trains for the epochs of the trial's round, from the weights of the round before."""
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            kwargs["epochs"] = values["tuner/epochs"]
            kwargs["initial_epoch"] = values["tuner/initial_epoch"]
        return super().run_trial(trial, *args, **kwargs)

    def _build_hypermodel(self, hp: Any) -> Any:
        model = super()._build_hypermodel(hp)
        earlier = hp.values.get("tuner/trial_id")
        if earlier is not None:
            self._load_weights(model, earlier)
        return model
