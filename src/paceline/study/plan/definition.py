"""The definition of a study: its settings, with the objects that its user passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paceline.core import Budget, Objective
from paceline.schedule import Schedule
from paceline.settings.description import Settings
from paceline.space import Space
from paceline.study.inputs.model_inputs import Build
from paceline.study.plan.initial_search import SearchChoice
from paceline.study.resume.existing import Existing


@dataclass(frozen=True, eq=False)
class Definition:
    """A study as it was asked for.

    Attributes:
        directory: where it lives.
        settings: all that can be stored.
        budget: the limits of this session.
        build: the function that is tuned.
        search: the strategy, and what it begins with.
        schedule: which trials continue: its name, or one; ``"auto"`` for what suits the task.
        data: what `paceline.data.load` takes; None for a function.
        loop: hyperparameters of the training loop: ``epochs``, ``batch_size``.
        space: what of a function's space was given.
        validation: fraction of the rows, or validation data.
        folds: their number, or a splitter; None for none.
        class_weight: of each class, as the settings have it, or by the class's number once the data
            are known.
        data_options: further arguments of `paceline.data.load` and `split`.
        executor: a name or an object; None for the standard one.
        existing: the study that exists; None where this one begins.
        change_space: whether the study that exists may continue in another space.
    """

    directory: Path
    settings: Settings
    budget: Budget
    build: Build
    search: SearchChoice
    schedule: str | Schedule
    data: Any = None
    loop: Space = field(default_factory=Space)
    space: Any = None
    validation: Any = None
    folds: Any = None
    class_weight: Any = None
    data_options: Mapping[str, Any] = field(default_factory=dict)
    executor: Any = None
    existing: Existing | None = None
    change_space: bool = False

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        if self.settings.objective is None:
            raise ValueError("a definition without an objective")
        return self.settings.objective

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.settings.search.seed

    @property
    def is_ordered(self) -> bool:
        """Whether what is asked next must not depend on the clock."""
        asked = self.settings.search.ordered
        return self.budget.seconds is None if asked is None else asked

    @property
    def recorded(self) -> Mapping[str, Any] | None:
        """What the study that exists recorded of its data."""
        return None if self.existing is None else self.existing.data
