"""Numbers and times as people say them."""

import math

import pytest

from paceline.core import Value, last_line
from paceline.report import words
from paceline.space import Boolean, Choice, Float, Hyperparameter, Int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.97222, "0.9722"),
        (1.0, "1"),
        (12345.6, "12,346"),
        (1.5e-7, "1.5e-7"),
        (math.nan, "nan"),
        (999.96, "1000"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (12.3, "12 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_configurations() -> None:
    config: dict[str, Value] = {"rate": 0.00123456, "norm": True, "layers": 2, "kind": "a"}
    assert words.configuration(config) == "rate 0.001235, norm yes, layers 2, kind a"
    assert words.configuration(config, ["layers", "other"]) == "layers 2"


@pytest.mark.parametrize(
    ("hyperparameter", "text"),
    [
        (Int("n", 1, 3), "1 to 3"),
        (Int("n", 32, 256, 2, "log"), "32 to 256 in steps of times 2"),
        (Float("n", 0.0, 0.5, 0.1), "0 to 0.5 in steps of 0.1"),
        (Boolean("n"), "yes or no"),
        (Choice("n", ["a", "b", "c"]), "a, b or c"),
        (Choice("n", ["a"]), "a"),
    ],
)
def test_ranges(hyperparameter: Hyperparameter, text: str) -> None:
    assert words.possible(hyperparameter) == text


def test_the_line_of_a_traceback_that_says_what_went_wrong() -> None:
    frames = 'Traceback (most recent call last):\n  File "m.py", line 3, in build\n    raise\n'
    assert last_line(f"{frames}ValueError: no\n") == "ValueError: no"
    assert (
        last_line(
            f"{frames}TypeError: no\n--------------------\nFor simplicity, JAX has removed ..."
        )
        == "TypeError: no"
    )
    assert (
        last_line("diverged: the training loss is nan after epoch 2")
        == "diverged: the training loss is nan after epoch 2"
    )
    assert last_line(None) == last_line("") == "no reason was recorded"
