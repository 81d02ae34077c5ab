"""The definition of a study: its settings, with the objects that its user passed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paceline.core import Budget, Objective
from paceline.schedule import Schedule
from paceline.settings.description import Settings
from paceline.space import Space
from paceline.study.inputs.model_inputs import Build
from paceline.study.plan.initial_search import SearchChoice
from paceline.study.resume.existing import Existing


@dataclass(frozen=True)
class GivenToFit:
    """Arguments of each training of a network, as of ``fit``.

    Attributes:
        class_weight: weight of each class as in the settings, or by class index once the data are
            known.
        callbacks: Keras callbacks.
    """

    class_weight: Any = None
    callbacks: Sequence[Any] = ()


@dataclass(frozen=True, eq=False)
class Definition:
    """A study's settings, with the objects that its user passed.

    Attributes:
        directory: that of the study.
        settings: everything that can be stored.
        budget: the limits of this session.
        build: the function that is tuned.
        search: the strategy and its initial configurations.
        schedule: the schedule or its name; ``"auto"`` to choose one for the task.
        data: what `paceline.data.load` takes; None for a function.
        loop: hyperparameters of the training loop: ``epochs``, ``batch_size``.
        space: the given part of a function's space.
        validation: fraction of the rows, or validation data.
        folds: number of folds, or a splitter; None for none.
        given_to_fit: what is given to each training.
        data_options: further arguments of `paceline.data.load` and `split`.
        executor: a name or an object; None for the standard one.
        existing: the existing study; None for a new one.
        change_space: whether the existing study may continue in another space.
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
    given_to_fit: GivenToFit = field(default_factory=GivenToFit)
    data_options: Mapping[str, Any] = field(default_factory=dict)
    executor: Any = None
    existing: Existing | None = None
    change_space: bool = False

    @property
    def class_weight(self) -> Any:
        """See `GivenToFit`."""
        return self.given_to_fit.class_weight

    @property
    def callbacks(self) -> Sequence[Any]:
        """See `GivenToFit`."""
        return self.given_to_fit.callbacks

    def weighted(self, class_weight: Any) -> "Definition":
        """The same with other weights of classes."""
        return replace(self, given_to_fit=replace(self.given_to_fit, class_weight=class_weight))

    @property
    def objective(self) -> Objective:
        """The objective."""
        if self.settings.objective is None:
            raise ValueError("a definition without an objective")
        return self.settings.objective

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.settings.search.seed

    @property
    def is_ordered(self) -> bool:
        """Whether proposals must not depend on the clock."""
        asked = self.settings.search.ordered
        return self.budget.seconds is None if asked is None else asked

    @property
    def recorded(self) -> Mapping[str, Any] | None:
        """The existing study's description of its data."""
        return None if self.existing is None else self.existing.data
