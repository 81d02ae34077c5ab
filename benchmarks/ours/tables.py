"""Our strategies on the tables of `benchmarks.lookup`.

Request: ``table, search, seeds, trials, batch``. Answer: ``runs``, what `benchmarks.lookup.play`
    answers for each seed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.lookup import Place, Table, play
from paceline.core import Objective, Trial, TrialState
from paceline.search import History, create
from paceline.space import Choice, Space


def run(table: Table, search: str, seed: int, trials: int, batch: int) -> dict[str, Any]:
    space = Space(
        [
            Choice(axis, list(choices))
            for axis, choices in zip(table.axes, table.choices, strict=True)
        ]
    )
    objective = Objective("value", "minimize" if table.direction == "minimize" else "maximize")
    strategy, seen, told = create(search, seed), set[str](), list[Trial]()
    asked: list[Mapping[str, Any]] = []

    def ask(count: int) -> list[Place]:
        nonlocal strategy
        strategy, answer = strategy.ask(space, History(seen, told, objective), count)
        seen.update(proposal.key for proposal in answer)
        asked[:] = [proposal.config for proposal in answer]
        return [tuple(h.index_of(config[h.name]) for h in space) for config in asked]

    def tell(values: Sequence[float]) -> None:
        for config, value in zip(asked, values, strict=True):
            told.append(Trial(len(told), config, len(told), 1, TrialState.COMPLETED, score=value))

    return play(table, seed, trials=trials, batch=batch, ask=ask, tell=tell)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    looked_up = Table.read(wanted["table"])
    runs = [
        run(looked_up, wanted["search"], seed, wanted["trials"], wanted["batch"])
        for seed in wanted["seeds"]
    ]
    print("\n" + json.dumps({"runs": runs}))
