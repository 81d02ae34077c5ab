"""Functions on a Ray cluster: the contract, lost nodes and workers, limits and refusals.

The cluster has several nodes on this machine, and is started once.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.execute.pool_functions import falls, fine, steps
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core import InvalidInput, PacelineError, TrialState
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialStarted
from paceline.execute import Executor, FunctionWork, Job, Ray, create
from paceline.execute.function_call import Function
from paceline.execute.ray import functions
from paceline.execute.ray.cluster import Cluster
from paceline.execute.versions import versions
from paceline.execute.worker_slot import TrialLimits
from paceline.space import Float, Space
from paceline.testing.executors import FunctionExecutorContract

ray = pytest.importorskip("ray", reason="Ray is not installed")
SPACE = Space([Float("x", 0.0, 1.0)])
WAIT = 600.0  # seconds, for what never comes: busy machines are slow

# JAX warns of forks, which Ray makes to start the processes of a node
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


@pytest.fixture
def made(cluster: Any) -> Iterator[Callable[..., Executor]]:
    """Makes executors on the cluster, and closes them."""
    executors: list[Executor] = []

    def make(function: Function, kind: Any = "ray", **options: Any) -> Executor:
        executors.append(create(kind, FunctionWork(function, "score", SPACE, **options)))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


@pytest.mark.exhaustive
class TestRay(FunctionExecutorContract):
    @pytest.fixture
    def executor(self, cluster: Any) -> str:
        return "ray"


def jobs(*xs: float) -> list[Job]:
    return [Job(number, {"x": x}, 0, epochs=2) for number, x in enumerate(xs)]


def events_of(executor: Executor, until: Callable[[Event], bool] | None = None) -> list[Event]:
    """The events until all jobs have ended, or until one event."""
    found: list[Event] = []
    while not executor.is_idle:
        for update in executor.progress(WAIT):
            assert update.error is None, update.error
            found += update.events
            if until is not None and any(map(until, update.events)):
                return found
    return found


def ends_of(events: list[Event]) -> dict[int, TrialEnded]:
    return {event.number: event for event in events if isinstance(event, TrialEnded)}


def error_of(executor: Executor) -> BaseException:
    while True:
        for update in executor.progress(WAIT):
            if update.error is not None:
                return update.error


def test_a_worker_that_ends_costs_its_trial_only(made: Callable[..., Executor]) -> None:
    def deadly(hp: Any) -> float:
        x = float(hp.Float("x", 0.0, 1.0))
        if x == 0.0:
            os._exit(7)
        return x

    executor = made(deadly)
    executor.submit(jobs(0.0, 0.5, 0.25), {}, {})
    ends = ends_of(events_of(executor))
    assert [ends[number].state for number in range(3)] == [
        TrialState.FAILED,
        TrialState.COMPLETED,
        TrialState.COMPLETED,
    ]
    assert "has ended" in ends[0].reason


@pytest.mark.exhaustive
def test_nodes_join_and_are_lost(
    made: Callable[..., Executor], cluster: Any, tmp_path: Path
) -> None:
    """Two trials wait on the first node; the others run on a node that joins, and is lost."""
    executor = made(partial(steps, tmp_path))
    for name in ("0.1", "0.2"):
        os.mkfifo(tmp_path / name)  # these calls wait until somebody writes there
    executor.submit(jobs(0.1, 0.2, 0.3), {}, {})
    found: list[Event] = []
    while sum(isinstance(event, EpochMeasured) for event in found) < 2:
        for update in executor.progress(WAIT):
            found += update.events
    os.mkfifo(tmp_path / "0.3")
    node = cluster.add_node(num_cpus=1)
    found += events_of(executor, lambda e: isinstance(e, EpochMeasured) and e.number == 2)
    (tmp_path / "0.3").unlink()
    cluster.remove_node(node, allow_graceful=False)
    threading.Thread(target=(tmp_path / "0.1").write_text, args=("go",), daemon=True).start()
    found += events_of(executor, lambda e: isinstance(e, TrialEnded) and e.number == 2)
    threading.Thread(target=(tmp_path / "0.2").write_text, args=("go",), daemon=True).start()
    found += events_of(executor)
    assert {end.state for end in ends_of(found).values()} == {TrialState.COMPLETED}
    assert sorted(e.number for e in found if isinstance(e, TrialStarted)) == [0, 1, 2]
    for trial in range(3):  # no step is reported twice
        reported = [e.epoch for e in found if isinstance(e, EpochMeasured) and e.number == trial]
        assert reported == [1, 2]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(TrialLimits(0.2), "time_limit, 0.2 seconds"), (TrialLimits(None, 2**20), "memory_limit")],
)
def test_limits_end_the_worker(
    made: Callable[..., Executor], limits: TrialLimits, reason: str
) -> None:
    def endless(hp: Any) -> None:
        threading.Event().wait()

    executor = made(endless, limits=limits)
    executor.submit(jobs(0.5), {}, {})
    (end,) = ends_of(events_of(executor)).values()
    assert end.state is TrialState.FAILED
    assert reason in end.reason


def test_a_study_on_ray_is_that_of_this_process_and_continues_without(
    cluster: Any, tmp_path: Path
) -> None:
    def objective(hp: Any) -> None:
        x = hp.Float("x", 0.0, 1.0)
        for step in range(1, 4):
            if not hp.report((x - 0.3) ** 2 / step, step=step):
                return

    def trials(result: Any) -> Any:
        return [(one.config, one.state, one.score) for one in result.trials]

    tune = partial(paceline.optimize, objective, "min", epochs=3, seed=1, final=False)
    here = tune(trials=8, in_flight=2, study=tmp_path / "here")
    begun = tune(trials=4, study=tmp_path / "ray", executor=Ray(workers=2))
    host = socket.gethostname()
    assert all(str(one.worker).startswith(f"{host}:") for one in begun.trials)
    more = partial(paceline.resume, tmp_path / "ray", build=objective)
    whole = more(trials=8)  # the executor is known
    assert all(str(one.worker).startswith(f"{host}:") for one in whole.trials)
    assert trials(whole) == trials(here)
    assert more(trials=9, executor="local", workers=1).trials[-1].worker is None


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3))
def test_a_study_is_the_same_on_any_number_of_nodes(
    cluster: Any, tmp_path: Path, seed: int
) -> None:
    """One node is killed at a random trial, and another one joins at a random trial."""
    rng = np.random.default_rng(seed)
    lost, joined = (int(number) for number in rng.integers(2, 14, 2))
    nodes = [cluster.add_node(num_cpus=1)]

    class Changes(paceline.Callback):
        def on_trial_end(self, study: Any, trial: Any) -> None:
            if trial.number == joined:
                nodes.append(cluster.add_node(num_cpus=1))
            if trial.number == lost:
                cluster.remove_node(nodes.pop(0), allow_graceful=False)

    tune = partial(
        paceline.optimize, falls, "min", epochs=3, trials=16, in_flight=4, seed=seed, final=False
    )
    here = tune(study=tmp_path / "here")
    there = tune(study=tmp_path / "there", executor="ray", callbacks=[Changes()])
    for node in nodes:
        cluster.remove_node(node)
    assert [(t.config, t.state, t.score) for t in there.trials] == [
        (t.config, t.state, t.score) for t in here.trials
    ]


@pytest.mark.exhaustive
def test_a_study_whose_process_was_killed_goes_on_without_a_cluster(
    cluster: Any, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    calls, hold = tmp_path / "calls", tmp_path / "hold"
    calls.mkdir()
    script.write_text(
        "import pathlib, threading, uuid\n\n"
        f"calls, hold = pathlib.Path({str(calls)!r}), pathlib.Path({str(hold)!r})\n\n"
        "def objective(hp):\n"
        "    (calls / uuid.uuid4().hex).touch()\n"
        "    if hold.exists() and len(list(calls.iterdir())) > 20:\n"
        "        threading.Event().wait()  # until the process of the study is killed\n"
        "    x = hp.Float('x', 0.0, 1.0)\n"
        "    for step in range(1, 4):\n"
        "        if not hp.report((x - 0.3) ** 2 / step, step=step): return\n"
    )
    words = ["tune", f"{script}:objective", "--objective", "score:min", "--epochs", 3]
    options = ["--trials", 60, "--seed", 1, "--final", "off", "--search", "random"]
    whole, study = tmp_path / "whole", tmp_path / "study"
    assert terminal(*words, *options, "--study", whole, "--workers", 2).returncode == 0
    shutil.rmtree(calls)
    calls.mkdir()
    hold.touch()
    there = ["--executor", "ray", "--workers", 2, "--address", cluster.address]
    command = [*words, *options, "--study", study, *there]
    driver = subprocess.Popen([sys.executable, "-m", "paceline", *map(str, command)])
    while not (study / "study.db").exists() or len(paceline.load_study(study).trials) < 10:
        assert driver.poll() is None
    driver.kill()
    driver.wait()
    hold.unlink()
    done = terminal("resume", study, "--trust", "--executor", "local", "--workers", 2)
    assert done.returncode == 0, done.stderr
    found = [
        [(t.config, t.state, t.score) for t in paceline.load_study(one).trials]
        for one in (whole, study)
    ]
    assert found[0] == found[1]


def test_a_function_of_a_file_is_sent_by_value(cluster: Any, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "def loss(x): return (x - 0.3) ** 2\n\n"
        "def objective(hp): return loss(hp.Float('x', 0.0, 1.0))\n"
    )
    study = paceline.optimize(
        f"{script}:objective",
        "min",
        trials=2,
        seed=1,
        final=False,
        executor="ray",
        study=tmp_path / "study",
    )
    assert [one.state for one in study.trials] == [TrialState.COMPLETED] * 2


@pytest.mark.exhaustive
def test_the_terminal_tunes_on_a_cluster_and_shows_it(
    made: Callable[..., Executor], cluster: Any, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text("def objective(hp): return hp.Float('x', 0.0, 1.0)\n")
    words = ["tune", f"{script}:objective", "--objective", "score:max", "--trials", "2"]
    options = ["--seed", "1", "--final", "off", "--study", tmp_path / "s", "--executor", "ray"]
    done = terminal(*words, *options, "--address", cluster.address)
    assert done.returncode == 0, done.stderr
    trials = paceline.load_study(tmp_path / "s").trials
    assert [one.state for one in trials] == [TrialState.COMPLETED] * 2
    assert all(one.worker is not None for one in trials)

    os.mkfifo(tmp_path / "0.1")
    executor = made(partial(steps, tmp_path))
    executor.submit(jobs(0.1), {}, {})
    events_of(executor, lambda event: isinstance(event, EpochMeasured))
    shown = CliRunner().invoke(app, ["cluster"])
    assert shown.exit_code == 0, shown.output
    head, *workers = shown.output.splitlines()
    assert head.startswith(f"{socket.gethostname()}: 2 cores, no GPU")
    assert any(line.startswith("  function ") and "trial 0 for" in line for line in workers)
    described = json.loads(CliRunner().invoke(app, ["cluster", "--json"]).output)
    assert [one["trials"] for one in described[0]["workers"] if one["trials"]] == [[0]]


def test_its_nodes_are_told(made: Callable[..., Executor], cluster: Any, tmp_path: Path) -> None:
    """Each with its workers of this process and their memory, also those without work."""
    os.mkfifo(tmp_path / "0.1")
    executor = made(partial(steps, tmp_path))
    node = cluster.add_node(num_cpus=1)
    executor.submit(jobs(0.1), {}, {})
    found: list[Any] = []
    while not any(one["trials"] == [0] for node in found for one in node["workers"]):
        for update in executor.progress(WAIT):
            found = found if update.nodes is None else list(update.nodes)
    workers = [one for node in found for one in node["workers"] if one["trials"]]
    assert workers[0]["memory"] > 10 * 2**20
    assert sorted(len(node["workers"]) for node in found)[0] == 0
    assert all(node["name"].startswith(f"{socket.gethostname()}: ") for node in found)
    threading.Thread(target=(tmp_path / "0.1").write_text, args=("go",), daemon=True).start()
    events_of(executor)
    cluster.remove_node(node)


def terminal(*words: object) -> subprocess.CompletedProcess[str]:
    """Runs a command as typed, in a process of its own."""
    command = [sys.executable, "-m", "paceline", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT)


def test_without_a_cluster_at_the_address_the_error_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    script = tmp_path / "train.py"
    script.write_text("def objective(hp): return hp.Float('x', 0.0, 1.0)\n")
    words = ["tune", f"{script}:objective", "--objective", "score:max", "--trials", "2"]
    done = terminal(
        *words, "--executor", "ray", "--address", address, "--study", tmp_path / "study"
    )
    assert done.returncode == 2, done.stderr
    assert f"the Ray cluster at address={address!r} was not found (nothing answers" in done.stderr
    assert "ray start --head" in done.stderr
    assert not (tmp_path / "study").exists()


def test_a_worker_with_other_versions_is_an_error(
    made: Callable[..., Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = versions()
    monkeypatch.setattr(functions, "versions", lambda: {**own, "keras": "3.0.1"})
    executor = made(fine)
    executor.submit(jobs(0.5), {}, {})
    error = error_of(executor)
    assert isinstance(error, InvalidInput)
    assert f"keras is {own['keras']} there and 3.0.1 in the study's process" in str(error)
    assert "jax is" not in str(error)


def test_a_function_that_a_node_cannot_import_is_an_error(
    made: Callable[..., Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("not_on_any_path")
    exec("def objective(hp): return 1.0", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    executor = made(module.objective)
    executor.submit(jobs(0.5), {}, {})
    error = error_of(executor)
    assert isinstance(error, InvalidInput)
    assert "No module named 'not_on_any_path'" in str(error)
    assert "py_modules" in str(error)


class Unloadable:
    """Ends the process that loads it."""

    def __reduce__(self) -> Any:
        return os._exit, (3,)


def test_workers_that_cannot_start_are_an_error_after_two_tries(
    made: Callable[..., Executor],
) -> None:
    executor = made(fine, load=Unloadable())
    executor.submit(jobs(0.5), {}, {})
    error = error_of(executor)
    assert isinstance(error, PacelineError)
    assert "the last 2 ended before they could begin" in str(error)


def test_what_the_cluster_has_no_room_for_is_refused(cluster: Any, tmp_path: Path) -> None:
    study = tmp_path / "study"
    tune = partial(paceline.optimize, fine, "min", trials=2, study=study)
    with pytest.raises(InvalidInput, match=r"needs 1 core and 1 GPU, and no node .*no GPU"):
        tune(executor=Ray(gpus_per_worker=1))
    with pytest.raises(InvalidInput, match=r"needs 64 cores, and no node"):
        tune(executor="ray", cpus_per_worker=64)
    room = min(node.store for node in Cluster().nodes())
    big = np.zeros(room + 2**20, np.uint8)
    with pytest.raises(InvalidInput, match=r"are [\d,]+ MiB, and the object store of .* has"):
        create("ray", FunctionWork(lambda hp: float(big[0]), "score", SPACE))
    with pytest.raises(InvalidInput, match=r"address is '10.0.0.1:6379', and .* is connected"):
        tune(executor=Ray(address="10.0.0.1:6379"))


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"address is 'somewhere'; expected a host and a port"):
        Ray(address="somewhere")
    with pytest.raises(InvalidInput, match=r"ray job submit"):
        Ray(address="ray://head:10001")
    with pytest.raises(InvalidInput, match="cpus_per_worker is 0"):
        Ray(cpus_per_worker=0)
    with pytest.raises(InvalidInput, match="workers is 0"):
        Ray(workers=0)
    with pytest.raises(InvalidInput, match=r"address was given .*expected executor=.ray"):
        paceline.optimize(fine, "min", trials=2, address="auto", study=tmp_path / "study")


def test_without_ray_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidInput, match=r"pip install 'paceline\[ray\]'"):
        paceline.optimize(fine, "min", trials=2, executor="ray", study=tmp_path / "study")
    assert not (tmp_path / "study").exists()
