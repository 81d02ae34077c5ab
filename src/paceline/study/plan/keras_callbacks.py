"""The Keras callbacks of a study: which of its trainings have which."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from paceline.core import Measurement, StudyWarning, Trial
from paceline.core.deprecation import depth_of_caller

_RATE = "learning_rate"  # as Keras's callbacks log it


@dataclass(frozen=True, slots=True)
class StudyCallbacks:
    """The Keras callbacks of a study.

    Attributes:
        all: those of the search's trainings; they know in which direction metrics improve.
        unmeasured: a sentence for each of Keras's that monitors what is not measured.
    """

    all: Sequence[Any] = ()
    unmeasured: Sequence[str] = ()

    @classmethod
    def of(cls, given: Sequence[Any], model: Any) -> Self:
        """Those that were passed.

        Args:
            given: the callbacks.
            model: the network of the default configuration, with all its variables.

        Raises:
            InvalidInput: it is not known whether less of a metric is better.
        """
        if not given:
            return cls()
        from paceline.train.keras_callbacks import with_modes

        return cls(with_modes(given, model))

    def with_metrics(self, measured: Iterable[str]) -> Self:
        """The same, compared with the metrics of an epoch."""
        from paceline.train.keras_callbacks import unmeasured

        return replace(self, unmeasured=unmeasured(self.all, list(measured)))

    def warn(self) -> None:
        """Warns of those without effect."""
        for text in self.unmeasured:
            warnings.warn(text, StudyWarning, stacklevel=depth_of_caller())

    @property
    def need_fit(self) -> bool:
        """Whether they are called by ``fit`` alone; then they see how many epochs there are."""
        if not self.all:
            return False
        from paceline.train.keras_callbacks import fit_reason

        return bool(fit_reason(self.all))

    @property
    def of_final(self) -> Sequence[Any]:
        """Those of fresh trainings: the search has determined how long each trains."""
        if not self.all:
            return ()
        from paceline.train.keras_callbacks import for_fresh

        return for_fresh(self.all)

    def of_refit(self, trial: Trial) -> Sequence[Any]:
        """Those of a training on all rows, with the learning rates that the trial had.

        Without validation rows there is no metric to monitor.
        """
        if not self.all:
            return ()
        from paceline.train.keras_callbacks import for_refit

        rates = [one.metrics[_RATE] for one in trial.measurements if _RATE in one.metrics]
        return for_refit(self.all, rates)

    def restored_epoch(self, measurements: Sequence[Measurement]) -> int | None:
        """The epoch whose weights ``EarlyStopping`` restores after these; None for none."""
        if not self.all:
            return None
        from paceline.train.lane_callbacks import restored_epoch

        return restored_epoch(self.all, [one.metrics for one in measurements])
