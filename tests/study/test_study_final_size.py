"""An automatic final never costs more than the search did: whole studies under a virtual clock."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import Budget, Configuration, Objective, Splits, Trial, TrialState
from paceline.core.events import (
    FORMAT,
    EpochMeasured,
    Event,
    FinalMeasured,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.execute.base import Executor, Leaves, Training
from paceline.execute.repeated import RepeatedExecutor
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.schedule import Schedule
from paceline.schedule import create as schedule_of
from paceline.search import Strategy
from paceline.search import create as strategy_of
from paceline.search.start_with import with_default
from paceline.space import Float, Space
from paceline.store import StudyStore
from paceline.study import carry_out
from paceline.study.closing import Closing
from paceline.study.folded import read_record
from paceline.study.fresh import FINAL, Fresh, FreshSplits, seeds_of
from paceline.study.record import Record
from paceline.study.sizing import size_of

LOSS = Objective("val_loss", "minimize")
SPACE = Space([Float("rate", 0.0, 1.0), Float("slow", 1.0, 4.0)])


class Nothing:
    """Models and test part of a task that trains no networks."""

    is_empty = True

    def of(self, trial: Trial, leaves: Leaves) -> None: ...

    def rows_of_batch(self, trial: Trial) -> int:
        return 1

    def measure(self, model: None, batch_size: int) -> dict[str, float]:
        return {}

    def keep_predictions(self, model: None, directory: Path) -> None: ...


@dataclass
class Replayed:
    """A task whose trainings follow a formula: an epoch takes ``slow`` seconds of the virtual clock."""

    trials: int
    num_epochs: int
    scheduled: str = "full"
    times: int = 1
    final: Any = "auto"
    in_order: bool = True
    refit_epochs: list[int] = field(default_factory=list)

    objective = LOSS
    seed = 3
    space = SPACE
    notes: Sequence[str] = ()
    in_flight = 4
    grows = epochs_are_prefix = test_trials = False
    fresh_splits = FreshSplits(Splits.ROWS, 0.25)
    models: Any = field(default_factory=Nothing)
    test_part: Any = field(default_factory=Nothing)
    num_kept = None

    @property
    def budget(self) -> Budget:
        return Budget(self.trials, None)

    @property
    def strategy(self) -> Strategy:
        return with_default(strategy_of("random", 3))

    @property
    def schedule(self) -> Schedule:
        return schedule_of(self.scheduled)

    @property
    def ordered(self) -> bool:
        return self.in_order

    @property
    def closing(self) -> Closing:
        return Closing.of(self.final)

    @property
    def created(self) -> StudyCreated:
        objective = {"metric": LOSS.metric, "direction": LOSS.direction}
        settings = {"closing": self.closing.to_json(), "trials": self.trials}
        return StudyCreated(FORMAT, objective, {"name": "curves", "fingerprint": "", "rows": {"train": 100}}, settings)

    def structure(self, config: Configuration) -> Hashable:
        return None

    def epochs(self, config: Configuration) -> int:
        return self.num_epochs

    def kept(self, scores: Sequence[float]) -> tuple[float, int]:
        return scores[-1], len(scores)

    def _simulated(self) -> SimulatedExecutor:
        def curve(config: Configuration) -> Curve:
            away, slow = abs(float(config["rate"]) - 0.3), float(config["slow"])
            return [({LOSS.metric: away + 1 / epoch}, slow * epoch) for epoch in range(1, self.num_epochs + 1)]

        return SimulatedExecutor(curve, Training(LOSS), num_lanes=2)

    def executor(self) -> Executor:
        seeds = range(self.times)
        return self._simulated() if self.times == 1 else RepeatedExecutor(self._simulated(), seeds, Training(LOSS))

    def fresh(self, num_pairs: int) -> Fresh:
        return Fresh(self._simulated(), seeds_of(3, FINAL, num_pairs))

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        self.refit_epochs.append(epochs)
        return None

    def retrain(self, trial: Trial) -> Leaves:
        return []

    def check_same(self, record: Record) -> None: ...


def carried_out(task: Replayed, directory: Path) -> tuple[Record, list[FinalMeasured]]:
    carry_out(task, directory)
    store = StudyStore(directory, writable=False)
    measured = [one.event for one in store.events() if isinstance(one.event, FinalMeasured)]
    store.close()
    return read_record(directory), measured


@settings(max_examples=8, deadline=None)
@given(
    trials=st.integers(2, 40), epochs=st.integers(1, 12), times=st.sampled_from([1, 1, 3]), in_order=st.booleans(),
    schedule=st.sampled_from(["full", "asha", "median", "halving"]),
)  # fmt: skip
def test_it_costs_no_more_than_the_search(trials: int, epochs: int, times: int, in_order: bool, schedule: str) -> None:
    task = Replayed(trials, epochs, schedule, times, in_order=in_order)
    with TemporaryDirectory() as directory:
        record, measured = carried_out(task, Path(directory) / "study")
    searched = record.all_trials()
    final = record.final
    if final is None:
        assert not measured
        assert not task.refit_epochs
        assert any("There is no final" in note and "final=8 would" in note for note in record.notes_of_final)
        return
    assert final.num_pairs >= 3
    of_epochs = sum(event.epoch or 0 for event in measured) + sum(task.refit_epochs)
    assert of_epochs <= times * sum(len(trial.measurements) for trial in searched)
    refit = sum(task.refit_epochs) * float(record.trials[final.winner or 0].config["slow"])
    if not in_order:
        assert sum(event.seconds for event in measured) + refit <= sum(trial.seconds for trial in searched) + 1e-6
    assert record.luckiest is not None
    assert record.luckiest.number in final.finalists


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([10, 10**4, 10**7]), st.sampled_from([16, 256]), st.integers(1, 9)),
                min_size=2, max_size=30))  # fmt: skip
def test_large_networks_count_for_more(networks: list[tuple[int, int, int]]) -> None:
    """Where the clock may not decide, their sizes and numbers of steps do."""
    task = Replayed(len(networks), 9)
    events: list[Event] = [task.created, SpaceChanged(SPACE.to_json())]
    for number, (parameters, batch, epochs) in enumerate(networks):
        config = {"rate": number / 100, "slow": 1.0, "batch_size": batch}
        events += [TrialAsked(number, config, 0, 9, "random"), TrialStarted(number, "p", config, None, parameters)]
        events += [EpochMeasured(number, epoch, {LOSS.metric: 0.5}, epoch) for epoch in range(1, epochs + 1)]
        events.append(TrialEnded(number, TrialState.COMPLETED, 1.0 / (1 + parameters), epochs, ""))
    size = size_of(Record.of(events), task, range(len(networks)), None)
    work = [(parameters + 5000) / batch * epochs for parameters, batch, epochs in networks]
    own = [work[number] for number in size.finalists]
    assert size.pairs * sum(own) + 1.25 * max(own, default=0) <= sum(work) * (1 + 1e-6)


def test_fewer_pairs_come_before_fewer_finalists(tmp_path: Path) -> None:
    sizes = {}
    for trials in (3, 5, 10, 25, 90):
        record, _ = carried_out(Replayed(trials, 5), tmp_path / str(trials))
        sizes[trials] = (0, 0) if record.final is None else (len(record.final.finalists), record.final.num_pairs)
    assert sizes == {3: (0, 0), 5: (1, 3), 10: (2, 4), 25: (7, 3), 90: (8, 8)}


def test_it_says_what_is_left_unsure_and_what_more_would_take(tmp_path: Path) -> None:
    record, _ = carried_out(Replayed(10, 5), tmp_path / "study")
    assert record.notes_of_final == [
        "So that the final costs no more than the search, it trains 2 finalists 4 times each.",
        "Intervals are about 1.9 times as wide as with 8, so more are tied.",
        "Whether one of the next 6 best is better is not known.",
        "final=8 would train 8 finalists 8 times each: 320 epochs, 6.4 times those of the search.",
    ]


@pytest.mark.parametrize("final", [3, 8])
def test_a_number_is_taken_as_it_is(tmp_path: Path, final: int) -> None:
    record, _ = carried_out(Replayed(10, 5, final=final), tmp_path / "study")
    assert record.final is not None
    assert (len(record.final.finalists), record.final.num_pairs) == (8, final)
    assert record.notes_of_final == []
