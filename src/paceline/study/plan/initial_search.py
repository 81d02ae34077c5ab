"""Warm start: the strategy of a study with its initial configurations, priors and earlier study."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from paceline.core import Configuration, InvalidInput, TrialState
from paceline.core.checks import mapping
from paceline.core.events import Json
from paceline.search import Bayes, Given, Normal, StartWith, Strategy, Weights, create
from paceline.search.bayes.belief import check_prior
from paceline.search.start_with import with_default
from paceline.space import Space
from paceline.store import has_study, study_directory
from paceline.study.record.replay import read_record
from paceline.study.resume.existing import Existing

StartingPoints = Iterable[Configuration] | None
Prior = Mapping[str, Any] | None
Earlier = str | os.PathLike[str] | None

_MOST_STORED = 64  # entries of a list that a study's settings hold; of longer ones a digest


@dataclass(frozen=True, slots=True)
class SearchChoice:
    """The search as it was asked for.

    Attributes:
        strategy: where to look next. Of a study that goes on with its own search, in the state in
            which it stopped.
        name: as it was typed, such as ``"auto"``.
        start_with: configurations to try first, other than the default one; None for none.
        stored: what a study has stored of all this already, where it goes on with its own search;
            None elsewhere.
        is_given: whether ``start_with`` is asked for now; else it is the study's.
        space: where the space was changed, the one in which the study's own configurations have to
            lie.
    """

    strategy: Strategy
    name: str
    start_with: tuple[Configuration, ...] | None = None
    stored: Mapping[str, Json] | None = None
    is_given: bool = False
    space: Space | None = None

    @classmethod
    def of(cls, search: "str | Strategy | SearchChoice", seed: int) -> "SearchChoice":
        """From a strategy or its name.

        Raises:
            InvalidInput: it is none.
        """
        if isinstance(search, SearchChoice):
            return search
        strategy = create(search, seed)
        return cls(strategy, search.strip().lower() if isinstance(search, str) else strategy.name)

    @property
    def settings(self) -> Mapping[str, Json]:
        """What a study stores of it."""
        if self.stored is not None:
            return self.stored
        configs = None if self.start_with is None else [dict(config) for config in self.start_with]
        return {
            "search": self.name,
            "strategy": _brief(self.strategy.to_json()),
            "start_with": configs,
        }

    def within(self, space: Space) -> "SearchChoice":
        """The same where the space was changed: what the study itself brings along and it does not
        have is left out.
        """
        strategy = self.strategy
        if self.stored is not None and isinstance(strategy, Bayes):
            strategy = replace(
                strategy, prior=tuple(one for one in strategy.prior if _is_about(one, space))
            )
        return replace(self, strategy=strategy, space=None if self.is_given else space)

    def first(self, default: bool) -> Strategy:
        """The strategy behind the configurations that come first, the ``default`` one among them
        where that is True.
        """
        strategy = with_default(self.strategy) if default else self.strategy
        if self.start_with is None:
            return strategy
        return StartWith(tuple(filter(self._is_inside, self.start_with)), strategy)

    def _is_inside(self, config: Configuration) -> bool:
        space = self.space
        return space is None or (
            config.keys() <= set(space.names) and space.project(config) is not None
        )


def choose_search(
    search: str | Strategy,
    seed: int,
    existing: Existing | None = None,
    *,
    start_with: StartingPoints = None,
    prior: Prior = None,
    learn_from: Earlier = None,
    searches: bool = True,
) -> SearchChoice:
    """The search that is asked for; ``"auto"`` is that of the study that is there already.

    Args:
        search: a strategy or its name.
        seed: of a strategy that is named.
        existing: the study that goes on; None where there is none.
        start_with: configurations to try first; None for those of the study that is there.
        prior: a `paceline.search.Normal` or `paceline.search.Weights` for some hyperparameters.
        learn_from: the directory of an earlier study on a similar task.
        searches: False where nothing is to be asked for, so that a strategy which is not known here
            will do.

    Raises:
        InvalidInput: no strategy; a prior or an earlier study for one that has no use for it, or
            that is none.
    """
    choice = SearchChoice.of(search, seed)
    if prior is not None or learn_from is not None:
        choice = replace(choice, strategy=_informed(choice.strategy, prior, learn_from))
    elif choice.name == "auto" and existing is not None:
        choice = _continued(existing, searches)
    if start_with is not None:
        first, stored = _configurations(start_with), choice.stored
        if stored is not None:
            stored = {**stored, "start_with": [dict(config) for config in first]}
        return replace(choice, start_with=first, stored=stored, is_given=True)
    if existing is not None and choice.stored is None:
        return replace(choice, start_with=_first_of(existing))
    return choice


def _continued(existing: Existing, searches: bool) -> SearchChoice:
    """The search of a study, where it stopped.

    Raises:
        InvalidInput: it is somebody else's, and has to be passed again.
    """
    own = existing.settings.search
    stored = {name: getattr(own, name) for name in ("search", "strategy", "start_with")}
    return SearchChoice(existing.strategy(searches), own.search, _first_of(existing), stored)


def _first_of(existing: Existing) -> tuple[Configuration, ...] | None:
    """The configurations that were to come first in a study."""
    own = existing.settings.search
    if own.strategy is not None:
        return None if own.start_with is None else tuple(own.start_with)
    state = existing.state or {}  # of a study that stored them with its strategy only
    return tuple(state["configs"]) if "then" in state and any(state["configs"]) else None


def _is_about(one: tuple[str, Normal | Weights], space: Space) -> bool:
    """Whether a prior is about a hyperparameter of a space, with values that it has."""
    name, belief = one
    return any(map(belief.is_about, space.variants(name)))


def _configurations(given: StartingPoints) -> tuple[Configuration, ...]:
    """Configurations to try first, checked as far as they can be without a space."""
    return tuple(StartWith(given, Given(())).configs)  # type: ignore[arg-type]  # it says what is wrong


def _informed(strategy: Strategy, prior: Prior, learn_from: Earlier) -> Strategy:
    beliefs = check_prior(tuple({} if prior is None else mapping("prior", prior).items()))
    source = _source(learn_from)
    if not isinstance(strategy, Bayes):
        what = "prior" if learn_from is None else "learn_from"
        raise InvalidInput(
            f"{what} was given with search {strategy.name!r}", expected="search='auto' or 'bayes'"
        )
    return replace(strategy, prior=beliefs, source=source)


def _source(directory: Earlier) -> tuple[tuple[Configuration, float], ...]:
    """The trials of an earlier study that were trained to their end, with their losses."""
    if directory is None:
        return ()
    path = study_directory(directory, "learn_from")
    if not has_study(path):
        raise InvalidInput(
            f"learn_from is {str(directory)!r}, which contains no study",
            expected="the directory of an earlier study",
        )
    record = read_record(path)
    if record.created is None:
        raise InvalidInput(
            f"learn_from is {str(directory)!r}, a study that has not begun",
            expected="a completed trial",
        )
    loss = record.objective.loss
    completed = [trial for trial in record.trials.values() if trial.state is TrialState.COMPLETED]
    found = tuple(
        (dict(trial.config), loss(trial.score)) for trial in completed if trial.score is not None
    )
    if not found:
        raise InvalidInput(
            f"learn_from is {str(directory)!r}, which has no completed trial",
            expected="at least one",
        )
    return found


def _brief(state: Json) -> Json:
    """A strategy's state without long lists (the trials of an earlier study): a digest says whether
    they are equal.
    """
    if isinstance(state, Mapping):
        return {key: _brief(value) for key, value in state.items()}
    if isinstance(state, list | tuple) and len(state) > _MOST_STORED:
        written = json.dumps(state, sort_keys=True).encode()
        return {"entries": len(state), "sha256": hashlib.sha256(written).hexdigest()}
    return state
