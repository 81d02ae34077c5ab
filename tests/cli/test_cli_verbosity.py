"""-v, -q and --callback on the terminal: what is written where."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paceline.cli.app import app
from paceline.core.logs import log_to_terminal

pytestmark = pytest.mark.filterwarnings("default")

FUNCTION = """
import warnings

def score(hp):
    warnings.warn("rate is {old}")
    return hp.Float("x", 0, 1)
"""


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.py").write_text(FUNCTION)
    yield ["tune", "f.py:score", "--objective", "max", "--trials", "2", "--study", "s"]
    log_to_terminal(None)


@pytest.mark.parametrize(
    ("flag", "there", "absent"),
    [
        ("", ["2 of 2 trials done", "Warning: rate is {old}\n"], [" INFO ", " DEBUG "]),
        ("-v", [" INFO trial 1 completed", " INFO report: "], [" DEBUG ", "trials done"]),
        ("-vv", [" INFO trial 1 completed", " DEBUG trial 1 (sobol)"], ["trials done"]),
        ("-q", [], [" INFO ", " WARNING ", "trial", "Calling"]),
    ],
)
def test_how_much_is_said(words: list[str], flag: str, there: list[str], absent: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, *([flag] if flag else [])])
    assert done.exit_code == 0, done.output
    assert "It is finished" in done.stdout
    for said in there:
        assert said in done.stderr
    for said in absent:
        assert said not in done.stderr
    assert "UserWarning" not in done.stderr
    root = logging.getLogger()
    assert root.level == logging.WARNING


def test_verbose_and_quiet_exclude_each_other(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "-v", "-q"])
    assert done.exit_code == 2
    assert "-v and -q exclude each other" in done.stderr
    assert not Path("s").exists()


def test_callbacks_by_name(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "-q", "--callback", "csv"])
    assert done.exit_code == 0, done.output
    assert len(Path("s/trials.csv").read_text().splitlines()) == 3
    done = CliRunner().invoke(app, ["resume", "s", "--trials", "3", "--callback", "csw"])
    assert done.exit_code == 2
    assert "Did you mean 'csv'?" in done.stderr


@pytest.mark.parametrize(
    "command",
    ["demo", "tune", "resume", "finish", "train", "ablate", "compare", "ladder", "recipe run"],
)
def test_every_command_that_runs_a_study_takes_them(command: str) -> None:
    said = CliRunner().invoke(app, [*command.split(), "--help"]).stdout
    assert "-v, --verbose" in said or "--verbose" in said
    assert "--quiet" in said
