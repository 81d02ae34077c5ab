"""What search and store cost per trial when training costs nothing; beside
`benchmarks.peers.optuna_overhead`.

Request: ``trials, seed, together`` (trials per tick). Answer: ``milliseconds`` per trial.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paceline.core import TrialState
from paceline.core.events import EpochMeasured, Event, TrialAsked, TrialEnded, TrialStarted
from paceline.search import History, create
from paceline.space import Choice, Float, Int, Space
from paceline.store import Store, StudyStore


def space() -> Space:
    """The same five hyperparameters as Optuna's objective has."""
    units, layers, dropout = (
        Choice("units", [32, 64, 96, 128]),
        Int("layers", 1, 3),
        Float("dropout", 0.0, 0.5),
    )
    l2, rate = (
        Float("l2", 1e-6, 1e-2, sampling="log"),
        Float("learning_rate", 1e-4, 1e-2, sampling="log"),
    )
    return Space([units, layers, dropout, l2, rate])


def run_trials(trials: int, seed: int, together: int, store: Store) -> None:
    """CONNECT: what a study does for each trial beside training it, as `paceline.study` does it.

    Asks, stores what was asked with the strategy's state, stores one measurement and the end: two
    transactions a tick.
    """
    strategy, known, seen = create("random", seed), space(), set[str]()
    for first in range(0, trials, together):
        strategy, proposals = strategy.ask(known, History(seen), min(together, trials - first))
        asked: list[Event] = []
        told: list[Event] = []
        for number, proposal in enumerate(proposals, start=first):
            config, loss = proposal.config, float(proposal.config["learning_rate"])
            seen.add(proposal.key)
            asked += [
                TrialAsked(number, config, number, 1, proposal.origin),
                TrialStarted(number, "none", config),
            ]
            told += [
                EpochMeasured(number, 1, {"loss": loss}, 0.0),
                TrialEnded(number, TrialState.COMPLETED, loss, 1, ""),
            ]
        store.append(asked, {"strategy": strategy.to_json()})
        store.append(told)
    store.close()


def overhead(request: Mapping[str, Any], directory: Path) -> float:
    start = time.perf_counter()
    store = StudyStore(directory, writable=True)
    run_trials(request["trials"], request["seed"], request["together"], store)
    return 1000 * (time.perf_counter() - start) / float(request["trials"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        print("\n" + json.dumps({"milliseconds": overhead(json.loads(sys.argv[1]), Path(folder))}))
