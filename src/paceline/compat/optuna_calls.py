"""Calls of an objective of Optuna by Paceline."""

import importlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.space import HyperParameters

NONE = repr(None)
"""The label of None among categories."""


class OptunaTrial:
    """The trial that an objective is called with; see ``optuna.trial.Trial``.

    Attributes:
        number: the number of the trial in the study of Optuna.
        study: the study.
        datetime_start: when it began.
        user_attrs: what was set by `set_user_attr`.
    """

    def __init__(self, hp: HyperParameters, objective: "OptunaObjective") -> None:
        """Reports nothing yet."""
        self._hp, self._objective = hp, objective
        self.number, self.study = objective.begin(hp.trial), objective.study
        self.datetime_start = datetime.now()
        self.user_attrs: dict[str, Any] = {}
        self._values: dict[str, Any] = {}
        self._num_reports = 0
        self.is_stopped = False

    @property
    def params(self) -> dict[str, Any]:
        """The values that were suggested so far."""
        return dict(self._values)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number from ``low`` to ``high``.

        Raises:
            ValueError: a step on a log scale.
        """
        if log and step is not None:
            raise ValueError("The parameter `step` is not supported when `log` is true.")
        sampling = "log" if log else "linear"
        value = self._hp.Float(name, float(low), float(high), step=step, sampling=sampling)
        return float(self._noted(name, value))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number from ``low`` to ``high``, both included.

        Raises:
            ValueError: a step on a log scale.
        """
        if log and step != 1:
            raise ValueError("The parameter `step != 1` is not supported when `log` is true.")
        options: dict[str, Any] = {"sampling": "log"} if log else {"step": step}
        return int(self._noted(name, self._hp.Int(name, low, high, **options)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices, of any type; stored as its ``repr`` unless it is a scalar."""
        choices = [one.item() if isinstance(one, np.generic) else one for one in choices]
        labels = {
            one if isinstance(one, bool | int | float | str) else repr(one): one for one in choices
        }
        if len(labels) < len(choices):
            raise InvalidInput(
                f"choices of {name!r} are {list(choices)}", expected="each of them once"
            )
        if None in choices:
            self._objective.with_none.add(name)
        value = self._hp.Choice(name, list(labels), ordered=False)
        return self._noted(name, labels[value])

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Earlier form of `suggest_float`."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Earlier form of `suggest_float` with ``log=True``."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Earlier form of `suggest_float` with ``step=q``."""
        return self.suggest_float(name, low, high, step=q)

    def report(self, value: float, step: int) -> None:  # noqa: ARG002
        """Reports a value; steps are counted from 1, whatever their numbers."""
        self._num_reports += 1
        goes_on = self._hp.report(float(value))
        self.is_stopped = not goes_on and self._num_reports != self._objective.steps

    def should_prune(self) -> bool:
        """Whether the schedule has stopped the trial after its last report."""
        return self.is_stopped

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keeps a value with the trial in Optuna's storage."""
        self.user_attrs[key] = value

    def __getattr__(self, name: str) -> Any:
        """Says what is not available."""
        raise AttributeError(f"a trial of paceline.compat.optuna has no {name!r}")

    def _noted(self, name: str, value: Any) -> Any:
        self._values[name] = value
        return value


class OptunaObjective:
    """An objective of Optuna as a function of hyperparameters.

    Attributes:
        study: the study, for ``trial.study``.
        steps: how often a full trial reports, if that is known.
        error: the first exception that ends the study.
        ids: of the trials in Optuna's storage, by their number in Paceline's study.
        with_none: names of hyperparameters that have None among their categories.
        attributes: user attributes by trial, until they are stored.
        pruned: trials that have pruned themselves.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        catch: tuple[type[Exception], ...],
        study: Any,
        steps: int | None,
    ) -> None:
        """Calls nothing yet."""
        self._function, self._catch, self.study = function, catch, study
        self.steps = steps
        self._pruned_by = importlib.import_module("optuna").TrialPruned
        self._lock = threading.Lock()
        self.error: BaseException | None = None
        self.ids: dict[int | None, int] = {}
        self.with_none: set[str] = set()
        self.attributes: dict[int | None, dict[str, Any]] = {}
        self.pruned: set[int | None] = set()

    def begin(self, trial: int | None) -> int:
        """Adds a trial that runs to Optuna's storage; returns its number there."""
        with self._lock:
            storage = self.study._storage
            self.ids[trial] = storage.create_new_trial(self.study._study_id)
            return int(storage.get_trial_number_from_id(self.ids[trial]))

    def __call__(self, hp: HyperParameters) -> Any:
        """Calls the objective once."""
        trial = OptunaTrial(hp, self)
        try:
            return self._function(trial)
        except self._pruned_by:
            if trial.is_stopped:
                return None
            self.pruned.add(hp.trial)
            raise
        except (Exception, KeyboardInterrupt) as error:
            with self._lock:
                if self.error is None and not isinstance(error, self._catch):
                    self.error = error
            raise
        finally:
            self.attributes[hp.trial] = trial.user_attrs
