"""A study of networks in this process, or in several.

Request: ``trials, epochs, rows, workers`` (0 for this process), ``kill`` (whether an engine is
killed). Answer: ``start``, seconds from the call to the first start of a trial; ``seconds``, from
there to the last end; ``scores``; ``again``, seconds from the end of an engine to the first new
epoch of its trials.
"""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import paceline

_KILL_AT = 0.3  # part of all epochs after which an engine is killed


def build(hp: paceline.HyperParameters) -> Any:
    """A small network."""
    import keras

    layers: list[Any] = [keras.Input((20,))]
    for _ in range(hp.Int("layers", 1, 2)):
        layers.append(keras.layers.Dense(hp.Int("units", 16, 64, step=16), "relu"))
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    return model


class Clock(paceline.Callback):
    """Notes when trials start and end, and kills an engine."""

    def __init__(self, kill_at: float) -> None:
        self.first = self.last = self.killed = self.again = 0.0
        self._kill_at, self._seen = kill_at, 0
        self._lost: set[int] = set()
        self._is_noticed = False

    def on_trial_begin(self, *_: Any) -> None:
        """Notes the first."""
        self.first = self.first or time.monotonic()

    def on_epoch_end(self, study: Any, trial: Any, *_: Any) -> None:
        """Kills the engine of this trial when it is time; then waits for its trials."""
        self._seen += 1
        if self._is_noticed and trial.number in self._lost and not self.again:
            self.again = time.monotonic()
        if not self.killed and self._kill_at and self._seen >= self._kill_at:
            own = [one for one in study.trials if one.worker == trial.worker]
            self._lost = {one.number for one in own if not one.state.is_final}
            _kill(str(trial.worker))
            self.killed = time.monotonic()

    def on_note(self, _: Any, text: str) -> None:
        """Notes that the study has seen the loss: epochs before it were trained before it."""
        self._is_noticed = self._is_noticed or "was lost" in text

    def on_trial_end(self, *_: Any) -> None:
        """Notes the last."""
        self.last = time.monotonic()


def _kill(worker: str) -> None:
    pid = int(worker.rpartition(":")[2])
    os.kill(pid, signal.SIGKILL)
    for child in multiprocessing.active_children():
        if child.pid == pid:
            child.join()


def main() -> None:
    """Answers the request."""
    request = json.loads(sys.argv[1])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(request["rows"], 20)).astype("float32")
    y = (x[:, 0] * x[:, 1] + x[:, 2]).astype("float32")
    kill_at = _KILL_AT * request["trials"] * request["epochs"] if request.get("kill") else 0.0
    clock = Clock(kill_at)
    options: dict[str, Any] = {}
    if request["workers"]:
        options = {"executor": "processes", "workers": request["workers"]}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        study = paceline.tune(
            build,
            (x, y),
            "val_loss",
            trials=request["trials"],
            epochs=request["epochs"],
            search="random",
            schedule="full",
            seed=1,
            final="off",
            display=False,
            study=Path(folder) / "study",
            callbacks=[clock],
            **options,
        )
        answer = {
            "start": clock.first - began,
            "seconds": clock.last - clock.first,
            "scores": [trial.score for trial in study.trials],
            "again": clock.again - clock.killed,
        }
    if kill_at and not clock.again:
        raise SystemExit("the trials of the killed engine had no further epoch: take more epochs")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
