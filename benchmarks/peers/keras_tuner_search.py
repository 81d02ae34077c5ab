"""KerasTuner's search over one of our spaces, as its documentation writes it.

Request: ``space, data, trials, epochs, batch_size, seed``; ``search`` is ``"random"`` (the default)
or ``"bayes"``. Answer: ``search_seconds, parameters, best, trials``, and ``memory``, the
resident memory after each trial.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import keras_tuner  # type: ignore[import-untyped, import-not-found, unused-ignore]
import psutil

from benchmarks.arrays import read
from benchmarks.builds import SPACES, Space


class Model(keras_tuner.HyperModel):  # type: ignore[misc]
    """A space's build function; batch size and epochs are tuned as KerasTuner's guide says, by
    overriding `fit`.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        return self.space.build(hp)

    def fit(self, hp: keras_tuner.HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:
        tuned = {name: hp.Choice(name, list(values)) for name, values in self.space.choices.items()}
        return model.fit(*args, **{**kwargs, **tuned})


class NotesMemory:
    """Notes the process's resident memory after each trial."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory: list[int] = []

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)  # type: ignore[misc]
        self.memory.append(psutil.Process().memory_info().rss)


class RandomSearch(NotesMemory, keras_tuner.RandomSearch):  # type: ignore[misc]
    """Random search."""


class BayesianSearch(NotesMemory, keras_tuner.BayesianOptimization):  # type: ignore[misc]
    """Bayesian search."""


SEARCHES: Mapping[str, Any] = {"random": RandomSearch, "bayes": BayesianSearch}


def search(request: Mapping[str, Any], directory: str) -> dict[str, Any]:
    space, data = SPACES[request["space"]], read(request["data"])
    tuner = SEARCHES[request.get("search", "random")](
        Model(space),
        objective=space.objective,
        max_trials=request["trials"],
        seed=request["seed"],
        directory=directory,
        project_name="search",
        overwrite=True,
    )
    start = time.perf_counter()
    tuner.search(
        data["x"],
        data["y"],
        validation_data=(data["x_val"], data["y_val"]),
        epochs=request["epochs"],
        batch_size=request["batch_size"],
        verbose=0,
    )
    seconds = time.perf_counter() - start
    trials = tuner.oracle.get_best_trials(request["trials"])
    sizes = [space.parameters(trial.hyperparameters.values) for trial in trials]
    return {
        "search_seconds": seconds,
        "trials": len(tuner.memory),
        "parameters": sum(sizes) / len(sizes),
        "best": trials[0].score,
        "memory": tuner.memory,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="keras-tuner-") as project:
        print("\n" + json.dumps(search(json.loads(sys.argv[1]), project)))
