"""Networks on a Ray cluster: the contract, and studies that are the same on any number of nodes."""

import os
import shutil
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline.core import InvalidInput, Objective, PacelineError
from paceline.execute import Job, NetworkWork, TrainingConfig, create
from paceline.execute.engines import crew
from paceline.execute.ray.cluster import Cluster
from paceline.execute.ray.programs import ProgramDirectory, SharedPrograms
from paceline.execute.versions import versions
from paceline.space import Choice, Float, Space
from paceline.testing.executors import NetworkExecutorContract, small_network
from paceline.train.array_feed import TrainingData

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

# twenty take several minutes
SEEDS = int(os.environ.get("PACELINE_RAY_SEEDS", "3"))


@pytest.mark.exhaustive
class TestRay(NetworkExecutorContract):
    @pytest.fixture
    def executor(self, cluster: Any) -> Any:
        return paceline.execute.Ray(cpus_per_worker=1)


@pytest.fixture(scope="module")
def tune() -> Any:
    """A study of small networks."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 4)).astype("float32")
    y = (x[:, 0] - x[:, 1] ** 2).astype("float32")
    return partial(
        paceline.tune,
        small_network,
        (x, y),
        objective="val_loss",
        epochs=4,
        batch_size=16,
        final=False,
        seed=1,
    )


def outcome(study: Any) -> Any:
    """What has to be equal; as text, since NaN is not equal to itself."""
    return [
        repr((t.config, t.state, [one.metrics for one in t.measurements], t.score))
        for t in study.trials
    ]


@pytest.fixture
def nodes(cluster: Any) -> Iterator[list[Any]]:
    """Nodes that were added; those that are still there are removed."""
    added: list[Any] = []
    yield added
    for node in added:
        cluster.remove_node(node)


@pytest.mark.exhaustive
def test_a_study_of_networks_is_that_of_this_process(
    cluster: Any, tune: Any, tmp_path: Path
) -> None:
    here = tune(trials=4, study=tmp_path / "here")
    there = tune(trials=4, study=tmp_path / "there", executor="ray", cpus_per_worker=1)
    assert outcome(there) == outcome(here)
    assert all(one.worker is not None for one in there.trials)


@pytest.mark.exhaustive
def test_data_in_batches_are_opened_there(cluster: Any, tune: Any, tmp_path: Path) -> None:
    x, y = tune.args[1]

    def batches() -> Iterator[Any]:
        return ((x[i : i + 16], y[i : i + 16]) for i in range(0, len(x), 16))

    def held_out() -> Iterator[Any]:
        return ((x[i : i + 8], -y[i : i + 8]) for i in range(0, 24, 8))

    options: dict[str, Any] = {
        **tune.keywords,
        "validation": held_out,
        "in_memory": False,
        "trials": 4,
    }
    del options["batch_size"]
    where: dict[str, Any] = {"executor": "ray", "cpus_per_worker": 1}
    here = paceline.tune(small_network, batches, study=tmp_path / "here", **options)
    there = paceline.tune(small_network, batches, study=tmp_path / "there", **options, **where)
    assert outcome(there) == outcome(here)
    assert all(one.worker is not None for one in there.trials)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_study_of_networks_is_the_same_on_any_number_of_nodes(
    cluster: Any, nodes: list[Any], tune: Any, tmp_path: Path, seed: int
) -> None:
    """One node is killed at a random trial, and another one joins at a random trial."""
    rng = np.random.default_rng(seed)
    lost, joined = (int(number) for number in rng.integers(1, 8, 2))
    nodes += [cluster.add_node(num_cpus=1) for _ in range(1 + seed % 3)]

    class Changes(paceline.Callback):
        def on_trial_end(self, study: Any, trial: Any) -> None:
            if trial.number == joined:
                nodes.append(cluster.add_node(num_cpus=1))
            if trial.number == lost:
                cluster.remove_node(nodes.pop(0), allow_graceful=False)

    here = tune(trials=10, seed=seed, study=tmp_path / "here")
    executor = paceline.execute.Ray(cpus_per_worker=1)
    there = tune(
        trials=10, seed=seed, study=tmp_path / "there", executor=executor, callbacks=[Changes()]
    )
    assert outcome(there) == outcome(here)


@pytest.mark.exhaustive
def test_keras_callbacks_do_the_same_there(cluster: Any, tune: Any, tmp_path: Path) -> None:
    import keras

    def halved(epoch: int, rate: float) -> float:
        return rate * 0.5 if epoch == 4 else rate

    def callbacks() -> list[Any]:
        files = tmp_path / "files"
        return [
            keras.callbacks.LearningRateScheduler(halved),
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
            keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
            keras.callbacks.CSVLogger(str(files / "log.csv")),
        ]

    options: dict[str, Any] = {"trials": 6, "epochs": 9}
    here = tune(study=tmp_path / "here", callbacks=callbacks(), **options)
    there = tune(
        study=tmp_path / "there",
        callbacks=callbacks(),
        executor=paceline.execute.Ray(cpus_per_worker=1),
        **options,
    )
    assert outcome(there) == outcome(here)
    assert there.record.early_ends == here.record.early_ends
    assert here.record.early_ends
    assert len(list((tmp_path / "files").glob("trial-*/log.csv"))) == 6


KILLED = """
import os, signal, sys
import numpy as np
import paceline
from paceline.testing.executors import small_network

class Ends(paceline.Callback):
    seen = 0

    def on_trial_paused(self, study, trial, reason):
        self.seen += 1
        if self.seen == 5:
            os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    data = np.load(sys.argv[1])
    executor = paceline.execute.Ray(address=sys.argv[3], cpus_per_worker=1)
    paceline.tune(small_network, (data["x"], data["y"]), study=sys.argv[2], executor=executor,
        objective="val_loss", trials=9, epochs=9, batch_size=16, final=False, seed=1,
        callbacks=[Ends()], display=False)
"""


@pytest.mark.exhaustive
def test_a_study_of_networks_whose_process_was_killed_continues_anywhere(
    cluster: Any, tune: Any, tmp_path: Path
) -> None:
    x, y = tune.args[1]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    (tmp_path / "program.py").write_text(KILLED)
    whole = tune(trials=9, epochs=9, study=tmp_path / "whole")
    words = [tmp_path / "program.py", tmp_path / "data.npz", tmp_path / "study", cluster.address]
    killed = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    begun = paceline.load_study(tmp_path / "study")
    assert any(trial.worker is not None for trial in begun.trials)
    assert not all(trial.state.is_final for trial in begun.trials)
    places: list[dict[str, Any]] = [{}, {"executor": "local"}]
    for where in places:
        copy = Path(shutil.copytree(tmp_path / "study", tmp_path / f"copy{len(where)}"))
        study = paceline.resume(copy, small_network, (x, y), trials=9, display=False, **where)
        assert outcome(study) == outcome(whole)


@pytest.mark.exhaustive
def test_folds_the_final_and_an_ablation_run_there(cluster: Any, tune: Any, tmp_path: Path) -> None:
    def finished(name: str, **where: Any) -> Any:
        given = {"trials": 4, "folds": 2, "final": 2, **where}
        found = tune(study=tmp_path / name, **given)
        paceline.ablate(tmp_path / name, small_network, tune.args[1])
        return found, paceline.load_study(tmp_path / name)

    here, all_here = finished("here")
    there, all_there = finished("there", executor="ray", cpus_per_worker=1)
    assert outcome(there) == outcome(here)
    assert there.best.number == here.best.number
    assert repr(there.verdict) == repr(here.verdict)
    gains = [
        found.ablation().drop(columns=["seconds"], errors="ignore").to_dict("records")
        for found in (all_here, all_there)
    ]
    assert repr(gains[0]) == repr(gains[1])
    assert gains[0]


def work_of(rows: int) -> NetworkWork:
    x = np.zeros((rows, 4), np.float32)
    data = TrainingData.of((x, x[:, 0]), (x[:8], x[:8, 0]))
    space = Space([Choice("units", [2, 3]), Float("rate", 1e-3, 1.0, sampling="log")])
    return NetworkWork(
        small_network, data, TrainingConfig(Objective("loss", "minimize"), batch_size=8), space
    )


def test_what_no_node_has_is_refused(cluster: Any) -> None:
    room = min(node.store for node in Cluster().nodes())
    with pytest.raises(InvalidInput, match=r"the data are [\d,]+ MiB, and the object store of"):
        create("ray", work_of(room // 16 + 2**18))
    with pytest.raises(InvalidInput, match=r"needs 1 core and 1 GPU, and no node .*no GPU"):
        create(paceline.execute.Ray(gpus_per_worker=1), work_of(16))


@pytest.mark.exhaustive
def test_engines_that_cannot_do_the_work_are_an_error(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error_of(work: NetworkWork) -> BaseException:
        executor = create(paceline.execute.Ray(workers=1), work)
        try:
            executor.submit([Job(0, {"units": 2, "rate": 0.1}, seed=1, epochs=1)], {}, {})
            while True:
                for update in executor.progress(60.0):
                    if update.error is not None:
                        return update.error
        finally:
            executor.close()

    module = types.ModuleType("not_on_any_path")
    exec("def build(hp): return None", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    error = error_of(replace(work_of(16), build=module.build))
    assert isinstance(error, InvalidInput)
    assert "No module named 'not_on_any_path'" in str(error)
    own = versions()
    monkeypatch.setattr(crew, "versions", lambda: {**own, "jax": "0.1.2"})
    error = error_of(work_of(16))
    assert isinstance(error, PacelineError)
    assert f"jax is {own['jax']} there and 0.1.2 in the study's process" in str(error)


class Engine:
    """Takes programs as an engine does."""

    def __init__(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PACELINE_CACHE", str(cache))
        self.directory = ProgramDirectory()
        self.files = cache / "xla" / self.directory.processor
        self.files.mkdir(parents=True, exist_ok=True)

    def keep_programs(self, programs: Any) -> None:
        self.directory.keep(programs)

    def compiles(self, *names: str) -> Any:
        for name in names:
            (self.files / name).write_bytes(name.encode())
        return self.directory.new()

    @property
    def programs(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.files.iterdir()}


def test_programs_travel_between_machines_of_one_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, other = (Engine(tmp_path / name, monkeypatch) for name in "abcd")
    shared = SharedPrograms()
    for engine in (first, second):
        shared.join(engine, "x86", engine.directory.place)
    shared.join(other, "arm", other.directory.place)
    names = ("one-cache", "two.paceline.json")
    new = first.compiles(*names, "one-atime", "three-cache.tmp", "four.paceline.json.12-34")
    assert set(new) == set(names)
    shared.add(first, new)
    assert second.programs == {name: name.encode() for name in names}
    assert second.compiles("three-cache").keys() == {"three-cache"}  # none goes back
    shared.join(third, "x86", third.directory.place)  # a machine that joins gets all
    assert third.programs == {name: name.encode() for name in names}
    assert other.programs == {}
    shared.leave(second)
    shared.add(first, first.compiles("four-cache"))
    assert "four-cache" in third.programs
    assert "four-cache" not in second.programs
    third.keep_programs({"../outside-cache": np.zeros(1, np.uint8)})
    assert not (third.files.parent / "outside-cache").exists()
