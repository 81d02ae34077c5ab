"""Optuna's TPE with its default pruner over Keras ``fit``, until one of its networks reaches a
target.

Request: ``space, data, trials, epochs, batch_size, seed, target, limit``. Answer: ``seconds,
    reached, trials``.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import optuna

from benchmarks.arrays import read
from benchmarks.builds import SPACES


class Suggestions:
    """``hp`` in Optuna's words."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def Int(  # noqa: N802
        self, name: str, min_value: int, max_value: int, step: int | None = None
    ) -> int:
        return self.trial.suggest_int(name, min_value, max_value, step=step or 1)

    def Float(  # noqa: N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        *,
        sampling: str = "linear",
    ) -> float:
        log = sampling == "log"
        return self.trial.suggest_float(name, min_value, max_value, step=step, log=log)

    def Choice(self, name: str, values: Sequence[Any]) -> Any:  # noqa: N802
        return self.trial.suggest_categorical(name, list(values))


class Report(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Reports each epoch, and prunes where Optuna says so."""

    def __init__(self, trial: optuna.Trial, metric: str) -> None:
        super().__init__()
        self.trial, self.metric = trial, metric

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.trial.report(float((logs or {})[self.metric]), epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def race(request: Mapping[str, Any]) -> dict[str, Any]:
    space, data = SPACES[request["space"]], read(request["data"])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=request["seed"])
    )
    start = time.perf_counter()

    def objective(trial: optuna.Trial) -> float:
        keras.utils.set_random_seed(request["seed"] % 2**31 + trial.number)
        model = space.build(Suggestions(trial))
        history = model.fit(
            data["x"],
            data["y"],
            validation_data=(data["x_val"], data["y_val"]),
            epochs=request["epochs"],
            batch_size=request["batch_size"],
            verbose=0,
            callbacks=[Report(trial, space.objective)],
        )
        score = float(max(history.history[space.objective]))
        if score >= request["target"]:
            study.stop()
        return score

    study.optimize(objective, timeout=request["limit"])
    seconds = time.perf_counter() - start
    done = [
        t.value
        for t in study.trials
        if t.state == optuna.trial.TrialState.COMPLETE and t.value is not None
    ]
    best = max(done, default=0.0)
    return {
        "seconds": seconds,
        "reached": best >= request["target"],
        "trials": len(study.trials),
        "best": best,
    }


if __name__ == "__main__":
    print("\n" + json.dumps(race(json.loads(sys.argv[1]))))
