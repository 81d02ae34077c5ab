"""Contract tests of schedules, and `replay`, which runs a schedule on given loss curves.

A test class inherits `ScheduleContract` and defines one fixture::

    class TestAsha(ScheduleContract):
        @pytest.fixture
        def schedule(self) -> Schedule:
            return Asha()
"""

from paceline.testing import extra  # noqa: F401 - says what to install if it is missing

# isort: split
import heapq
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.core import Action, Decision, TrialState
from paceline.schedule import Schedule, Standing, Standings

Curves = Sequence[Sequence[float]]
"""For each trial, by number, its losses after each epoch of its full training."""


@dataclass(frozen=True)
class Replay:
    """The result of a schedule on given curves.

    Attributes:
        standings: losses and states at the end.
        decisions: every decision in order, with the epoch after which it was made.
    """

    standings: Standings
    decisions: Sequence[tuple[int, Decision]]

    @property
    def completed(self) -> list[int]:
        """The trials that were trained in full."""
        return [n for n, one in self.standings.trials.items() if one.state is TrialState.COMPLETED]

    @property
    def epochs(self) -> int:
        """Total number of epochs trained."""
        return sum(one.epoch for one in self.standings.trials.values())


def replay(schedule: Schedule, curves: Curves, lanes: int = 1, seed: int | None = None) -> Replay:
    """Simulates a study: free lanes resume promoted trials, or else start new ones.

    Args:
        schedule: the schedule.
        curves: one trial each, started in this order.
        lanes: number of trials that train together.
        seed: makes some lanes slower than others, at random; None for one epoch at a time in all
            lanes.
    """
    return _Loop(schedule, curves, lanes, None if seed is None else random.Random(seed)).go()


class _Loop:
    """The loop of `replay`; checks the schedule's decisions."""

    def __init__(
        self, schedule: Schedule, curves: Curves, lanes: int, speeds: random.Random | None
    ) -> None:
        self._schedule, self._curves, self._lanes, self._speeds = schedule, curves, lanes, speeds
        self._standings, self._log = Standings(), list[tuple[int, Decision]]()
        self._training: list[
            tuple[float, int, int]
        ] = []  # (time, trial, the rung that it reaches then)
        self._ready: list[int] = []
        self._asked, self._now = 0, 0.0

    def go(self) -> Replay:
        while True:
            self._fill()
            if self._training:
                self._arrive()
            if (
                not self._review()
                and not self._training
                and not self._ready
                and self._asked == len(self._curves)
            ):
                return Replay(self._standings, self._log)

    def _fill(self) -> None:
        while len(self._training) < self._lanes and (
            self._ready or self._asked < len(self._curves)
        ):
            if self._ready:
                number = self._ready.pop(0)
            else:
                number, self._asked = self._asked, self._asked + 1
                self._standings.put(Standing(number, len(self._curves[number])))
            standing = self._standings[number]
            rungs = self._schedule.rungs(number, standing.epochs)
            assert all(isinstance(rung, int) for rung in rungs)
            assert list(rungs) == sorted(set(rungs))
            assert 1 <= rungs[0] <= rungs[-1] == standing.epochs
            rung = next(rung for rung in rungs if rung > standing.epoch)
            speed = 1.0 if self._speeds is None else self._speeds.uniform(0.2, 5.0)
            heapq.heappush(
                self._training, (self._now + speed * (rung - standing.epoch), number, rung)
            )

    def _arrive(self) -> None:
        self._now = self._training[0][0]
        arrived = []
        while self._training and self._training[0][0] == self._now:
            _, number, rung = heapq.heappop(self._training)
            ended = rung == self._standings[number].epochs
            losses = tuple(self._curves[number][:rung])
            self._put(
                number, losses=losses, state=TrialState.COMPLETED if ended else TrialState.RUNNING
            )
            arrived += [] if ended else [number]
        for number in arrived:
            decision = self._schedule.decide(self._standings, number)
            assert decision == self._schedule.decide(_copy(self._standings), number)
            assert decision.trial == number
            assert decision.action is not Action.PAUSE or self._schedule.pauses
            self._apply(decision)

    def _review(self) -> bool:
        """Calls ``review`` until it returns nothing; returns whether it returned anything."""
        spoke = False
        while True:
            more = bool(self._training or self._ready) or self._asked < len(self._curves)
            decisions = self._schedule.review(self._standings, more)
            assert decisions == self._schedule.review(_copy(self._standings), more)
            assert len({decision.trial for decision in decisions}) == len(decisions)
            for decision in decisions:
                assert self._standings[decision.trial].state is TrialState.PAUSED
                assert decision.action is not Action.PAUSE
                self._apply(decision)
            if not decisions:
                return spoke
            spoke = True

    def _apply(self, decision: Decision) -> None:
        assert decision.reason
        assert not decision.reason.endswith(".")
        standing = self._standings[decision.trial]
        self._log.append((standing.epoch, decision))
        states = {Action.PAUSE: TrialState.PAUSED, Action.STOP: TrialState.STOPPED}
        self._put(decision.trial, state=states.get(decision.action, TrialState.RUNNING))
        if decision.action is Action.CONTINUE:
            assert math.isfinite(standing.losses[-1]), "a trial with a NaN loss continued"
            self._ready.append(decision.trial)

    def _put(self, number: int, **changes: object) -> None:
        self._standings.put(replace(self._standings[number], **changes))  # type: ignore[arg-type]


def _copy(standings: Standings) -> Standings:
    """Equal standings, added in another order and at once, as in a resumed study."""
    other = Standings()
    for standing in reversed(list(standings.trials.values())):
        other.put(standing)
    return other


_LOSS = st.one_of(
    st.integers(0, 9).map(float), st.floats(-1.0, 1.0), st.sampled_from([math.nan, math.inf])
)
_FINITE = st.integers(-9, 9).map(float)


def _curves(losses: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[float]]]:
    """Up to 40 trials with equal or, less often, different numbers of epochs."""
    same = st.integers(1, 30).flatmap(lambda epochs: _lists(losses, st.just(epochs)))
    return st.one_of(same, _lists(losses, st.sampled_from([1, 4, 9, 10])))


def _lists(
    losses: st.SearchStrategy[float], epochs: st.SearchStrategy[int]
) -> st.SearchStrategy[list[list[float]]]:
    """Curves that repeat a few drawn losses, so that long ones are drawn quickly."""
    few = st.lists(losses, min_size=1, max_size=4)
    one = st.tuples(few, epochs).map(
        lambda drawn: [drawn[0][i % len(drawn[0])] for i in range(drawn[1])]
    )
    return st.lists(one, max_size=40)


_of_a_value = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
"""Schedules are immutable: all examples of a test may share one."""


class ScheduleContract:
    """Tests that every schedule passes; see `paceline.schedule.Schedule`.

    Define the fixture ``schedule``.
    """

    @pytest.fixture
    def schedule(self) -> Schedule:
        """The schedule."""
        raise NotImplementedError

    @_of_a_value
    @given(curves=_curves(_LOSS), lanes=st.integers(1, 8), seed=st.none() | st.integers(0, 9))
    def test_no_trial_stays_paused(
        self, schedule: Schedule, curves: Curves, lanes: int, seed: int
    ) -> None:
        """No trial stays paused, none with a NaN loss continues, and decisions are reproducible."""
        played = replay(schedule, curves, lanes, seed)
        assert len(played.standings) == len(curves)
        assert all(one.state.is_final for one in played.standings.trials.values())

    @_of_a_value
    @given(curves=_curves(_FINITE), lanes=st.integers(1, 8), seed=st.none() | st.integers(0, 9))
    def test_one_trial_completes(
        self, schedule: Schedule, curves: Curves, lanes: int, seed: int
    ) -> None:
        """At least one trial completes, however few there are."""
        assert bool(replay(schedule, curves, lanes, seed).completed) == bool(curves)

    @_of_a_value
    @given(
        curves=_curves(_FINITE),
        best=st.integers(0, 40),
        lanes=st.integers(1, 8),
        seed=st.none() | st.integers(0, 9),
    )
    def test_the_best_at_every_epoch_completes(
        self, schedule: Schedule, curves: list[list[float]], best: int, lanes: int, seed: int
    ) -> None:
        """A trial that is better than all others at every epoch completes, whenever it starts."""
        length = len(curves[0]) if curves else 9
        number = min(best, len(curves))
        curves = [*curves[:number], [-10.0] * length, *curves[number:]]
        assert number in replay(schedule, curves, lanes, seed).completed

    @_of_a_value
    @given(number=st.integers(0, 10_000), epochs=st.integers(1, 1_000))
    def test_rungs_end_with_the_full_training(
        self, schedule: Schedule, number: int, epochs: int
    ) -> None:
        """Rungs ascend from at least 1 to R."""
        rungs = schedule.rungs(number, epochs)
        assert list(rungs) == sorted(set(rungs))
        assert 1 <= rungs[0] <= rungs[-1] == epochs

    def test_json_round_trip(self, schedule: Schedule) -> None:
        """A schedule restored from JSON is equal."""
        assert type(schedule).from_json(json.loads(json.dumps(schedule.to_json()))) == schedule
