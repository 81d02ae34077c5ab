"""A study's directory is checked: what is wrong is said, nothing changes unless asked, and a repair
loses nothing.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core import InvalidInput, StudyLocked, UnreadableStudy
from paceline.core.events import FORMAT
from paceline.store import StudyStore


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0) + hp.Int("n", 1, 9))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of a function; large enough that its database has many pages."""
    directory = tmp_path_factory.mktemp("made") / "s"
    common: dict[str, Any] = {
        "objective": "max",
        "search": "random",
        "seed": 1,
        "final": False,
        "display": False,
    }
    paceline.tune(function, trials=60, study=directory, **common)
    return directory


@pytest.fixture
def study(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "s"))


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(hp.Int("units", 2, 3)), keras.layers.Dense(2)]
    )
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model


X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
ROWS = X, (X[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of networks."""
    directory = tmp_path_factory.mktemp("networks") / "s"
    common: dict[str, Any] = {
        "objective": "val_accuracy",
        "final": False,
        "display": False,
        "seed": 1,
    }
    paceline.tune(build, ROWS, trials=2, epochs=1, keep_models=2, study=directory, **common)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    """All files; but for SQLite's index of the log, which says nothing that the log does not
    say.
    """
    files = (
        path for path in directory.rglob("*") if path.is_file() and not path.name.endswith("-shm")
    )
    return {str(path): path.read_bytes() for path in files}


def sql(directory: Path, statement: str, *, checked: bool = False) -> None:
    """Changes a database; as an earlier version wrote it, without checksums, unless these are to be
    ``checked``.
    """
    raw = sqlite3.connect(directory / "study.db")
    with raw:
        for one in (
            statement,
            *(
                ()
                if checked
                else (f"UPDATE {t} SET checksum = NULL" for t in ("events", "current"))
            ),
        ):
            raw.execute(one)
    raw.close()


def checked(directory: Path, code: int, *words: str, repair: bool = False) -> str:
    """What the command says; without ``--repair`` nothing has changed."""
    before = contents(directory)
    result = CliRunner().invoke(app, ["doctor", str(directory), *(["--repair"] if repair else [])])
    assert result.exit_code == code, result.output
    for word in words:
        assert word in result.output
    assert repair or contents(directory) == before
    return result.output


def test_a_healthy_study(study: Path, networks: Path) -> None:
    said = checked(study, 0, "study.db is whole:", "60 trials", "Nothing is wrong.")
    assert "wrong " not in said.replace("Nothing is wrong.", "")
    checked(
        networks,
        0,
        "3 networks are in checkpoints as they were stored.",
        "best.keras is as it was stored, and loads.",
    )
    found = paceline.doctor(study)
    assert found.is_healthy
    assert found.is_readable
    assert str(found) in said


def test_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="contains no study"):
        paceline.doctor(tmp_path / "none")
    checked(tmp_path, 2)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InvalidInput, match="repair is 1"):
        paceline.doctor(tmp_path, repair=1)  # type: ignore[arg-type]


def test_a_study_without_events_is_explained(tmp_path: Path) -> None:
    StudyStore(tmp_path, writable=True).close()
    checked(tmp_path, 0, "was stopped before it stored anything")


def test_unfinished_files_of_a_killed_process_are_found_and_removed(study: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from paceline.store import StudyStore; from paceline.core.events import SessionStarted\n"
        "from paceline.store.files import replacing\n"
        "store = StudyStore(Path(sys.argv[1]), writable=True); "
        "store.append([SessionStarted({'numpy': '1.0'})])\n"
        "with replacing(Path(sys.argv[1]) / 'report.html'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(study)], check=False)
    checked(
        study, 0, "Its last process died", "A process that was killed left .new-", "numpy 1.0 ("
    )
    checked(study, 0, "Removed: .new-", repair=True)
    assert not list(study.glob(".new-*"))


def test_a_study_that_is_being_written(study: Path) -> None:
    sql(study, "UPDATE events SET body = replace(body, '60', '61') WHERE kind = 'SessionEnded'")
    writer = StudyStore(study, writable=True)
    writer.append([paceline.core.events.SessionStarted({})])
    assert f"It is being written by process {os.getpid()}." in str(paceline.doctor(study))
    writer.close()


DAMAGES = {
    "EpochMeasured: Invalid JSON": "UPDATE events SET body = '{' WHERE id = 100",
    "does not fit": "UPDATE events SET body = replace(body, '\"number\":', '\"number\":9') WHERE "
    "id = 100",
    "events 100 to 105 are missing": "DELETE FROM events WHERE id BETWEEN 100 AND 105",
}


@pytest.mark.parametrize("said", DAMAGES)
def test_a_damaged_event_and_its_repair(study: Path, said: str) -> None:
    sql(study, DAMAGES[said])
    num_events = StudyStore(study, writable=False).last()
    before = checked(
        study,
        2,
        f"damaged after the first 99 of {num_events} events",
        said,
        "cannot be read",
        "--repair",
    )
    left, _, had = before.partition(" trials would be left")[0].rpartition(": ")[2].split()
    assert int(left) < int(had) == 60
    with pytest.raises(UnreadableStudy, match="paceline doctor"):
        paceline.load_study(study)
    damaged = (study / "study.db").read_bytes()
    lost = (
        f"{num_events - 99} events after the first 99 could not be read; {60 - int(left)} of 60 "
        f"trials were lost."
    )
    checked(
        study,
        0,
        "the damaged one is study.damaged-1.db",
        lost,
        "study.db is whole: 101 events",
        repair=True,
    )
    assert (study / "study.damaged-1.db").read_bytes() == damaged
    checked(study, 0, "It was repaired, and has not ended.", "Nothing is wrong.")
    shown = CliRunner().invoke(app, ["show", str(study)]).output
    assert "It was repaired." in shown
    assert lost in " ".join(shown.split())
    assert "process died" not in shown
    original = paceline.load_study(study).trials
    again = paceline.resume(study, function, trials=60, display=False)
    assert len(again.trials) == 60
    assert len({tuple(trial.config.items()) for trial in again.trials}) == 60
    assert again.trials[:20] == original[:20]
    assert all(trial.score is not None for trial in again.trials)


def test_a_digit_that_was_damaged_on_the_disk(study: Path) -> None:
    """Another score is as good JSON as the right one."""
    sql(study, "UPDATE events SET body = replace(body, '1', '2') WHERE id = 201", checked=True)
    checked(study, 2, "damaged after the first 200 of ", "events (event 201: its checksum differs)")
    with pytest.raises(UnreadableStudy, match="its checksum differs"):
        paceline.load_study(study)
    checked(study, 0, repair=True)
    sql(
        study,
        "UPDATE current SET value = replace(value, '1', '2') WHERE name = 'checkpoints'",
        checked=True,
    )
    checked(study, 1, "Current values in study.db cannot be read: checkpoints.")


def test_what_an_earlier_version_wrote_has_no_checksums(study: Path) -> None:
    for table in ("events", "current"):
        sql(study, f"ALTER TABLE {table} DROP COLUMN checksum", checked=True)
    checked(study, 0)
    assert len(paceline.load_study(study).trials) == 60
    assert len(paceline.resume(study, function, trials=61, display=False).trials) == 61
    sql(
        study,
        "UPDATE events SET body = replace(body, '1', '2') WHERE id = (SELECT max(id) FROM events)",
        checked=True,
    )
    checked(study, 2, "its checksum differs")


def test_a_damaged_page_and_its_repair(study: Path) -> None:
    path = study / "study.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(bytes(4096))
    said = checked(
        study,
        2,
        "study.db is damaged after the first",
        "of 60 trials would be left by a repair",
        "--repair",
    )
    before = path.read_bytes()
    said = checked(study, 0, "Repaired", repair=True)
    assert (study / "study.damaged-1.db").read_bytes() == before
    assert 5 < len(paceline.load_study(study).trials) < 60
    assert "Nothing is wrong." in said


def test_what_cannot_be_read_at_all_is_left_alone(study: Path) -> None:
    (study / "study.db").write_bytes(b"garbage" * 1000)
    before = contents(study)
    checked(study, 2, "study.db cannot be read", "Restore it from a copy.")
    checked(study, 2, repair=True)
    assert contents(study) == before


def test_a_current_value_that_cannot_be_read(study: Path) -> None:
    sql(study, "UPDATE current SET value = '{' WHERE name = 'strategy'")
    checked(study, 1, "Current values in study.db cannot be read: strategy.")
    checked(study, 0, repair=True)
    assert len(paceline.resume(study, function, trials=61, display=False).trials) == 61


NEWER = {
    "its format is": f"UPDATE events SET body = json_set(body, '$.format', {FORMAT + 1}) WHERE id "
    f"= 1",
    "an event of the kind 'Bird'": "UPDATE events SET kind = 'Bird' WHERE id = 100",
}


@pytest.mark.parametrize("found", NEWER)
def test_a_study_of_a_newer_version_is_refused_and_left_alone(study: Path, found: str) -> None:
    sql(study, NEWER[found])
    before = contents(study)
    checked(study, 2, "newer Paceline", "pip install --upgrade paceline")
    checked(study, 2, repair=True)
    uses: list[Callable[[], object]] = [
        lambda: paceline.load_study(study),
        lambda: paceline.resume(study, function, trials=61, display=False),
        lambda: paceline.finish(study, function, display=False),
        lambda: paceline.tune(
            function, objective="max", trials=61, study=study, search="random", display=False
        ),
        lambda: paceline.open_study(study),
        lambda: (
            StudyStore(study, writable=True).close()
            if "format" in found
            else paceline.load_study(study)
        ),
    ]
    for use in uses:
        with pytest.raises(
            UnreadableStudy, match=f"newer Paceline .*{found}.*pip install --upgrade paceline"
        ):
            use()
    for command in ("show", "report", "resume", "watch"):
        if command == "watch" and "format" not in found:
            continue  # it is served, and says so on the page
        result = CliRunner().invoke(app, [command, str(study)])
        assert result.exit_code == 2
        assert "newer Paceline" in result.output
    assert contents(study) == before


def test_fields_of_a_newer_version_are_passed_over(study: Path) -> None:
    sql(study, "UPDATE events SET body = json_insert(body, '$.colour', 'red')")
    checked(study, 0)
    assert len(paceline.load_study(study).trials) == 60


def test_a_snapshot_of_another_version(study: Path) -> None:
    sql(study, "INSERT INTO snapshot VALUES (1, 10, 2745614147, '{}')")
    checked(study, 0, "Its snapshot is of another version")


CHECKPOINTS: dict[str, Callable[[Path], object]] = {
    "is not there": lambda path: path.unlink(),
    "is damaged": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "its checksum differs": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"123456789"),
}


@pytest.mark.parametrize("said", CHECKPOINTS)
def test_a_checkpoint_that_cannot_be_used(networks: Path, tmp_path: Path, said: str) -> None:
    directory = Path(shutil.copytree(networks, tmp_path / "s"))
    (directory / "best.keras").unlink()
    for file in (directory / "checkpoints").glob("*"):
        CHECKPOINTS[said](file)
    output = checked(
        directory,
        1,
        said,
        "retrain=True) makes it again",
        "The best model's network cannot be used",
    )
    assert output.count(said) == 3


def in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


OTHERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "text": (
        "best.keras is not the file that the study wrote",
        lambda path: path.write_bytes(b"nothing"),
    ),
    "another study's": (
        "best.keras is not the file that the study wrote",
        lambda path: other().save(path),
    ),
    "missing": ("best.keras is missing", lambda path: path.unlink()),
    "a directory": ("best.keras is not a file. Move it away.", in_its_place),
}


def other() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.mark.parametrize("what", OTHERS)
def test_another_file_in_the_place_of_the_best_model(
    networks: Path, tmp_path: Path, what: str
) -> None:
    directory, (said, put) = Path(shutil.copytree(networks, tmp_path / "s")), OTHERS[what]
    right = paceline.load_study(directory).best_model().predict(ROWS[0], verbose=0)
    put(directory / "best.keras")
    again = f"Continue it in Python: paceline.resume({str(directory)!r}, build=build, data=data)"
    checked(directory, 1, said, "It is written again when the study is resumed.", again)
    shown = CliRunner().invoke(app, ["show", str(directory)]).output
    assert what != "a directory" or "The trained model is" not in shown
    study = paceline.load_study(directory)
    with pytest.raises(InvalidInput, match=r"best.keras is .*, and the build function"):
        study.best_model()
    np.testing.assert_array_equal(study.best_model(build=build).predict(ROWS[0], verbose=0), right)
    if what == "a directory":
        (directory / "best.keras").rmdir()
    paceline.resume(directory, build, ROWS, display=False)
    checked(directory, 0, "best.keras is as it was stored, and loads.")
    np.testing.assert_array_equal(
        paceline.load_study(directory).best_model().predict(ROWS[0], verbose=0), right
    )


def test_the_network_of_the_best_model_is_lost_with_and_without_its_file(
    networks: Path, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(networks, tmp_path / "s"))
    right = paceline.load_study(directory).best_model().predict(ROWS[0], verbose=0)
    shutil.rmtree(directory / "checkpoints")
    checked(directory, 1, "The best model's network cannot be used", "It is in best.keras as well.")
    np.testing.assert_array_equal(
        paceline.load_study(directory).best_model().predict(ROWS[0], verbose=0), right
    )
    (directory / "best.keras").unlink()
    checked(
        directory,
        1,
        "The best model's network cannot be used",
        "It is trained again when the study is resumed.",
    )
    paceline.resume(directory, build, ROWS, display=False)
    np.testing.assert_allclose(
        paceline.load_study(directory).best_model().predict(ROWS[0], verbose=0), right, 1e-6
    )


def test_a_repair_while_another_process_writes(study: Path) -> None:
    sql(study, "UPDATE events SET body = '{' WHERE id = 230")
    writer = StudyStore(study, writable=True)
    before = (study / "study.db").read_bytes()
    with pytest.raises(StudyLocked, match="being written by another process"):
        paceline.doctor(study, repair=True)
    assert (study / "study.db").read_bytes() == before
    writer.close()


def without_tables(path: Path) -> None:
    """As where what was written was in a log that is lost."""
    path.unlink()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.close()


EMPTIED: dict[str, Callable[[Path], object]] = {
    "no bytes": lambda path: path.write_bytes(b""),
    "no tables": without_tables,
    "no events": lambda path: sql(path.parent, "DELETE FROM events"),
}


@pytest.mark.parametrize("how", EMPTIED)
def test_an_empty_database_beside_results(networks: Path, tmp_path: Path, how: str) -> None:
    directory = Path(shutil.copytree(networks, tmp_path / "s"))
    EMPTIED[how](directory / "study.db")
    before = contents(directory)
    said = checked(
        directory, 2, "study.db is empty, but there are results beside it (checkpoints, best.keras"
    )
    assert said.count("wrong ") == 1
    assert "cannot be read as it is" in said
    for command in ("show", "resume", "report"):
        result = CliRunner().invoke(app, [command, str(directory)])
        assert result.exit_code == 2
        assert "Restore it from a copy" in " ".join(result.output.split())
    with pytest.raises(UnreadableStudy, match="but there are results beside it: checkpoints"):
        paceline.tune(
            build,
            (np.zeros((9, 3)), np.arange(9) % 2),
            study=directory,
            trials=1,
            objective="val_accuracy",
        )
    assert contents(directory) == before


@pytest.mark.parametrize("how", ["no bytes", "no tables"])
def test_an_empty_database_alone(study: Path, how: str) -> None:
    EMPTIED[how](study / "study.db")
    said = checked(
        study,
        2,
        "study.db is empty: it was damaged, or the study was stopped before it stored anything",
    )
    assert said.count("wrong ") == 1
    shown = CliRunner().invoke(app, ["show", str(study)])
    assert "has not begun" in shown.output
    assert "Run the same command or call again." in shown.output
    assert "paceline resume" not in shown.output


def test_what_is_said_of_each_damaged_page(study: Path) -> None:
    """How many events and trials there were is seen, or is said not to be."""
    path = study / "study.db"
    whole = path.read_bytes()
    num_events = StudyStore(study, writable=False).last()
    for start in range(0, len(whole), 4096):
        path.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
        said = str(paceline.doctor(study))
        if found := re.search(
            r"after the first (\d+) of (\d+) events .*: (\d+) of (\d+) trials would", said
        ):
            first, events, left, trials = map(int, found.groups())
            assert first < events <= num_events
            assert left <= trials <= 60
        else:
            unknown = re.search(
                r"after the first \d+ events .* trials that can be seen would be left", said
            )
            readable = f"all {num_events} events can be read" in said
            assert unknown or readable or "is whole" in said or "cannot be read (" in said
