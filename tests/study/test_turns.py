"""The order in which the search takes notice of what trials did."""

import json

from hypothesis import given
from hypothesis import strategies as st

from paceline.study.loop.turns import Turns

WORK = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def take_all(turns: Turns) -> list[int]:
    taken = []
    while (number := turns.take()) is not None:
        taken.append(number)
    return taken


@given(WORK, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_who_is_faster(work: list[int], random: object) -> None:
    arrivals = list(range(len(work)))
    random.shuffle(arrivals)  # type: ignore[attr-defined]
    turns = Turns(ordered=True)
    for number, amount in enumerate(work):
        turns.enter(number, 0, amount)
    taken = []
    for number in arrivals:
        turns.arrive(number)
        taken += take_all(turns)
    assert taken == sorted(range(len(work)), key=lambda number: (work[number], number))
    assert not turns


@given(WORK)
def test_without_order_whoever_arrives_is_next(work: list[int]) -> None:
    turns = Turns(ordered=False)
    for number, amount in enumerate(work):
        turns.enter(number, 0, amount)
    for number in reversed(range(len(work))):
        turns.arrive(number)
        assert turns.take() == number


def test_one_that_is_submitted_later_comes_later_by_its_work() -> None:
    turns = Turns(ordered=True)
    turns.enter(0, 0, 5)
    turns.enter(1, 0, 2)
    turns.arrive(1)
    assert turns.take() == 1
    turns.enter(2, 0, 2)  # due at 4
    turns.enter(1, 2, 4)  # due at 6
    for number in (0, 1, 2):
        turns.arrive(number)
    assert take_all(turns) == [2, 0, 1]


def test_it_goes_on_from_json() -> None:
    turns = Turns(ordered=True)
    turns.enter(3, 1, 0.5)
    turns.enter(4, 0, 0.25)
    turns.arrive(3)
    again = Turns(True, json.loads(json.dumps(turns.to_json())))
    assert again.in_flight == (4, 3)
    assert again.epoch(3) == 1
    assert again.take() is None, "who had arrived is looked for again"
    again.arrive(4)
    again.arrive(3)
    assert take_all(again) == [4, 3]


def test_who_is_not_in_flight_cannot_arrive() -> None:
    turns = Turns(ordered=False)
    turns.arrive(7)
    assert turns.take() is None
