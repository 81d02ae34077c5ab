"""Random search."""

from typing import Any, ClassVar

from paceline.compat.keras_tuner.engine.oracle import Oracle
from paceline.compat.keras_tuner.engine.trial import TrialStatus
from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.core import checks


class RandomSearchOracle(Oracle):
    """Tries random configurations, none twice.

    Args:
        objective, max_trials, **options: see `Oracle`.
    """

    strategy: ClassVar[str | None] = "random"

    def __init__(self, objective: Any = None, max_trials: int = 10, **options: Any) -> None:
        super().__init__(objective, checks.whole_number("max_trials", max_trials), **options)

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002
        """Random values; ``"STOPPED"`` where no new ones are found."""
        values = self._random_values()
        return {"status": TrialStatus.STOPPED if values is None else "RUNNING", "values": values}


class RandomSearch(Tuner):
    """Tries random configurations, none twice.

    Args:
        hypermodel: a function ``build(hp)``, or a `HyperModel`.
        objective: a metric, such as ``"val_accuracy"``, or an `Objective`.
        max_trials: how many configurations.
        seed, hyperparameters, tune_new_entries, allow_new_entries, max_retries_per_trial,
            max_consecutive_failed_trials: see `Oracle`.
        **options: see `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        seed: int | None = None,
        hyperparameters: Any = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **options: Any,
    ) -> None:
        oracle = RandomSearchOracle(
            objective,
            max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **options)
