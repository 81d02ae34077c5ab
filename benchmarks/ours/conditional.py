"""Our strategies on the conditional space of `benchmarks.branches`.

Request: ``search, seeds, trials``. Answer: ``runs``, for each seed the best loss after each trial.
"""

import itertools
import json
import sys

from benchmarks.branches import PARAMETERS, Parameter, loss
from paceline.core import Objective, Trial, TrialState
from paceline.search import History, create
from paceline.space import Choice, Condition, Float, Hyperparameter, Space

OBJECTIVE = Objective("loss", "minimize")


def hyperparameter(parameter: Parameter) -> Hyperparameter:
    conditions = [Condition(*parameter.when)] if parameter.when else []
    if parameter.choices:
        return Choice(parameter.name, list(parameter.choices), conditions=conditions)
    if parameter.is_log:
        return Float(parameter.name, 1e-5, 1.0, sampling="log", conditions=conditions)
    return Float(parameter.name, 0.0, 1.0, conditions=conditions)


def run(search: str, seed: int, trials: int) -> list[float]:
    space = Space(map(hyperparameter, PARAMETERS))
    strategy, seen, told = create(search, seed), set[str](), list[Trial]()
    for number in range(trials):
        strategy, (proposal,) = strategy.ask(space, History(seen, told, OBJECTIVE), 1)
        seen.add(proposal.key)
        score = loss(proposal.config)
        told.append(Trial(number, proposal.config, number, 1, TrialState.COMPLETED, score=score))
    return list(itertools.accumulate((trial.score or 0.0 for trial in told), min))


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    print(
        "\n"
        + json.dumps(
            {"runs": [run(wanted["search"], seed, wanted["trials"]) for seed in wanted["seeds"]]}
        )
    )
