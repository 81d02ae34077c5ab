"""The contract of schedules, as tests; and `replay`, which carries out a schedule on curves that
are known.

A test class inherits `ScheduleContract` and supplies one fixture::

    class TestAsha(ScheduleContract):
        @pytest.fixture
        def schedule(self) -> Schedule:
            return Asha()
"""

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
"""For each trial, by number, its losses after each epoch of its full training; its R is their
count.
"""


@dataclass(frozen=True)
class Replay:
    """What a schedule made of curves.

    Attributes:
        standings: how the trials stand at the end.
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
        """Epochs trained in all."""
        return sum(one.epoch for one in self.standings.trials.values())


def replay(schedule: Schedule, curves: Curves, lanes: int = 1, seed: int | None = None) -> Replay:
    """A study in small: lanes train, the schedule decides, freed lanes take who may go on and then
    new trials.

    Args:
        schedule: who goes on.
        curves: one trial each, asked for in this order.
        lanes: how many train at once.
        seed: makes some lanes slower than others, each time anew; None for an epoch a tick, all
            lanes together.
    """
    return _Loop(schedule, curves, lanes, None if seed is None else random.Random(seed)).go()


class _Loop:
    """The loop of `replay`; checks on its way what a schedule may answer."""

    def __init__(
        self, schedule: Schedule, curves: Curves, lanes: int, speeds: random.Random | None
    ) -> None:
        self._schedule, self._curves, self._lanes, self._speeds = schedule, curves, lanes, speeds
        self._standings, self._log = Standings(), list[tuple[int, Decision]]()
        self._training: list[
            tuple[float, int, int]
        ] = []  # (when, trial, the rung where it arrives then)
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
        """Lets the schedule speak until it is silent; says whether it spoke."""
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
            assert math.isfinite(standing.losses[-1]), "a loss that is no number went on"
            self._ready.append(decision.trial)

    def _put(self, number: int, **changes: object) -> None:
        self._standings.put(replace(self._standings[number], **changes))  # type: ignore[arg-type]


def _copy(standings: Standings) -> Standings:
    """The same standings put together in another order and at once, as a resumed study does it."""
    other = Standings()
    for standing in reversed(list(standings.trials.values())):
        other.put(standing)
    return other


_LOSS = st.one_of(
    st.integers(0, 9).map(float), st.floats(-1.0, 1.0), st.sampled_from([math.nan, math.inf])
)
_FINITE = st.integers(-9, 9).map(float)


def _curves(losses: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[float]]]:
    """Up to 40 trials of the same length or, more seldom, of several lengths."""
    same = st.integers(1, 30).flatmap(lambda epochs: _lists(losses, st.just(epochs)))
    return st.one_of(same, _lists(losses, st.sampled_from([1, 4, 9, 10])))


def _lists(
    losses: st.SearchStrategy[float], epochs: st.SearchStrategy[int]
) -> st.SearchStrategy[list[list[float]]]:
    """Curves made of a few drawn losses each, repeated, so that long ones are quickly drawn."""
    few = st.lists(losses, min_size=1, max_size=4)
    one = st.tuples(few, epochs).map(
        lambda drawn: [drawn[0][i % len(drawn[0])] for i in range(drawn[1])]
    )
    return st.lists(one, max_size=40)


_of_a_value = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
"""A schedule is a value: all examples of a test may share it."""


class ScheduleContract:
    """What holds for every schedule; see `paceline.schedule.Schedule`. Supply the fixture
    ``schedule``, a value.
    """

    @pytest.fixture
    def schedule(self) -> Schedule:
        """The schedule."""
        raise NotImplementedError

    @_of_a_value
    @given(curves=_curves(_LOSS), lanes=st.integers(1, 8), seed=st.none() | st.integers(0, 9))
    def test_every_study_comes_to_an_end(
        self, schedule: Schedule, curves: Curves, lanes: int, seed: int
    ) -> None:
        """Nothing stays paused, no NaN goes on, every answer is a legal one and the same for the
        same standings.
        """
        played = replay(schedule, curves, lanes, seed)
        assert len(played.standings) == len(curves)
        assert all(one.state.is_final for one in played.standings.trials.values())

    @_of_a_value
    @given(curves=_curves(_FINITE), lanes=st.integers(1, 8), seed=st.none() | st.integers(0, 9))
    def test_one_is_trained_in_full(
        self, schedule: Schedule, curves: Curves, lanes: int, seed: int
    ) -> None:
        """At least one, however many there are, where all go well."""
        assert bool(replay(schedule, curves, lanes, seed).completed) == bool(curves)

    @_of_a_value
    @given(
        curves=_curves(_FINITE),
        best=st.integers(0, 40),
        lanes=st.integers(1, 8),
        seed=st.none() | st.integers(0, 9),
    )
    def test_who_is_always_ahead_goes_on(
        self, schedule: Schedule, curves: list[list[float]], best: int, lanes: int, seed: int
    ) -> None:
        """One trial better than all others at every epoch is trained in full, whenever it comes."""
        length = len(curves[0]) if curves else 9
        number = min(best, len(curves))
        curves = [*curves[:number], [-10.0] * length, *curves[number:]]
        assert number in replay(schedule, curves, lanes, seed).completed

    @_of_a_value
    @given(number=st.integers(0, 10_000), epochs=st.integers(1, 1_000))
    def test_rungs_end_with_the_full_training(
        self, schedule: Schedule, number: int, epochs: int
    ) -> None:
        """They ascend from at least 1 to R."""
        rungs = schedule.rungs(number, epochs)
        assert list(rungs) == sorted(set(rungs))
        assert 1 <= rungs[0] <= rungs[-1] == epochs

    def test_it_goes_on_from_json(self, schedule: Schedule) -> None:
        """Read back, it is the same value."""
        assert type(schedule).from_json(json.loads(json.dumps(schedule.to_json()))) == schedule
