"""Contract tests of search strategies.

A test class inherits `StrategyContract` and defines one fixture::

    class TestRandom(StrategyContract):
        @pytest.fixture
        def strategy(self) -> Strategy:
            return Random(seed=0)
"""

from paceline.testing import extra  # noqa: F401 - says what to install if it is missing

# isort: split
import json
from collections.abc import Iterable

import pytest

from paceline.search import History, Proposal, Strategy
from paceline.space import Boolean, Choice, Condition, Fixed, Float, Int, Space

FINITE = Space(
    [
        Int("layers", 1, 3),
        Choice("units", [16, 32, 64], default=32),
        Choice("units_2", [16, 32, 64], conditions=[Condition("layers", (2, 3))]),
        Boolean("norm"),
        Fixed("loss", "mse"),
    ]
)
"""3 x 2 x (1 + 2 x 3) = 42 configurations."""

CONTINUOUS = Space(
    [
        Float("learning_rate", 1e-4, 1e-1, sampling="log"),
        Choice("optimizer", ["adam", "sgd"]),
        Float("momentum", 0.0, 0.9, conditions=[Condition("optimizer", "sgd")]),
        Int("units", 1, 10**9, sampling="log"),
    ]
)
"""Infinitely many configurations."""

VARIED = Space(
    [
        Choice("optimizer", ["adam", "sgd"]),
        Float("rate", 1e-4, 1e-2, sampling="log", conditions=[Condition("optimizer", "adam")]),
        Choice("rate", [0.1, 0.3, 1.0], conditions=[Condition("optimizer", "sgd")]),
        Int("steps", 1, 3, conditions=[Condition("rate", [0.3, 1.0])]),
    ]
)
"""A name with two variants, one of which is the parent of another hyperparameter."""

SKEWED = Space([Boolean("deep"), Int("width", 1, 10**9, conditions=[Condition("deep", True)])])
"""One configuration in one branch, 10^9 in the other."""


def ask_all(
    strategy: Strategy, space: Space, batches: Iterable[int], seen: Iterable[str] = ()
) -> list[Proposal]:
    """The proposals of repeated calls, each with the keys of the earlier ones."""
    known = set(seen)
    proposals: list[Proposal] = []
    for count in batches:
        strategy, answer = strategy.ask(space, History(known), count)
        known.update(proposal.key for proposal in answer)
        proposals.extend(answer)
    return proposals


class StrategyContract:
    """Tests that every strategy passes; see `paceline.search.Strategy`.

    Define the fixture ``strategy``, a strategy that was not asked yet.
    """

    learns = False
    """Whether it learns from scores; then proposals may depend on the size of batches."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """A new strategy."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "space", [FINITE, CONTINUOUS, SKEWED], ids=["finite", "continuous", "skewed"]
    )
    def test_proposals_are_legal_and_new(self, strategy: Strategy, space: Space) -> None:
        """Each is a complete configuration, without duplicates."""
        proposals = ask_all(strategy, space, [1, 2, 5, 0, 30])
        assert len(proposals) == 38
        for proposal in proposals:
            assert dict(proposal.config) == space.complete(proposal.config)
            assert proposal.key == space.key(proposal.config)
            assert proposal.origin
        assert len({proposal.key for proposal in proposals}) == 38

    @pytest.mark.parametrize("space", [FINITE, CONTINUOUS], ids=["finite", "continuous"])
    def test_seen_configurations_are_not_proposed(self, strategy: Strategy, space: Space) -> None:
        """Configurations tried by others are skipped."""
        others = {proposal.key for proposal in ask_all(strategy, space, [20])}
        proposals = ask_all(strategy, space, [10, 10], seen=others)
        assert len(proposals) == 20
        assert not others & {proposal.key for proposal in proposals}

    @pytest.mark.parametrize("batch", [1, 5, 100])
    def test_a_finite_space_is_proposed_exactly_once(self, strategy: Strategy, batch: int) -> None:
        """Every configuration is proposed once, and then the strategy is exhausted."""
        seen: set[str] = set()
        for _ in range(42 // batch + 1):
            assert len(seen) == 42 or strategy.exhausted(FINITE, History(seen)) is None
            strategy, answer = strategy.ask(FINITE, History(seen), batch)
            seen.update(proposal.key for proposal in answer)
        assert seen == {FINITE.key(config) for config in FINITE.grid()}
        assert strategy.size(FINITE) == 42
        assert (
            strategy.exhausted(FINITE, History(seen))
            == "all 42 configurations of the space have been tried"
        )
        assert strategy.ask(FINITE, History(seen), 3)[1] == ()

    def test_an_empty_space_has_one_configuration(self, strategy: Strategy) -> None:
        """A model without hyperparameters is tried once."""
        assert [dict(proposal.config) for proposal in ask_all(strategy, Space(), [2, 2])] == [{}]

    def test_variants_of_a_name_are_searched(self, strategy: Strategy) -> None:
        """Each proposal has the value of the active variant, and each variant is searched."""
        proposals = ask_all(strategy, VARIED, [9, 9])
        assert len({proposal.key for proposal in proposals}) == len(proposals) >= 17
        for proposal in proposals:
            assert dict(proposal.config) == VARIED.complete(proposal.config)
        assert {proposal.config["optimizer"] for proposal in proposals} == {"adam", "sgd"}
        assert {
            proposal.config["rate"]
            for proposal in proposals
            if proposal.config["optimizer"] == "sgd"
        } > {0.1}

    def test_asking_does_not_change_the_strategy(self, strategy: Strategy) -> None:
        """Strategies are immutable: equal calls return equal proposals."""
        before = json.dumps(strategy.to_json())
        first = strategy.ask(CONTINUOUS, History(), 5)
        assert strategy.ask(CONTINUOUS, History(), 5) == first
        assert json.dumps(strategy.to_json()) == before

    @pytest.mark.parametrize(
        "space", [FINITE, CONTINUOUS, SKEWED], ids=["finite", "continuous", "skewed"]
    )
    def test_the_batch_size_does_not_matter(self, strategy: Strategy, space: Space) -> None:
        """Two calls of ask(4) propose the same as ask(8)."""
        if self.learns:
            pytest.skip("it learns from scores between asks")
        at_once = ask_all(strategy, space, [36])
        assert ask_all(strategy, space, [1] * 36) == at_once
        assert ask_all(strategy, space, [4, 20, 12]) == at_once

    @pytest.mark.parametrize("space", [FINITE, CONTINUOUS], ids=["finite", "continuous"])
    def test_it_resumes_from_json(self, strategy: Strategy, space: Space) -> None:
        """Restored after any call, it continues as if it had not been interrupted."""
        uninterrupted = ask_all(strategy, space, [7] * 4)
        known: set[str] = set()
        again: list[Proposal] = []
        for _ in range(4):
            strategy, answer = self._restored(strategy).ask(space, History(known), 7)
            known.update(proposal.key for proposal in answer)
            again.extend(answer)
        assert again == uninterrupted
        assert self._restored(strategy) == strategy

    def _restored(self, strategy: Strategy) -> Strategy:
        return strategy.resumed(json.loads(json.dumps(strategy.to_json())))

    def test_it_continues_in_a_grown_space(self, strategy: Strategy) -> None:
        """An added hyperparameter is varied, and nothing is proposed again."""
        seen: set[str] = set()
        strategy, before = strategy.ask(FINITE, History(seen), 20)
        seen.update(proposal.key for proposal in before)
        grown = FINITE.with_hyperparameter(Choice("joined", ["a", "b"]))
        after = ask_all(strategy, grown, [20, 20, 20, 20], seen=seen)
        assert len(after) == 84 - 20
        everything = [{"joined": "a", **proposal.config} for proposal in (*before, *after)]
        assert len({grown.key(config) for config in everything}) == grown.size() == 84
        assert {proposal.config["joined"] for proposal in after} == {"a", "b"}
