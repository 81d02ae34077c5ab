"""Where the seconds went, on a clock that the test holds."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.store import Stored
from paceline.study.record.timeline import timeline


def at(*events: tuple[float, Event]) -> list[Stored]:
    return [Stored(number, time, event) for number, (time, event) in enumerate(events, start=1)]


def measured(number: int, epoch: int, seconds: float) -> EpochMeasured:
    return EpochMeasured(number, epoch, {}, seconds)


def test_each_second_counts_once_as_training_before_compiling() -> None:
    found = timeline(
        at(
            (100, SessionStarted({})),
            (102, TrialAsked(0, {}, 0, 2, "sobol")),  # 2 s of deciding
            (107, ProgramCompiled("p", 2, 5.0, 1)),  # 5 s of compiling
            (107, TrialStarted(0, "p", {})),
            (107, TrialStarted(1, "p", {})),
            (110, measured(0, 1, 1.5)),  # two that share 3 s
            (110, measured(1, 1, 1.5)),
            (113, ProgramCompiled("q", 2, 3.0, 1)),  # beside 2 s of training
            (114, measured(0, 2, 2.5)),
            (114, measured(1, 2, 2.5)),
            (114, TrialEnded(0, TrialState.COMPLETED, 0.5, 2, "")),
            (120, SessionEnded("enough", 22.0)),
        )
    )
    assert (found.deciding, found.compiling, found.training) == pytest.approx((2, 5 + 2, 3 + 2))
    assert found.seconds == pytest.approx(22)  # 2 s went by before the first event
    assert found.ended == {0: pytest.approx(14)}


def test_time_between_sessions_does_not_count_and_a_killed_session_counts_to_its_last_event() -> (
    None
):
    found = timeline(
        at(
            (0, SessionStarted({})),
            (0, TrialStarted(0, "p", {})),
            (4, measured(0, 1, 4.0)),
            (1000, SessionStarted({})),
            (1003, measured(0, 2, 6.0)),
            (1003, TrialEnded(0, TrialState.COMPLETED, 0.5, 2, "")),
        )
    )
    assert (found.training, found.other, found.seconds) == pytest.approx((6, 1, 7))
    assert found.ended == {0: pytest.approx(7)}


@given(
    st.lists(st.tuples(st.floats(0, 9), st.sampled_from("ACMES"), st.floats(0, 20)), max_size=30)
)
def test_parts_of_the_time_are_between_zero_and_the_total(
    steps: Sequence[tuple[float, str, float]],
) -> None:
    now, total, stored = 0.0, 0.0, [(0.0, SessionStarted({}))]
    events: list[tuple[float, Event]] = list(stored)
    began, alive = 0.0, True
    for number, (pause, kind, seconds) in enumerate(steps):
        now += pause
        kinds: dict[str, Event] = {
            "A": TrialAsked(number, {}, 0, 1, ""),
            "C": ProgramCompiled("p", 1, seconds, 1),
            "M": measured(number, 1, seconds),
            "E": SessionEnded("", now - began),
            "S": SessionStarted({}),
        }
        events.append((now, kinds[kind]))
        if kind in "ES" and alive:
            total += now - began if kind == "E" else events[-2][0] - began
            alive = False
        if kind == "S":
            began, alive = now, True
    total += now - began if alive else 0.0
    found = timeline(at(*events))
    assert min(found.training, found.compiling, found.deciding, found.other) >= -1e-9
    assert found.seconds == pytest.approx(total, abs=1e-6)
