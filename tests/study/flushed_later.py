"""A study whose trials are made up, and that can be killed before anything is flushed."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import paceline
from paceline.core import Configuration, Objective
from paceline.execute.base import TrainingConfig
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.execute.work import FunctionWork
from paceline.store import delayed_flush

_KILLED_AFTER = 34  # decisions


def function(hp: paceline.HyperParameters) -> float:
    """Never called."""
    raise NotImplementedError


def curve(config: Configuration) -> Curve:
    """Losses of nine epochs."""
    x = float(config["x"])
    losses = (x - 0.3) ** 2 + np.exp(-np.arange(1, 10) * (0.2 + x))
    return [({"score": float(loss)}, 1.0 + x) for loss in losses]


class Workers(SimulatedExecutor):
    """Twenty-four of them."""

    def __init__(self, work: FunctionWork) -> None:
        super().__init__(curve, TrainingConfig(Objective(work.metric, "minimize")), 24)


def search(directory: Path, callbacks: Sequence[Any] = ()) -> paceline.Study:
    """Sixty trials, in order, of which many wait for decisions and continue."""
    return paceline.optimize(
        function,
        "min",
        space={"x": paceline.Float("x", 0.0, 1.0)},
        epochs=9,
        trials=60,
        search="random",
        schedule="asha",
        executor=Workers,
        workers=24,
        ordered=True,
        final=False,
        display=False,
        callbacks=callbacks,
        seed=1,
        study=directory,
    )


class _Kills(paceline.Callback):
    """Ends this process after some decisions."""

    def __init__(self) -> None:
        self._decided = 0

    def on_decision(self, *_: Any) -> None:
        """Counts them."""
        self._decided += 1
        if self._decided == _KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Runs the study in the directory named by the argument, until it is killed."""
    delayed_flush.flush = lambda _: threading.Event().wait()  # type: ignore[attr-defined,assignment]
    search(Path(sys.argv[1]), [_Kills()])


if __name__ == "__main__":
    main()
