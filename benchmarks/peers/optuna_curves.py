"""Optuna's TPE with its Hyperband pruner on learning curves from a table; see `benchmarks.curves`.

Request: ``task, target, seeds, most`` epochs. Answer: ``runs``, for each seed ``epochs``,
``seconds`` (virtual) and ``trials`` until a full training reached the target, or None where none
did.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import optuna  # type: ignore[import-not-found, unused-ignore]

from benchmarks.lcbench import AXES, EPOCHS, WHOLE, Rows, Task, table

SPACE = {
    name: (
        optuna.distributions.IntDistribution
        if name in WHOLE
        else optuna.distributions.FloatDistribution
    )(low, high, log=log)
    for name, (low, high, log) in AXES.items()
}


class OnRows(optuna.samplers.TPESampler):  # type: ignore[misc, unused-ignore]
    """TPE with its defaults whose proposals become the nearest row that is left, and which learns
    from that row.
    """

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__(seed=seed)
        self.task, self.rows, self.row = task, Rows(task, seed), -1

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:  # noqa: ARG002
        return SPACE

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        found = super().sample_relative(study, trial, search_space)
        # nothing is proposed among the first ten trials, which are drawn at random
        self.row = (
            self.rows.nearest([found[name] for name in AXES]) if found else self.rows.random()
        )
        return self.task.config(self.row)


def search(task: Task, target: float, seed: int, most: int) -> dict[str, float] | None:
    """Epochs, seconds and trials until the target is reached; None if it is not in ``most``
    epochs.
    """
    sampler = OnRows(task, seed)
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    epochs, seconds = 0, 0.0
    while epochs < most and len(sampler.rows):
        trial = study.ask()
        for name, (low, high, log) in AXES.items():
            (trial.suggest_int if name in WHOLE else trial.suggest_float)(name, low, high, log=log)
        row, state = sampler.row, optuna.trial.TrialState.COMPLETE
        for epoch in range(1, EPOCHS + 1):
            trial.report(task.accuracy[row, epoch - 1], epoch)
            if epoch < EPOCHS and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        epochs, seconds = epochs + epoch, seconds + float(task.seconds[row, epoch - 1])
        study.tell(trial, task.accuracy[row, epoch - 1] if epoch == EPOCHS else None, state)
        if epoch == EPOCHS and task.final[row] >= target:
            return {"epochs": epochs, "seconds": seconds, "trials": trial.number + 1}
    return None


def searches(request: Mapping[str, Any]) -> list[dict[str, float] | None]:
    """One search for each seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = table()[request["task"]]
    return [search(task, request["target"], seed, request["most"]) for seed in request["seeds"]]


if __name__ == "__main__":
    print("\n" + json.dumps({"runs": searches(json.loads(sys.argv[1]))}))
