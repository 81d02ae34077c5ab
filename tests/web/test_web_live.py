"""Updates of the live page, from one read of the store for all readers."""

import contextlib
import gzip
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.marking import first_of
from tests.web.by_hand import asked, beginning, messages, numbers, served, trial, until

from paceline.core.events import Event, FinalMeasured, FinalStarted, SessionEnded
from paceline.report import read
from paceline.serving.address import listen
from paceline.store import StudyStore
from paceline.web.server import LivePage
from paceline.web.study_reader import StudyReader
from paceline.web.versioned_parts import VersionedParts

WRITER = """
import sys
from pathlib import Path
from paceline.store import StudyStore
store = StudyStore(Path(sys.argv[1]), writable=True)
print("writing", flush=True)
sys.stdin.read()
"""


def test_every_reader_receives_a_new_trial(store: StudyStore) -> None:
    with served(store.directory) as client, messages(client) as one, messages(client) as another:
        for reader in (one, another):
            assert (
                until(reader, lambda m: m["head"]["state"] == "running")["head"]["metric"]
                == "val_loss"
            )
        store.append(asked(0))
        for reader in (one, another):
            row = until(reader, lambda m: numbers(m) == [0])["head"]["latest"][0]
            assert (row["state"], row["epochs"], row["score"]) == ("running", "0 of 1", "")
        store.append(trial(1, 0.25))
        for reader in (one, another):
            head = until(reader, lambda m: numbers(m) == [1, 0])["head"]
            assert dict(head["facts"])["best"] == "0.25 (trial 1)"
            assert head["latest"][0]["score"] == "0.25"


def test_nothing_is_sent_twice(store: StudyStore) -> None:
    def changes(client: httpx.Client, after: str) -> dict[str, Any]:
        received: dict[str, Any] = client.get("/changes", params={"after": after}).json()
        return received

    with served(store.directory) as client, messages(client) as heard:
        first = until(heard, lambda m: m["version"].endswith("-1"))["version"]
        everything = changes(client, "")
        assert everything["version"] == first
        assert set(everything["parts"]) == set(everything["names"])
        assert changes(client, first)["parts"] == {}
        assert (
            changes(client, "another-1")["parts"] == everything["parts"]
        )  # the version of another server
        store.append(trial(0, 0.5))
        second = until(heard, lambda m: m["version"] not in (first, everything["version"]))[
            "version"
        ]
        received = changes(client, first)
        assert "panel/trials" in received["parts"]
        assert "panel/repeat" not in received["parts"]  # nothing in it depends on the trials
        answer = client.get("/changes", params={"after": first})
        again = client.get(
            "/changes", params={"after": first}, headers={"If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert second == received["version"]


def test_many_readers_share_one_read_of_the_store(store: StudyStore) -> None:
    def opened() -> int:
        # of this study: those of other tests may still wait for the garbage collector
        database = str(store.directory.resolve() / "study.db")
        return sum(file.path == database for file in psutil.Process().open_files())

    def arrive(client: httpx.Client) -> Iterator[dict[str, Any]]:
        heard = readers.enter_context(messages(client))
        until(heard, lambda m: m["version"].endswith("-1"))
        return heard

    with served(store.directory) as client, ExitStack() as readers:
        assert opened() == 1  # by the writer: while nobody reads, nothing is read
        arrive(client)
        once = opened()
        for _ in range(8):
            arrive(client)
        assert opened() == once


def test_the_start_and_end_of_a_study_are_shown(tmp_path: Path, store: StudyStore) -> None:
    directory = tmp_path / "later"
    with served(directory) as client, messages(client) as heard:
        assert next(heard)["head"]["state"] == "waiting"
        later = StudyStore(directory, writable=True)
        later.append([stored.event for stored in store.events()])
        until(heard, lambda m: m["head"]["state"] == "running")
        later.append([SessionEnded("enough", 3.0)])
        head = until(heard, lambda m: m["head"]["state"] == "finished")["head"]
        assert (head["sentence"], head["seconds"]) == ("Finished: enough.", 3.0)
        later.close()


def test_no_connection_stays_open_after_the_end(store: StudyStore) -> None:
    """Not even one that arrives while the server ends."""
    for _ in range(2):
        address, opened, over = listen(port=0), list[socket.socket](), threading.Event()

        def connect(
            port: int = address.port,
            opened: list[socket.socket] = opened,
            over: threading.Event = over,
        ) -> None:
            while not over.is_set():
                try:
                    opened.append(socket.create_connection(("127.0.0.1", port), timeout=5))
                except OSError:
                    return
                over.wait(0.002)

        thread = threading.Thread(target=connect)
        with LivePage(store.directory, address):
            thread.start()
        over.set()
        thread.join()
        for one in opened:
            with one, contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""


def test_a_killed_writer_is_detected(store: StudyStore) -> None:
    store.close()
    words = [sys.executable, "-c", WRITER, str(store.directory)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "writing\n"
            with served(store.directory) as client, messages(client) as heard:
                running = until(heard, lambda m: m["head"]["state"] == "running")
                assert running["head"]["sentence"] == f"Running in process {writer.pid}."
                writer.kill()
                writer.wait()
                killed = until(heard, lambda m: m["head"]["state"] == "killed")
                assert f"paceline.resume({str(store.directory)!r}" in killed["head"]["sentence"]
        finally:
            writer.kill()


def test_a_deleted_and_recreated_study(store: StudyStore) -> None:
    events = [stored.event for stored in store.events()]
    store.append(trial(0, 0.5))
    with served(store.directory) as client, messages(client) as heard:
        until(heard, lambda m: numbers(m) == [0])
        store.close()
        shutil.rmtree(store.directory)
        anew = StudyStore(store.directory, writable=True)
        anew.append([*events, *trial(7, 0.5)])
        until(heard, lambda m: numbers(m) == [7])
        anew.close()


def test_a_damaged_study_is_reported(store: StudyStore) -> None:
    store.close()
    (store.directory / "study.db").write_bytes(b"no database " * 1000)
    with served(store.directory) as client, messages(client) as heard:
        head = until(heard, lambda m: m["head"]["state"] == "unreadable")["head"]
        assert "is damaged" in head["sentence"]


def of(path: Path, *events: Event) -> bytes:
    """The database of a study that has ended, as a file."""
    writer = StudyStore(path, writable=True)
    writer.append([*beginning(), *events, SessionEnded("enough", 3.0)])
    writer.close()
    return (path / "study.db").read_bytes()


def locked(database: Path) -> Callable[[], object]:
    other = sqlite3.connect(database, check_same_thread=False)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    return other.close


def moved(database: Path) -> Callable[[], object]:
    away = database.rename(database.with_name("away"))
    return lambda: away.rename(database)


def written_over(data: bytes, database: Path) -> Callable[[], object]:
    good = database.read_bytes()
    database.write_bytes(data)
    return lambda: database.write_bytes(good)


def half(database: Path) -> Callable[[], object]:
    return written_over(database.read_bytes()[:5000], database)


def a_folder(database: Path) -> Callable[[], object]:
    back = moved(database)
    database.mkdir()
    database_again = [database.rmdir, back]
    return lambda: [step() for step in database_again]


HARM: dict[str, tuple[Callable[[Path], Callable[[], object]], str]] = {
    "other bytes": (partial(written_over, b"no database " * 1000), "is damaged"),
    "half of it": (half, "is damaged"),
    "no bytes": (partial(written_over, b""), ""),
    "deleted": (moved, "does not exist any more"),
    "a folder": (a_folder, "cannot be read"),
    "locked": (locked, "is in use by another program"),
}


@pytest.mark.parametrize("harm", first_of(1, HARM))
def test_a_study_that_is_damaged_while_it_is_watched(tmp_path: Path, harm: str) -> None:
    """The page reports it, is still served, and shows the study again once it is repaired."""
    database = tmp_path / "s" / "study.db"
    of(tmp_path / "s", *trial(0, 0.5))
    do, said = HARM[harm]
    with served(tmp_path / "s") as client, messages(client) as heard:
        until(heard, lambda m: numbers(m) == [0] and m["version"].endswith("-1"))
        mend = do(database)
        head = until(heard, lambda m: m["head"]["state"] in ("unreadable", "waiting"))["head"]
        assert said in head["sentence"]
        assert client.get("/").status_code == 200
        assert client.get("/changes").json()["parts"]
        mend()
        again = until(heard, lambda m: m["head"]["state"] == "finished" and numbers(m) == [0])[
            "head"
        ]
        assert again["sentence"] == "Finished: enough."
        StudyStore(tmp_path / "s", writable=True).close()


def test_another_study_in_the_same_file(tmp_path: Path) -> None:
    other = of(tmp_path / "other", *trial(3, 0.25), *trial(4, 0.5), *trial(5, 0.75))
    of(tmp_path / "s", *trial(0, 0.5))
    with served(tmp_path / "s") as client, messages(client) as heard:
        until(heard, lambda m: numbers(m) == [0])
        (tmp_path / "s" / "study.db").write_bytes(other)
        head = until(heard, lambda m: numbers(m) == [5, 4, 3])["head"]
        assert dict(head["facts"])["trials"] == "3"


def test_an_internal_error_does_not_end_the_page(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: StudyReader) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("paceline.web.hub._drawn", fail)
    with served(store.directory) as client, messages(client) as heard:
        head = until(heard, lambda m: "cannot be drawn" in m["head"]["sentence"])["head"]
        assert "KeyError" in head["sentence"]
        store.append(trial(0, 0.5))
        until(heard, lambda m: numbers(m) == [0])


def test_the_last_state_is_sent_before_the_server_ends(store: StudyStore) -> None:
    address = listen(port=0)
    page = LivePage(store.directory, address)
    with page, httpx.Client(base_url=address.url(), timeout=20) as client:
        with messages(client) as heard:
            until(heard, lambda m: m["version"].endswith("-1"))
            closing = threading.Thread(target=page.close)
            store.append([*trial(0, 0.5), SessionEnded("enough", 3.0)])
            closing.start()
            last = until(heard, lambda m: m["last"])
            assert (last["head"]["state"], numbers(last)) == ("finished", [0])
            received = client.get("/changes").json()  # which is served still
            assert (received["version"], "panel/trials" in received["parts"]) == (
                last["version"],
                True,
            )
        closing.join()


def test_progress_of_the_final(store: StudyStore) -> None:
    final: list[Event] = [
        FinalStarted((0, 1), None, 4, True, 0.1),
        FinalMeasured(0, 0, 0.5, 1, {}, 1.0),
    ]
    store.append([*trial(0, 0.5), *trial(1, 0.4), *final])
    with served(store.directory) as client, messages(client) as heard:
        head = until(heard, lambda m: numbers(m) == [1, 0])["head"]
        assert dict(head["facts"])["final"] == "1 of 8 trainings"


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 9), max_size=4))
@pytest.mark.exhaustive
def test_incremental_reading_equals_reading_at_once(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    events: list[Event] = [*beginning(), *trial(0, 0.5), *asked(1), SessionEnded("enough", 1.0)]
    directory = tmp_path_factory.mktemp("study")
    store, feed = StudyStore(directory, writable=True), StudyReader(directory)
    places = [0, *sorted(cuts), len(events)]
    for low, high in pairwise(places):
        store.append(events[low:high])
        assert feed.look() == (high > low)
        assert not feed.look()
    store.close()
    assert feed.whole().to_json() == read(directory).to_json()
    feed.close()


_CONTENTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2).map(str), max_size=4)


@given(updates=st.lists(st.tuples(_CONTENTS, st.lists(st.integers(0, 2), max_size=3)), max_size=8))
def test_readers_end_with_the_current_parts(
    updates: list[tuple[dict[str, str], list[int]]],
) -> None:
    parts = VersionedParts()
    versions, shown = ["", "", ""], [dict[str, Any](), {}, {}]

    def fetch(reader: int) -> None:
        received = json.loads(gzip.decompress(parts.since(versions[reader])))
        assert received["version"] == parts.version
        had = versions[reader] == received["version"]
        assert not (had and received["parts"])
        shown[reader] = {
            name: received["parts"].get(name, shown[reader].get(name)) for name in received["names"]
        }
        versions[reader] = received["version"]

    contents: dict[str, str] = {}
    for contents, readers in updates:
        before = parts.version
        assert parts.update(contents) == (parts.version != before)
        for reader in readers:
            fetch(reader)
    for reader in range(3):
        fetch(reader)
        assert shown[reader] == {name: int(text) for name, text in contents.items()}
