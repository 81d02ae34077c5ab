"""Studies of tiny networks on several engines, of which one is killed at random.

Request: ``executor`` (``processes`` or ``ray``), ``engines``, ``trials``, ``seeds``. Answer:
``runs``, for each seed ``killed``, whether an engine was killed, and ``equal``, whether the study
is that of one process. What differs is printed to stderr, and each seed when it is done.
"""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import paceline
from paceline.execute import Processes, Ray

_EPOCHS = 9
_ROWS = 160


def build(hp: paceline.HyperParameters) -> Any:
    """A tiny network, of one of a few structures."""
    import keras

    layers: list[Any] = [keras.Input((4,))]
    for _ in range(hp.Int("layers", 1, 2)):
        layers.append(keras.layers.Dense(hp.Int("units", 4, 16, step=4), "relu"))
    if hp.Boolean("dropout"):
        layers.append(keras.layers.Dropout(0.2))
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    return model


class Disturbance(paceline.Callback):
    """Loses an engine after some epochs of the study, and adds one after some more."""

    def __init__(self, rng: np.random.Generator, num_epochs: int) -> None:
        self.killed = False
        self._kill_at = int(rng.integers(1, max(2, num_epochs)))
        self._add_at = self._kill_at + int(rng.integers(0, max(1, num_epochs)))
        self._which, self._seen = int(rng.integers(0, 1000)), 0

    def on_epoch_end(self, *_: Any) -> None:
        """Counts epochs of all trials."""
        self._seen += 1
        if self._seen == self._kill_at:
            self.kill(self._which)
            self.killed = True
        if self._seen == self._add_at:
            self.add()

    def kill(self, which: int) -> None:
        """Kills one of the engines."""
        raise NotImplementedError

    def add(self) -> None:
        """Adds an engine."""


class KilledProcess(Disturbance):
    """Kills a process; the study starts another one."""

    def kill(self, which: int) -> None:
        """With SIGKILL."""
        children = multiprocessing.active_children()
        engines = [one for one in children if one.name == "paceline-engine"]
        engine = sorted(engines, key=lambda one: one.pid or 0)[which % len(engines)]
        os.kill(engine.pid or 0, signal.SIGKILL)
        engine.join()


class KilledNode(Disturbance):
    """Kills a node of a cluster, and adds another one."""

    def __init__(self, rng: np.random.Generator, num_epochs: int, cluster: Any, nodes: Any) -> None:
        super().__init__(rng, num_epochs)
        self._cluster, self._nodes = cluster, nodes

    def kill(self, which: int) -> None:
        """Its processes, without notice."""
        self._cluster.remove_node(self._nodes.pop(which % len(self._nodes)), allow_graceful=False)

    def add(self) -> None:
        """A node of one core."""
        self._nodes.append(self._cluster.add_node(num_cpus=1))


def study(directory: Path, seed: int, trials: int, **options: Any) -> paceline.Study:
    """The study."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_ROWS, 4)).astype("float32")
    y = (x[:, 0] * x[:, 1] + x[:, 2]).astype("float32")
    return paceline.tune(
        build,
        (x, y),
        "val_loss",
        trials=trials,
        epochs=_EPOCHS,
        schedule="asha",
        seed=seed,
        final=False,
        refit=False,
        display=False,
        study=directory,
        **options,
    )


def content(done: paceline.Study) -> list[str]:
    """What has to be equal, as text: NaN is not equal to itself."""
    decisions = done.record.decisions
    return [
        repr(
            (
                trial.config,
                trial.state,
                trial.score,
                [(one.epoch, one.metrics) for one in trial.measurements],
                [(one.epoch, one.action, one.reason) for one in decisions.get(trial.number, ())],
            )
        )
        for trial in done.trials
    ]


@contextmanager
def disturbed(
    request: Mapping[str, Any], seed: int, num_epochs: int
) -> Iterator[tuple[Any, Disturbance]]:
    """The executor, and what disturbs it."""
    rng, engines = np.random.default_rng([seed, request["engines"]]), request["engines"]
    if request["executor"] == "processes":
        yield Processes(workers=engines), KilledProcess(rng, num_epochs)
        return
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(engines)]
        ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
        yield Ray(cpus_per_worker=1), KilledNode(rng, num_epochs, cluster, nodes)
    finally:
        ray.shutdown()
        cluster.shutdown()


def compared(request: Mapping[str, Any], seed: int, directory: Path) -> dict[str, bool]:
    """Whether an engine was killed, and whether the study is that of one process."""
    trials = request["trials"]
    alone = study(directory / "here", seed, trials)
    num_epochs = sum(len(trial.measurements) for trial in alone.trials)
    with disturbed(request, seed, num_epochs) as (executor, disturbance):
        options = {"executor": executor, "callbacks": [disturbance]}
        there = content(study(directory / "there", seed, trials, **options))
    here = content(alone)
    for number, (one, other) in enumerate(zip(here, there, strict=False)):
        if one != other:
            print(f"seed {seed}, trial {number}:\n  {one}\n  {other}", file=sys.stderr)
    print(f"seed {seed}: killed {disturbance.killed}, equal {here == there}", file=sys.stderr)
    return {"killed": disturbance.killed, "equal": here == there}


def main() -> None:
    """Answers the request."""
    request = json.loads(sys.argv[1])
    runs = []
    for seed in request["seeds"]:
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            runs.append(compared(request, seed, Path(folder)))
    print("\n" + json.dumps({"runs": runs}))


if __name__ == "__main__":
    main()
