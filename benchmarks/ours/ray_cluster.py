"""What functions on Ray cost and take.

Request: ``part``, and what that part needs. Answer: ``milliseconds`` per trial (``overhead``),
``share`` of the ideal in percent (``scaling``), or ``seconds`` (``start``, ``killed``).
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import paceline
from paceline.core.events import TrialEnded, TrialStarted
from paceline.execute import Ray
from paceline.store import StudyStore


def nothing(hp: paceline.HyperParameters) -> float:
    """Returns its hyperparameter."""
    return float(hp.Float("x", 0.0, 1.0))


def nap(seconds: float, hp: paceline.HyperParameters) -> float:
    """Sleeps."""
    time.sleep(seconds)
    return float(hp.Float("x", 0.0, 1.0))


def called(folder: str, hp: paceline.HyperParameters) -> float:
    """Writes down that it was called, by trial and call, and waits until it may end."""
    x = hp.Float("x", 0.0, 1.0)
    for call in range(9):
        path = Path(folder) / f"{x!r}-{call}"
        if not path.exists():
            path.write_text(str(ray_node()))
            break
    while not (Path(folder) / "end").exists():
        time.sleep(0.01)
    return float(x)


def ray_node() -> str:
    """The node of this actor."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


@contextmanager
def cluster(*cores: int) -> Iterator[Any]:
    """A cluster of nodes with these numbers of cores."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": cores[0], "include_dashboard": False}
    )
    try:
        yield made, [made.add_node(num_cpus=number) for number in cores[1:]]
    finally:
        made.shutdown()


def study(function: Any, trials: int, directory: Path, **options: Any) -> float:
    """Runs a study; returns the seconds that it took."""
    start = time.perf_counter()
    paceline.optimize(
        function,
        "max",
        trials=trials,
        search="random",
        seed=1,
        study=directory,
        final=False,
        display=False,
        **options,
    )
    return time.perf_counter() - start


def overhead(request: Mapping[str, Any], folder: Path) -> dict[str, float]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    # from another module, as this one is the main module
    from benchmarks.ours.ray_cluster import nothing as function

    trials, few = request["trials"], request["few"]
    executor = Ray(workers=1)
    took = {
        number: study(function, number, folder / str(number), executor=executor)
        for number in (few, trials)
    }
    ray.shutdown()
    return {"milliseconds": 1000 * (took[trials] - took[few]) / (trials - few)}


def scaling(request: Mapping[str, Any], folder: Path) -> dict[str, float]:
    import ray

    calls, seconds, slots = request["calls"], request["seconds"], request["slots"]
    ray.init(num_cpus=slots, include_dashboard=False, logging_level="ERROR")
    function = partial(nap, seconds)
    space = {"x": paceline.Float(0.0, 1.0)}
    many = {"ordered": False, "in_flight": 2 * slots, "space": space}
    study(function, calls, folder / "study", executor="ray", **many)
    ray.shutdown()
    first, last = ends(folder / "study")
    return {"share": 100 * (calls / slots * seconds) / (last - first)}


def ends(directory: Path) -> tuple[float, float]:
    """When the first trial started and the last one ended, in seconds."""
    store = StudyStore(directory, writable=False)
    events = list(store.events())
    store.close()
    first = min(one.time for one in events if isinstance(one.event, TrialStarted))
    return first, max(one.time for one in events if isinstance(one.event, TrialEnded))


def start(request: Mapping[str, Any], folder: Path) -> dict[str, float]:  # noqa: ARG001
    with cluster(1, 1) as (made, _):
        began = time.time()
        study(nothing, 1, folder / "study", executor=Ray(address=made.address))
        first, _ = ends(folder / "study")
    return {"seconds": first - began}


def killed(request: Mapping[str, Any], folder: Path) -> dict[str, float]:  # noqa: ARG001
    import ray

    calls = folder / "calls"
    calls.mkdir()
    with cluster(1, 1, 1) as (made, nodes):
        ray.init(address=made.address, logging_level="ERROR")
        done = threading.Thread(
            target=study,
            args=(partial(called, str(calls)), 2, folder / "study"),
            kwargs={
                "executor": Ray(workers=2),
                "ordered": False,
                "space": {"x": paceline.Float(0.0, 1.0)},
            },
        )
        done.start()
        first = wait_for(calls, 2)
        used = {path.read_text() for path in first}
        lost = next(one for one in nodes if one.node_id in used)
        began = time.time()
        made.remove_node(lost, allow_graceful=False)
        again = max(wait_for(calls, 3), key=lambda path: path.stat().st_mtime)
        seconds = again.stat().st_mtime - began
        (calls / "end").touch()
        done.join()
        ray.shutdown()
    return {"seconds": seconds}


def wait_for(folder: Path, number: int) -> list[Path]:
    """The calls so far, once there are this many and they have been written down."""
    while True:
        found = [path for path in folder.iterdir() if path.stat().st_size]
        if len(found) >= number:
            return found
        time.sleep(0.01)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    parts = {"overhead": overhead, "scaling": scaling, "start": start, "killed": killed}
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        answer = parts[asked["part"]](asked, Path(folder))
    print("\n" + json.dumps(answer))
