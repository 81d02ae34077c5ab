"""Paths of studies: unusual characters, links, and invalid names."""

import errno
import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import paceline
from paceline import InvalidInput
from paceline.cli.app import app
from paceline.core import command_line
from paceline.core.events import Noted
from paceline.report import read
from paceline.store import StudyStore

ODD = ["x?b", "run#1", "a%20b", "two quo'te\"s", "naïve-日本", "-dash"]
# all that a file system of Unix takes: bytes that are no "/" and no NUL, at most 255 of them
names = (
    st.binary(min_size=1, max_size=60)
    .map(lambda raw: raw.translate(bytes.maketrans(b"/\0", b"__")))
    .filter(lambda raw: raw not in (b".", b".."))
)


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@settings(max_examples=20, deadline=None)
@given(raw=names)
@example(raw=b"x?b")
@example(raw=b"run#1")
@example(raw=b"a%20b")
@example(raw=b"file:x")
@example(raw=b":memory:")
@example(raw=b"\xff\xfe")
def test_studies_are_found_under_their_exact_names(folder: Path, raw: bytes) -> None:
    directory = folder / os.fsdecode(raw)
    before = set(folder.iterdir())
    writer = StudyStore(directory, writable=True)
    reader = StudyStore(directory, writable=False)
    writer.append([Noted("here")])
    assert [one.event for one in reader.events()][-1] == Noted("here")
    reader.close()
    writer.close()
    assert set(folder.iterdir()) <= before | {directory}
    assert {path.name for path in directory.iterdir()} <= {"study.db", "study.lock"}
    reader = StudyStore(directory, writable=False)
    assert [one.event for one in reader.events()][-1] == Noted("here")
    reader.close()
    assert {path.name for path in directory.iterdir()} <= {
        "study.db",
        "study.lock",
    }  # reading made no file


@pytest.mark.parametrize("name", ODD)
def test_studies_with_unusual_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    paceline.tune(function, objective="max", trials=2, study=name, search="random", display=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = paceline.resume(name, function, trials=3, display=False)
    assert (
        len(again.trials)
        == len(paceline.load_study(tmp_path / name).trials)
        == len(read(name).record.trials)
        == 3
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]
    shown = CliRunner().invoke(app, ["show", *shlex.split(command_line("show", name))[2:]])
    assert shown.exit_code == 0, shown.output
    assert (Path(name) / "report.html").exists()


def test_two_names_that_differ_after_a_question_mark_are_two_studies(tmp_path: Path) -> None:
    stores = [StudyStore(tmp_path / name, writable=True) for name in ("x?a", "x?b", "x")]
    for number, store in enumerate(stores):
        store.append([Noted(str(number))])
    assert [[one.event for one in store.events()] for store in stores] == [
        [Noted("0")],
        [Noted("1")],
        [Noted("2")],
    ]
    for store in stores:
        store.close()


def test_relative_paths_and_links_lead_to_the_same_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StudyStore(tmp_path / "real?", writable=True).close()
    (tmp_path / "link").symlink_to(tmp_path / "real?")
    monkeypatch.chdir(tmp_path)
    for name in ("link", "real?", "./real?", str(tmp_path / "link")):
        StudyStore(Path(name), writable=False).close()


@pytest.mark.parametrize(
    "study", [5, True, b"runs", ["runs"], "", "a\0b", "x" * 300, "\udcff\ud800"]
)
@pytest.mark.parametrize("enter", ["tune", "resume", "ablate", "load", "open", "read"])
def test_invalid_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: Any, enter: str
) -> None:
    monkeypatch.chdir(tmp_path)
    calls: dict[str, Callable[[], object]] = {
        "tune": lambda: paceline.tune(
            function, objective="max", trials=1, study=study, display=False
        ),
        "resume": lambda: paceline.resume(study),
        "ablate": lambda: paceline.ablate(study),
        "load": lambda: paceline.load_study(study),
        "read": lambda: read(study),
        "open": lambda: paceline.open_study(study, {"x": paceline.Float(0.0, 1.0)}, "max"),
    }
    with pytest.raises(
        InvalidInput, match=r"(study|directory) is .*expected (a path|the path of a directory), "
    ):
        calls[enter]()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_study(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="which is a file"):
        paceline.tune(function, objective="max", trials=1, study=tmp_path / "file", display=False)
    with pytest.raises(InvalidInput, match=os.strerror(errno.ENOTDIR)):
        paceline.tune(
            function, objective="max", trials=1, study=tmp_path / "file" / "below", display=False
        )
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", ["tune", "show", "resume", "report"])
def test_an_empty_name_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (
        ["tune", "--model", "mlp", "--data", "digits", "--study", ""]
        if command == "tune"
        else [command, ""]
    )
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "study is ''; expected a path" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="becomes another user")
def test_a_read_only_study_is_read() -> None:
    # not in pytest's own folder, from which another pytest that starts takes the rights of others
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        _check_reading_without_rights(Path(folder) / "s")


def _check_reading_without_rights(directory: Path) -> None:
    store = StudyStore(directory, writable=True)
    store.append([Noted("kept")])
    store.close()
    directory.chmod(0o755)
    program = (
        "import os, sys; from pathlib import Path; from paceline.store import StudyStore\n"
        "from paceline import PacelineError\n"
        "os.seteuid(65534); directory = Path(sys.argv[1])\n"
        "print([one.event.text for one in StudyStore(directory, writable=False).events()])\n"
        "try:\n    StudyStore(directory, writable=True)\nexcept PacelineError as error:\n    "
        "print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("['kept']\n")
    assert f"cannot be written ({os.strerror(errno.EACCES)}); make it writable" in done.stdout
    earlier = sqlite3.connect(directory / "study.db")  # as an earlier version left it
    earlier.execute("PRAGMA journal_mode=WAL")
    earlier.close()
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("['kept']\n")
