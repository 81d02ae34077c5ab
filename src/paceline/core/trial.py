"""Trials and what was measured of them."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = bool | int | float | str
"""One hyperparameter's value."""

Configuration = Mapping[str, Value]
"""One value for each active hyperparameter, by name."""


class TrialState(StrEnum):
    """Where a trial stands. ``COMPLETED``, ``STOPPED`` and ``FAILED`` are final; ``PAUSED`` goes on
    when resumed.
    """

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether a trial in this state will never be measured again."""
        return self in (TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a trial at the end of one epoch.

    Attributes:
        epoch: number of epochs trained so far, from 1.
        metrics: Keras's logs of that epoch: ``loss``, ``accuracy``, ``val_loss``, ...
        seconds: training time of this trial up to here; trials that train side by side share the
            clock in equal parts.
        spread: standard deviation of each metric over the trial's trainings, where there are
            several.
    """

    epoch: int
    metrics: Mapping[str, float]
    seconds: float
    spread: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration being evaluated.

    Attributes:
        number: its place in the study, from 0.
        config: one value for each active hyperparameter.
        seed: seeds the initial weights and dropout.
        epochs: how many epochs it is to be trained.
        state: where it stands.
        origin: who proposed it: ``"default"``, ``"grid"``, ``"random"``, ``"sobol"``, ...
        measurements: one for each epoch trained, in order.
        score: the objective's metric of the weights that were kept, or None.
        best_epoch: the epoch whose weights were kept, or None.
        program: name of the compiled program that trained it, or why it ran alone.
        error: the traceback of a failed trial.
        shares: number of the trial whose training this one is read off, or None.
        parameters: how many numbers the network learns; None where that is not known.
        scores: of each training, where there were several, on other seeds or folds; their mean is
            ``score``.
        tests: what each training measured on the test part, where that was asked for; nothing is
            decided by it.
    """

    number: int
    config: Configuration
    seed: int
    epochs: int
    state: TrialState = TrialState.WAITING
    origin: str = ""
    measurements: tuple[Measurement, ...] = field(default=(), repr=False)
    score: float | None = None
    best_epoch: int | None = None
    program: str | None = None
    error: str | None = field(default=None, repr=False)
    shares: int | None = None
    parameters: int | None = None
    scores: tuple[float, ...] = ()
    tests: tuple[Mapping[str, float], ...] = ()

    @property
    def standard_error(self) -> float | None:
        """Of the score, where that is the mean of several trainings; None where there was one."""
        return (
            statistics.stdev(self.scores) / math.sqrt(len(self.scores))
            if len(self.scores) > 1
            else None
        )

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self.measurements[-1].seconds if self.measurements else 0.0
