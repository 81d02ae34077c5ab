"""Warm start: the strategy of a study with its initial configurations, priors and earlier study."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from paceline.core import Configuration, InvalidInput
from paceline.core.checks import mapping
from paceline.core.events import Json
from paceline.search import Bayes, Given, Normal, StartWith, Strategy, Weights, create
from paceline.search.bayes.belief import check_prior
from paceline.search.start_with import with_default
from paceline.space import Space
from paceline.study.plan.earlier_trials import Earlier, source_of
from paceline.study.resume.existing import Existing

StartingPoints = Iterable[Configuration] | None
Prior = Mapping[str, Any] | None

_MOST_STORED = 64  # longer lists are stored in the settings as a digest


@dataclass(frozen=True, slots=True)
class SearchChoice:
    """The search strategy with its initial configurations.

    Attributes:
        strategy: the search strategy; if a study continues with its own search, in its last state.
        name: as given, such as ``"auto"``.
        start_with: configurations to try first, other than the default one; None for none.
        stored: the stored form, if a study continues with its own search; else None.
        is_given: whether ``start_with`` was given in this call; else it is the study's.
        space: after a change, the space to which the study's own configurations must belong.
    """

    strategy: Strategy
    name: str
    start_with: tuple[Configuration, ...] | None = None
    stored: Mapping[str, Json] | None = None
    is_given: bool = False
    space: Space | None = None

    @classmethod
    def of(cls, search: "str | Strategy | SearchChoice", seed: int) -> "SearchChoice":
        """Makes it from a strategy or its name.

        Raises:
            InvalidInput: it is neither.
        """
        if isinstance(search, SearchChoice):
            return search
        strategy = create(search, seed)
        return cls(strategy, search.strip().lower() if isinstance(search, str) else strategy.name)

    @property
    def settings(self) -> Mapping[str, Json]:
        """The form that a study stores."""
        if self.stored is not None:
            return self.stored
        configs = None if self.start_with is None else [dict(config) for config in self.start_with]
        return {
            "search": self.name,
            "strategy": _with_digests(self.strategy.to_json()),
            "start_with": configs,
        }

    def within(self, space: Space) -> "SearchChoice":
        """The same for a changed space, without the study's configurations outside of it."""
        strategy = self.strategy
        if self.stored is not None and isinstance(strategy, Bayes):
            strategy = replace(
                strategy, prior=tuple(one for one in strategy.prior if _is_about(one, space))
            )
        return replace(self, strategy=strategy, space=None if self.is_given else space)

    def first(self, default: bool) -> Strategy:
        """The strategy after the initial configurations and, if ``default``, the default one."""
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
    """The search strategy; ``"auto"`` is that of the existing study.

    Args:
        search: a strategy or its name.
        seed: seed of a strategy given by name.
        existing: the study that continues; None for a new one.
        start_with: configurations to try first; None for those of the existing study.
        prior: a `paceline.search.Normal` or `paceline.search.Weights` for some hyperparameters.
        learn_from: the directory of an earlier study on a similar task, or a study of Optuna.
        searches: False if no trials will be proposed, so that an unknown strategy is accepted.

    Raises:
        InvalidInput: not a strategy; not a prior or earlier study, or one that the strategy cannot
            use.
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
    """The strategy of a study in its last state.

    Raises:
        InvalidInput: its class is unknown, so it has to be passed again.
    """
    own = existing.settings.search
    stored = {name: getattr(own, name) for name in ("search", "strategy", "start_with")}
    return SearchChoice(existing.strategy(searches), own.search, _first_of(existing), stored)


def _first_of(existing: Existing) -> tuple[Configuration, ...] | None:
    """The initial configurations of a study."""
    own = existing.settings.search
    if own.strategy is not None:
        return None if own.start_with is None else tuple(own.start_with)
    state = existing.state or {}  # stored with the strategy only
    return tuple(state["configs"]) if "then" in state and any(state["configs"]) else None


def _is_about(one: tuple[str, Normal | Weights], space: Space) -> bool:
    """Whether a prior is for a hyperparameter of a space, with values that it can take."""
    name, belief = one
    return any(map(belief.is_about, space.variants(name)))


def _configurations(given: StartingPoints) -> tuple[Configuration, ...]:
    """Initial configurations, checked as far as possible without a space."""
    return tuple(StartWith(given, Given(())).configs)  # type: ignore[arg-type]  # checks them


def _informed(strategy: Strategy, prior: Prior, learn_from: Earlier) -> Strategy:
    beliefs = check_prior(tuple({} if prior is None else mapping("prior", prior).items()))
    source = source_of(learn_from)
    if not isinstance(strategy, Bayes):
        what = "prior" if learn_from is None else "learn_from"
        raise InvalidInput(
            f"{what} was given with search {strategy.name!r}", expected="search='auto' or 'bayes'"
        )
    return replace(strategy, prior=beliefs, source=source)


def _with_digests(state: Json) -> Json:
    """A strategy's state with long lists (the trials of an earlier study) replaced by a digest."""
    if isinstance(state, Mapping):
        return {key: _with_digests(value) for key, value in state.items()}
    if isinstance(state, list | tuple) and len(state) > _MOST_STORED:
        written = json.dumps(state, sort_keys=True).encode()
        return {"entries": len(state), "sha256": hashlib.sha256(written).hexdigest()}
    return state
