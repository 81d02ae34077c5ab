"""What a record says of its trials, found quickly, is what looking at each of them says."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import Trial, TrialState
from paceline.core.events import SpaceChanged, StudyCreated
from paceline.space import Choice, Float, Int, Space
from paceline.study import Record

SPACE = Space({"kind": Choice(["a", "b"]), "size": Int(1, 3), "rate": Float(0.0, 1.0)})
values = {
    "kind": st.sampled_from(["a", "b"]),
    "size": st.integers(1, 3),
    "rate": st.sampled_from([0.5, 1, 1.0, 0.0]),
}
configs = st.fixed_dictionaries({}, optional=values)
trials = st.lists(
    st.tuples(configs, st.sampled_from(TrialState), st.none() | st.floats()), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(trials, st.sampled_from(["minimize", "maximize"]))
def test_the_best_and_the_default_trial_are_found(
    made: list[tuple[Any, TrialState, float | None]], way: str
) -> None:
    created = StudyCreated(2, {"metric": "score", "direction": way}, {"name": "made"}, {})
    record = Record(
        created,
        {
            n: Trial(n, config, 1, 1, state, score=score)
            for n, (config, state, score) in enumerate(made)
        },
        spaces=[SpaceChanged(SPACE.to_json())],
    )
    key = SPACE.key({})
    alike = [
        n
        for n, (c, state, _) in enumerate(made)
        if SPACE.key(c) == key and state is not TrialState.FAILED
    ]
    assert (None if record.default is None else record.default.number) == (
        alike[0] if alike else None
    )
    sign = 1 if way == "minimize" else -1
    known = [
        (sign * score, n)
        for n, (_, state, score) in enumerate(made)
        if state is TrialState.COMPLETED and score is not None and math.isfinite(score)
    ]
    assert (None if record.best_of_search is None else record.best_of_search.number) == (
        min(known)[1] if known else None
    )
    assert record.num_by_state == {
        s: count for s in TrialState if (count := sum(t[1] is s for t in made))
    }
