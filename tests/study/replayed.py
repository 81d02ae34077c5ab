"""A task whose trainings follow a formula: whole studies under a virtual clock, with the real loop
and store.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paceline.core import Budget, Configuration, Measurement, Objective, Splits, Trial
from paceline.core.events import FORMAT, Event, StudyCreated
from paceline.execute.base import Executor, Leaves, TrainingConfig
from paceline.execute.repeated import RepeatedExecutor
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.schedule import Schedule
from paceline.schedule import create as schedule_of
from paceline.search import Strategy
from paceline.search import create as strategy_of
from paceline.search.start_with import with_default
from paceline.settings import Settings
from paceline.space import Float, Space
from paceline.study.planned.retraining import FINAL, Fresh, FreshSplits, seeds_of
from paceline.study.record.record import Record
from paceline.study.resume.existing import changes_since

LOSS = Objective("val_loss", "minimize")
SPACE = Space([Float("rate", 0.0, 1.0), Float("slow", 1.0, 4.0)])


class Nothing:
    """Models and test part of a task that trains no networks."""

    is_empty = True
    about = None

    def of(self, trial: Trial, leaves: Leaves) -> "Nothing":
        return self

    def rows_of_batch(self, trial: Trial) -> int:
        return 1

    rows_of_evaluation = rows_of_batch

    def measure(self, model: object, batch_size: int) -> dict[str, float]:
        return {}

    def keep_predictions(self, model: object, directory: Path) -> None: ...


@dataclass
class Replayed:
    """A task whose trainings follow a formula: an epoch takes ``slow`` seconds of the virtual
    clock.
    """

    trials: int
    num_epochs: int
    scheduled: str = "full"
    times: int = 1
    final: Any = "auto"
    in_order: bool = True
    search: str = "random"
    refit_epochs: list[int] = field(default_factory=list)

    objective = LOSS
    space = SPACE
    notes: Sequence[str] = ()
    is_define_by_run = epochs_are_prefix = False
    fresh_splits = FreshSplits(Splits.ROWS, 0.25)
    models: Any = field(default_factory=Nothing)
    test_part: Any = field(default_factory=Nothing)

    @property
    def settings(self) -> Settings:
        given = {"final": self.final, "trials": self.trials, "seed": 3}
        return (
            Settings(objective=LOSS)
            .updated(given)
            .with_values(
                search={
                    "search": self.search,
                    "strategy": strategy_of(self.search, 3).to_json(),
                    "schedule": self.schedule.to_json(),
                    "ordered": self.in_order,
                    "in_flight": 4,
                }
            )
        )

    @property
    def budget(self) -> Budget:
        return Budget(self.trials, None)

    @property
    def strategy(self) -> Strategy:
        return with_default(strategy_of(self.search, 3))

    @property
    def schedule(self) -> Schedule:
        return schedule_of(self.scheduled)

    @property
    def created(self) -> StudyCreated:
        objective = {"metric": LOSS.metric, "direction": LOSS.direction}
        data = {"name": "curves", "fingerprint": "", "rows": {"train": 100}}
        return StudyCreated(FORMAT, objective, data, self.settings.to_json())

    def structure(self, config: Configuration) -> Hashable:
        return None

    def epochs(self, config: Configuration) -> int:
        return self.num_epochs

    def kept(self, measurements: Sequence[Measurement]) -> tuple[float, int]:
        return measurements[-1].metrics[LOSS.metric], len(measurements)

    def _simulated(self) -> SimulatedExecutor:
        def curve(config: Configuration) -> Curve:
            away, slow = abs(float(config["rate"]) - 0.3), float(config["slow"])
            return [
                ({LOSS.metric: away + 1 / epoch}, slow * epoch)
                for epoch in range(1, self.num_epochs + 1)
            ]

        return SimulatedExecutor(curve, TrainingConfig(LOSS), num_lanes=2)

    def executor(self) -> Executor:
        seeds = range(self.times)
        return (
            self._simulated()
            if self.times == 1
            else RepeatedExecutor(self._simulated(), seeds, TrainingConfig(LOSS))
        )

    def fresh(self, num_pairs: int) -> Fresh:
        return Fresh(self._simulated(), seeds_of(3, FINAL, num_pairs))

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        self.refit_epochs.append(epochs)
        return None

    def retrain(self, trial: Trial) -> Leaves:
        return []

    def changes_since(self, record: Record, state: object) -> Sequence[Event]:
        return changes_since(self.created, record, None, Path())
