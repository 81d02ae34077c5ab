"""Code that a study names runs only where this user named it, or says that it may."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import paceline
from paceline import InvalidInput
from paceline.cli.app import app
from paceline.settings import Settings
from paceline.store import StudyStore
from paceline.study.resume import trust

CODE = """
from pathlib import Path
Path(__file__).with_suffix(".ran").write_text("yes")

def objective(hp):
    return hp.Float("x", 0.0, 1.0)
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes code under a name of its own: a file is imported once in a process."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CODE)
        return path

    return write


def as_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_STATE", str(tmp_path / "another user's"))


def has_run(code: Path) -> bool:
    return code.with_suffix(".ran").exists()


def made(code: Path, study: Path, trials: int = 1) -> paceline.Study:
    """A study as it is made by somebody; that the code ran then is forgotten."""
    found = paceline.tune(
        f"{code}:objective",
        objective="max",
        trials=trials,
        search="random",
        study=study,
        display=False,
    )
    code.with_suffix(".ran").unlink()
    forget(code)
    return found


def forget(code: Path) -> None:
    """As in another process: the file has not been imported."""
    import sys

    for name in [
        name
        for name, module in sys.modules.items()
        if getattr(module, "__file__", None) == str(code)
    ]:
        del sys.modules[name]


def test_a_users_own_study_goes_on_without_a_question(tmp_path: Path, write: Write) -> None:
    code = write("own.py")
    made(code, tmp_path / "s")
    shutil.move(tmp_path / "s", tmp_path / "moved")
    assert len(paceline.resume(tmp_path / "moved", trials=2, display=False).trials) == 2
    assert has_run(code)


def test_code_of_another_user_is_not_run_until_it_is_trusted(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, study = write("theirs.py"), tmp_path / "s"
    made(code, study)
    as_another_user(tmp_path, monkeypatch)
    for enter in (paceline.resume, paceline.finish):
        with pytest.raises(
            InvalidInput, match=r"theirs\.py:objective as its code, which was not run: .*trust=True"
        ):
            enter(study, display=False)
    result = CliRunner().invoke(app, ["resume", str(study)])
    assert result.exit_code == 2
    assert "--trust" in result.stderr
    assert not has_run(code)
    assert (
        CliRunner().invoke(app, ["resume", str(study), "--trials", "2", "--trust"]).exit_code == 0
    )
    assert has_run(code)
    assert (
        len(paceline.resume(study, trials=3, display=False).trials) == 3
    )  # what was trusted once is not asked again


def test_what_the_user_names_now_is_trusted(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, study = write("named.py"), tmp_path / "s"
    made(code, study)
    as_another_user(tmp_path, monkeypatch)
    assert len(paceline.resume(study, f"{code}:objective", trials=2, display=False).trials) == 2
    forget(code)
    assert len(paceline.resume(study, trials=3, display=False).trials) == 3


def test_code_in_the_studys_own_directory_always_asks(tmp_path: Path, write: Write) -> None:
    code = write("s/inside.py")
    made(code, tmp_path / "s")
    (tmp_path / "link").symlink_to(tmp_path / "s")
    for study in (tmp_path / "s", tmp_path / "link"):
        with pytest.raises(InvalidInput, match="lies in the study's own directory"):
            paceline.resume(study, trials=2, display=False)
    assert not has_run(code)
    assert len(paceline.resume(tmp_path / "s", trials=2, trust=True, display=False).trials) == 2
    with pytest.raises(InvalidInput, match="lies in the study's own directory"):
        paceline.resume(tmp_path / "s", trials=3, display=False)


def test_a_signature_is_of_one_file_and_name(tmp_path: Path, write: Write) -> None:
    """Somebody may change a study that this user made, and give it back."""
    code, study = write("signed.py"), tmp_path / "s"
    made(code, study)
    other = write("other.py")
    with sqlite3.connect(study / "study.db") as raw:
        (body,) = raw.execute("SELECT body FROM events WHERE kind = 'StudyCreated'").fetchone()
        created: dict[str, Any] = json.loads(body)
        created["settings"]["function"]["build"] = f"{other}:objective"
        raw.execute(
            "UPDATE events SET body = ?, checksum = NULL WHERE kind = 'StudyCreated'",
            [json.dumps(created)],
        )
    raw.close()
    with pytest.raises(InvalidInput, match=r"other\.py:objective as its code, which was not run"):
        paceline.resume(study, trials=2, display=False)
    assert not has_run(other)


@pytest.mark.parametrize("forged", ["", "0" * 64, 5, None, {"a": 1}])
def test_a_signature_that_is_none(tmp_path: Path, write: Write, forged: object) -> None:
    code, study = write("forged.py"), tmp_path / "s"
    made(code, study)
    store = StudyStore(study, writable=True)
    store.append([], {"signature": forged})
    store.close()
    with pytest.raises(trust.NotTrusted):
        paceline.resume(study, trials=2, display=False)
    assert not has_run(code)


def test_the_key_is_the_users_own_and_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACELINE_STATE", str(tmp_path / "state"))
    settings = Settings().with_values(function={"build": "/a/b.py:c"})
    first, again = trust.remembered(settings), trust.remembered(settings)
    assert first == again != {}
    (key,) = (tmp_path / "state").iterdir()
    assert key.stat().st_mode & 0o077 == 0
    assert len(key.read_bytes()) == 32
    assert trust.remembered(Settings()) == {}
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(
        "PACELINE_STATE", str(tmp_path / "file")
    )  # where no key can be kept, nothing is remembered
    assert trust.remembered(settings) == {}
