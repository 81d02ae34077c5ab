"""The recipe of the ladder or of the methods, as a process of its own; prints what it came to."""

import json
import sys
from pathlib import Path
from typing import Any

import paceline
from paceline.comparison import Comparison, read_ladder
from paceline.recipes import RecipeRun, recipe

MAIN = {"mnist-ladder": "mnist", "california-methods": "california_housing"}


def main(request: dict[str, Any]) -> dict[str, Any]:
    name, folder = request["what"], Path(request["study"])
    found = recipe(name)
    for part in found.parts:
        found.part(part)(
            RecipeRun(
                folder / part, MAIN[name], quick=request["quick"], say=lambda _: None, display=False
            )
        )
    return _ladder(folder / "ladder") if name == "mnist-ladder" else _methods(folder)


def _ladder(directory: Path) -> dict[str, Any]:
    found = read_ladder(directory)
    rungs = [[rung.name, rung.score.value, rung.score.low, rung.score.high] for rung in found.rungs]
    steps = [
        [step.before, step.after, step.difference, step.low, step.high, step.is_real]
        for step in found.steps
    ]
    return {
        "rungs": rungs,
        "steps": steps,
        "trainings": sum(len(rung.scores) for rung in found.rungs),
    }


def _methods(folder: Path) -> dict[str, Any]:
    from paceline.recipes.california_methods import outcomes

    frame = outcomes(Comparison.open(folder / "methods"))
    columns = ["method", "rmse", "rmse_low", "rmse_high", "r2", "epochs", "seconds"]
    tested = paceline.load_study(folder / "winner").record.tested
    return {
        "methods": frame[columns].to_numpy().tolist(),
        "rmse": None if tested is None else tested.metrics["rmse"],
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
