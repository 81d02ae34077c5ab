"""Whole searches over made-up learning curves under a virtual clock: real strategies, real
schedules, a known truth.

A task is a space and the loss that is expected of a configuration after each epoch. What a search
sees has noise: a deviation that a training keeps (its seed), and one that each epoch has anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paceline.core import Action, Configuration, Decision, Objective, Trial, TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.execute.base import Job, TrainingConfig
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.schedule import Schedule, Standing, Standings
from paceline.search import History, Proposal, Strategy
from paceline.search.start_with import with_default
from paceline.space import Space
from paceline.study import Record

METRIC = "val_loss"
OBJECTIVE = Objective.of(METRIC)


@dataclass(frozen=True)
class Task:
    """What is searched.

    Attributes:
        space: what may vary.
        losses: what is expected of a configuration after each of so many epochs.
        epochs: of a full training.
        of_seed, of_epoch: deviations of the noise.
    """

    space: Space
    losses: Callable[[Configuration, int], NDArray[np.float64]]
    epochs: int = 27
    of_seed: float = 0.2
    of_epoch: float = 0.1


@dataclass(eq=False)
class Search:
    """The loop of `paceline.study` in small, on a task."""

    task: Task
    strategy: Strategy
    schedule: Schedule
    seed: int
    trials: int
    lanes: int = 16
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        task = self.task
        self.strategy = with_default(self.strategy)
        self.rng = np.random.default_rng([self.seed, 99])
        self.standings, self.seen = Standings(), set[str]()
        self.known: list[Trial] = []
        self.executor = SimulatedExecutor(self._curve, TrainingConfig(OBJECTIVE), self.lanes)
        self.under_way, self.has_more = 0, True
        objective = {"metric": METRIC, "direction": OBJECTIVE.direction}
        created = StudyCreated(
            2, objective, {"name": "made up", "rows": {}}, {"epochs": task.epochs}
        )
        self.events += [created, SpaceChanged(task.space.to_json())]

    def go(self) -> Record:
        """The whole search, as the record of its study."""
        while True:
            while self.under_way < self.lanes and self._ask():
                pass
            if self.executor.is_idle and not self._review():
                return Record.of(self.events)
            arrived = [event for one in self.executor.progress() for event in one.events]
            self._take(
                [event for event in arrived if isinstance(event, EpochMeasured | TrialEnded)]
            )
            self._review()

    def _curve(self, config: Configuration) -> Curve:
        expected = np.array(self.task.losses(config, self.task.epochs))
        noise = self.task.of_seed * self.rng.standard_normal()
        seen = expected + noise + self.task.of_epoch * self.rng.standard_normal(len(expected))
        return [({METRIC: loss}, float(epoch)) for epoch, loss in enumerate(seen.tolist(), start=1)]

    def _ask(self) -> bool:
        """Asks for as many trials as there are free lanes, as a cohort does; False where there is
        nothing to ask.
        """
        count = min(self.lanes - self.under_way, self.trials - len(self.known))
        if not self.has_more or count < 1:
            return False
        history = History(self.seen, self.known, OBJECTIVE)
        self.strategy, proposals = self.strategy.ask(self.task.space, history, count)
        for one in proposals:
            self._begin(one)
        self.has_more = bool(proposals) and len(self.known) < self.trials
        return bool(proposals)

    def _begin(self, one: Proposal) -> None:
        number, epochs = len(self.known), self.task.epochs
        self.seen.add(one.key)
        self.known.append(Trial(number, one.config, number, epochs, TrialState.RUNNING, one.origin))
        self.standings.put(Standing(number, epochs))
        self.events.append(TrialAsked(number, one.config, number, epochs, one.origin))
        self.events.append(TrialStarted(number, "p", one.config))
        self._submit(number)

    def _submit(self, number: int) -> None:
        done, epochs = self.standings[number].epoch, self.task.epochs
        until = next(rung for rung in self.schedule.rungs(number, epochs) if rung > done)
        self.under_way += 1
        self.executor.submit(
            [Job(number, self.known[number].config, number, epochs, until)], {}, {}
        )

    def _take(self, events: Sequence[EpochMeasured | TrialEnded]) -> None:
        epochs = self.task.epochs
        for event in events:
            number = event.number
            if isinstance(event, TrialEnded):
                self.under_way -= 1
                self._end(event)
                continue
            self.events.append(event)
            trial = self.known[number]
            measured = _measurement(event)
            self.known[number] = replace(trial, measurements=(*trial.measurements, measured))
            losses = (*self.standings[number].losses, event.metrics[METRIC])
            self.standings.put(replace(self.standings[number], losses=losses))
        for event in events:
            if isinstance(event, EpochMeasured) and epochs > event.epoch in self.schedule.rungs(
                event.number, epochs
            ):
                self.under_way -= 1
                self._carry_out(self.schedule.decide(self.standings, event.number))

    def _review(self) -> bool:
        went_on = False
        while decisions := self.schedule.review(
            self.standings, self.under_way > 0 or self.has_more
        ):
            for decision in decisions:
                self._carry_out(decision)
            went_on |= any(decision.action is Action.CONTINUE for decision in decisions)
        return went_on

    def _carry_out(self, decision: Decision) -> None:
        number = decision.trial
        if decision.action is Action.CONTINUE:
            self._change(number, TrialState.RUNNING)
            self._submit(number)
        elif decision.action is Action.PAUSE:
            self._change(number, TrialState.PAUSED)
        else:
            self.executor.forget([number])
            last = self.known[number].measurements[-1]
            self._end(
                TrialEnded(
                    number, TrialState.STOPPED, last.metrics[METRIC], last.epoch, decision.reason
                )
            )

    def _end(self, event: TrialEnded) -> None:
        self.events.append(event)
        self._change(event.number, event.state, event.score)

    def _change(self, number: int, state: TrialState, score: float | None = None) -> None:
        self.standings.put(replace(self.standings[number], state=state))
        self.known[number] = replace(self.known[number], state=state, score=score)


def _measurement(event: EpochMeasured) -> Any:
    from paceline.core import Measurement

    return Measurement(event.epoch, event.metrics, event.seconds)
