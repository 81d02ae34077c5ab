"""A PostgreSQL server for the tests, started once."""

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from tests.store.postgres_server import Server, programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server; it is stopped at the end."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server is installed (no initdb)")
    running = Server(found)
    try:
        yield running
    finally:
        running.end()


@pytest.fixture
def url(server: Server) -> str:
    """The address of a study that does not exist yet."""
    return f"{server.dsn()}/{uuid.uuid4().hex}"


@pytest.fixture
def frozen(server: Server) -> Iterator[Server]:
    """The server, which a test may freeze; it goes on at the end in any case."""
    yield server
    server.thaw()


@pytest.fixture
def down(server: Server) -> Iterator[Callable[[], None]]:
    """Stops the server as a crash would; it is started at the end in any case."""
    is_down, changing = False, threading.Lock()

    def stop(mode: str = "immediate") -> None:
        nonlocal is_down
        with changing:  # clients notice before it has stopped
            server.stop(mode)
            is_down = True

    def start() -> None:
        nonlocal is_down
        with changing:
            if is_down:
                server.start()
                is_down = False

    stop.start, stop.is_down = start, lambda: is_down  # type: ignore[attr-defined]
    yield stop
    start()
