"""The log: what it says at which level, where it goes, and that a library sets nothing up."""

import io
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.callbacks.test_callbacks import of_steps, run
from tests.callbacks.test_callbacks_display import Fed, begin, train

from paceline import CallbackWarning, InvalidInput
from paceline.callbacks import display_callbacks
from paceline.core import process_state
from paceline.core.logs import log_as_environment_says, log_to_terminal


def failing(hp: Any) -> float:
    x: float = hp.Float("x", 0, 1)
    if x > 0.5:
        raise ValueError("x is [too] \x1b[31mlarge")
    return x


def of_failing(directory: Path, **options: Any) -> None:
    asked: dict[str, Any] = {
        "objective": "max",
        "trials": 6,
        "search": "sobol",
        "seed": 1,
        "final": False,
    }
    run(failing, study=directory, **asked, **options)


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == level]


def test_the_log_says_what_happens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="paceline"):
        study = of_steps(tmp_path / "study")
    assert {one.name for one in caplog.records} == {"paceline.study"}
    info, debug = messages(caplog, logging.INFO), messages(caplog, logging.DEBUG)
    first = "maximize score on steps; 0 of 7 trials have ended"
    assert info[0] == f"study {tmp_path / 'study'}: {first}"
    ended = [line for line in info if line.startswith("trial ")]
    assert len(ended) == 7
    assert ended[0] == "trial 0 completed: score 2.74 after 4 epochs, 0.0 s [x 0, units 1]"
    assert [line for line in info if line.startswith("final evaluation: 3 fresh trainings")]
    assert f"note: {study.record.notes[0]}" in info
    final = study.record.final
    assert final is not None
    assert f"final evaluation: trial {final.winner} wins" in info
    assert "all 7 trials have ended; best: trial" in info[-2]
    assert info[-1] == f"report: {tmp_path / 'study' / 'report.html'}"
    decisions = [
        line for line in debug if " is stopped: rank" in line or " continues: rank" in line
    ]
    assert len(decisions) == sum(map(len, study.record.decisions.values()))
    # the file has the same lines, with their times
    lines = (tmp_path / "study" / "paceline.log").read_text("utf-8").splitlines()
    said = [f"{one.levelname} {one.getMessage()}" for one in caplog.records]
    assert [line.split(" ", 2)[2] for line in lines] == said


def test_a_library_prints_nothing_and_sets_nothing_up(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    of_failing(tmp_path / "study")
    assert capfd.readouterr() == ("", "")
    assert (root.level, root.handlers) == before
    paceline = logging.getLogger("paceline")
    assert paceline.level == logging.NOTSET
    assert [type(one) for one in paceline.handlers] == [logging.NullHandler]
    lines = (tmp_path / "study" / "paceline.log").read_text("utf-8").splitlines()
    assert {line.split(" ", 3)[2] for line in lines} == {"INFO", "WARNING"}
    failed = next(line for line in lines if " WARNING " in line)
    assert "failed: ValueError: x is [too] \\x1b[31mlarge [x 0." in failed
    # a session that follows appends
    of_failing(tmp_path / "study")
    again = (tmp_path / "study" / "paceline.log").read_text("utf-8").splitlines()
    assert again[: len(lines)] == lines
    assert "6 of 6 trials have ended" in again[len(lines)]


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Any:
    yield lambda value: monkeypatch.setenv("PACELINE_LOG", value)
    monkeypatch.delenv("PACELINE_LOG", raising=False)
    log_as_environment_says()
    assert [type(one) for one in logging.getLogger("paceline").handlers] == [logging.NullHandler]


def test_the_environment_says_level_and_file(
    tmp_path: Path, variable: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    variable("warning")
    of_failing(tmp_path / "a")
    said = capfd.readouterr().err.splitlines()
    assert said
    assert all(" WARNING trial " in line and "\x1b" not in line for line in said)
    variable(f"Debug:{tmp_path / 'all.log'}")
    of_failing(tmp_path / "b")
    of_failing(tmp_path / "c")
    assert capfd.readouterr().err == ""
    lines = (tmp_path / "all.log").read_text("utf-8").splitlines()
    assert sum("0 of 6 trials have ended" in line for line in lines) == 2
    assert any(" DEBUG trial 0 begins" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "said"),
    [("loud", "expected a level .debug, info"), ("info:{}/none/a.log", "cannot be written")],
)
def test_a_variable_that_cannot_be_used_is_refused(
    tmp_path: Path, variable: Any, value: str, said: str
) -> None:
    variable(value.format(tmp_path))
    with pytest.raises(InvalidInput, match=f"PACELINE_LOG.*{said}|{said}.*PACELINE_LOG"):
        of_failing(tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_the_level_of_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        log_to_terminal(logging.ERROR)
        of_failing(tmp_path / "a")
        assert capfd.readouterr().err == ""
        log_to_terminal(logging.INFO)
        of_failing(tmp_path / "b")
        assert " INFO report: " in capfd.readouterr().err
    finally:
        log_to_terminal(None)
    assert logging.getLogger("paceline").level == logging.NOTSET


def test_a_link_under_the_name_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "other").write_text("mine")
    os.symlink(tmp_path / "other", tmp_path / "study" / "paceline.log")
    with pytest.warns(CallbackWarning, match=r"StudyLog\.on_study_begin"):
        of_failing(tmp_path / "study")
    assert (tmp_path / "other").read_text() == "mine"


def test_off_a_terminal_progress_is_logged_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stream = io.StringIO()
    feed = Fed(display_callbacks("auto", stream=stream))
    with feed.callbacks, caplog.at_level(logging.INFO, logger="paceline"):
        feed(*begin())
        for number in range(6):
            now += 4.0
            feed(*train(number, 0.5))
    assert stream.getvalue() == ""
    said = [one.getMessage() for one in caplog.records]
    assert [line.split(" done")[0] for line in said] == [
        "12 s: 2 of 8 trials",
        "24 s: 5 of 8 trials",
    ]


@pytest.mark.parametrize("by", ["application", "terminal"])
def test_a_line_is_written_to_standard_error_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    """Also where the application logs there itself, or ``-v`` and ``PACELINE_LOG`` are given."""
    monkeypatch.setenv("PACELINE_LOG", "info")
    log, handler = logging.getLogger("paceline"), logging.StreamHandler()
    log.setLevel(logging.ERROR)
    try:
        if by == "application":
            logging.getLogger().addHandler(handler)
        else:
            log_to_terminal(logging.DEBUG)
        with process_state.preserved():
            log_as_environment_says()
            log.getChild("study").info("once")
        assert capsys.readouterr().err.count("once") == 1
    finally:
        logging.getLogger().removeHandler(handler)
        log_to_terminal(None)
        level = log.level
        log.setLevel(logging.NOTSET)
    assert level == logging.ERROR
