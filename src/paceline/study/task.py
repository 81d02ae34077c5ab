"""What a session works on, whatever it is that is trained: the protocol between the search loop and
its plan.
"""

from collections.abc import Hashable, Sequence
from typing import Protocol

from paceline.core import Budget, Configuration, Objective, Trial
from paceline.core.events import Event, Json, StudyCreated
from paceline.execute.base import Executor, Leaves
from paceline.schedule import Schedule
from paceline.search import Strategy
from paceline.space import Space
from paceline.study.closing import Closing
from paceline.study.evaluation.retraining import Fresh, FreshSplits
from paceline.study.evaluation.test_part import TestPart
from paceline.study.models.models import Models
from paceline.study.record.record import Record


class Task(Protocol):
    """One study, planned: what `paceline.study.loop.session.Session` has to know to carry it out."""

    @property
    def objective(self) -> Objective:
        """What is optimised."""

    @property
    def budget(self) -> Budget:
        """Limits of this session."""

    @property
    def seed(self) -> int:
        """Of everything random."""

    @property
    def space(self) -> Space:
        """What may vary, as far as it is known before the first trial."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the user, recorded when the study begins."""

    @property
    def strategy(self) -> Strategy:
        """Where to look next, in the state in which it begins."""

    @property
    def schedule(self) -> Schedule:
        """Who goes on."""

    @property
    def ordered(self) -> bool:
        """Whether what is asked next must not depend on the clock."""

    @property
    def in_flight(self) -> int:
        """How many trials may be in flight at once where a model or a schedule decides what
        follows.
        """

    @property
    def grows(self) -> bool:
        """Whether the trials themselves show what may vary, so that none but the next ones are
        asked for.
        """

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""

    @property
    def epochs_are_prefix(self) -> bool:
        """Whether trials that differ only in ``epochs`` share their beginning."""

    @property
    def closing(self) -> Closing:
        """What follows the search."""

    @property
    def test_trials(self) -> bool:
        """Whether every completed trial is measured on the test part, too."""

    @property
    def fresh_splits(self) -> FreshSplits:
        """What the pairs of fresh trainings are."""

    def fresh(self, num_pairs: int) -> Fresh | None:
        """Whatever trains the final; None where configurations cannot be trained anew."""

    @property
    def models(self) -> Models | None:
        """How the models of trials are made; None where they are not Paceline's to make."""

    @property
    def test_part(self) -> TestPart | None:
        """What a model is tested on; None where there are no data."""

    @property
    def num_kept(self) -> int | None:
        """Of how many trials the trained networks are kept; None for as many as before."""

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        """A trial's variables, trained anew on training and validation part; None where that cannot
        be.
        """

    def retrain(self, trial: Trial) -> Leaves:
        """A trial's variables, trained again as in the search.

        Raises:
            PacelineError: that cannot be.
        """

    def structure(self, config: Configuration) -> Hashable:
        """Equal for configurations that are expected to be one program."""

    def epochs(self, config: Configuration) -> int:
        """Epochs of a configuration's full training."""

    def kept(self, scores: Sequence[float]) -> tuple[float, int]:
        """Score and epoch of what would be kept of a trial that ended after these scores."""

    def executor(self) -> Executor:
        """Whatever trains; made once for a session."""

    def going_on(self, record: Record, state: Json | None) -> Sequence[Event]:
        """What has to be recorded when the study of the directory goes on as it is asked for now.

        Args:
            record: of the study.
            state: of its strategy, as stored last.

        Raises:
            StudyMismatch: it is another study; says in what.
        """
