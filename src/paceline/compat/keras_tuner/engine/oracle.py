"""The base class of oracles, which decide what to try next and keep the trials."""

import warnings
from collections.abc import Mapping
from typing import Any

from paceline.compat.keras_tuner.engine.display import Display
from paceline.compat.keras_tuner.engine.objective import MultiObjective, Objective
from paceline.compat.keras_tuner.engine.oracle_state import OracleState
from paceline.compat.keras_tuner.engine.synchronized import synchronized
from paceline.compat.keras_tuner.engine.trial import Trial, TrialStatus
from paceline.compat.keras_tuner.errors import TooManyFailures
from paceline.core import InvalidInput

__all__ = ["Display", "Objective", "Oracle", "synchronized"]


class Oracle(OracleState):
    """Decides what to try next; subclasses define `populate_space`.

    Args:
        objective: a metric, an `Objective`, or a list of these; None for the score that training
            returns.
        max_trials: how many configurations at most; None for no limit.
        hyperparameters: known beforehand; they replace those of ``build``.
        allow_new_entries: whether ``build`` may define others.
        tune_new_entries: whether others are tuned; they have their defaults otherwise.
        seed: of everything random; None draws one.
        max_retries_per_trial: how often a trial that fails is repeated.
        max_consecutive_failed_trials: how many trials in a row may fail before the search ends.

    Attributes:
        trials: by id.
        ongoing_trials: the running trial of each tuner.
        start_order, end_order: ids of trials as they began and ended.

    Raises:
        InvalidInput: ``hyperparameters`` are needed and missing, or an argument that is not a
            number.
    """

    # -- to be defined by subclasses

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of the next trial.

        Args:
            trial_id: of the trial.

        Returns:
            ``{"status": ..., "values": ...}``: the values of the active hyperparameters with
            ``"RUNNING"``; ``"IDLE"`` to be asked again later, ``"STOPPED"`` to end the search.
        """
        raise NotImplementedError

    def score_trial(self, trial: Trial) -> None:
        """Sets the score of a trial that has ended: the best value of the objective."""
        name = self.objective.name
        trial.score = trial.metrics.get_best_value(name)
        trial.best_step = trial.metrics.get_best_step(name)

    def _populate_space(self, trial_id: str) -> dict[str, Any]:
        _warn_renamed("populate_space")
        return self.populate_space(trial_id)

    def _score_trial(self, trial: Trial) -> None:
        _warn_renamed("score_trial")
        self.score_trial(trial)

    # -- the life of a trial

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial of a tuner: the one that it is running, one to be repeated, or a new one.

        Returns:
            The trial; its status may be ``"IDLE"`` or ``"STOPPED"``.
        """
        if tuner_id in self.ongoing_trials:
            return self.ongoing_trials[tuner_id]
        self.tuner_ids.add(tuner_id)
        if self._retry_queue:
            trial = self.trials[self._retry_queue.pop()]
            trial.status = TrialStatus.RUNNING
            self._start(tuner_id, trial)
            return trial
        trial_id = f"{len(self.trials):0{len(str(self.max_trials or 9999))}d}"
        found: Mapping[str, Any] = {"status": TrialStatus.STOPPED}
        if self.max_trials is None or len(self.trials) < self.max_trials:
            found = self.populate_space(trial_id)
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = dict(found.get("values") or {})
        trial = Trial(hyperparameters, trial_id, found["status"])
        if trial.status == TrialStatus.RUNNING:
            self._record_values(trial)
            self.trials[trial_id] = trial
            self.start_order.append(trial_id)
            self._save_trial(trial)
            self._start(tuner_id, trial)
        elif trial.status == TrialStatus.STOPPED:
            self.tuner_ids.discard(tuner_id)
        return trial

    def _start(self, tuner_id: str, trial: Trial) -> None:
        self.ongoing_trials[tuner_id] = trial
        self.save()
        self._display.on_trial_begin(trial)

    @synchronized
    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> Any:
        """Records metrics of a trial.

        Args:
            trial_id: of the trial.
            metrics: by name; the objective has to be among them.
            step: at which they were measured, such as an epoch.

        Raises:
            InvalidInput: the objective is missing.
        """
        trial = self.trials[trial_id]
        directions = self._directions()
        if missing := directions.keys() - metrics.keys():
            raise InvalidInput(
                f"Objective value missing in metrics: {', '.join(sorted(missing))} is not among "
                f"{', '.join(map(str, metrics)) or 'no metrics'}",
                expected="a dict with the objective",
            )
        if isinstance(self.objective, MultiObjective):
            metrics = {self.objective.name: self.objective.get_value(metrics), **metrics}
        for name, value in metrics.items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, directions.get(name))
            trial.metrics.update(name, value, step)
        self._save_trial(trial)
        return trial

    @synchronized
    def end_trial(self, trial: Any, status: str = TrialStatus.COMPLETED) -> None:
        """Ends a trial, whose status says how, or puts it aside to be repeated.

        Args:
            trial: the trial, or its id.
            status: of an id.

        Raises:
            TooManyFailures: so many trials in a row have failed.
        """
        if isinstance(trial, str):
            known = self.trials[trial]
            known.status = TrialStatus.COMPLETED if status == "COMPLETE" else status
            trial = known
        own = self.trials[trial.trial_id]
        own.hyperparameters, own.status, own.message = (
            trial.hyperparameters,
            trial.status,
            trial.message,
        )
        self.update_space(own.hyperparameters)
        if own.status == TrialStatus.COMPLETED:
            self.score_trial(own)
            if own.score is None or own.score != own.score:
                own.status = TrialStatus.INVALID
                own.message = own.message or "The objective is not a number."
        self._record_values(own)
        self._num_runs[own.trial_id] += 1
        is_repeated = self._put_aside(own)
        if not is_repeated:
            self.end_order.append(own.trial_id)
        self._save_trial(own)
        self.save()
        self._display.on_trial_end(own)
        self.ongoing_trials = {
            name: one for name, one in self.ongoing_trials.items() if one is not own
        }
        if not is_repeated:
            self._check_failures()

    def _put_aside(self, trial: Trial) -> bool:
        """Whether a trial that has failed is to be repeated."""
        if trial.status != TrialStatus.INVALID:
            return False
        left = self.max_retries_per_trial + 1 - self._num_runs[trial.trial_id]
        if left <= 0:
            trial.status = TrialStatus.FAILED
            return False
        self._retry_queue.append(trial.trial_id)
        return True

    def _check_failures(self) -> None:
        last = [self.trials[one] for one in self.end_order[-self.max_consecutive_failed_trials :]]
        if len(last) < self.max_consecutive_failed_trials:
            return
        if all(one.status == TrialStatus.FAILED for one in last):
            raise TooManyFailures(
                f"Number of consecutive failures: {len(last)} trials in a row have failed, which "
                f"is max_consecutive_failed_trials. The last one:\n{last[-1].message or ''}"
            )


def _warn_renamed(name: str) -> None:
    warnings.warn(
        f"Oracle._{name} is deprecated; use Oracle.{name}.", DeprecationWarning, stacklevel=3
    )
