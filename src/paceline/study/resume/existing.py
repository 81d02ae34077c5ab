"""Going on with a study: what its directory holds, and what of it may differ from what is asked for
now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from paceline.core import Action, Decision, InvalidInput, StudyMismatch
from paceline.core.events import Event, Json, Noted, SettingsChanged, StudyCreated
from paceline.schedule import Schedule, Standings
from paceline.schedule import restore as restore_schedule
from paceline.search import History, Proposal, Strategy, base_state, create, restore
from paceline.space import Space
from paceline.store import has_study, open_store
from paceline.study import settings
from paceline.study.record.record import Record
from paceline.study.record.replay import fold

FUNCTION, ASKED = "function", "asked"
"""Kinds of studies without data: of a function, and of trials that their user runs."""

_KINDS = {FUNCTION: "a function", ASKED: "trials that are told by hand"}


@dataclass(frozen=True, slots=True, eq=False)
class Existing:
    """A study that is there already.

    Attributes:
        directory: where it lives.
        record: everything that its events add up to.
        state: of its strategy, as stored last; None where it was never asked.
        seconds: wall time of all its sessions.
    """

    directory: Path
    record: Record
    state: Mapping[str, Any] | None
    seconds: float

    @classmethod
    def find(cls, directory: Path) -> "Existing | None":
        """The study of a directory; None where there is none, or one that has not begun."""
        if not has_study(directory):
            return None
        found = cls.read(directory)
        return None if found.record.created is None else found

    @classmethod
    def read(cls, directory: Path) -> "Existing":
        """The study of a directory.

        Raises:
            InvalidInput: there is none.
        """
        store = open_store(directory, writable=False)
        try:
            folded, state = fold(store), store.value("strategy")
        finally:
            store.close()
        return cls(directory, folded.record, state, folded.clock.seconds)

    @classmethod
    def begun(cls, directory: Path) -> "Existing":
        """The study of a directory, to be gone on with.

        Raises:
            InvalidInput: there is none, or the process that made it was stopped before it stored
                anything.
        """
        found = cls.read(directory)
        if found.record.created is None:
            raise InvalidInput(
                f"study {directory} was stopped before it stored anything",
                expected="a study that has begun",
                fix="Run again what was to begin it.",
            )
        return found

    @property
    def settings(self) -> Mapping[str, Json]:
        """What was asked for last."""
        return self.record.settings

    @property
    def kind(self) -> str | None:
        """What it is a study of, `FUNCTION` or `ASKED`; None for networks on data."""
        created = self.record.created
        return None if created is None else created.data.get("kind")

    @property
    def data(self) -> Mapping[str, Json]:
        """What it recorded of its data."""
        return {} if self.record.created is None else self.record.created.data

    @property
    def seed(self) -> int:
        """Of everything random."""
        return int(self.settings["seed"])

    def strategy(self, searches: bool = True) -> Strategy:
        """Its strategy in its last state, without the configurations that were to come first.

        Args:
            searches: False where it is not to be asked: one that is not known here is then carried
                along as it is.

        Raises:
            InvalidInput: its class is not known here.
        """
        state = self.state or self.settings.get("strategy")
        try:
            return (
                create(str(self.settings["search"]), self.seed)
                if state is None
                else restore(base_state(state))
            )
        except InvalidInput as error:
            if not searches and state is not None:
                return UnknownStrategy(base_state(state))
            raise self._pass_again("strategy", error) from None

    def schedule(self, searches: bool = True) -> Schedule:
        """Its schedule; ``searches`` as in `strategy`.

        Raises:
            InvalidInput: its class is not known here.
        """
        state = self.settings.get("schedule") or {"schedule": "full"}
        try:
            return restore_schedule(state)
        except InvalidInput as error:
            if not searches:
                return UnknownSchedule(state)
            raise self._pass_again("schedule", error) from None

    def _pass_again(self, what: str, error: InvalidInput) -> InvalidInput:
        return InvalidInput(
            f"study {self.directory}: {error.passed}", expected=f"that {what} again", fix=error.fix
        )


@dataclass(frozen=True, eq=False)
class UnknownStrategy(Strategy):
    """A strategy whose class is not known here: it keeps its state, and cannot be asked."""

    name: ClassVar[str] = "unknown"

    state: Mapping[str, Any]

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:  # noqa: ARG002
        """Nothing."""
        return self, ()

    def size(self, space: Space) -> int:  # noqa: ARG002
        """Nothing."""
        return 0

    def to_json(self) -> dict[str, Any]:
        """As the class that is not known here wrote it."""
        return dict(self.state)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """With this state."""
        return cls(state)


@dataclass(frozen=True, eq=False)
class UnknownSchedule(Schedule):
    """A schedule whose class is not known here: it keeps its settings, and stops nobody."""

    name: ClassVar[str] = "unknown"

    state: Mapping[str, Any]

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """The end alone."""
        return (epochs,)

    def decide(self, standings: Standings, number: int) -> Decision:  # noqa: ARG002
        """Goes on; it is never asked."""
        return Decision(number, Action.CONTINUE, "every trial trains to its end")

    def to_json(self) -> dict[str, Any]:
        """As the class that is not known here wrote it."""
        return dict(self.state)


def going_on(
    mine: StudyCreated, record: Record, state: Mapping[str, Any] | None, directory: Path
) -> list[Event]:
    """What has to be recorded when a study goes on as it is asked for now; the space is compared
    elsewhere.

    Args:
        mine: the first event that the study would have if it began now.
        record: of the study.
        state: of its strategy, as stored last.
        directory: where it lives.

    Raises:
        StudyMismatch: it is another study, or a setting has changed that may not.
    """
    was = record.created
    if was is None:
        return []
    fix = settings.another_directory(directory)
    kinds = [_KINDS.get(str(one.data.get("kind")), "a network") for one in (mine, was)]
    if kinds[0] != kinds[1]:
        raise StudyMismatch(
            f"this is a study of {kinds[0]}",
            expected=f"one of {kinds[1]}, as in {directory}",
            fix=fix,
        )
    if dict(was.objective) != dict(mine.objective):
        is_now, before = (
            f"{one['metric']} ({one['direction']})" for one in (mine.objective, was.objective)
        )
        raise StudyMismatch(
            f"objective is {is_now}", expected=f"{before}, as in {directory}", fix=fix
        )
    had = dict(record.settings)
    if "strategy" not in had and state is not None:  # of a study that stored no more than the name
        had["strategy"] = {"strategy": base_state(state)["strategy"]}
    changed = settings.changes(had, mine.settings, directory)
    if was.data["fingerprint"] != mine.data["fingerprint"]:
        expected = f"the data set of {directory}: {was.data['name']}, split with seed {was.settings['seed']}"
        raise StudyMismatch(
            f"data is {mine.data['name']} with other contents or another split",
            expected=expected,
            fix=fix,
        )
    if not changed:
        return []
    notes = [Noted(note) for note in settings.notes(had, changed)]
    return [SettingsChanged(changed), *notes]
