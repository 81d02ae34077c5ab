"""``paceline warm`` compiles what a later search would compile, and can be stopped at any time."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import paceline

Run = Callable[..., Result]

# a batch size of its own, so that no other test has compiled these models
WORDS = ("--data", "digits", "--epochs", "2", "--batch-size", "61", "--search", "random")
FIXED = {"layers": 1, "activation": "relu", "batch_norm": False, "optimizer": "adam"}
SET = [word for name, value in FIXED.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.exhaustive
def test_a_search_compiles_nothing_after_it(run: Run, tmp_path: Path) -> None:
    result = run("warm", "--model", "mlp", *WORDS, "--trials", "6", *SET)
    assert result.exit_code == 0, result.output
    found = re.findall(r"compiled in \d+\.\d s", result.output)
    assert found
    assert f"{len(found)} model{'s' * (len(found) > 1)} compiled in" in result.output
    assert "units=" in result.output
    assert not list(tmp_path.iterdir())
    study = paceline.tune(
        "mlp",
        "digits",
        epochs=2,
        batch_size=61,
        search="random",
        trials=6,
        fixed=FIXED,
        seed=3,
        final=False,
        study=tmp_path / "s",
        display=False,
    )
    assert study.record.compilations
    assert study.programs_compiled == 0
    again = run("warm", "--model", "mlp", *WORDS, "--trials", "6", *SET)
    assert f"0 models compiled in 0 s; {len(found)} " in again.output


def test_unusable_arguments_are_refused_before_anything_is_compiled(
    run: Run, tmp_path: Path
) -> None:
    for words, message in (
        (("--model", "mpl"), "Did you mean 'mlp'"),
        (("model.py:build",), "no --data was given"),
        (("--data", "digitz"), "Did you mean 'digits'"),
        (("--set", "unitz=3"), "'units'"),
        (("--epochs", "0"), "epochs is 0"),
    ):
        result = run("warm", *words)
        assert result.exit_code == 2, result.output
        assert message in " ".join(result.output.split())
        assert "compiled in" not in result.output
        assert not list(tmp_path.iterdir())


@pytest.mark.exhaustive
def test_ctrl_c_keeps_what_was_compiled(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "paceline", "warm", *WORDS, *SET[2:]]  # of several depths
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=240)
        finally:
            process.kill()
    assert "compiled" in first, errors
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "They are kept in" in rest
