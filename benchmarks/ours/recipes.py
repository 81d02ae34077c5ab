"""One recipe, or a random sample of the exhaustive grid, as a process of its own; prints what it
came to.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import paceline
import paceline.search
from paceline.recipes import RecipeRun, images, recipe, writing

PARTS = {
    "predefined": ("kmnist-mlp", ("predefined",)),
    "smart": ("kmnist-mlp", ("smart",)),
    "mnist-methods": ("mnist-methods", ("grid", "random", "bayesian", "compare")),
    "mnist-cnn": ("mnist-cnn", ("random", "bayesian", "winner")),
}
PER_WIDTH = 4  # programs, of 36


def main(request: dict[str, Any]) -> dict[str, Any]:
    folder, quick = Path(request["study"]), request["quick"]
    run = RecipeRun(
        folder / "sample", request["data"], quick=quick, say=lambda _: None, display=False
    )
    if request["what"] == "sample":
        return _sample(run)
    name, parts = PARTS[request["what"]]
    trials = 0
    for part in parts:
        directory = folder / part
        recipe(name).part(part)(
            RecipeRun(directory, run.data, quick=quick, say=lambda _: None, display=False)
        )
        trials += len(paceline.load_study(directory).trials)
    return {**_told(paceline.load_study(directory), images.load(run, 2000)), "trials": trials}


def _sample(run: RecipeRun) -> dict[str, Any]:
    """Trains whole programs of the grid, as many of each width, drawn at random."""
    from paceline.recipes import kmnist_mlp as mlp

    data, grid = images.load(run, mlp.QUICK_ROWS), mlp.QUICK_GRID if run.quick else mlp.GRID
    every, _ = mlp.shuffled(grid, seed=run.seed)
    programs = sorted({mlp.program(config) for config in every}, key=str)
    rng = np.random.default_rng(run.seed)
    chosen = set()
    for width in grid["neurons"]:
        alike = [program for program in programs if program[1] == width]
        take = 1 if run.quick else PER_WIDTH
        chosen |= {alike[place] for place in rng.permutation(len(alike))[:take].tolist()}
    configs = tuple(config for config in every if mlp.program(config) in chosen)
    study = paceline.tune(
        mlp.build_of(grid),
        data,
        objective="val_accuracy",
        search=paceline.search.Given(configs),
        final=False,
        validation=mlp.VALIDATION,
        batch_size=paceline.Choice(list(grid["batch_size"])),
        seed=run.seed,
        epochs=paceline.Choice(list(grid["epochs"])),
        study=run.directory,
        display=False,
    )
    return {
        **_told(study, data),
        "trials": len(configs),
        "programs": len(chosen),
        "all_programs": len(programs),
        "factor": len(programs) / len(chosen),
        "share": f"{len(configs)} of {len(every):,} configurations",
    }


def _told(study: paceline.Study, data: Any) -> dict[str, Any]:
    right = int((writing.predicted(study, data.x_test) == data.y_test).sum())
    accuracy, low, high = writing.proportion(right, len(data.y_test))
    return {
        "best": study.best.score,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "search_seconds": study.seconds,
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
