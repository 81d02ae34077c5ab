"""A network that waits for a lane or for ``fit``, or is trained."""

from dataclasses import dataclass

from paceline.execute.base import TrialSnapshot
from paceline.execute.prepare import PreparedNetwork
from paceline.execute.training_run import TrainingRun


@dataclass(frozen=True, slots=True)
class PendingNetwork:
    """A network that waits for a lane."""

    prepared: PreparedNetwork
    run: TrainingRun
    snapshot: TrialSnapshot | None = None

    @property
    def starts_at(self) -> int:
        """Epochs trained before."""
        return self.snapshot.epoch if self.snapshot else 0

    @property
    def has_moved(self) -> bool:
        """Whether it has trained beyond the state from which it could be started again."""
        return len(self.run.scores) > self.starts_at
