"""The example of docs/sklearn.md runs."""

import re
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "sklearn.md"


@pytest.mark.exhaustive
def test_the_example_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("scikeras")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s)One or more of the test scores are non-finite")
        exec(compile(example, str(DOCS), "exec"), {"__name__": "example"})
    assert "kerasregressor__n_neurons" in capsys.readouterr().out
    assert (tmp_path / "runs" / "diabetes" / "report.html").exists()
