"""A search with its live page beside it, and so many readers of that page.

Request: as of `benchmarks.ours.search`, with ``study`` and ``readers``. Answer: ``search_seconds``;
with readers also ``delays`` (seconds from the writing of each trial's first event until a reader
knew of it), ``page_cpu_seconds``, and what `benchmarks.ours.readers` answers.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from paceline.core.events import TrialAsked
from paceline.serving.address import listen
from paceline.store import StudyStore
from paceline.web.page_process import page_beside


def search(request: Mapping[str, Any]) -> dict[str, Any]:
    from benchmarks.ours.face import (
        tune,
    )  # here, since the page's process imports this module, but not all of JAX

    address, directory = listen(port=0), Path(request["study"])
    url = address.url()
    answer: dict[str, Any] = {}
    with _readers(url, request["readers"], answer), page_beside(directory, address):
        _wait_for(answer)
        start = time.perf_counter()
        tune(request)
        answer["search_seconds"] = time.perf_counter() - start
        answer["page_cpu_seconds"] = _page_cpu_seconds()
    if request["readers"]:
        answer["delays"] = _delays(directory, answer.pop("seen"))
    return {name: value for name, value in answer.items() if name != "process"}


@contextmanager
def _readers(url: str, number: int, answer: dict[str, Any]) -> Iterator[None]:
    """Readers in a process of their own, which ends after the page; their answer is added."""
    if not number:
        yield
        return
    words = [
        sys.executable,
        "-m",
        "benchmarks.ours.readers",
        json.dumps({"url": url, "readers": number}),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        answer["process"] = process
        yield
        told, _ = process.communicate(timeout=60)
        answer.update(json.loads(told.strip().splitlines()[-1]))


def _wait_for(answer: Mapping[str, Any]) -> None:
    """Until the readers are connected."""
    if "process" in answer:
        ready = answer["process"].stdout.readline()
        if ready != "ready\n":
            raise RuntimeError(f"the readers said {ready!r}")


def _page_cpu_seconds() -> float:
    """Of the process that serves the page."""
    pages = [
        one for one in psutil.Process().children() if "--multiprocessing-fork" in one.cmdline()
    ]
    return sum(one.cpu_times().user + one.cpu_times().system for one in pages)


def _delays(directory: Path, seen: list[tuple[float, int]]) -> list[float]:
    store = StudyStore(directory, writable=False)
    asked = [one.time for one in store.events() if isinstance(one.event, TrialAsked)]
    store.close()
    return [
        next(at for at, count in seen if count > number) - written
        for number, written in enumerate(asked)
    ]


if __name__ == "__main__":
    print("\n" + json.dumps(search(json.loads(sys.argv[1]))))
