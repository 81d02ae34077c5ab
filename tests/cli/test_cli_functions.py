"""Function objectives on the terminal."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import paceline

Run = Callable[..., Result]

OBJECTIVE = """
def objective(hp):
    rate = hp.Float("rate", 0.0, 1.0)
    for step in range(1, 10):
        if not hp.report(rate * step, step=step):
            return

def dies(hp):
    hp.Float("rate", 0.0, 1.0)
    import os
    os._exit(3)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(OBJECTIVE)
    return tmp_path / "train.py"


def test_a_function_is_tuned_shown_and_resumed(run: Run, file: Path) -> None:
    words = [
        f"{file}:objective",
        "--objective",
        "max",
        "--trials",
        "12",
        "--epochs",
        "9",
        "--seed",
        "1",
    ]
    told = run("tune", *words, "--no-display")
    assert told.exit_code == 0, told.output
    assert "maximize score on objective.\n" in told.output
    assert "Measured, after step 9: score" in told.output
    assert "Test:" not in told.output
    more = run("resume", "runs/objective", "--trials", "14", "--no-display")
    assert more.exit_code == 0, more.output
    study = paceline.load_study("runs/objective")
    assert len(study.trials) == 14
    assert len(study.record.decisions) > 0
    assert "rate" in run("show", "runs/objective").output


def test_values_of_set_are_converted_to_python_values(run: Run, file: Path) -> None:
    words = [
        "tune",
        f"{file}:objective",
        "--objective",
        "max",
        "--trials",
        "3",
        "--no-display",
        "--study",
        "s",
    ]
    assert run(*words, "--set", "rate=0.5").exit_code == 0
    assert [trial.config for trial in paceline.load_study("s").trials] == [{"rate": 0.5}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--workers 0", "workers is 0"),
        ("--workers 1 --time-limit soon", "time_limit is 'soon'"),
        ("--memory-limit 2GiB", "memory_limit was given without workers"),
        ("--patience 2", "patience was given without data"),
        ("--schedule halving --epochs 9", "pauses trials"),
    ],
)
def test_refused_before_anything_is_written(
    run: Run, file: Path, arguments: str, words: str
) -> None:
    done = run(
        "tune",
        f"{file}:objective",
        "--objective",
        "max",
        "--trials",
        "3",
        "--study",
        "s",
        *arguments.split(),
    )
    assert done.exit_code == 2
    assert words in done.output
    assert not Path("s").exists()


def test_workers_that_die_give_an_error_of_one_line(run: Run, file: Path) -> None:
    words = [
        "--objective",
        "max",
        "--trials",
        "2",
        "--workers",
        "1",
        "--study",
        "s",
        "--no-display",
    ]
    done = run("tune", f"{file}:dies", *words)
    assert done.exit_code == 2
    assert "the first 2 trials all failed" in done.output
    assert "exit code 3" in done.output
