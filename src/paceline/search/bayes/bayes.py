"""The search that learns: a Gaussian process over the whole space says where the next trials pay.

| symbol | meaning |
| --- | --- |
| n | number of configurations with evidence |
| d | number of hyperparameters that vary |
| theta | parameters of the model, see `paceline.search.bayes.surrogate` |
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from paceline.core import InvalidInput
from paceline.search.base import Answer, History, Proposal, Strategy, check_seed, register, stream
from paceline.search.bayes import surrogate
from paceline.search.bayes.batch import Belief, Round
from paceline.search.bayes.belief import Prior, check_prior, from_json, log_belief, weight
from paceline.search.bayes.coordinates import Array, coordinates
from paceline.search.bayes.evidence import Evidence, gather
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.source import Source, check_source, earlier, usable
from paceline.search.bayes.subset import spread_out
from paceline.search.bayes.surrogate import JUDGED, MOST, MOST_FITTED, Observations, Surrogate
from paceline.search.bayes.threads import one_thread
from paceline.search.sobol import Sobol
from paceline.space import Space

_FIRST = 5  # trials before the model has a say
_FEWEST = 3  # of them that have told something
_AHEAD = 64  # Sobol points among which one is looked for whose program is compiled in any case
_GROWTH = 1.1  # of n, after which the parameters are fitted again
_STREAM = 10**9  # keeps the random numbers of rounds apart from those of single draws
_DISTRUST = (
    "The search's own model of the scores cannot tell good configurations from bad ones yet, "
    "so half of its proposals are spread evenly (Sobol points)."
)


@register
@dataclass(frozen=True, slots=True)
class Bayes(Strategy):
    """The default configuration and a few scrambled Sobol points, then what a Gaussian process
    proposes.

    Attributes:
        seed: of all random numbers, from 0.
        prior: what the user believes, by name of the hyperparameter; the evidence overrules it.
        source: trials of an earlier study on a similar task, as configuration and loss (less is
            better).
        draw: number of the next round.
        point: number of the next Sobol point.
        started: whether the default configuration has had its turn.
        theta: the model's parameters as last fitted, for a space of fingerprint ``space``; ()
            before.
        fitted: n at that time.
        remark: what is to be said about the state of the search; empty where all is well.

    Raises:
        InvalidInput: a seed, prior or source that is none.
    """

    name: ClassVar[str] = "bayes"

    seed: int
    prior: Prior = ()
    source: Source = ()
    draw: int = 0
    point: int = 0
    started: bool = False
    theta: tuple[float, ...] = ()
    space: str = ""
    fitted: int = 0
    remark: str = ""

    def __post_init__(self) -> None:
        seed = check_seed(self.seed)
        for name, value in (
            ("seed", seed),
            ("prior", check_prior(self.prior)),
            ("source", check_source(self.source)),
        ):
            object.__setattr__(self, name, value)

    @property
    def learns(self) -> bool:
        """Always."""
        return True

    @property
    def begins_with_default(self) -> bool:
        """Always."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the prior."""
        return tuple(name for name, _ in self.prior)

    def check(self, space: Space) -> None:
        """Makes sure that prior and source are about hyperparameters of this space."""
        for name, belief in self.prior:
            if name not in space:
                raise InvalidInput(
                    f"prior is about {name!r}", expected=f"one of {', '.join(space.names)}"
                )
            variants = space.variants(name)
            if not any(map(belief.is_about, variants)):
                belief.log_density(variants[0], np.array([0.0]))  # says which value is not legal
        if self.source and not usable(space, self.source)[0]:
            theirs = sorted({name for config, _ in self.source for name in config})
            raise InvalidInput(
                f"the earlier study is about {', '.join(theirs)}",
                expected=f"one that shares {', '.join(space.names)}",
            )

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The first configurations, then a batch of the model's."""
        answer = Answer(space, history)
        if count <= 0:
            return self, ()
        kernel = Kernel(coordinates(space))
        evidence = (
            gather(history.trials, history.objective, max(10, kernel.num_lengths + 2))
            if history.trials
            else None
        )
        # trials under way count: the first ones are spread out whether or not they have ended
        known = 0 if evidence is None else len(evidence) + len(evidence.pending)
        if (
            evidence is None
            or known < _FIRST
            or evidence.num_finite < _FEWEST
            or not kernel.num_lengths
        ):
            return self._first(answer, count), tuple(answer.proposals)
        with one_thread():
            after = self._modelled(answer, kernel, evidence, count)
        return after._filled(answer, count), tuple(answer.proposals)

    def _modelled(self, answer: Answer, kernel: Kernel, evidence: Evidence, count: int) -> Self:
        """Takes this round's Sobol points and the model's proposals."""
        space, history = answer.space, answer.history
        places = coordinates(space)
        Z = places.rows(evidence.configs)
        rows = spread_out(Z, evidence.y, MOST)
        Z, seen = (
            Z[rows],
            Observations(
                kernel.features(Z[rows]), evidence.y[rows], evidence.v[rows], evidence.w[rows]
            ),
        )
        seen = self._joined(space, kernel, Z, seen)
        after, model = self._fitted(space, kernel, seen, len(evidence), Z)
        num_sobol = (count + self.draw % 2) // 2 if after.remark else count // 8
        after = replace(after, draw=self.draw + 1)._filled(answer, num_sobol)
        if num_sobol < count:
            pending = [*evidence.pending, *(proposal.config for proposal in answer.proposals)]
            told = self._told(space, len(evidence))
            rng = stream(self.seed, _STREAM + self.draw)
            one = Round(places, kernel, model, Z, places.rows(pending), told, history.cost, rng)
            one.fill(answer, count - len(answer), self.name)
        return after

    def _fitted(
        self, space: Space, kernel: Kernel, seen: Observations, n: int, Z: Array
    ) -> tuple[Self, Surrogate]:
        """The model, its parameters fitted again where n has grown by a tenth; and the strategy
        that remembers them.
        """
        known = self.space == space.fingerprint and len(self.theta) == kernel.num_parameters + 1
        if known and n <= _GROWTH * self.fitted:
            return self, Surrogate.of(kernel, seen, np.array(self.theta))
        starts = [surrogate.start(kernel)] if not known or n <= MOST_FITTED else []
        starts += [np.array(self.theta)] if known else []
        theta = surrogate.fit(kernel, seen[spread_out(Z, seen.y, MOST_FITTED)], starts)
        model = Surrogate.of(kernel, seen, theta)
        remark = _DISTRUST if n >= JUDGED and not model.predicts() else ""
        after = replace(
            self, theta=tuple(theta.tolist()), space=space.fingerprint, fitted=n, remark=remark
        )
        return after, model

    def _joined(self, space: Space, kernel: Kernel, Z: Array, seen: Observations) -> Observations:
        """The observations, and what the earlier study says as far as it agrees with them."""
        if not self.source:
            return seen
        return earlier(space, self.source).joined(kernel, Z, seen)

    def _told(self, space: Space, n: int) -> Belief:
        """log of what is believed, at the strength that n trials leave it."""
        return lambda Z: weight(n) * log_belief(self.prior, space, Z)

    def _first(self, answer: Answer, count: int) -> Self:
        """Takes the default, the best of the earlier study, what the user believes in, and Sobol
        points.
        """
        after = self
        if not self.started:
            after = after._filled(answer, 1)
        if self.source:
            for config in earlier(answer.space, self.source).best(_FIRST - 2):
                if len(answer) < count:
                    answer.take(config, "source")
        if self.prior:
            after = after._drawn(answer, (count - len(answer) + self.draw % 2) // 2)
        after = after._filled(answer, min(count, _FIRST - len(answer.history.trials)))
        return after._reusing(answer, count)._filled(answer, count)

    def _drawn(self, answer: Answer, count: int) -> Self:
        """Takes points drawn as the user believes: the greatest of log belief plus Gumbel noise."""
        rng = stream(self.seed, _STREAM + self.draw)
        places = coordinates(answer.space)
        Z = places.settle(rng.random((32 * max(1, count), len(places.axes))))
        order = np.argsort(
            -log_belief(self.prior, answer.space, Z) - rng.gumbel(size=len(Z)), kind="stable"
        )
        until = len(answer) + count
        for row in order.tolist():
            if len(answer) < until:
                answer.take(places.config(Z[row]), "prior")
        return replace(self, draw=self.draw + 1)

    def _filled(self, answer: Answer, count: int) -> Self:
        """Takes Sobol points until there are ``count`` proposals."""
        if len(answer) >= count:
            return self
        after, proposals = self._sobol(answer, count - len(answer))
        for proposal in proposals:
            answer.take(proposal.config, proposal.origin)
        return after

    def _reusing(self, answer: Answer, count: int) -> Self:
        """Takes, of the next Sobol points, those whose program is compiled in any case, until there
        are ``count``.
        """
        program = answer.history.program
        if program is None or len(answer) >= count:
            return self
        asked = [trial.config for trial in answer.history.trials] + [
            one.config for one in answer.proposals
        ]
        known = {program(config) for config in asked}
        after, proposals = self._sobol(answer, _AHEAD)
        wanted = count - len(answer)
        warm = [one for one in proposals if program(one.config) in known][:wanted]
        if list(proposals[:wanted]) == warm:
            return self  # the next points will do: none is passed over
        for proposal in warm:
            answer.take(proposal.config, proposal.origin)
        return after

    def _sobol(self, answer: Answer, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The next Sobol points that are new."""
        taken = {proposal.key for proposal in answer.proposals}
        history = replace(
            answer.history, seen=answer.history.seen | taken if taken else answer.history.seen
        )
        sobol, proposals = Sobol(self.seed, self.point, self.started).ask(
            answer.space, history, count
        )
        return replace(self, point=sobol.point, started=sobol.started), proposals

    def size(self, space: Space) -> int | None:
        """Number of configurations of the space; None if it is continuous."""
        return space.size()

    def to_json(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "strategy": self.name,
            "seed": self.seed,
            "prior": [[name, belief.to_json()] for name, belief in self.prior],
            "source": [[dict(config), loss] for config, loss in self.source],
            "draw": self.draw,
            "point": self.point,
            "started": self.started,
            "theta": list(self.theta),
            "space": self.space,
            "fitted": self.fitted,
            "remark": self.remark,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The strategy that wrote this state."""
        return cls(
            seed=state["seed"],
            prior=tuple((name, from_json(belief)) for name, belief in state["prior"]),
            source=tuple((config, loss) for config, loss in state["source"]),
            draw=state["draw"],
            point=state["point"],
            started=state["started"],
            theta=tuple(state["theta"]),
            space=state["space"],
            fitted=state["fitted"],
            remark=state["remark"],
        )
