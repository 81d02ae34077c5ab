"""Every script in `examples/` runs, from an empty folder and without a warning."""

import difflib
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
EXERCISES = EXAMPLES / "exercises"
_ALWAYS = ("any_function", "ask_and_tell", "callback", "resume")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(one, id=one.stem, marks=() if one.stem in _ALWAYS else pytest.mark.exhaustive)
        for one in SCRIPTS
    ],
)
def test_an_example_runs(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if 'if __name__ == "__main__":' in script.read_text():  # its workers import it as a program
        command = [sys.executable, "-W", "error", str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        out, err = done.stdout, done.stderr
    else:  # in this process, which has loaded Keras and JAX
        runpy.run_path(str(script), run_name="__main__")
        out, err = capsys.readouterr()
    assert out.strip()
    assert err == ""
    assert (tmp_path / "runs" / script.stem / "study.db").exists()


def test_the_list_of_examples_is_complete() -> None:
    listed = re.findall(r"^\| `(\w+\.py)` \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [script.name for script in SCRIPTS]


def test_the_first_script_of_the_readme_is_an_example() -> None:
    readme = (EXAMPLES.parent / "README.md").read_text()
    shown = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() in (EXAMPLES / "keras_digits.py").read_text()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("command", "script"),
    [
        ([], "kmnist_given_paceline"),
        (["-m", "paceline", "run"], "kmnist_grid"),
        (["-m", "paceline", "run"], "mnist_bayesian"),
        ([], "kmnist_grid_paceline"),
        ([], "mnist_bayesian_paceline"),
        ([], "mnist_cnn_paceline"),
        ([], "mnist_ladder_paceline"),
        ([], "california_search_paceline"),
        (["-m", "paceline", "run"], "mnist_cnn"),
    ],
)
def test_an_exercise_runs_with_paceline(command: list[str], script: str, tmp_path: Path) -> None:
    variables = {k: v for k, v in os.environ.items() if k != "PACELINE_DATA"}
    asked = [sys.executable, *command, str(EXERCISES / f"{script}.py"), "--quick"]
    done = subprocess.run(
        asked, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["best"]
    assert found["seconds"] > 0
    assert "one by one" not in done.stderr
    assert "one after the other" not in done.stderr


def test_the_scikit_learn_exercise_changes_imports_only() -> None:
    usual, ours = (
        (EXERCISES / f"{name}.py").read_text().splitlines()
        for name in ("california_search", "california_search_paceline")
    )
    changed = [line for line in difflib.ndiff(usual, ours) if line[0] in "+-"]
    assert changed
    assert all(re.match(r"[+-] from \S+ import ", line) for line in changed)


@pytest.mark.parametrize("name", ["kmnist_grid", "mnist_bayesian", "mnist_cnn"])
def test_an_exercise_for_kerastuner_has_the_same_networks_with_paceline(name: str) -> None:
    usual, ours = (
        re.search(r"^def build.*?^    return model$", text, re.MULTILINE | re.DOTALL)
        for text in (
            (EXERCISES / f"{script}.py").read_text() for script in (name, f"{name}_paceline")
        )
    )
    assert usual
    assert ours
    assert ours[0] == usual[0]
