"""Full, median, halving, Hyperband and ASHA."""

import math
import re
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.core import Action, InvalidInput, TrialState
from paceline.schedule import (
    Asha,
    Full,
    Halving,
    Hyperband,
    KerasTunerHyperband,
    Median,
    Schedule,
    Standing,
    Standings,
    create,
    restore,
    schedule_names,
)
from paceline.testing.schedules import ScheduleContract, replay


class TestFull(ScheduleContract):
    @pytest.fixture
    def schedule(self) -> Schedule:
        return Full()


class TestMedian(ScheduleContract):
    @pytest.fixture(params=[Median(), Median(grace=1, others=1)], ids=["default", "eager"])
    def schedule(self, request: pytest.FixtureRequest) -> Schedule:
        schedule: Schedule = request.param
        return schedule


class TestHalving(ScheduleContract):
    @pytest.fixture(params=[Halving(), Halving(eta=2, size=4), Halving(size=1)])
    def schedule(self, request: pytest.FixtureRequest) -> Schedule:
        schedule: Schedule = request.param
        return schedule


class TestHyperband(ScheduleContract):
    @pytest.fixture(params=[Hyperband(), Hyperband(eta=4)])
    def schedule(self, request: pytest.FixtureRequest) -> Schedule:
        schedule: Schedule = request.param
        return schedule


class TestKerasTunerHyperband(ScheduleContract):
    @pytest.fixture(params=[KerasTunerHyperband(), KerasTunerHyperband(eta=2)])
    def schedule(self, request: pytest.FixtureRequest) -> Schedule:
        schedule: Schedule = request.param
        return schedule


class TestAsha(ScheduleContract):
    @pytest.fixture(params=[Asha(), Asha(eta=2, first=2), Asha(stops=True)])
    def schedule(self, request: pytest.FixtureRequest) -> Schedule:
        schedule: Schedule = request.param
        return schedule


R = 81


def flat(*losses: float, epochs: int = R) -> list[list[float]]:
    """Constant curves."""
    return [[loss] * epochs for loss in losses]


def spent(schedule: Schedule, curves: list[list[float]]) -> list[int]:
    """Number of epochs of each trial."""
    return [one.epoch for one in replay(schedule, curves).standings.trials.values()]


def said(schedule: Schedule, curves: list[list[float]], number: int) -> list[str]:
    """Decisions about one trial: epoch, action, reason."""
    decisions = replay(schedule, curves).decisions
    return [f"{epoch} {one.action} {one.reason}" for epoch, one in decisions if one.trial == number]


def test_schedules_have_names() -> None:
    assert list(schedule_names()) == [
        "asha",
        "full",
        "halving",
        "hyperband",
        "keras_tuner_hyperband",
        "median",
    ]
    for name in schedule_names():
        assert create(name).name == name
        assert create(create(name)) == create(name)
        assert restore(create(name).to_json()) == create(name)


def test_invalid_schedules_are_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"schedule is 'ahsa'.*'asha', 'full'.*Did you mean 'asha'"
    ):
        create("ahsa")
    with pytest.raises(InvalidInput, match="eta is 1; expected a whole"):
        Asha(eta=1)
    with pytest.raises(InvalidInput, match=r"eta is 2\.5"):
        Hyperband(eta=2.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="first is 0"):
        Asha(first=0)
    with pytest.raises(InvalidInput, match="size is 0"):
        Halving(size=0)
    with pytest.raises(InvalidInput, match="grace is 0"):
        Median(grace=0)
    with pytest.raises(InvalidInput, match="others is True"):
        Median(others=True)


def test_rungs_are_a_geometric_series_up_to_the_full_length() -> None:
    assert Asha().rungs(0, 81) == (3, 9, 27, 81)
    assert Asha().rungs(0, 52) == (2, 6, 17, 52)
    assert Asha().rungs(0, 10) == (1, 3, 10)
    assert Asha().rungs(0, 300) == (11, 33, 100, 300)
    assert Asha(eta=2).rungs(0, 16) == (1, 2, 4, 8, 16)
    assert Asha().rungs(0, 1) == (1,)
    assert Asha(eta=2, first=5).rungs(3, 41) == (5, 10, 20, 40, 41)
    assert Asha(first=5).rungs(0, 3) == (3,)
    assert Halving(size=27).rungs(30, 81) == (3, 9, 27, 81)
    assert Halving(size=27).rungs(0, 4) == (1, 4)
    assert Median(grace=3).rungs(0, 6) == (3, 4, 5, 6)
    assert Median(grace=3).rungs(0, 2) == (2,)
    assert Full().rungs(0, 6) == (6,)


def test_hyperband_has_the_table_of_its_paper() -> None:
    # Li et al. 2018, table 1: R = 81, eta = 3
    schedule = Hyperband()
    assert schedule.brackets(81) == ((81, 4), (34, 3), (15, 2), (8, 1), (5, 0))
    firsts = {0: (1, 3, 9, 27, 81), 81: (3, 9, 27, 81), 115: (9, 27, 81), 130: (27, 81), 138: (81,)}
    assert {number: schedule.rungs(number, 81) for number in firsts} == firsts
    assert schedule.rungs(142, 81) == (81,)
    assert schedule.rungs(143, 81) == (1, 3, 9, 27, 81)  # and again
    trained = spent(schedule, flat(*range(143)))
    counts = [
        [sum(epoch >= r for epoch in trained[a:b]) for r in (1, 3, 9, 27, 81)]
        for a, b in pairwise((0, 81, 115, 130, 138, 143))
    ]
    assert counts == [
        [81, 27, 9, 3, 1],
        [34, 34, 11, 3, 1],
        [15, 15, 15, 5, 1],
        [8, 8, 8, 8, 2],
        [5, 5, 5, 5, 5],
    ]


def test_halving_promotes_the_best_of_each_group() -> None:
    losses = [5, 3, 4, 1, 2, 9, 8, 7, 6, 30, 20, 10, 40]
    schedule = Halving(size=9)
    assert spent(schedule, flat(*losses)) == [9, 27, 9, 81, 27, 9, 9, 9, 9, 9, 9, 81, 9]
    assert said(schedule, flat(*losses), 2) == [
        "9 pause after 9 epochs waiting for the rest of its group, trials 0 to 8",
        "9 stop rank 4 of 9 in its group after 9 epochs; the best 3 are promoted",
    ]


def test_a_group_does_not_wait_for_failed_trials() -> None:
    curves = flat(1, 2, 3, 4, 5, 6, 7, 8, 9)
    curves[0] = [1.0] * 20 + [math.nan] * 61
    assert spent(Halving(size=9), curves) == [27, 81, 27, 9, 9, 9, 9, 9, 9]
    assert (
        said(Halving(size=9), curves, 0)[-1]
        == "27 stop its objective is not finite after 27 epochs"
    )


def test_asha_by_hand() -> None:
    curves = flat(3, 2, 1, 0, 4, 5, 1.5, 6, 7, epochs=9)
    words = [
        (epoch, decision.trial, str(decision.action))
        for epoch, decision in replay(Asha(), curves).decisions
    ]
    waits = {(epoch, number) for epoch, number, action in words if action == "pause"}
    assert waits == {*((1, number) for number in range(9)), (3, 2), (3, 3), (3, 6)}
    assert [word for word in words if word[2] != "pause"] == [
        (1, 2, "continue"),  # the best of three
        (1, 3, "continue"),  # the best of four, though one was promoted before
        (1, 6, "continue"),  # among the best three of nine
        (1, 8, "stop"),  # nine have reached it: the lower half is stopped
        (1, 7, "stop"),
        (1, 5, "stop"),
        (1, 4, "stop"),
        (1, 0, "stop"),
        (3, 3, "continue"),  # the highest rung first, and to the end
        (3, 2, "stop"),
        (3, 6, "stop"),
        (1, 1, "stop"),
    ]
    assert said(Asha(), curves, 6)[:2] == [
        "1 pause rank 3 of 7 after 1 epoch; the best 2 are promoted",
        "1 continue rank 3 of 9 after 1 epoch; the best 3 are promoted",
    ]


def test_asha_with_stops_never_pauses() -> None:
    # the first two at a rung have no others to compare with
    curves = flat(3, 2, 1, 0, 4, 5, 1.5, 6, 7, epochs=9)
    assert spent(Asha(stops=True), curves) == [9, 9, 9, 9, 1, 1, 1, 1, 1]


@given(
    losses=st.lists(
        st.lists(st.integers(0, 50), min_size=27, max_size=27), min_size=1, max_size=60
    ),
    eta=st.sampled_from([2, 3, 4]),
    lanes=st.integers(1, 9),
)
def test_asha_promotes_the_best_of_each_rung(
    losses: list[list[float]], eta: int, lanes: int
) -> None:
    """The best of each rung, and all close ones among the best one in eta, are promoted."""
    schedule = Asha(eta=eta)
    played = replay(schedule, losses, lanes, seed=1)
    standings = played.standings
    reasons = {one.trial: one.reason for _, one in played.decisions if one.action is Action.STOP}
    for rung in schedule.rungs(0, 27)[:-1]:
        places = standings.at(rung)
        beyond = {number for number, one in standings.trials.items() if one.epoch > rung}
        assert not places or places[0][1] in beyond
        for _, number in places[: len(places) // eta]:
            if number not in beyond:
                rank, count = map(int, re.findall(r"\d+", reasons[number])[:2])
                assert eta * rank > 1.5 * count


def test_median_by_hand() -> None:
    schedule = Median(grace=2, others=2)
    curves = [
        [4.0, 4.0, 4.0],
        [2.0, 2.0, 2.0],
        [9.0, 3.1, 1.0],
        [9.0, 3.0, 9.0],
        [0.0, math.nan, 0.0],
    ]
    assert spent(schedule, curves) == [3, 3, 2, 3, 2]
    # the others' averages over 2 epochs are 2 and 4, then 2, 4 and 6.05: their medians are 3 and 4
    assert said(schedule, curves, 0) == ["2 continue 0 others have trained 2 epochs, fewer than 2"]
    assert said(schedule, curves, 2) == [
        "2 stop its best so far is worse than the median of 2 others' averages over 2 epochs"
    ]
    assert said(schedule, curves, 4) == ["2 stop its objective is not finite after 2 epochs"]


@given(
    curves=st.lists(st.lists(st.integers(-9, 9).map(float), min_size=6, max_size=6), max_size=30)
)
def test_median_is_that_of_statistics(curves: list[list[float]]) -> None:
    """Compared with a direct computation of the rule."""
    schedule, standings = Median(grace=1, others=3), Standings()
    for number, losses in enumerate(curves):
        standings.put(Standing(number, 9, tuple(losses)))
        others = [statistics.fmean(other) for other in curves[:number]]
        stops = len(others) >= 3 and min(losses) > statistics.median(others)
        assert (schedule.decide(standings, number).action is Action.STOP) == stops


@given(
    curves=st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=5), min_size=1, max_size=20),
    states=st.lists(st.sampled_from(TrialState), min_size=20, max_size=20),
)
def test_standings_are_sorted(curves: list[list[float]], states: list[TrialState]) -> None:
    """Ranks, paused trials and averages equal those of a sorted list, in any order of `put`."""
    standings = Standings()
    for number, losses in enumerate(curves):
        for epoch in range(len(losses) + 1):
            state = states[(number + epoch) % 20] if epoch < len(losses) else states[number]
            standings.put(Standing(number, 9, tuple(losses[:epoch]), state))
    for epoch in range(1, 6):
        there = sorted(
            (losses[epoch - 1], number)
            for number, losses in enumerate(curves)
            if len(losses) >= epoch
        )
        assert list(standings.at(epoch)) == there
        assert [standings.rank(number, epoch) for _, number in there] == list(range(len(there)))
        assert [n for _, n in standings.averages(epoch)] == [
            n for _, n in sorted((sum(curves[n][:epoch]) / epoch, n) for _, n in there)
        ]
        paused = [
            (loss, n)
            for loss, n in there
            if len(curves[n]) == epoch and states[n] is TrialState.PAUSED
        ]
        assert list(standings.paused.get(epoch, [])) == paused


losses_of = st.lists(st.floats(), max_size=4)
states = st.sampled_from([TrialState.RUNNING, TrialState.PAUSED, TrialState.COMPLETED])


@given(st.lists(st.tuples(losses_of, states), max_size=8))
def test_many_standings_at_once_equal_single_ones(
    trials: list[tuple[list[float], TrialState]],
) -> None:
    made = [
        Standing(number, 4, tuple(losses), state) for number, (losses, state) in enumerate(trials)
    ]
    one_by_one = Standings()
    for standing in made:
        one_by_one.put(standing)
    assert Standings.of(made) == one_by_one
