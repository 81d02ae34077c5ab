"""Trials and their measurements."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from paceline.core import markup
from paceline.core.deprecation import warn_deprecated
from paceline.core.errors import last_line

Value = bool | int | float | str
"""The value of one hyperparameter."""

Configuration = Mapping[str, Value]
"""One value for each active hyperparameter, by name."""


class TrialState(StrEnum):
    """State of a trial: ``COMPLETED``, ``STOPPED`` and ``FAILED`` are final, the others not."""

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
    """Metrics of a trial at the end of one epoch.

    Attributes:
        epoch: number of epochs trained so far, from 1.
        metrics: Keras's logs of that epoch: ``loss``, ``accuracy``, ``val_loss``, ...
        seconds: training time of this trial so far; trials that train together share the elapsed
            time equally.
        spread: standard deviation of each metric over the trial's trainings, if there are several.
    """

    epoch: int
    metrics: Mapping[str, float]
    seconds: float
    spread: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration being evaluated.

    Attributes:
        number: its index in the study, from 0.
        config: one value for each active hyperparameter.
        seed: of the initial weights and dropout.
        epochs: number of epochs to train.
        state: see `TrialState`.
        origin: what proposed it: ``"default"``, ``"grid"``, ``"random"``, ``"sobol"``, ...
        measurements: one for each epoch trained, in order.
        score: the objective's metric of the weights that were kept, or None.
        best_epoch: the epoch whose weights were kept, or None.
        program: name of the compiled program that trained it, or why it trained alone.
        error: the traceback of a failed trial.
        prefix_of: number of a longer trial with the same configuration, whose first epochs are this
            trial's; None if it was trained itself.
        parameters: number of trainable parameters; None if unknown.
        scores: of each training, if there were several, on other seeds or folds; their mean is
            ``score``.
        tests: metrics of each training on the test set, if requested; no decision uses them.
        worker: the process or machine where it started; None for the study's own process.
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
    prefix_of: int | None = None
    parameters: int | None = None
    scores: tuple[float, ...] = ()
    tests: tuple[Mapping[str, float], ...] = ()
    worker: str | None = None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the score if it is a mean of several trainings; None otherwise."""
        if len(self.scores) > 1:
            return statistics.stdev(self.scores) / math.sqrt(len(self.scores))
        return None

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self.measurements[-1].seconds if self.measurements else 0.0

    def __getitem__(self, _: object) -> NoReturn:
        """None: earlier, ``study.ask()`` gave a list, which was iterated over or indexed.

        Raises:
            TypeError: always; it says what to write instead.
        """
        raise TypeError(
            "a Trial is not a list: ask() gives one trial; write study.ask(1) for a list of one"
        )

    def _repr_html_(self) -> str:
        return markup.heading(f"Trial {self.number}: {self.state}") + markup.facts(
            [
                ("score", self.score),
                *self.config.items(),
                ("epochs", f"{len(self.measurements)} of {self.epochs}"),
                ("seconds", self.seconds),
                ("origin", self.origin or None),
                ("error", last_line(self.error) if self.error else None),
            ]
        )

    @property
    def shares(self) -> int | None:
        """Earlier name of ``prefix_of``."""
        warn_deprecated("trial.shares", "trial.prefix_of")
        return self.prefix_of
