"""Files beside the database: atomic writing, clear errors, removal of leftovers."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline import InvalidInput, PacelineError
from paceline.report.document import write_report
from paceline.store import StudyStore
from paceline.store.files import cannot_write, leftovers, remove_leftovers, replacing, write_text
from paceline.study.record.checkpoints import Checkpoints


def test_files_are_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "best.keras"
    write_text(path, "first")

    def fail() -> None:
        with replacing(path) as new:
            new.write_text("half")
            raise RuntimeError("the user's own")

    with pytest.raises(RuntimeError, match="the user's own"):
        fail()
    assert path.read_text() == "first"
    write_text(path, "second")
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_not_followed(tmp_path: Path) -> None:
    mine, study = tmp_path / "mine", tmp_path / "study"
    mine.write_text("mine")
    study.mkdir()
    for name in ("report.html", "report.html.new", "best.new.keras"):
        (study / name).symlink_to(mine)
    write_text(study / "report.html", "report")
    assert mine.read_text() == "mine"
    assert not (study / "report.html").is_symlink()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no room left on disk .*; make room, then resume: paceline resume"),
        (errno.EFBIG, "no room left on disk .*; make room"),
        (errno.EROFS, "cannot be written .*; make it writable for this user, then"),
        (errno.EACCES, "cannot be written .*; make it writable"),
        (errno.EISDIR, "cannot be written .*; move away what is in its place"),
        (errno.EMFILE, r"cannot be written \(.*"),
    ],
)
@pytest.mark.parametrize(
    "raised", [lambda n: OSError(n, os.strerror(n)), lambda n: ValueError(f"I/O (os error {n})")]
)
def test_errors_say_what_to_do(
    tmp_path: Path, raised: Callable[[int], Exception], number: int, said: str
) -> None:
    (tmp_path / "study.db").touch()
    with (
        pytest.raises(PacelineError, match=f"best.keras.*{said}|{said}"),
        replacing(tmp_path / "best.keras"),
    ):
        raise raised(number)
    assert [one.name for one in tmp_path.iterdir()] == ["study.db"]


def test_errors_are_said_where_the_directory_cannot_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 100) / "best.keras"  # looking there raises an error
    assert "make it writable for this user, then try again" in cannot_write(path, errno.EACCES)


def test_where_no_study_is_none_is_resumed(tmp_path: Path) -> None:
    with (
        pytest.raises(PacelineError, match=r"make room, then try again$"),
        replacing(tmp_path / "trials.csv"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_directory_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "report.html" / "below").mkdir(parents=True)
    with pytest.raises(PacelineError, match="move away what is in its place"):
        write_text(tmp_path / "report.html", "report")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    StudyStore(tmp_path, writable=True).close()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InvalidInput, match=r"report .* cannot be written"):
        write_report(tmp_path)
    with pytest.raises(InvalidInput, match="No such file"):
        write_report(tmp_path, tmp_path / "none" / "report.html")


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0))


@pytest.mark.parametrize("name", ["study.lock", "study.db"])
@pytest.mark.parametrize("what", ["a directory", "a link"])
def test_directories_in_place_of_files(tmp_path: Path, name: str, what: str) -> None:
    directory, mine = tmp_path / "s", tmp_path / "mine"
    directory.mkdir()
    mine.write_text("mine")
    if what == "a link":
        (directory / name).symlink_to(mine)
    else:
        (directory / name).mkdir()
    with pytest.raises(PacelineError, match=name):
        paceline.tune(function, objective="max", trials=1, study=directory, display=False)
    assert mine.read_text() == "mine"


def test_a_file_in_the_place_of_the_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    (tmp_path / "checkpoints").write_text("mine")
    checkpoints = Checkpoints(tmp_path / "checkpoints", lambda _: None, str)
    with pytest.raises(
        PacelineError, match="move away what is in its place, then resume: paceline resume"
    ):
        checkpoints.keep({0: [np.zeros(3)]}, lambda number: number)
    checkpoints.take_over()
    assert (tmp_path / "checkpoints").read_text() == "mine"


def test_a_checkpoint_that_cannot_be_removed_is_harmless(tmp_path: Path) -> None:
    directory = tmp_path / "checkpoints"
    (directory / "running-1.safetensors" / "below").mkdir(parents=True)
    Checkpoints(directory, lambda _: None, str).take_over()
    assert (directory / "running-1.safetensors").is_dir()


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from paceline.store.files import replacing\n"
        "with replacing(Path(sys.argv[1]) / 'report.html') as new:\n"
        "    new.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert len(leftovers(tmp_path)) == 1
    with replacing(tmp_path / "trials.csv") as new:  # by a process that lives
        new.write_text("whole")
        assert new.parent not in leftovers(tmp_path)
        paceline.tune(
            function, objective="max", trials=1, study=tmp_path, search="random", display=False
        )
        assert new.exists()
    assert {path.name for path in tmp_path.iterdir()} == {
        "paceline.log",
        "report.html",
        "study.db",
        "study.lock",
        "trials.csv",
    }


def test_leftovers_of_another_machine_are_removed_later(tmp_path: Path) -> None:
    old, new = tmp_path / ".new-old", tmp_path / ".new-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "best.keras").write_text("half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".new-new"]
