"""Studies written by hand, and pages that are served for real."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from paceline.core import TrialState, Value
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.serving.address import listen
from paceline.space import Choice, Float, Space
from paceline.web.server import LivePage

HTML = "<script>document.title='hacked'</script>"
SPACE = Space(
    {
        "rate": Float(1e-4, 1e-1, sampling="log"),
        HTML: Choice(['"><img src=x onerror=alert(1)>', "b"]),
    }
)


def beginning(name: str = HTML) -> list[Event]:
    created = StudyCreated(
        2,
        {"metric": "val_loss", "direction": "minimize"},
        {"name": name, "fingerprint": "", "rows": {"train": 1280, "val": 158, "test": 0}},
        {"epochs": 1, "batch_size": 32, "trials": 3, "search": "random", "seed": 1},
    )
    return [created, SessionStarted({"keras": "3"}), SpaceChanged(SPACE.to_json())]


def asked(number: int) -> list[Event]:
    config: dict[str, Value] = {
        "rate": 0.001 * (number + 1),
        HTML: '"><img src=x onerror=alert(1)>',
    }
    return [TrialAsked(number, config, 0, 1, "random"), TrialStarted(number, "p", config)]


def ended(number: int, score: float) -> list[Event]:
    measured = EpochMeasured(number, 1, {"loss": float("nan"), "val_loss": score}, 0.5)
    return [measured, TrialEnded(number, TrialState.COMPLETED, score, 1, "")]


def trial(number: int, score: float) -> list[Event]:
    return [*asked(number), *ended(number, score)]


@contextmanager
def served(directory: Path) -> Iterator[httpx.Client]:
    """The page of a study, and a client that speaks to it."""
    address = listen(port=0)
    with LivePage(directory, address), httpx.Client(base_url=address.url(), timeout=20) as client:
        yield client


@contextmanager
def messages(client: httpx.Client) -> Iterator[Iterator[dict[str, Any]]]:
    """What a browser hears."""
    with client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in response.iter_lines() if line.startswith("data: "))
        yield (json.loads(line.removeprefix("data: ")) for line in lines)


def until(
    heard: Iterator[dict[str, Any]], condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The first message that fulfils a condition."""
    return next(message for message in heard if condition(message))


def numbers(message: dict[str, Any]) -> list[int]:
    """Of the latest trials."""
    return [row["number"] for row in message["head"]["latest"]]
