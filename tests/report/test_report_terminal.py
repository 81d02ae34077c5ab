"""Nothing that comes from elsewhere can control the terminal."""

import io
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core.texts import on_one_line, printable
from paceline.report.terminal import console, say

HOSTILE = "x\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202egnp\u2066.\u200b\x9b1mexe\nContinue with: rm -rf"
"""Sets the clipboard, clears the screen, reverses a file's ending, hides characters, adds a
line.
"""


def obeyed(text: str) -> list[str]:
    """Characters of a text that a terminal obeys, or that show nothing."""
    kinds = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    return [c for c in text if unicodedata.category(c) in kinds and c not in "\n\t\u00ad"]


@given(st.text(st.characters()))
def test_every_text_is_printable_and_letters_stay(text: str) -> None:
    shown = printable(text)
    assert not [c for c in obeyed(shown) if ord(c) < 0x600]  # format characters of scripts may stay
    assert "\n" not in on_one_line(text)
    if not obeyed(text):
        assert shown == text


def test_lines_and_tables_of_a_console() -> None:
    out = io.StringIO()
    to = console(out)
    say(to, HOSTILE)
    table = Table("heading \x1b[2J")
    table.add_row(HOSTILE)
    to.print(table)
    assert not obeyed(out.getvalue())
    assert out.getvalue().splitlines()[0].startswith("x\\x1b]52;c;")
    assert "\\u202e" in out.getvalue()
    assert not any(line.startswith("Continue with") for line in out.getvalue().splitlines()[:1])


def test_a_study_whose_names_values_and_errors_are_hostile(tmp_path: Path) -> None:
    def objective(hp: paceline.HyperParameters) -> float:
        choice = hp.Choice(HOSTILE, [HOSTILE, "tame"])
        if hp.Float("y", 0.0, 1.0) > 0.5:
            raise ValueError(HOSTILE)
        return float(choice == "tame")

    paceline.tune(
        objective,
        objective=("score\x1b[2J", "max"),
        trials=12,
        seed=1,
        search="random",
        study=tmp_path / "s",
        display=False,
    )
    commands = (["show"], ["show", "--trial", "1"], ["show", "--json"])
    for words in commands:
        shown = CliRunner().invoke(app, [words[0], str(tmp_path / "s"), *words[1:]])
        assert shown.exit_code == 0, shown.output
        assert not obeyed(shown.output)
        assert not any(line.startswith("Continue with: rm") for line in shown.output.splitlines())
    failed = paceline.InvalidInput(HOSTILE, expected=HOSTILE)
    assert not obeyed(str(failed))


def test_progress_and_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def objective(hp: paceline.HyperParameters) -> float:
        return float(hp.Float(HOSTILE, 0.0, 1.0))

    settings: dict[str, Any] = {"trials": 3, "seed": 1, "study": tmp_path / "s"}
    paceline.tune(objective, objective=("score\x1b[2J", "max"), display=True, **settings)
    assert not obeyed(capsys.readouterr().err)
    refused = CliRunner().invoke(app, ["show", str(tmp_path / HOSTILE)])
    assert refused.exit_code == 2
    assert not obeyed(refused.output)
