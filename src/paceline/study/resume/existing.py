"""An existing study: its content, and which settings may differ when it is resumed."""

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
from paceline.store.paths import UNSTORED
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
    """An existing study.

    Attributes:
        directory: that of the study.
        record: that of the study.
        state: stored state of its strategy; None if it never proposed a trial.
        seconds: wall time of all its sessions.
    """

    directory: Path
    record: Record
    state: Mapping[str, Any] | None
    seconds: float

    @classmethod
    def find(cls, directory: Path) -> "Existing | None":
        """The study in a directory, to be continued; None if there is none, or it has not begun."""
        if not has_study(directory):
            return None
        _store_what_was_left(directory)
        found = cls.read(directory)
        return None if found.record.created is None else found

    @classmethod
    def read(cls, directory: Path) -> "Existing":
        """The study in a directory.

        Raises:
            InvalidInput: there is no study.
        """
        store = open_store(directory, writable=False)
        try:
            folded, state = fold(store), store.value("strategy")
        finally:
            store.close()
        return cls(directory, folded.record, state, folded.clock.seconds)

    @classmethod
    def begun(cls, directory: Path) -> "Existing":
        """The study in a directory, to be continued.

        Raises:
            InvalidInput: there is no study, or its process was stopped before it stored anything.
        """
        _store_what_was_left(directory)
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
        """The last settings."""
        return self.record.settings

    @property
    def kind(self) -> Kind:
        """The kind of study."""
        return self.settings.function.kind

    @property
    def data(self) -> Mapping[str, Json]:
        """The study's description of its data."""
        return {} if self.record.created is None else self.record.created.data

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.settings.search.seed

    def strategy(self, searches: bool = True) -> Strategy:
        """The strategy in its last state, without the initial configurations.

        Args:
            searches: False if it will not be asked; a strategy of an unknown class is then kept as
                it is.

        Raises:
            InvalidInput: its class is unknown.
        """
        state = self.state or self.settings.search.strategy
        try:
            if state is None:
                return create(self.settings.search.search, self.seed)
            return restore(base_state(state))
        except InvalidInput as error:
            if not searches and state is not None:
                return UnknownStrategy(base_state(state))
            raise self._pass_again("strategy", error) from None

    def schedule(self, searches: bool = True) -> Schedule:
        """The schedule; ``searches`` as in `strategy`.

        Raises:
            InvalidInput: its class is unknown.
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
    """A strategy of an unknown class: it keeps its state, and cannot propose trials."""

    name: ClassVar[str] = "unknown"

    state: Mapping[str, Any]

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:  # noqa: ARG002
        """Proposes nothing."""
        return self, ()

    def size(self, space: Space) -> int:  # noqa: ARG002
        """Number of configurations: 0."""
        return 0

    def to_json(self) -> dict[str, Any]:
        """The state as its class wrote it."""
        return dict(self.state)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """A strategy with this state."""
        return cls(state)


@dataclass(frozen=True, eq=False)
class UnknownSchedule(Schedule):
    """A schedule of an unknown class: it keeps its settings, and stops no trial."""

    name: ClassVar[str] = "unknown"

    state: Mapping[str, Any]

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:  # noqa: ARG002
        """Only the last epoch."""
        return (epochs,)

    def decide(self, standings: Standings, number: int) -> Decision:  # noqa: ARG002
        """Continues; this is never called."""
        return Decision(number, Action.CONTINUE, "every trial trains to its end")

    def to_json(self) -> dict[str, Any]:
        """The state as its class wrote it."""
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
    """Events to record when a study continues with the present arguments, without the space.

    Args:
        mine: the first event of a new study with these arguments.
        record: that of the study.
        state: stored state of its strategy.
        directory: that of the study.

    Raises:
        StudyMismatch: it is another study, or a setting differs that must not change.
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
    if had.search.strategy is None and state is not None:  # only the name was stored
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
    """Checks whether a study may continue with other settings.

    Raises:
        StudyMismatch: settings differ that must not change; the message lists all of them.
    """
    wrong = [one for one in differences if one.rule.change is Change.NEVER]
    if not wrong:
        return
    now = " and ".join(f"{one.argument} is {_described(one, one.after, kind)}" for one in wrong)
    before = [_described(one, one.before, kind) for one in wrong]
    if len(wrong) > 1:
        before = [f"{one.argument} {value}" for one, value in zip(wrong, before, strict=True)]
    raise StudyMismatch(
        now,
        expected=f"{' and '.join(before)}, as in {directory}",
        fix=another_directory(directory),
    )


def _described(one: Difference, value: Any, kind: Kind) -> str:
    if one.argument == "callbacks":
        return f"[{', '.join(value or ())}]"
    if value is None and kind == NETWORKS and one.argument in ("epochs", "batch_size"):
        return "a hyperparameter"
    return str(value) if isinstance(value, FromMemory) else shown(value)


def _store_what_was_left(directory: Path) -> None:
    """Stores what the last session could not store while its database was away."""
    if (directory / UNSTORED).exists() and has_study(directory):  # its server may have lost it
        open_store(directory, writable=True).close()
