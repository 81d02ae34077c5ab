"""Limits of connections: incomplete requests, too many connections, unknown versions."""

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from tests.web.by_hand import served, trial

from paceline.serving import connections
from paceline.store import StudyStore
from paceline.web.versioned_parts import VersionedParts

HALF_SENT = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"


def half_open(
    client: httpx.Client, sent: bytes = b"GET / HTTP/1.1\r\nHost: local"
) -> socket.socket:
    """A connection with a request that never ends."""
    place = urlsplit(str(client.base_url))
    opened = socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=30)
    opened.sendall(sent)
    return opened


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HALF_SENT])
def test_incomplete_requests_time_out(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)
    with served(store.directory) as client, half_open(client, sent) as opened:
        while opened.recv(4096):  # perhaps an answer to what came; then the end
            pass
        assert client.get("/").status_code == 200


def test_incomplete_requests_are_closed_for_complete_ones(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 4)
    with served(store.directory) as client, ExitStack() as opened:
        for _ in range(12):
            opened.enter_context(half_open(client))
        store.append(trial(0, 0.5))
        assert client.get("/").status_code == 200
        assert client.get("/changes").status_code == 200


def test_complete_requests_are_not_closed(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 2)
    with served(store.directory) as client, client.stream("GET", "/events") as one:
        assert one.status_code == 200
        with httpx.Client(base_url=client.base_url, timeout=20).stream("GET", "/events") as other:
            assert other.status_code == 200
            with half_open(client) as refused:  # both places are taken by readers
                assert _ended(refused)
            assert next(one.iter_lines())
            assert next(other.iter_lines())


def _ended(opened: socket.socket) -> bool:
    try:
        return not opened.recv(1)
    except ConnectionError:
        return True


@pytest.mark.parametrize("count", ["9" * 5000, "-1", "1e3", "²", "99999999999", ""])
def test_an_unknown_version(store: StudyStore, count: str) -> None:
    with served(store.directory) as client:
        life = client.get("/changes").json()["version"].partition("-")[0]
        assert client.get("/changes", params={"after": f"{life}-{count}"}).status_code == 200


def test_few_responses_are_cached() -> None:
    parts = VersionedParts()
    for number in range(100):
        parts.update({"a": str(number), "b": "1"})
    life = parts.version.partition("-")[0]
    for number in range(100):
        assert parts.since(f"{life}-{number}")
    assert len(parts._packed) <= 16
