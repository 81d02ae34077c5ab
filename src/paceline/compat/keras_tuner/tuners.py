"""The tuners: `RandomSearch`, `BayesianOptimization`, `Hyperband` and `GridSearch`.

Besides their own arguments they take ``seed``, ``directory``, ``project_name``, ``overwrite``,
``executions_per_trial``, and ``final`` (that of `paceline.tune`; ``"off"`` by default).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from paceline.compat.keras_tuner.engine.brackets import KerasTunerHyperband
from paceline.compat.keras_tuner.engine.fit_arguments import FitArguments
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.compat.keras_tuner.engine.own_fit import OwnArguments
from paceline.compat.keras_tuner.engine.tuner import Tuner
from paceline.core import checks

__all__ = ["BayesianOptimization", "GridSearch", "Hyperband", "RandomSearch"]

_COMMON = ("hypermodel", "objective", "max_trials")


class RandomSearch(Tuner):
    """Tries random configurations, none twice.

    Args:
        hypermodel: a function ``build(hp)``, or a `HyperModel`.
        objective: a metric, such as ``"val_accuracy"``, or an `Objective`.
        max_trials: how many configurations.
        **options: see the module.
    """

    arguments: ClassVar[tuple[str, ...]] = _COMMON

    def __init__(
        self, hypermodel: Any = None, objective: Any = None, max_trials: int = 10, **options: Any
    ) -> None:
        super().__init__(
            hypermodel, objective, checks.whole_number("max_trials", max_trials), options
        )


class GridSearch(Tuner):
    """Tries every configuration, the default first; continuous ranges at 10 values.

    Args:
        hypermodel, objective: as in `RandomSearch`.
        max_trials: how many configurations at most; None for all.
        **options: see the module.
    """

    strategy: ClassVar[str] = "grid"
    arguments: ClassVar[tuple[str, ...]] = _COMMON

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int | None = None,
        **options: Any,
    ) -> None:
        if max_trials is not None:
            max_trials = checks.whole_number("max_trials", max_trials)
        super().__init__(hypermodel, objective, max_trials, options)


class BayesianOptimization(Tuner):
    """Learns from the trials so far what to try next, with Paceline's own model.

    Args:
        hypermodel, objective, max_trials: as in `RandomSearch`.
        num_initial_points, alpha, beta: of KerasTuner's model; without effect, with a warning.
        **options: see the module.
    """

    strategy: ClassVar[str] = "bayes"
    arguments: ClassVar[tuple[str, ...]] = (*_COMMON, "num_initial_points", "alpha", "beta")

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        num_initial_points: int | None = None,
        alpha: float = 1e-4,
        beta: float = 2.6,
        **options: Any,
    ) -> None:
        given = {
            "num_initial_points": num_initial_points is not None,
            "alpha": alpha != 1e-4,
            "beta": beta != 2.6,
        }
        if named := [name for name, is_given in given.items() if is_given]:
            warn_once(
                "bayes",
                f"{', '.join(named)}: without effect in BayesianOptimization. Paceline's model "
                "determines its noise from the scores, and how far to explore by itself.",
            )
        super().__init__(
            hypermodel, objective, checks.whole_number("max_trials", max_trials), options
        )


class Hyperband(Tuner):
    """Many short trainings, of which the best continue, in KerasTuner's brackets.

    Args:
        hypermodel, objective: as in `RandomSearch`.
        max_epochs: epochs of a full training; those of ``search`` are ignored, as in KerasTuner.
        factor: one in so many trials continues, for so many times the epochs; at least 2.
        hyperband_iterations: how often all brackets are carried out.
        **options: see the module.
    """

    arguments: ClassVar[tuple[str, ...]] = (
        "hypermodel",
        "objective",
        "max_epochs",
        "factor",
        "hyperband_iterations",
    )

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int = 1,
        **options: Any,
    ) -> None:
        self.max_epochs = checks.whole_number("max_epochs", max_epochs)
        self.factor = checks.whole_number("factor", factor, 2)
        iterations = checks.whole_number("hyperband_iterations", hyperband_iterations)
        count = iterations * self._schedule().num_trials(self.max_epochs)
        super().__init__(hypermodel, objective, count, options)

    def _epochs(self, given: FitArguments) -> int:  # noqa: ARG002 - they are ignored
        return self.max_epochs

    def _loop(self, own: OwnArguments) -> Mapping[str, Any]:
        return {name: value for name, value in own.loop.items() if name != "epochs"}

    def _schedule(self) -> KerasTunerHyperband:
        return KerasTunerHyperband(self.factor)

    @property
    def _is_halving(self) -> bool:
        return True
