"""Every script in `examples/` runs, from an empty folder and without a warning."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
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
