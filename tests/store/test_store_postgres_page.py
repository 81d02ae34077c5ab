"""The live page of a study in PostgreSQL, and several people who read it."""

import uuid
from collections.abc import Callable

import pytest
from tests.store.postgres_server import PASSWORD, Server
from tests.web.by_hand import asked, beginning, messages, numbers, served, trial, until

from paceline.store import open_store, study_directory


@pytest.mark.exhaustive
def test_the_page_follows_the_study(url: str, server: Server, down: Callable[[], None]) -> None:
    """It says so while the server is down, and goes on when it is there again."""
    store = open_store(study_directory(url), writable=True)
    store.append(beginning())
    with served(store.directory) as client, messages(client) as heard:
        until(heard, lambda m: m["head"]["state"] == "running")
        store.append(asked(0))
        until(heard, lambda m: numbers(m) == [0])
        assert PASSWORD not in client.get("/").text + client.get("/changes").text
        down()
        head = until(heard, lambda m: m["head"]["state"] in ("unreadable", "waiting"))["head"]
        assert "PostgreSQL at 127.0.0.1" in head["sentence"]
        down.start()  # type: ignore[attr-defined]
        store.append(trial(1, 0.25))
        head = until(heard, lambda m: numbers(m) == [1, 0])["head"]
        assert dict(head["facts"])["best"] == "0.25 (trial 1)"
        server.execute(f"DELETE FROM paceline_studies WHERE name = '{url.rpartition('/')[2]}'")
        until(heard, lambda m: "does not exist any more" in m["head"].get("sentence", ""))
    store.close()


def test_the_page_waits_for_a_study(server: Server) -> None:
    """It begins with the study."""
    directory = study_directory(f"{server.dsn()}/{uuid.uuid4().hex}")
    with served(directory) as client, messages(client) as heard:
        next(heard)
        store = open_store(directory, writable=True)
        store.append([*beginning(), *trial(0, 0.5)])
        until(heard, lambda m: numbers(m) == [0])
        store.close()
