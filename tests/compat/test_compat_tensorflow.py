"""A script that imports TensorFlow first, where it is installed: ``make test-tensorflow``."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("scripts") / "tensorflow_first.py"

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed here"
    ),
]


def run(folder: Path, *command: str) -> tuple[dict[str, Any], str]:
    environment = {name: one for name, one in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, *command, str(SCRIPT)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_script_that_imports_tensorflow_first(tmp_path: Path) -> None:
    first, said = run(tmp_path)
    assert first["backend"] == "tensorflow"
    assert said.count("trials train one by one through fit") == 1
    assert said.count("os.environ['KERAS_BACKEND'] = 'jax'") == 1
    assert first["left"] == 3
    assert first["measured"][:3] == pytest.approx(first["scores"], abs=1e-5)
    assert first["measured"][3] == pytest.approx(first["scores"][0], abs=1e-5)
    assert first["scores"] == sorted(first["scores"])
    assert first["scores"][0] < 0.5, "it has learnt"
    again, _ = run(tmp_path)
    assert again.pop("left") == 0, "nothing is trained a second time"
    assert again == {name: one for name, one in first.items() if name != "left"}


def test_with_paceline_run_it_trains_together(tmp_path: Path) -> None:
    found, said = run(tmp_path, "-m", "paceline", "run")
    assert found["backend"] == "jax"
    assert "one by one" not in said
    assert found["measured"][:3] == pytest.approx(found["scores"], abs=1e-5)
