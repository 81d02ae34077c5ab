"""Damaged studies: whatever happened to the files, each way to use a study works or says in words
what is wrong.
"""

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

import paceline
from paceline import PacelineError
from paceline.report import read, text
from paceline.report.document import write_report

PAGE = 4096
EXAMPLES = int(os.environ.get("PACELINE_DAMAGES", "12"))  # more for a longer search by hand


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0) + hp.Int("n", 1, 9))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("finished") / "s"
    common: dict[str, Any] = {"objective": "max", "search": "random", "seed": 1, "display": False}
    paceline.tune(function, trials=12, final=2, study=directory, **common)
    (directory / "report.html").unlink()
    return directory


@pytest.fixture(scope="module")
def killed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with a session that was killed: its last events are in the log."""
    directory = Path(shutil.copytree(finished, tmp_path_factory.mktemp("killed") / "s"))
    program = (
        "import os, sys; from pathlib import Path; from paceline.store import StudyStore\n"
        "from paceline.core.events import Noted, SessionStarted\n"
        "store = StudyStore(Path(sys.argv[1]), writable=True); store.append([SessionStarted({})])\n"
        "store.append([Noted('here')]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(directory)], check=False)
    return directory


Files = dict[str, bytes]
Damage = Callable[[bytes, int, int], bytes | None]


def swapped(data: bytes, one: int, two: int) -> bytes:
    """Two pages in each other's place."""
    pages = [data[start : start + PAGE] for start in range(0, len(data), PAGE)]
    i, j = one % len(pages), two % len(pages)
    pages[i], pages[j] = pages[j], pages[i]
    return b"".join(pages)


def zeroed(data: bytes, one: int, _: int) -> bytes:
    start = one % len(data) // PAGE * PAGE
    return data[:start] + bytes(len(data[start : start + PAGE])) + data[start + PAGE :]


def flipped(data: bytes, one: int, two: int) -> bytes:
    at = one % len(data)
    return data[:at] + bytes([data[at] ^ (1 << two % 8)]) + data[at + 1 :]


def typed(data: bytes, one: int, two: int) -> bytes:
    """A character of what was stored as JSON is another one."""
    places = [place for place, byte in enumerate(data) if byte in b'0123456789"{}[]:,.']
    if not places:
        return data
    at = places[one % len(places)]
    return data[:at] + bytes([b'0123456789"{}[]:,.-eN'[two % 21]]) + data[at + 1 :]


DAMAGES: Mapping[str, Damage] = {
    "one bit": flipped,
    "one character": typed,
    "cut": lambda data, one, _: data[: one % len(data)],
    "a page of zeros": zeroed,
    "two pages swapped": swapped,
    "removed": lambda *_: None,
    "other bytes": lambda data, one, _: b"%07d" % one * (len(data) // 7),
    "twice": lambda data, *_: data * 2,
}
damages = st.lists(
    st.tuples(
        st.sampled_from(sorted(DAMAGES)),
        st.booleans(),
        st.integers(0, 2**20),
        st.integers(0, 2**20),
    ),
    min_size=1,
    max_size=2,
)

LOOKING: Mapping[str, Callable[[Path], object]] = {
    "load_study": lambda directory: paceline.load_study(directory).trials_dataframe(),
    "show": lambda directory: text.show(read(directory), Console(file=io.StringIO())),
    "show --json": lambda directory: read(directory).to_json(),
    "report": lambda directory: write_report(directory, directory.parent / "report.html"),
    "doctor": lambda directory: str(paceline.doctor(directory)),
}
WRITING: Mapping[str, Callable[[Path], object]] = {
    "resume": lambda directory: paceline.resume(directory, function, trials=13, display=False),
    "doctor --repair": lambda directory: paceline.doctor(directory, repair=True),
}


def files_of(directory: Path) -> Files:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if not path.name.endswith("-shm")
    }


def put(directory: Path, files: Files) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)


def damaged(files: Files, done: list[tuple[str, bool, int, int]]) -> Files:
    files = dict(files)
    for what, in_log, one, two in done:
        name = "study.db-wal" if in_log and files.get("study.db-wal") else "study.db"
        if data := files.get(name):
            changed = DAMAGES[what](data, one, two)
            files |= {} if changed is None else {name: changed}
            if changed is None:
                del files[name]
    return files


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(done=damages, was_killed=st.booleans(), has_index=st.booleans())
@example(done=[("cut", False, 0, 0)], was_killed=True, has_index=False)
@example(done=[("removed", True, 0, 0)], was_killed=True, has_index=True)
@pytest.mark.filterwarnings("ignore:The study in .* is complete, but its report")
@pytest.mark.exhaustive
def test_a_damaged_study_is_used_or_refused_in_words(
    tmp_path: Path,
    finished: Path,
    killed: Path,
    done: list[tuple[str, bool, int, int]],
    was_killed: bool,
    has_index: bool,
) -> None:
    directory = tmp_path / "s"
    files = damaged(files_of(killed if was_killed else finished), done)
    put(directory, files)
    if was_killed and has_index:
        shutil.copy(killed / "study.db-shm", directory)
    for use in LOOKING.values():
        with suppress(PacelineError):
            use(directory)
        assert files_of(directory) == files  # looking changes nothing
    for use in WRITING.values():
        put(directory, files)
        with suppress(PacelineError):
            use(directory)


STATES = {
    "turns": ['{"now":"x","due":{}}', "5", '{"due":{"0":[1]}}', '{"due":{"0":[1.0,"x"]}}'],
    "strategy": ["5", "{}", '{"strategy":"random"}', '{"strategy":["random"]}', '{"then":7}', "[]"],
    "checkpoints": ["5", '{"models":{"x":1}}', '{"best_model":3}'],
}


@pytest.mark.parametrize("name", STATES)
def test_a_stored_state_of_another_form_is_refused_in_words(
    tmp_path: Path, finished: Path, name: str
) -> None:
    """As an earlier version stored it, without checksums."""
    for number, state in enumerate(STATES[name]):
        directory = Path(shutil.copytree(finished, tmp_path / str(number)))
        with sqlite3.connect(directory / "study.db") as raw:
            raw.execute(
                "UPDATE current SET value = ?, checksum = NULL WHERE name = ?", (state, name)
            )
        raw.close()
        with pytest.raises(PacelineError, match=r"strategy|turns|which files"):
            paceline.resume(directory, function, trials=13, display=False)
