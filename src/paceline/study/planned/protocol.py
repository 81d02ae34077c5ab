"""The interface of a planned study for the loop and the evaluation, for any kind of training."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from paceline.core import Budget, Configuration, Measurement, Objective, Trial
from paceline.core.events import Event, Json, StudyCreated
from paceline.execute.base import Executor, Leaves
from paceline.schedule import Schedule
from paceline.search import Strategy
from paceline.settings.description import Settings
from paceline.space import Space
from paceline.study.models.models import Models
from paceline.study.planned.retraining import Fresh, FreshSplits
from paceline.study.planned.test_part import TestPart
from paceline.study.record.record import Record


class Plan(Protocol):
    """A planned study: everything that `paceline.study.loop.session.Session` needs to run it."""

    @property
    def settings(self) -> Settings:
        """The settings with all open choices decided."""

    @property
    def objective(self) -> Objective:
        """The objective."""

    @property
    def budget(self) -> Budget:
        """Limits of this session."""

    @property
    def space(self) -> Space:
        """The search space, as far as it is known before the first trial."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the user, recorded when the study begins."""

    @property
    def strategy(self) -> Strategy:
        """The search strategy in its initial state."""

    @property
    def schedule(self) -> Schedule:
        """Which trials continue, pause or stop."""

    @property
    def is_define_by_run(self) -> bool:
        """Whether the space is found during the trials, so that few are proposed at once."""

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""

    @property
    def epochs_are_prefix(self) -> bool:
        """Whether a trial with fewer ``epochs`` is the beginning of one with more."""

    @property
    def fresh_splits(self) -> FreshSplits:
        """How the pairs of fresh trainings differ."""

    def fresh(self, num_pairs: int) -> Fresh | None:
        """The executor and seeds of the final; None where configurations cannot be retrained."""

    @property
    def models(self) -> Models | None:
        """How the models of trials are made; None where Paceline does not make them."""

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        """Retrains a trial on training and validation part; None where that is impossible."""

    def retrain(self, trial: Trial) -> Leaves:
        """Retrains a trial as in the search, and returns its variables.

        Raises:
            PacelineError: it cannot be retrained.
        """

    @property
    def test_part(self) -> TestPart | None:
        """The data on which a model is tested; None where there are none."""

    def structure(self, config: Configuration) -> Hashable:
        """Equal for configurations that may share a program.

        It must not depend on how trials are executed, as the search decides with it.
        """

    def epochs(self, config: Configuration) -> int:
        """Epochs of a configuration's full training."""

    def kept(self, measurements: Sequence[Measurement]) -> tuple[float, int]:
        """Score and epoch kept for a trial that ends after these epochs, of which there is one."""

    def executor(self) -> Executor:
        """The executor that trains the trials; made once per session."""

    def changes_since(self, record: Record, state: Json | None) -> Sequence[Event]:
        """Events to record when the study in the directory continues with the present arguments.

        Args:
            record: that of the study.
            state: state of its strategy, as stored last.

        Raises:
            StudyMismatch: it is another study; the message lists the differences.
        """
