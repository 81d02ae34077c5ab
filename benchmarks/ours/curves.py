"""Searches over learning curves that are replayed under a virtual clock; see `benchmarks.curves`.

Request: ``task, target, strategy, schedule, seeds``, with ``lanes`` and ``most`` epochs. Answer:
``runs``, for each seed ``epochs``, ``seconds`` and ``trials`` until a full training reached the
target, or None where none did.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.lcbench import AXES, EPOCHS, WHOLE, Rows, Task, table
from paceline.core import Action, Configuration, Decision, Measurement, Objective, Trial, TrialState
from paceline.core.events import EpochMeasured, TrialEnded
from paceline.execute.base import Job, TrainingConfig
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.schedule import Schedule, Standing, Standings
from paceline.schedule import create as schedule_of
from paceline.schedule import restore as schedule_from
from paceline.search import History, Strategy
from paceline.search import create as strategy_of
from paceline.space import Float, Int, Space

METRIC = "val_accuracy"
OBJECTIVE = Objective(METRIC, "maximize")


def space() -> Space:
    """The seven hyperparameters."""
    kinds = {name: Int if name in WHOLE else Float for name in AXES}
    scales = {name: "log" if log else "linear" for name, (_, _, log) in AXES.items()}
    return Space([kinds[n](n, low, high, sampling=scales[n]) for n, (low, high, _) in AXES.items()])


@dataclass(eq=False)
class Search:
    """A study in small: the loop of `paceline.study`, on a table, until the target is reached."""

    task: Task
    target: float
    strategy: Strategy
    schedule: Schedule
    seed: int
    lanes: int = 1

    def __post_init__(self) -> None:
        self.rows = Rows(self.task, self.seed)
        self.space, self.standings = space(), Standings()
        self.trials: list[Trial] = []
        self.row_of: dict[str, int] = {}
        self.seen: set[str] = set()
        self.executor = SimulatedExecutor(self.curve, TrainingConfig(OBJECTIVE), self.lanes)
        self.epochs, self.under_way, self.reached = 0, 0, False

    def curve(self, config: Configuration) -> Curve:
        """The row's curve."""
        row = self.row_of[self.space.key(config)]
        measured = zip(
            self.task.accuracy[row].tolist(), self.task.seconds[row].tolist(), strict=True
        )
        return [({METRIC: accuracy}, seconds) for accuracy, seconds in measured]

    def go(self, most: int) -> dict[str, float] | None:
        """Epochs, virtual seconds and trials until the target is reached; None if it is not in
        ``most`` epochs.
        """
        while not self.reached and self.epochs < most:
            while self.under_way < self.lanes and self.ask():
                pass
            if self.executor.is_idle and not self.review():
                return None
            arrived = [event for one in self.executor.progress() for event in one.events]
            self.take([event for event in arrived if isinstance(event, EpochMeasured | TrialEnded)])
            self.review()
        found = {"epochs": self.epochs, "seconds": self.executor.clock, "trials": len(self.trials)}
        return found if self.reached else None

    def ask(self) -> bool:
        """Begins one new trial; False where the table has none left."""
        if not len(self.rows):
            return False
        history = History(self.seen, self.trials, OBJECTIVE)
        self.strategy, proposals = self.strategy.ask(self.space, history, 1)
        row = self.rows.nearest([float(proposals[0].config[name]) for name in AXES])
        config, number = self.task.config(row), len(self.trials)
        self.row_of[self.space.key(config)] = row
        self.seen |= {self.space.key(config), proposals[0].key}
        self.trials.append(
            Trial(number, config, 0, EPOCHS, TrialState.RUNNING, proposals[0].origin)
        )
        self.standings.put(Standing(number, EPOCHS))
        self.submit(number)
        return True

    def submit(self, number: int) -> None:
        """Lets a trial train to its next rung."""
        done = self.standings[number].epoch
        until = next(rung for rung in self.schedule.rungs(number, EPOCHS) if rung > done)
        self.under_way += 1
        self.executor.submit([Job(number, self.trials[number].config, 0, EPOCHS, until)], {}, {})

    def take(self, events: list[EpochMeasured | TrialEnded]) -> None:
        """Takes what was measured; has decided about who arrived at a rung."""
        for event in events:
            number = event.number
            if isinstance(event, TrialEnded):
                self.under_way -= 1
                self.change(number, TrialState.COMPLETED, event.score)
                self.reached |= event.score is not None and event.score >= self.target
                continue
            self.epochs += 1
            measured = Measurement(event.epoch, event.metrics, event.seconds)
            trial = self.trials[number]
            self.trials[number] = replace(trial, measurements=(*trial.measurements, measured))
            losses = (*self.standings[number].losses, OBJECTIVE.loss(event.metrics[METRIC]))
            self.standings.put(replace(self.standings[number], losses=losses))
        for event in events:
            if isinstance(event, EpochMeasured) and EPOCHS > event.epoch in self.schedule.rungs(
                event.number, EPOCHS
            ):
                self.under_way -= 1
                self.carry_out(self.schedule.decide(self.standings, event.number))

    def review(self) -> bool:
        """Lets the schedule speak until it is silent; says whether it let anybody go on."""
        went_on = False
        while decisions := self.schedule.review(
            self.standings, self.under_way > 0 or len(self.rows) > 0
        ):
            for decision in decisions:
                self.carry_out(decision)
            went_on |= any(decision.action is Action.CONTINUE for decision in decisions)
        return went_on

    def carry_out(self, decision: Decision) -> None:
        if decision.action is Action.CONTINUE:
            self.change(decision.trial, TrialState.RUNNING)
            self.submit(decision.trial)
        elif decision.action is Action.PAUSE:
            self.change(decision.trial, TrialState.PAUSED)
        else:
            self.change(decision.trial, TrialState.STOPPED)
            self.executor.forget([decision.trial])

    def change(self, number: int, state: TrialState, score: float | None = None) -> None:
        self.standings.put(replace(self.standings[number], state=state))
        self.trials[number] = replace(self.trials[number], state=state, score=score)


def searches(request: Mapping[str, Any]) -> list[dict[str, float] | None]:
    """One search for each seed."""
    task, made = table()[request["task"]], request["schedule"]
    schedule = schedule_of(made) if isinstance(made, str) else schedule_from(made)
    found = []
    for seed in request["seeds"]:
        search = Search(
            task,
            request["target"],
            strategy_of(request["strategy"], seed),
            schedule,
            seed,
            request["lanes"],
        )
        found.append(search.go(request["most"]))
    return found


if __name__ == "__main__":
    print("\n" + json.dumps({"runs": searches(json.loads(sys.argv[1]))}))
