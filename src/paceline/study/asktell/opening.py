"""What a study is opened with, checked against the study in its directory, if there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from paceline.core import InvalidInput
from paceline.core.checks import flag
from paceline.core.events import Event, StudyCreated
from paceline.search import Strategy
from paceline.settings.description import Settings, default_settings
from paceline.settings.function import ASKED
from paceline.space import Hyperparameter, Space
from paceline.study.loop.beginning import is_other_strategy
from paceline.study.plan.function_definition import function_objective
from paceline.study.plan.function_plan import created, given_space
from paceline.study.plan.initial_search import SearchChoice, choose_search
from paceline.study.plan.limits import seed_of
from paceline.study.record.changed_space import changed
from paceline.study.record.record import Record
from paceline.study.resume.existing import Existing, changes_since


@dataclass(frozen=True, slots=True)
class Opening:
    """The checked arguments; what was not passed is as in the existing study.

    Attributes:
        directory: that of the study.
        first: the first event of a new study.
        space: the search space.
        choice: the search.
        may_change: whether the space of an existing study may change.
    """

    directory: Path
    first: StudyCreated
    space: Space
    choice: SearchChoice
    may_change: bool

    @classmethod
    def of(
        cls,
        directory: Path,
        space: Space | Mapping[str, Hyperparameter] | None,
        objective: Any,
        search: str | Strategy | None,
        seed: int | None,
        change_space: bool,
        about: tuple[str, str],
    ) -> Self:
        """Checks the arguments, see `OpenStudy`, before anything is written.

        Raises:
            InvalidInput: one of them cannot be used.
            StudyMismatch: the directory has another study.
        """
        existing = Existing.find(directory)
        given = given_space(space, {})
        if existing is None and not len(given):
            raise InvalidInput(
                "no space was given",
                expected="space={'rate': paceline.Float(1e-4, 1e-1, sampling='log'), ...}",
            )
        seed = seed_of(seed, existing)
        choice = choose_search("auto" if search is None else search, seed, existing)
        if existing is not None and not len(given):
            given = existing.record.space
        may_change = flag("change_space", change_space)
        choice = choice.within(given) if may_change else choice
        choice.strategy.check(given)
        first = created(_settings(existing, objective, choice, seed), *about)
        opening = cls(directory, first, given, choice, may_change)
        if existing is not None:
            opening.changes(existing.record, existing.state)
        return opening

    def changes(self, record: Record, state: Any) -> list[Event]:
        """The changes since the study was last opened.

        Raises:
            StudyMismatch: it is another study.
        """
        changes = changes_since(self.first, record, state, self.directory)
        moved = changed(record.found_space, self.space, record, self.directory, self.may_change)
        return [*changes, *moved]

    def strategy(self, changes: Sequence[Event], state: Any) -> Strategy:
        """The search strategy: in its stored state, unless there is none or it is another one."""
        first = self.choice.first(default=False)
        return first if state is None or is_other_strategy(changes) else first.resumed(state)


def _settings(
    existing: Existing | None, objective: Any, choice: SearchChoice, seed: int
) -> Settings:
    """The settings; what is not passed is as in the existing study."""
    goal = existing.record.objective if existing is not None and objective is None else None
    settings = default_settings(ASKED) if existing is None else existing.settings
    if settings.function.kind != ASKED:  # other kinds of study are refused later
        settings = default_settings(ASKED)
    settings = settings.with_values(search={**choice.settings, "seed": seed, "trials": None})
    return replace(settings, objective=goal or function_objective(objective))
