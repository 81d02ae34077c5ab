"""Events: names under which they are stored."""

import json

import pytest

from paceline.core import Trial
from paceline.core.events import TrialStarted, from_json, to_json


def test_prefix_of_is_stored_as_shares_and_read_under_both_names() -> None:
    event = TrialStarted(4, "a", {"x": 1}, prefix_of=2)
    kind, body = to_json(event)
    assert body["shares"] == 2
    assert "prefix_of" not in body
    assert from_json(kind, json.dumps(body)) == from_json(kind, body) == event
    body["prefix_of"] = body.pop("shares")
    assert from_json(kind, json.dumps(body)) == event


def test_the_earlier_name_of_prefix_of_warns() -> None:
    trial = Trial(number=4, config={}, seed=0, epochs=3, prefix_of=2)
    with pytest.warns(FutureWarning, match=r"trial\.prefix_of"):
        assert trial.shares == 2
