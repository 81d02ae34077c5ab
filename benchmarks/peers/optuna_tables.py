"""Optuna's samplers on the tables of `benchmarks.lookup`; ordered axes are its integers, the others
its categories.

Request: ``table, search, seeds, trials, batch``. Answer: ``runs``, what `benchmarks.lookup.play`
    answers for each seed.
"""

import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna  # type: ignore[import-not-found, unused-ignore]

from benchmarks.lookup import Place, Table, play

SAMPLERS: Mapping[str, Callable[..., optuna.samplers.BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    # scrambled, or every seed would be the same search
    "qmc": lambda *, seed: optuna.samplers.QMCSampler(
        scramble=True, seed=seed, warn_asynchronous_seeding=False
    ),
    "random": optuna.samplers.RandomSampler,
}


def run(table: Table, search: str, seed: int, trials: int, batch: int) -> dict[str, Any]:
    study = optuna.create_study(
        sampler=SAMPLERS[search](seed=seed),
        direction="minimize" if table.direction == "minimize" else "maximize",
    )
    asked: list[optuna.Trial] = []

    def place(trial: optuna.Trial) -> Place:
        return tuple(
            trial.suggest_categorical(axis, range(len(choices)))
            if isinstance(choices[0], str)
            else trial.suggest_int(axis, 0, len(choices) - 1)
            for axis, choices in zip(table.axes, table.choices, strict=True)
        )

    def ask(count: int) -> list[Place]:
        asked.clear()
        places: list[Place] = []
        for _ in range(count):
            asked.append(study.ask())
            places.append(place(asked[-1]))
        return places

    def tell(values: Sequence[float]) -> None:
        for trial, value in zip(asked, values, strict=True):
            study.tell(trial, value)

    return play(table, seed, trials=trials, batch=batch, ask=ask, tell=tell)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    wanted = json.loads(sys.argv[1])
    looked_up = Table.read(wanted["table"])
    runs = [
        run(looked_up, wanted["search"], seed, wanted["trials"], wanted["batch"])
        for seed in wanted["seeds"]
    ]
    print("\n" + json.dumps({"runs": runs}))
