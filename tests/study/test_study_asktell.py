"""Ask and tell by hand."""

import io
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import paceline
from paceline.core import InvalidInput, StudyLocked, StudyMismatch, TrialState
from paceline.report import text
from paceline.report.show import read
from paceline.study.asktell import OpenStudy

SPACE = {"rate": paceline.Float(1e-4, 1e-1, sampling="log"), "units": paceline.Choice([16, 32])}


def opened(directory: Path, **options: Any) -> OpenStudy:
    given: dict[str, Any] = {
        "space": SPACE,
        "objective": "max",
        "seed": 1,
        "search": "random",
        **options,
    }
    return paceline.open_study(directory, **given)


def shown(directory: Path) -> str:
    stream = io.StringIO()
    text.show(read(directory), Console(file=stream, width=200))
    return stream.getvalue()


def test_a_study_of_ask_and_tell_is_read_like_any_other(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as study:
        trials = study.ask(4)
        assert [trial.number for trial in trials] == [0, 1, 2, 3]
        assert all(trial.config.keys() == SPACE.keys() for trial in trials)
        assert len({tuple(trial.config.values()) for trial in trials}) == 4
        told = study.tell(trials[2], 0.5)
        assert (told.state, told.score) == (TrialState.COMPLETED, 0.5)
        study.tell(1, {"score": 0.75, "loss": 2})
        study.tell(trials[3], failed="out of memory")
        assert [trial.number for trial in study.pending] == [0]
        assert study.best.number == 1
        assert study.best.measurements[0].metrics == {"score": 0.75, "loss": 2.0}
        assert list(study.trials_dataframe()["state"]) == [
            "running",
            "completed",
            "completed",
            "failed",
        ]
        assert study.space == paceline.Space(SPACE)
        assert "best score 0.75" in repr(study)
        before = study.trials
    after = paceline.load_study(tmp_path / "s")
    assert after.trials == before
    assert after.trials[3].error == "out of memory"


def test_a_study_opened_again_continues_as_if_it_had_stayed_open(tmp_path: Path) -> None:
    with opened(tmp_path / "whole") as study:
        whole = [trial.config for trial in study.ask(6)]
    with opened(tmp_path / "s") as study:
        study.tell(study.ask(2)[0], 1.0)
    with paceline.open_study(tmp_path / "s") as study:  # nothing need be said again
        assert [trial.number for trial in study.pending] == [1]
        study.ask(4)
        study.tell(1, 2.0)
        assert [trial.config for trial in study.trials] == whole
        assert study.best.number == 1


@pytest.mark.parametrize("hook", ["on_setup", "on_study_begin"])
def test_a_study_whose_opening_is_interrupted_is_not_locked(tmp_path: Path, hook: str) -> None:
    calls = []

    class Interrupted(paceline.callbacks.Callback):
        def on_teardown(self) -> None:
            calls.append("on_teardown")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    callback = Interrupted()
    setattr(callback, hook, interrupt)
    with pytest.raises(KeyboardInterrupt) as error:
        opened(tmp_path / "s", callbacks=[callback])
    with opened(tmp_path / "s") as study:  # while the error is kept, as in a notebook
        study.tell(study.ask(), 1.0)
    assert error.value is not None
    assert calls == ["on_teardown"]


def test_a_study_left_by_an_error_is_interrupted_and_says_how_to_continue(tmp_path: Path) -> None:
    def fails(trial: Any) -> None:
        raise KeyboardInterrupt(trial)

    with pytest.raises(KeyboardInterrupt), opened(tmp_path / "s") as study:
        fails(study.ask())
    assert "It was interrupted. 1 trial (1 running)" in shown(tmp_path / "s")
    assert "Continue in Python: paceline.open_study(" in shown(tmp_path / "s")
    paceline.open_study(tmp_path / "s").close()
    assert "It is closed, with trials that have no result. 1 trial" in shown(tmp_path / "s")
    assert "Continue" not in shown(tmp_path / "s")
    with paceline.open_study(tmp_path / "s") as study:
        study.tell(0, 1.0)
    assert "It is finished. 1 trial (1 completed)" in shown(tmp_path / "s")


def test_a_killed_process_loses_no_result(tmp_path: Path) -> None:
    study = opened(tmp_path / "s")
    study.tell(study.ask(3)[0], 1.0)
    # what another process would find, were this one killed now
    found = paceline.load_study(tmp_path / "s")
    assert [trial.state for trial in found.trials] == [
        TrialState.COMPLETED,
        TrialState.RUNNING,
        TrialState.RUNNING,
    ]
    with pytest.raises(StudyLocked):
        opened(tmp_path / "s")
    study.close()
    study.close()


def test_an_earlier_way_to_ask_says_what_to_write(tmp_path: Path) -> None:
    with paceline.open_study(tmp_path / "a", {"x": paceline.Float(0, 1)}, "max") as study:
        uses: list[Any] = [list, lambda trial: trial[0]]
        for use in uses:
            with pytest.raises(TypeError, match=r"write study.ask\(1\) for a list"):
                use(study.ask())


def test_a_search_that_has_nothing_left_gives_fewer(tmp_path: Path) -> None:
    with opened(tmp_path / "s", space={"n": paceline.Int(1, 3)}, search="grid") as study:
        assert [trial.config["n"] for trial in study.ask(5)] == [1, 2, 3]
        assert study.ask(1) == []
        with pytest.raises(InvalidInput, match=r"the search space of study .* is exhausted"):
            study.ask()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "tell was given None"),
        ("0.5", "'0.5', a str"),
        ("failed", "failed='why'"),
        (1 + 2j, "a complex"),
        (math.nan, "score as nan; expected a finite number"),
        (math.inf, "score as inf"),
        (True, "a bool"),
        ([0.5], "a list"),
        ({}, "no metrics; expected a dict with the objective 'score'"),
        (
            {"accuracy": 0.5, "loss": 1},
            "tell was given the metrics 'accuracy', 'loss'; expected the objective 'score' among "
            "them. "
            "To optimise 'accuracy', pass objective=('accuracy', 'max') (or 'min').",
        ),
        ({"score": None}, "'score' as None"),
    ],
)
def test_after_a_refused_result_the_trial_is_still_pending(
    tmp_path: Path, value: Any, words: str
) -> None:
    with opened(tmp_path / "s") as study:
        trial = study.ask()
        with pytest.raises(InvalidInput) as refused:
            study.tell(trial, value)
        assert words in str(refused.value)
        assert study.pending == [trial]
        study.tell(trial, 0.5)
        assert study.best.score == 0.5


def test_a_wrong_trial_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as study, opened(tmp_path / "other", seed=2) as other:
        first, second = study.ask(2)
        study.tell(first, 0.5)
        with pytest.raises(
            InvalidInput, match=r"trial 0 already has a result \(completed, score 0.5\)"
        ):
            study.tell(first, 0.7)
        with pytest.raises(InvalidInput, match="trial 0 already has a result"):
            study.tell(first, failed="late")
        for unknown in (7, -1, "1", None, True, 1.0):
            with pytest.raises(
                InvalidInput, match="never asked for; expected one that is pending: 1"
            ):
                study.tell(unknown, 0.7)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="a trial 1 of another study"):
            study.tell(other.ask(2)[1], 0.7)
        with pytest.raises(InvalidInput, match="one of them"):
            study.tell(second, 0.7, failed="why")
        assert study.trials[0].score == 0.5
        assert study.pending == [second]


def test_wrong_ways_to_open_and_ask(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no space was given"):
        paceline.open_study(tmp_path / "s", objective="max")
    with pytest.raises(InvalidInput, match="no objective was given"):
        paceline.open_study(tmp_path / "s", SPACE)
    with pytest.raises(InvalidInput, match="search is 'psychic'"):
        opened(tmp_path / "s", search="psychic")
    assert not (tmp_path / "s").exists()
    with opened(tmp_path / "s") as study:
        for count in (0, -1, 1.5, True):
            with pytest.raises(InvalidInput, match="count is"):
                study.ask(count)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="closed"):
        study.ask()
    assert study.trials == []
    with pytest.raises(StudyMismatch, match=r"objective is score \(minimize\)"):
        opened(tmp_path / "s", objective="min")
    with pytest.raises(StudyMismatch, match="space differs in rate"):
        opened(tmp_path / "s", space={"rate": paceline.Float(0, 1)})
    with pytest.raises(InvalidInput, match=r"run by its user.*open_study"):
        paceline.resume(tmp_path / "s", trials=3)
    with pytest.raises(StudyMismatch, match="a function"):
        paceline.tune(
            lambda hp: 1.0, objective="max", trials=2, study=tmp_path / "s", display=False
        )


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=12),
    st.integers(1, 5),
    st.data(),
)
def test_results_in_any_order_give_a_consistent_record(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[float | None],
    size: int,
    data: st.DataObject,
) -> None:
    directory = tmp_path_factory.mktemp("study")
    open_trials: list[paceline.core.Trial] = []
    scores: dict[int, float | None] = {}
    study = opened(directory)
    for value in values:
        if not open_trials:
            open_trials = study.ask(size)
        trial = open_trials.pop(data.draw(st.integers(0, len(open_trials) - 1)))
        study.tell(trial, value, failed="it broke" if value is None else None)
        scores[trial.number] = value
        if data.draw(st.booleans()):  # the study is left and taken up again
            study.close()
            study = paceline.open_study(directory)
    study.close()
    found = paceline.load_study(directory)
    assert {trial.number: trial.score for trial in found.trials if trial.state.is_final} == scores
    known = [value for value in scores.values() if value is not None]
    assert found.record.best is None if not known else found.best.score == max(known)
