"""A study that exists: what it contains, and which settings may differ when it is resumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from paceline.core import Action, Decision, InvalidInput, Objective, StudyMismatch, shown
from paceline.core.events import Event, Json, Noted, SettingsChanged, StudyCreated
from paceline.schedule import Schedule, Standings
from paceline.schedule import restore as restore_schedule
from paceline.search import History, Proposal, Strategy, base_state, create, restore
from paceline.settings.description import Difference, Settings, changed_values, noted
from paceline.settings.function import ASKED, FUNCTION, NETWORKS, Kind
from paceline.settings.rules import Change, FromMemory
from paceline.space import Space
from paceline.store import has_study, open_store
from paceline.study.record.changed_space import another_directory
from paceline.study.record.record import Record
from paceline.study.record.replay import fold

_KINDS = {
    NETWORKS: "a network",
    FUNCTION: "a function",
    ASKED: "trials that its user runs (open_study)",
}


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
                fix="Run the same command or call again.",
            )
        return found

    @property
    def settings(self) -> Settings:
        """What was asked for last."""
        return self.record.settings

    @property
    def kind(self) -> Kind:
        """What it is a study of."""
        return self.settings.function.kind

    @property
    def data(self) -> Mapping[str, Json]:
        """What it recorded of its data."""
        return {} if self.record.created is None else self.record.created.data

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.settings.search.seed

    def strategy(self, searches: bool = True) -> Strategy:
        """Its strategy in its last state, without the configurations that were to come first.

        Args:
            searches: False where it is not to be asked: one that is not known here is then carried
                along as it is.

        Raises:
            InvalidInput: its class is not known here.
        """
        state = self.state or self.settings.search.strategy
        try:
            return (
                create(self.settings.search.search, self.seed)
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
        state = self.settings.search.schedule or {"schedule": "full"}
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


def check_kind(now: Kind, had: Kind, directory: Path) -> None:
    """Makes sure that a study continues as one of the same kind.

    Raises:
        StudyMismatch: it is of another kind.
    """
    if now != had:
        raise StudyMismatch(
            f"this is a study of {_KINDS[now]}",
            expected=f"one of {_KINDS[had]}, as in {directory}",
            fix=another_directory(directory),
        )


def changes_since(
    mine: StudyCreated, record: Record, state: Mapping[str, Any] | None, directory: Path
) -> list[Event]:
    """What has to be recorded when a study continues as it is asked for now; the space is compared
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
    goal = Objective.of(mine.objective["metric"], mine.objective["direction"])
    had, now = record.settings, Settings.from_json(mine.settings, goal)
    fix = another_directory(directory)
    check_kind(now.function.kind, had.function.kind, directory)
    if dict(was.objective) != dict(mine.objective):
        is_now, before = (
            f"{one['metric']} ({one['direction']})" for one in (mine.objective, was.objective)
        )
        raise StudyMismatch(
            f"objective is {is_now}", expected=f"{before}, as in {directory}", fix=fix
        )
    if had.search.strategy is None and state is not None:  # it stored no more than the name
        had = had.with_values(search={"strategy": {"strategy": base_state(state)["strategy"]}})
    differences = had.diff(now)
    check_may_change(differences, directory, now.function.kind)
    if was.data["fingerprint"] != mine.data["fingerprint"]:
        expected = (
            f"the data set of {directory}: {was.data['name']}, split with seed {had.search.seed}"
        )
        raise StudyMismatch(
            f"data is {mine.data['name']} with other contents or another split",
            expected=expected,
            fix=fix,
        )
    if not differences:
        return []
    changed = SettingsChanged(changed_values(differences, now))
    return [changed, *(Noted(note) for note in noted(differences))]


def check_may_change(differences: Sequence[Difference], directory: Path, kind: Kind) -> None:
    """Makes sure that a study may continue with other settings.

    Raises:
        StudyMismatch: a setting that may not change has another value; it names all of them.
    """
    wrong = [one for one in differences if one.rule.change is Change.NEVER]
    if not wrong:
        return
    now = " and ".join(f"{one.argument} is {_said(one, one.after, kind)}" for one in wrong)
    before = [_said(one, one.before, kind) for one in wrong]
    if len(wrong) > 1:
        before = [f"{one.argument} {said}" for one, said in zip(wrong, before, strict=True)]
    raise StudyMismatch(
        now,
        expected=f"{' and '.join(before)}, as in {directory}",
        fix=another_directory(directory),
    )


def _said(one: Difference, value: Any, kind: Kind) -> str:
    if value is None and kind == NETWORKS and one.argument in ("epochs", "batch_size"):
        return "a hyperparameter"
    return str(value) if isinstance(value, FromMemory) else shown(value)
