"""What users bring to a search: configurations to try first, beliefs, and an earlier study."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from paceline.core import Configuration, InvalidInput, TrialState
from paceline.search import Bayes, StartWith, Strategy, create
from paceline.study.folded import read_record

StartingPoints = Iterable[Configuration] | None
Prior = Mapping[str, Any] | None
Earlier = str | os.PathLike[str] | None


def bring(
    search: str | Strategy, seed: int, *, start_with: StartingPoints, prior: Prior, learn_from: Earlier
) -> str | Strategy:
    """The strategy with what was brought to it; as it was where nothing was.

    Args:
        search: a strategy or its name.
        seed: of a strategy that is named.
        start_with: configurations to try first.
        prior: a `paceline.search.Normal` or `paceline.search.Weights` for some hyperparameters.
        learn_from: the directory of an earlier study on a similar task.

    Raises:
        InvalidInput: a prior or an earlier study for a strategy that has no use for it, or one that is none.
    """
    if prior is not None or learn_from is not None:
        strategy = create(search, seed)
        if not isinstance(strategy, Bayes):
            what = "a prior" if learn_from is None else "learn_from"
            raise InvalidInput(f"{what} was given with search {strategy.name!r}", expected="search='auto' or 'bayes'")
        search = replace(strategy, prior=tuple((prior or {}).items()), source=_source(learn_from))
    if start_with is not None:
        search = StartWith(start_with, create(search, seed))  # type: ignore[arg-type]  # it says what is wrong
    return search


def _source(directory: Earlier) -> tuple[tuple[Configuration, float], ...]:
    """The trials of an earlier study that were trained to their end, with their losses."""
    if directory is None:
        return ()
    record = read_record(directory)
    loss = record.objective.loss
    completed = [trial for trial in record.trials.values() if trial.state is TrialState.COMPLETED]
    found = tuple((dict(trial.config), loss(trial.score)) for trial in completed if trial.score is not None)
    if not found:
        raise InvalidInput(f"learn_from is {str(directory)!r}, which has no completed trial", expected="at least one")
    return found
