"""A study of many trials: what is shown stays small, says that it is a choice, and has the best in
it.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.report import Summary, text
from paceline.report.drawn import drawn
from paceline.report.page import search_course, trials
from paceline.space import Float, Space
from paceline.stats.best_so_far import expected_best
from paceline.study import Record
from paceline.study.record.timeline import Timeline

SPACE = Space({"x": Float(0.0, 1.0)})
MOST = 2_000  # rows of the table, and dots of the figure


def events(num: int, stopped: int) -> Iterator[Event]:
    data = {"name": "made up", "kind": "function"}
    yield StudyCreated(
        2, {"metric": "score", "direction": "maximize"}, data, {"search": "random", "seed": 1}
    )
    yield SessionStarted({})
    yield SpaceChanged(SPACE.to_json())
    for number in range(num):
        score = number * 7919 % num / num  # the best is somewhere in the middle
        yield TrialAsked(number, {"x": score}, 1, 1, "random")
        yield TrialStarted(number, "function", {"x": score})
        yield EpochMeasured(number, 1, {"score": score}, 0.1)
        state = TrialState.STOPPED if stopped and number % stopped == 0 else TrialState.COMPLETED
        yield TrialEnded(number, state, score, 1, "")
    yield SessionEnded("enough", 60.0)


@cache
def summary(num: int, stopped: int = 0) -> Summary:
    record = Record.of(events(num, stopped))
    return Summary(
        Path("made-up"), record, 60.0, None, Timeline(ended=dict.fromkeys(record.trials, 1.0))
    )


def figures(of: Summary) -> dict[str, Any]:
    return {figure.name: figure for figure in search_course.panel(of).figures}


def rows(of: Summary) -> list[int]:
    return [
        int(number)
        for number in re.findall(r'<th scope="row"[^>]*>(\d+)</th>', trials.panel(of).html)
    ]


def test_the_table_lists_a_sample_and_says_so() -> None:
    large = summary(5_000, 3)
    listed = rows(large)
    assert MOST / 2 < len(listed) <= MOST
    assert listed == sorted(set(listed))
    assert {trial.number for trial in large.ranked[: MOST // 10]} <= set(listed)
    said = f"Of 5,000 trials {len(listed):,} are listed: the 200 best, and one in "
    assert said in trials.panel(large).html
    assert "study.trials_dataframe()" in trials.panel(large).html


def test_a_small_study_is_shown_whole() -> None:
    small = summary(1_000)
    assert rows(small) == list(range(1_000))
    assert "listed" not in trials.panel(small).html
    assert len(figures(small)["best_so_far"].plotly["data"][0]["x"]) == 1_000
    assert "are drawn" not in figures(small)["best_so_far"].alt


def test_figures_show_a_sample_with_the_best_and_say_so() -> None:
    large = summary(5_000, 3)
    best = large.ranked[0]
    dots = figures(large)["best_so_far"].plotly["data"][0]
    assert MOST / 2 < len(dots["x"]) <= MOST
    assert any(text.startswith(f"trial {best.number}:") for text in dots["text"])
    assert "completed trials" in figures(large)["best_so_far"].alt
    assert " are drawn: the 200 best, and one in " in figures(large)["best_so_far"].alt
    curves = figures(large)["learning_curves"]
    numbers = {number for trace in curves.plotly["data"] for number in trace["text"]}
    assert len(numbers) <= 1_000
    assert {trial.number for trial in large.ranked[:5]} <= numbers
    assert "Of 5,000 curves" in curves.alt


def test_a_monotonic_best_score_is_a_short_line() -> None:
    record = summary(5_000).record
    ended = {trial.number: float(place) for place, trial in enumerate(summary(5_000).ranked[::-1])}
    rising = Summary(Path("made-up"), record, 60.0, None, Timeline(ended=ended))
    found = figures(rising)["best_so_far"]
    line = next(trace for trace in found.plotly["data"] if trace["name"] == "best so far")
    assert len(line["x"]) <= 510
    assert line["y"][-1] == 0.9998
    assert "500 of 4,999 improvements are drawn" in found.alt


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 700), st.integers(1, 60), st.randoms(use_true_random=False))
def test_a_sample_is_small_has_the_best_and_is_stable_as_the_study_grows(
    total: int, most: int, random: Any
) -> None:
    ranked = random.sample(range(total), total)
    one, more = drawn(range(total), ranked, most), drawn(range(total + 1), ranked, most)
    assert len(one.numbers) == min(total, len(one.numbers)) <= max(most, 0)
    assert set(ranked[: one.num_best]) <= set(one.numbers)
    assert list(one.numbers) == sorted(one.numbers)
    assert (one.every == 1) == (total <= most) == (one.remark("trials") == "")
    if one.every == more.every and one.num_best == more.num_best:
        assert set(one.numbers) <= set(more.numbers)


def test_a_sample_follows_no_period() -> None:
    chosen = np.array(drawn(range(60_000), (), 2_000).numbers)
    for period in (2, 3, 4, 8, 9, 16, 27, 64, 81):
        share = np.bincount(chosen % period, minlength=period) / len(chosen)
        assert abs(share - 1 / period).max() < 0.01


def test_expected_best_is_not_quadratic_in_the_trials() -> None:
    losses = np.random.default_rng(0).normal(size=300)
    np.testing.assert_allclose(
        expected_best(losses, [1, 7, 250]), expected_best(losses)[[0, 6, 249]], rtol=1e-12
    )
    many = np.arange(100_000.0)  # the smallest of n of 0..N-1 is (N - n) / (n + 1) on average
    counts = [1, 10, 1_000, 99_999, 100_000]
    np.testing.assert_allclose(
        expected_best(many, counts), [(100_000 - n) / (n + 1) for n in counts], rtol=1e-9
    )


def test_reading_a_study_does_not_import_what_runs_one(tmp_path: Path) -> None:
    program = (
        "import sys; from paceline.report import read, text; from paceline.report.terminal import "
        "console\n"
        "from paceline.store import StudyStore; from pathlib import Path\n"
        "StudyStore(Path(sys.argv[1]), writable=True).close(); text.show(read(sys.argv[1]), "
        "console())\n"
        "print([name for name in ('paceline.data', 'paceline.search', "
        "'paceline.study.plan.network_plan') if "
        "name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_show_leaves_importance_of_many_trials_to_the_report(tmp_path: Path) -> None:
    def shown(of: Summary) -> str:
        said = StringIO()
        text.show(replace(of, directory=tmp_path), Console(file=said, width=120))
        return said.getvalue()

    assert "Importance is shown in the report: paceline report" in shown(summary(20_001))
    assert "Importance is shown in the report" not in shown(summary(1_000))
