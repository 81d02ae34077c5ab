"""``paceline watch`` and ``tune --watch``: output, errors and exit."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.web.by_hand import messages, numbers, until
from typer.testing import CliRunner

from paceline.cli.app import app
from paceline.serving.address import listen
from paceline.store import StudyStore

PATIENCE = 60  # seconds that a process may take to come so far
OBJECTIVE = """
def objective(hp):
    rate = hp.Float("rate", 0.0, 1.0)
    try:
        with open({gate!r}) as gate:  # a pipe: this waits until the test closes its end
            gate.read()
    except FileNotFoundError:  # the test has taken it away
        pass
    return rate
"""


@contextmanager
def paceline(*words: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "paceline", *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address_in(line: str) -> str:
    found = re.search(r"http://\S+", line)
    assert found is not None, line
    return found[0]


def test_it_prints_its_address_and_ctrl_c_ends_it(store: StudyStore) -> None:
    with paceline("watch", store.directory, "--port", 0) as process:
        assert process.stdout is not None
        url = address_in(process.stdout.readline())
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=url, timeout=PATIENCE) as client, messages(client) as heard:
            until(heard, lambda m: m["head"]["state"] == "running")
            process.send_signal(signal.SIGINT)
            assert until(heard, lambda m: m["last"])
        _, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (0, "")


def test_other_hosts_require_the_printed_token(store: StudyStore) -> None:
    with paceline("watch", store.directory, "--port", 0, "--host", "0.0.0.0") as process:
        assert process.stdout is not None
        url = httpx.URL(address_in(process.stdout.readline())).copy_with(host="127.0.0.1")
        assert len(url.params["token"]) >= 32
        assert httpx.get(url.copy_with(query=None), timeout=PATIENCE).status_code == 401
        assert httpx.get(url, timeout=PATIENCE).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{none}"], "contains no study"),
        (["{study}", "--port", "{taken}"], "is taken by another program"),
        (["{study}", "--port", "70000"], "port is 70000"),
        (["{study}", "--host", "192.0.2.1"], "is not an address of this machine"),
        (["{study}", "--token", "short"], "at least 8 letters and digits"),
        (["{study}", "--token", "with space in it"], "at least 8 letters and digits"),
    ],
)
def test_invalid_arguments_are_refused(
    store: StudyStore, tmp_path: Path, words: list[str], said: str
) -> None:
    taken = listen(port=0)
    with taken.socket:
        filled = [
            word.format(none=tmp_path / "none", study=store.directory, taken=taken.port)
            for word in words
        ]
        result = CliRunner().invoke(app, ["watch", *filled])
    assert (result.exit_code, result.stderr.count("Error: ")) == (2, 1)
    assert said in result.stderr


@pytest.mark.exhaustive
def test_it_shows_a_running_search_and_ends_with_it(tmp_path: Path) -> None:
    gate, study = tmp_path / "gate", tmp_path / "study"
    os.mkfifo(gate)
    (tmp_path / "model.py").write_text(OBJECTIVE.format(gate=str(gate)))
    words = (
        "tune",
        f"{tmp_path / 'model.py'}:objective",
        "--objective",
        "score:max",
        "--trials",
        2,
        "--study",
        study,
    )
    opened = os.open(
        gate, os.O_RDWR
    )  # for reading too, so that this does not wait for the other end
    with paceline(*words, "--search", "random", "--seed", 1, "--watch", "--no-display") as process:
        assert process.stderr is not None
        url = address_in(process.stderr.readline())
        with httpx.Client(base_url=url, timeout=PATIENCE) as client, messages(client) as heard:
            next(heard)
            gate.rename(tmp_path / "open")
            os.close(opened)
            last = until(heard, lambda m: m["last"])
            assert last["head"]["state"] == "finished"
            assert sorted(numbers(last)) == [0, 1]
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert f"paceline watch {study}" in err
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
