"""The order in which the search processes the results of trials."""

import json

from hypothesis import given
from hypothesis import strategies as st

from paceline.study.loop.arrival_queue import ArrivalQueue

WORK = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def take_all(queue: ArrivalQueue) -> list[int]:
    taken = []
    while (number := queue.take()) is not None:
        taken.append(number)
    return taken


@given(WORK, st.randoms(use_true_random=False))
def test_order_does_not_depend_on_speed(work: list[int], random: object) -> None:
    arrivals = list(range(len(work)))
    random.shuffle(arrivals)  # type: ignore[attr-defined]
    queue = ArrivalQueue(ordered=True)
    for number, amount in enumerate(work):
        queue.enter(number, 0, amount)
    taken = []
    for number in arrivals:
        queue.arrive(number)
        taken += take_all(queue)
    assert taken == sorted(range(len(work)), key=lambda number: (work[number], number))
    assert not queue


@given(WORK)
def test_without_order_the_first_arrival_is_next(work: list[int]) -> None:
    queue = ArrivalQueue(ordered=False)
    for number, amount in enumerate(work):
        queue.enter(number, 0, amount)
    for number in reversed(range(len(work))):
        queue.arrive(number)
        assert queue.take() == number


def test_a_trial_submitted_later_is_due_later_by_its_work() -> None:
    queue = ArrivalQueue(ordered=True)
    queue.enter(0, 0, 5)
    queue.enter(1, 0, 2)
    queue.arrive(1)
    assert queue.take() == 1
    queue.enter(2, 0, 2)  # due at 4
    queue.enter(1, 2, 4)  # due at 6
    for number in (0, 1, 2):
        queue.arrive(number)
    assert take_all(queue) == [2, 0, 1]


def test_it_continues_from_json() -> None:
    queue = ArrivalQueue(ordered=True)
    queue.enter(3, 1, 0.5)
    queue.enter(4, 0, 0.25)
    queue.arrive(3)
    again = ArrivalQueue(True, json.loads(json.dumps(queue.take_changes())).get)
    assert again.in_flight == (4, 3)
    assert again.epoch(3) == 1
    assert again.take() is None, "arrivals are not stored"
    again.arrive(4)
    again.arrive(3)
    assert take_all(again) == [4, 3]


def test_a_trial_not_in_flight_cannot_arrive() -> None:
    queue = ArrivalQueue(ordered=False)
    queue.arrive(7)
    assert queue.take() is None
