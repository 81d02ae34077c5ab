"""Studies in PostgreSQL: the contract, addresses, names, and what the server refuses."""

import logging
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.store.postgres_server import PASSWORD, Server
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core import InvalidInput, PacelineError, StudyLocked, UnreadableStudy
from paceline.core.events import Noted
from paceline.store import has_study, open_store, study_directory
from paceline.testing.stores import StoreContract


class TestPostgreSQL(StoreContract):
    @pytest.fixture
    def store(self, url: str) -> str:
        return url

    def another(self, store: str) -> str:
        return f"{store}-{uuid.uuid4().hex}"


def bowl(hp: paceline.HyperParameters) -> float:
    x, y = hp.Float("x", 0, 1), hp.Float("y", 0, 1)
    return float((x - 0.3) ** 2 + (y - 0.6) ** 2)


def rows(server: Server, query: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_study_by_its_url(url: str, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Run, resumed, read, listed and reported by URL; the password appears nowhere."""
    caplog.set_level(logging.DEBUG)
    options: dict[str, Any] = {"seed": 1, "display": False, "final": False, "search": "random"}
    study = paceline.optimize(bowl, "min", trials=4, study=url, **options)
    assert len(study.trials) == 4
    more = paceline.resume(url, bowl, trials=6, display=False)
    again = paceline.load_study(url)
    assert len(again.trials) == 6
    assert again.trials == more.trials
    shown = [caplog.text, repr(again), again._repr_html_()]
    for command in ("show", "list", "report", "doctor"):
        done = CliRunner().invoke(app, [command, url])
        assert done.exit_code == 0, done.output
        shown.append(done.output)
    public = url.replace(f":{PASSWORD}", "")
    assert shown[-1].startswith(f"Study {public}:\nfine   the record is whole: ")
    listed = CliRunner().invoke(app, ["list", "--json", server.dsn()]).output
    assert url.rpartition("/")[2] in listed
    files = [path for path in study.directory.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"store.json", "report.html", "paceline.log"}
    shown += [path.read_text("utf-8") for path in files]
    for table in ("studies", "events", "current", "snapshot"):
        shown.append(str(rows(server, f"SELECT * FROM paceline_{table}")))
    assert all(PASSWORD not in text for text in shown)
    assert public in shown[1]


@pytest.mark.exhaustive
def test_the_same_study_as_in_a_directory(url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"seed": 7, "display": False, "final": False, "trials": 8}
    studies = [
        paceline.optimize(bowl, "min", study=study, **options)
        for study in (url, str(tmp_path / "s"))
    ]
    first, second = ([(t.config, t.score, t.origin) for t in one.trials] for one in studies)
    assert first == second


@pytest.mark.exhaustive
def test_names_of_studies(server: Server) -> None:
    """Every name is another study, and another directory below the one for the files."""
    base = f"{server.dsn()}/{uuid.uuid4().hex}"
    names = ["a b", "a%20b", "ä/ö", "a%252Fb", "a/b", "%27;DROP TABLE x--", "A", "x.db", "-x", "%"]
    directories = []
    for name in names:
        directories.append(study_directory(f"{base}/{name}"))
        with paceline.open_study(f"{base}/{name}", {"x": paceline.Float(0, 1)}, "min") as study:
            study.ask()
        assert has_study(study_directory(f"{base}/{name}"))
    assert len(set(directories)) == len(names) - 1  # "a b" and "a%20b" are the same
    whole = Path(os.path.commonpath(directories))
    assert all(path.resolve().is_relative_to(whole) for path in directories)
    assert not has_study(study_directory(f"{base}/a"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("postgresql://u:{0}@h/d", "names a database, and no study in it"),
        ("postgresql://u:{0}@h", "names no database"),
        ("postgresql://u:{0}@h:port/d/n", "cannot be read"),
        ("postgresql://u:{0}@h/d/a//b", "has a name with an empty part"),
        ("postgresql://u:{0}@h/d/../b", "has a name with an empty part"),
        ("postgresql://u:{0}@h/d/a%00b", "has a name with control characters"),
        ("postgresql://u:{0}@h/d/" + "n" * 300, "has a name of 300 characters"),
        ("postgresql://u@h/d/n?wait=long&password={0}", "has wait='long', which is not a number"),
        ("postgresql://u@h/d/n?answer=-1&password={0}", "has answer='-1', which is not a number"),
        ("postgresql://u@h/d/n?answer=0&password={0}", "has answer=0"),
        ("postgresql://u@h/d/n?files=&password={0}", "has an empty files="),
        ("postgresq://u:{0}@h/d/n", "expected a directory, or an address such as postgresql://"),
        ("s3://u:{0}@bucket/n", "expected a directory, or an address such as postgresql://"),
        (Path("postgresql://u:p@h/d/n"), "expected the URL as a text"),
    ],
)
def test_bad_addresses(given: str | Path, said: str) -> None:
    if isinstance(given, str):
        given = given.format(PASSWORD)
    with pytest.raises(InvalidInput) as error:
        paceline.load_study(given)
    assert said in str(error.value)
    assert PASSWORD not in str(error.value)
    assert "u:p@" not in str(error.value)


def test_refusals_of_the_server_are_clear_and_show_no_password(server: Server) -> None:
    """One clear line for each, without the password."""
    port = server.port
    cases = [
        (f"postgresql://tester:wr0ng@127.0.0.1:{port}/tester/n", "does not let tester in"),
        (f"{server.dsn('nowhere')}/n", "has no database 'nowhere'"),
        (f"postgresql://tester:{PASSWORD}@127.0.0.1:1/tester/n", "cannot be used"),
        (f"{server.dsn()}/n?colour=red", "unknown parameter"),
        (f"{server.dsn()}/n", "contains no study"),
    ]
    for address, said in cases:
        with pytest.raises(PacelineError) as error:
            paceline.load_study(address)
        assert said in str(error.value)
        assert "\n" not in str(error.value)
        assert PASSWORD not in str(error.value)
        assert "wr0ng" not in str(error.value)


def test_a_user_without_rights(server: Server, url: str) -> None:
    """May not create tables; with the right to read it reads, and may not write."""
    database = f"d{uuid.uuid4().hex}"
    guest = f"guest{uuid.uuid4().hex[:8]}"
    theirs = f"postgresql://{guest}:x@127.0.0.1:{server.port}"
    for statement in (f"CREATE DATABASE {database}", f"CREATE USER {guest} PASSWORD 'x'"):
        server.execute(statement)
    study = f"{theirs}/{database}/n"
    with pytest.raises(PacelineError, match=f"PostgreSQL refuses {guest} what a study needs"):
        paceline.optimize(bowl, "min", trials=1, study=study, display=False)
    assert not study_directory(study).exists()
    paceline.optimize(bowl, "min", trials=2, study=url, display=False)
    server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {guest}")
    name = url.rpartition("/")[2]
    assert len(paceline.load_study(f"{theirs}/tester/{name}").trials) == 2
    with pytest.raises(PacelineError, match=f"PostgreSQL refuses {guest} what a study needs"):
        paceline.resume(f"{theirs}/tester/{name}", bowl, trials=3, display=False)


def test_damage_and_newer_versions(server: Server, url: str) -> None:
    """A changed number is noticed; tables of a newer version are refused by one clear line."""
    with paceline.open_study(url, {"x": paceline.Float(0, 1)}, "min") as study:
        trial = study.ask()
        study.tell(trial, 0.5)
    server.execute("UPDATE paceline_events SET body = replace(body, '0.5', '0.4')")
    server.execute("DELETE FROM paceline_snapshot")
    with pytest.raises(UnreadableStudy, match=r"is damaged .*checksum differs"):
        paceline.load_study(url)
    server.execute("UPDATE paceline_events SET body = replace(body, '0.4', '0.5')")
    assert len(paceline.load_study(url).trials) == 1
    server.execute("UPDATE paceline_version SET version = 99")
    try:
        for call in (paceline.load_study, lambda url: open_store(study.directory, writable=True)):
            with pytest.raises(UnreadableStudy, match=r"newer Paceline .*version 99"):
                call(url)
    finally:
        server.execute("UPDATE paceline_version SET version = 1")


_HELD = """
import sys
from paceline.core.events import Noted
from paceline.store import open_store, study_directory
store = open_store(study_directory(sys.argv[1]), writable=True)
store.append([Noted("kept")])
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_frees_the_study(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it lives it is named, also to writers with other directories."""
    writer = subprocess.Popen(
        [sys.executable, "-c", _HELD, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PACELINE_STATE": "/tmp"},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    directory = study_directory(url)
    try:
        with pytest.raises(StudyLocked, match=rf"is being written by process {writer.pid} on"):
            open_store(directory, writable=True)
    finally:
        writer.kill()
        writer.communicate()
    store = open_store(directory, writable=True)
    assert [one.event for one in store.events()] == [Noted("kept")]
    store.close()
