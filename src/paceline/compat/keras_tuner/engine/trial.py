"""Trials: a configuration, its metrics and its score."""

import uuid
from collections.abc import Mapping
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.metrics_tracking import MetricsTracker
from paceline.compat.keras_tuner.engine.stateful import Stateful, load_json
from paceline.core import Trial as Measured


class TrialStatus:
    """The states of a trial.

    Attributes:
        RUNNING: it may run.
        IDLE: there is none now; ask again later.
        INVALID: it has failed, and may be repeated.
        STOPPED: there are no more.
        COMPLETED: it has a score.
        FAILED: it has failed, and is not repeated.
    """

    RUNNING = "RUNNING"
    IDLE = "IDLE"
    INVALID = "INVALID"
    STOPPED = "STOPPED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Trial(Stateful):
    """One configuration and its score.

    Args:
        hyperparameters: its configuration.
        trial_id: its id, a text; None for a new one.
        status: one of `TrialStatus`.
        message: the traceback of a failed trial.

    Attributes:
        score: the objective of its best epoch, the mean over its executions; None without one.
        best_step: that epoch, from 0.
        measured: the trial with all its epochs, as in ``tuner.study.trials``, if it trained
            together with others.
    """

    def __init__(
        self,
        hyperparameters: Any,
        trial_id: str | None = None,
        status: str | None = TrialStatus.RUNNING,
        message: str | None = None,
    ) -> None:
        self.hyperparameters: HyperParameters = hyperparameters
        self.trial_id = generate_trial_id() if trial_id is None else trial_id
        self._metrics: MetricsTracker | None = None
        self.score: float | None = None
        self.best_step: int | None = 0
        self.status, self.message = status, message
        self.measured: Measured | None = None

    @property
    def metrics(self) -> MetricsTracker:
        """All that was measured."""
        if self._metrics is None:
            self._metrics = MetricsTracker()
            for epoch in () if self.measured is None else self.measured.measurements:
                for name, value in epoch.metrics.items():
                    history = self._metrics.metrics.get(name)
                    if history is None:
                        self._metrics.register(name)
                    self._metrics.metrics[name].update(value, epoch.epoch - 1)
        return self._metrics

    @metrics.setter
    def metrics(self, metrics: MetricsTracker) -> None:
        self._metrics = metrics

    def summary(self) -> None:
        """Prints configuration and score."""
        print(f"Trial {self.trial_id} summary")
        print("Hyperparameters:")
        self.display_hyperparameters()
        if self.score is not None:
            print(f"Score: {self.score}")
        if self.message is not None:
            print(self.message)

    def display_hyperparameters(self) -> None:
        """Prints the configuration."""
        for name, value in self.hyperparameters.values.items():
            print(f"{name}: {value}")
        if not self.hyperparameters.values:
            print("default configuration")

    def get_state(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "trial_id": self.trial_id,
            "hyperparameters": self.hyperparameters.get_config(),
            "metrics": self.metrics.get_config(),
            "score": self.score,
            "best_step": self.best_step,
            "status": self.status,
            "message": self.message,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        self.hyperparameters = HyperParameters.from_config(state["hyperparameters"])
        self.metrics = MetricsTracker.from_config(state["metrics"])
        for name in ("trial_id", "score", "best_step", "status", "message"):
            setattr(self, name, state[name])

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Trial":
        """The trial of a state."""
        found = cls(None, state["trial_id"])
        found.set_state(state)
        return found

    @classmethod
    def load(cls, fname: str) -> "Trial":
        """The trial of a file."""
        return cls.from_state(load_json(fname))

    def __repr__(self) -> str:
        return f"<Trial {self.trial_id}: {self.status}, score {self.score}>"


def generate_trial_id() -> str:
    """A new id, 32 hexadecimal digits."""
    return uuid.uuid4().hex
