"""What works for a study now: stored for those who watch it, and shown while it runs."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.web.by_hand import beginning

import paceline
from paceline.core import Configuration, Objective
from paceline.core.events import EpochMeasured
from paceline.execute.base import ExecutorUpdate, Job, TrainingConfig
from paceline.execute.repeated import RepeatedExecutor
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.execute.watched import WatchedExecutor
from paceline.execute.work import FunctionWork
from paceline.report import read
from paceline.store import StudyStore, open_store
from paceline.web.content import content
from paceline.web.study_reader import StudyReader

_MOMENT = 0.01  # seconds
IDLE, NAME = "<b>idle</b>: 2 cores, no GPU", "host-2:4711"


def nodes_with(trials: Sequence[int]) -> list[Mapping[str, Any]]:
    worker = {"kind": "engine", "name": NAME, "trials": list(trials), "lanes": 4}
    measured = {"seconds": 12.0, "memory": 300 * 2**20}
    return [
        {"name": "host-2: 4 cores, no GPU", "workers": [{**worker, **measured}]},
        {"name": IDLE, "workers": []},
    ]


def curve(config: Configuration) -> Curve:
    return [({"score": float(config["x"])}, 1.0) for _ in range(3)]


class Plain(SimulatedExecutor):
    """Two lanes."""

    def __init__(self, work: FunctionWork | None = None) -> None:
        metric = "score" if work is None else work.metric
        super().__init__(curve, TrainingConfig(Objective(metric, "minimize")), 2)


class Waiting(Plain):
    """Nothing happens there before it may."""

    def __init__(self, may: threading.Event) -> None:
        super().__init__()
        self.may = may

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        return super().progress(seconds) if self.may.wait(_MOMENT) else []


class Looked(Plain):
    """At these somebody looks each time that something happens."""

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        trials = [number for _, number, _ in self._lanes]
        return [*super().progress(seconds), ExecutorUpdate(nodes=nodes_with(trials))]


class Keeps(paceline.Callback):
    """Keeps what the store has of the nodes when each trial ends."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.found = directory, list[Any]()

    def on_trial_end(self, *_: Any) -> None:
        reader = open_store(self.directory, writable=False)
        self.found.append(reader.value("nodes"))
        reader.close()


def test_a_study_stores_what_works_for_it(tmp_path: Path) -> None:
    """Beside its record, which is the same without; numbers in a final are not those of trials."""
    keeps = Keeps(tmp_path / "s")
    options: dict[str, Any] = {"seed": 1, "trials": 6, "epochs": 3, "display": False, "final": 2}
    space = {"x": paceline.Float("x", 0.0, 1.0)}
    studies = [
        paceline.optimize(
            lambda hp: hp["x"],
            "min",
            space=space,
            executor=executor,
            workers=2,
            callbacks=callbacks,
            study=tmp_path / name,
            **options,
        )
        for name, executor, callbacks in (("s", Looked, [keeps]), ("t", Plain, []))
    ]
    first, second = ([(t.config, t.score) for t in study.trials] for study in studies)
    assert first == second
    seen = [one for one in keeps.found if one is not None and one["nodes"][0]["workers"]]
    assert {number for one in seen for number in one["nodes"][0]["workers"][0]["trials"]}
    assert all(one["has_trials"] for one in seen)
    assert all(one["nodes"][1]["name"] == IDLE for one in seen)
    reader = open_store(tmp_path / "s", writable=False)
    last = reader.value("nodes")
    assert last is not None
    assert last["writer"] == reader.value("writer")
    assert not last["has_trials"]
    reader.close()
    assert read(tmp_path / "s").nodes is None


def test_trials_that_are_trained_several_times_have_their_own_numbers() -> None:
    seeds = (5, 6, 7)
    executor = RepeatedExecutor(Looked(), seeds, TrainingConfig(Objective("score", "minimize")))
    executor.submit([Job(4, {"x": 0.5}, 1, epochs=3)], {}, {})
    shown = [one.nodes for one in executor.progress() if one.nodes is not None]
    assert [one["trials"] for node in shown[0] for one in node["workers"]] == [[4]]
    executor.close()


def test_an_executor_is_looked_at_while_it_works() -> None:
    """Also while nothing happens; nothing is said once it is idle."""
    may = threading.Event()
    executor = WatchedExecutor(Waiting(may), lambda: nodes_with([0]))
    executor.submit([Job(0, {"x": 0.5}, 1, epochs=3)], {}, {})
    assert executor.progress(0.0) == []
    assert [one.nodes for one in executor.progress(60.0)] == [nodes_with([0])]
    may.set()
    events = [event for update in updates_of(executor) for event in update.events]
    assert sum(isinstance(event, EpochMeasured) for event in events) == 3
    assert executor.progress(0.0) == []
    executor.close()


def updates_of(executor: WatchedExecutor) -> list[ExecutorUpdate]:
    """The updates until all jobs have ended."""
    found: list[ExecutorUpdate] = []
    while not executor.is_idle:
        found += executor.progress(60.0)
    return found


def test_an_executor_that_cannot_be_looked_at() -> None:
    """It works all the same."""
    may = threading.Event()

    def fails() -> Any:
        may.set()
        raise ConnectionError("no cluster")

    executor = WatchedExecutor(Waiting(may), fails)
    executor.submit([Job(0, {"x": 0.5}, 1, epochs=3)], {}, {})
    updates = updates_of(executor)
    assert all(update.nodes is None for update in updates)
    assert sum(len(update.events) for update in updates) > 3
    executor.close()


def test_the_live_page_shows_the_nodes_of_the_session_that_runs(tmp_path: Path) -> None:
    """Also when no event is new; not those of an earlier session."""
    store, feed = StudyStore(tmp_path / "s", writable=True), StudyReader(tmp_path / "s")
    store.append(beginning())
    assert feed.look()
    assert "panel/workers" not in content(feed.whole())
    shown = {"writer": store.value("writer"), "has_trials": True, "nodes": nodes_with([3, 4])}
    store.append([], {"nodes": shown})
    assert feed.look()
    assert not feed.look()
    html = content(feed.whole())["panel/workers"]["html"]
    assert "trials 3, 4 for 12 s" in html
    assert ">300<" in html
    assert "no worker of this study" in html
    assert IDLE not in html, "names are escaped"
    store.append([], {"nodes": {**shown, "nodes": nodes_with([]), "has_trials": False}})
    assert feed.look()
    assert "idle" in content(feed.whole())["panel/workers"]["html"]
    store.append([], {"nodes": {**shown, "writer": {"pid": 1}}})
    assert feed.look()
    assert "panel/workers" not in content(feed.whole())
    feed.close()
    store.close()
