"""Bayesian optimization, with Paceline's model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from paceline.compat.keras_tuner.engine.hyperparameters.conversion import (
    complete,
    to_paceline,
    widened,
)
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.compat.keras_tuner.engine.oracle import Oracle
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.core import Objective as Metric
from paceline.core import Trial as Measured
from paceline.core import TrialState, checks
from paceline.search import History, create
from paceline.search.strategy import restore
from paceline.space import Space

_ALPHA, _BETA = 1e-4, 2.6
_STATES = {
    TrialStatus.COMPLETED: TrialState.COMPLETED,
    TrialStatus.FAILED: TrialState.FAILED,
    TrialStatus.INVALID: TrialState.FAILED,
}


class BayesianOptimizationOracle(Oracle):
    """Learns from the trials so far what to try next, with Paceline's own model.

    Args:
        objective, max_trials, **options: see `Oracle`.
        num_initial_points, alpha, beta: of KerasTuner's model; without effect, with a warning.
    """

    strategy: ClassVar[str | None] = "bayes"

    def __init__(
        self,
        objective: Any = None,
        max_trials: int = 10,
        num_initial_points: int | None = None,
        alpha: float = _ALPHA,
        beta: float = _BETA,
        **options: Any,
    ) -> None:
        super().__init__(objective, checks.whole_number("max_trials", max_trials), **options)
        self.num_initial_points, self.alpha, self.beta = num_initial_points, alpha, beta
        given = {
            "num_initial_points": num_initial_points is not None,
            "alpha": alpha != _ALPHA,
            "beta": beta != _BETA,
        }
        if named := [name for name, is_given in given.items() if is_given]:
            warn_once(
                "bayes",
                f"{', '.join(named)}: without effect in BayesianOptimization. Paceline's model "
                "determines its noise from the scores, and how far to explore by itself.",
            )
        self._strategy: Any = create("bayes", self.seed)

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002
        """The proposal of the model; ``"STOPPED"`` where nothing is left."""
        known = [to_paceline(one) for one in self.hyperparameters.space]
        for trial in self.trials.values():
            known = [
                widened(one, trial.hyperparameters.values.get(one.name, one.default))
                for one in known
            ]
        space = Space(known)
        trials = [
            self._measured(space, number, one) for number, one in enumerate(self.trials.values())
        ]
        if not known:  # until a trial has defined some
            return {"status": TrialStatus.STOPPED if trials else TrialStatus.RUNNING, "values": {}}
        seen = {space.key(one.config) for one in trials}
        metric = Metric(self.objective.name, self.objective.direction)
        self._strategy, proposals = self._strategy.ask(space, History(seen, trials, metric), 1)
        if not proposals:
            return {"status": TrialStatus.STOPPED, "values": None}
        return {"status": TrialStatus.RUNNING, "values": dict(proposals[0].config)}

    def _measured(self, space: Space, number: int, trial: Trial) -> Measured:
        """A trial as Paceline's strategies see it; what it lacks has its default."""
        values = complete(self.hyperparameters.space, trial.hyperparameters.values)
        config = {name: value for name, value in values.items() if name in space}
        state = _STATES.get(trial.status or "", TrialState.RUNNING)
        return Measured(number, config, self.seed, 1, state, score=trial.score, best_epoch=1)

    def get_state(self) -> dict[str, Any]:
        """As JSON types."""
        return {**super().get_state(), "strategy": self._strategy.to_json()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        super().set_state(state)
        self._strategy = restore(state["strategy"])


class BayesianOptimization(Tuner):
    """Learns from the trials so far what to try next, with Paceline's own model.

    Args:
        hypermodel, objective, max_trials: as in `RandomSearch`.
        num_initial_points, alpha, beta: of KerasTuner's model; without effect, with a warning.
        seed, hyperparameters, tune_new_entries, allow_new_entries, max_retries_per_trial,
            max_consecutive_failed_trials: see `Oracle`.
        **options: see `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        num_initial_points: int | None = None,
        alpha: float = _ALPHA,
        beta: float = _BETA,
        seed: int | None = None,
        hyperparameters: Any = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **options: Any,
    ) -> None:
        oracle = BayesianOptimizationOracle(
            objective,
            max_trials,
            num_initial_points,
            alpha,
            beta,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **options)
