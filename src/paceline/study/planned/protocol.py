"""The interface of a planned study for the loop and the evaluation, for any kind of training."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from paceline.core import Budget, Configuration, Objective, Trial
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
    """A planned study: everything `paceline.study.loop.session.Session` needs to carry it out."""

    @property
    def settings(self) -> Settings:
        """What was asked for, with everything decided that was left open."""

    @property
    def objective(self) -> Objective:
        """What is optimised."""

    @property
    def budget(self) -> Budget:
        """Limits of this session."""

    @property
    def space(self) -> Space:
        """What may vary, as far as it is known before the first trial."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the user, recorded when the study begins."""

    @property
    def strategy(self) -> Strategy:
        """Where to look next, in its first state."""

    @property
    def schedule(self) -> Schedule:
        """Which trials continue, pause or stop."""

    @property
    def is_define_by_run(self) -> bool:
        """Whether the space is found during the trials, so that few are asked for at once."""

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""

    @property
    def epochs_are_prefix(self) -> bool:
        """Whether a trial with fewer ``epochs`` is the beginning of one with more."""

    @property
    def fresh_splits(self) -> FreshSplits:
        """What the pairs of fresh trainings are."""

    def fresh(self, num_pairs: int) -> Fresh | None:
        """What trains the final; None where configurations cannot be trained again."""

    @property
    def models(self) -> Models | None:
        """How the models of trials are made; None where they are not Paceline's to make."""

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        """A trial's variables, trained again on training and validation part; None where that
        cannot be.
        """

    def retrain(self, trial: Trial) -> Leaves:
        """A trial's variables, trained again as in the search.

        Raises:
            PacelineError: that cannot be.
        """

    @property
    def test_part(self) -> TestPart | None:
        """What a model is tested on; None where there are no data."""

    def structure(self, config: Configuration) -> Hashable:
        """Equal for configurations that are expected to be one program."""

    def epochs(self, config: Configuration) -> int:
        """Epochs of a configuration's full training."""

    def kept(self, scores: Sequence[float]) -> tuple[float, int]:
        """Score and epoch of what would be kept of a trial that ended after these scores."""

    def executor(self) -> Executor:
        """Whatever trains; made once for a session."""

    def changes_since(self, record: Record, state: Json | None) -> Sequence[Event]:
        """What has to be recorded when the study of the directory goes on as it is asked for now.

        Args:
            record: of the study.
            state: of its strategy, as stored last.

        Raises:
            StudyMismatch: it is another study; says in what.
        """
