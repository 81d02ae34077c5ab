"""How to repeat a study: what the report shows as a command and as Python makes the same study."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.report import read
from paceline.report.page.command import command, python
from paceline.space import Int

CODE = """
def simple(hp):
    return -((hp.Float("x", -1, 1) - 0.3) ** 2) + hp.Int("n", 0, 3)

def named_like_options(hp):
    text = hp.Choice("a b's", ["1", "yes", "two words", "a=b"])
    number = hp.Int("epochs", -5, 5) * hp.Choice("seed", [1.5, -2.5])
    return len(text) + number + hp.Boolean("data")

def steps(hp):
    for step in range(4):
        if not hp.report({"my score": hp.Float("x", 0, 1) + step, "other": 1}):
            return
"""


def scores(study: paceline.Study) -> list[Any]:
    return [(dict(trial.config), trial.score) for trial in study.trials]


@pytest.mark.parametrize(
    ("function", "objective", "options", "can_be_typed"),
    [
        ("simple", "max", {}, True),
        ("simple", "max", {"trials": 3, "budget": 90, "ordered": True}, False),
        ("simple", "max", {"prior": {"x": paceline.search.Normal(0.5)}}, False),
        ("simple", "max", {"start_with": [{"x": -i / 10} for i in range(9)]}, False),
        ("named_like_options", "min", {"fixed": {"a b's": "two words", "epochs": -3}}, True),
        ("named_like_options", "min", {"fixed": {"a b's": "1", "data": True}}, False),
        ("named_like_options", "max", {"search": "grid", "fixed": {"data": False}}, True),
        ("steps", ("my score", "max"), {"epochs": 4, "schedule": "median", "final": 2}, True),
        ("simple", "max", {"in_flight": 3, "search": "sobol"}, False),
    ],
)
def test_a_study_of_a_function_is_repeated_by_what_is_shown(
    tmp_path: Path, function: str, objective: Any, options: dict[str, Any], can_be_typed: bool
) -> None:
    file = tmp_path / "my 'ü file.py"
    file.write_text(CODE, encoding="utf-8")
    options = {"trials": 4, "seed": 7, "display": False, **options}
    study = paceline.optimize(f"{file}:{function}", objective, study=tmp_path / "a", **options)
    called = python(read(study.directory)).removesuffix(",\n)")
    again = eval(f"{called}, study={str(tmp_path / 'b')!r}, display=False)", {"paceline": paceline})
    assert scores(again) == scores(study)
    assert again.settings == study.settings
    typed = command(read(study.directory))
    assert (typed is not None) == can_be_typed
    if typed is not None:
        words = [*shlex.split(typed)[1:], "--study", str(tmp_path / "c"), "--no-display"]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert scores(paceline.load_study(tmp_path / "c")) == scores(study)


def test_a_given_space_is_no_part_of_a_command(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(CODE, encoding="utf-8")
    study = paceline.optimize(
        f"{file}:simple",
        "max",
        space={"n": Int(0, 3)},
        study=tmp_path / "a",
        trials=1,
        seed=1,
        display=False,
    )
    assert command(read(study.directory)) is None
    assert "space=space" in python(read(study.directory))
