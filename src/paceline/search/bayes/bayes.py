"""Bayesian optimisation with a Gaussian process over the whole space.

| symbol | meaning |
| --- | --- |
| n | number of observed configurations |
| d | number of hyperparameters that vary |
| theta | parameters of the model, see `paceline.search.bayes.gaussian_process` |
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from paceline.core import InvalidInput
from paceline.search.bayes import gaussian_process
from paceline.search.bayes.batch import Belief, Round
from paceline.search.bayes.belief import Prior, check_prior, from_json, log_belief, weight
from paceline.search.bayes.coordinates import Array, coordinates
from paceline.search.bayes.gaussian_process import (
    JUDGED,
    MOST,
    MOST_FITTED,
    GaussianProcess,
    Observations,
)
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.subset import spread_out
from paceline.search.bayes.threads import one_thread
from paceline.search.bayes.transfer import Source, check_source, earlier, usable
from paceline.search.bayes.trial_losses import TrialLosses, gather
from paceline.search.sobol import Sobol
from paceline.search.strategy import (
    History,
    Proposal,
    ProposalList,
    Strategy,
    check_seed,
    register,
    stream,
)
from paceline.space import Space

_FIRST = 5  # trials before the model is used
_FEWEST = 3  # of them that must have a score
_AHEAD = 64  # Sobol points among which one with an already compiled program is searched
_GROWTH = 1.1  # factor of n after which the parameters are fitted again
_STREAM = 10**9  # separates the random numbers of batches from those of single draws
_DISTRUST = (
    "The model of the search cannot predict the scores of configurations yet, "
    "so half of its proposals are spread evenly (Sobol points)."
)


@register
@dataclass(frozen=True, slots=True)
class Bayes(Strategy):
    """The default configuration and a few Sobol points, then proposals of a Gaussian process.

    Attributes:
        seed: of all random numbers, from 0.
        prior: the user's prior, by name of the hyperparameter; observations outweigh it.
        source: trials of an earlier study on a similar task, as configuration and loss (to be
            minimised).
        draw: number of the next batch.
        point: number of the next Sobol point.
        started: whether the default configuration has been proposed.
        theta: the model's parameters as last fitted, for a space of fingerprint ``space``; ()
            before.
        fitted: n at that time.
        remark: a sentence about the state of the search; empty if there is nothing to say.

    Raises:
        InvalidInput: an invalid seed, prior or source.
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
        """True."""
        return True

    @property
    def begins_with_default(self) -> bool:
        """True."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the prior."""
        return tuple(name for name, _ in self.prior)

    def check(self, space: Space) -> None:
        """Checks that prior and source refer to hyperparameters of this space."""
        for name, belief in self.prior:
            if name not in space:
                raise InvalidInput(
                    f"prior is about {name!r}", expected=f"one of {', '.join(space.names)}"
                )
            variants = space.variants(name)
            if not any(map(belief.is_about, variants)):
                belief.log_density(variants[0], np.array([0.0]))  # raises for an illegal value
        if self.source and not usable(space, self.source)[0]:
            theirs = sorted({name for config, _ in self.source for name in config})
            raise InvalidInput(
                f"the earlier study has {', '.join(theirs)}",
                expected=f"one with some of {', '.join(space.names)}",
            )

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The first configurations, then batches proposed by the model."""
        batch = ProposalList(space, history)
        if count <= 0:
            return self, ()
        kernel = Kernel(coordinates(space))
        observed = (
            gather(history.trials, history.objective, max(10, kernel.num_lengths + 2))
            if history.trials
            else None
        )
        # running trials count: the first ones are spread out whether or not they have ended
        known = 0 if observed is None else len(observed) + len(observed.pending)
        if (
            observed is None
            or known < _FIRST
            or observed.num_finite < _FEWEST
            or not kernel.num_lengths
        ):
            return self._first(batch, count), tuple(batch.proposals)
        with one_thread():
            after = self._modelled(batch, kernel, observed, count)
        return after._filled(batch, count), tuple(batch.proposals)

    def _modelled(
        self, batch: ProposalList, kernel: Kernel, observed: TrialLosses, count: int
    ) -> Self:
        """Adds this batch's Sobol points and the model's proposals."""
        space, history = batch.space, batch.history
        places = coordinates(space)
        Z = places.rows(observed.configs)
        rows = spread_out(Z, observed.y, MOST)
        Z, seen = (
            Z[rows],
            Observations(
                kernel.features(Z[rows]), observed.y[rows], observed.v[rows], observed.w[rows]
            ),
        )
        seen = self._joined(space, kernel, Z, seen)
        after, model = self._fitted(space, kernel, seen, len(observed), Z)
        num_sobol = (count + self.draw % 2) // 2 if after.remark else count // 8
        after = replace(after, draw=self.draw + 1)._filled(batch, num_sobol)
        if num_sobol < count:
            pending = [*observed.pending, *(proposal.config for proposal in batch.proposals)]
            belief = self._belief_after(space, len(observed))
            rng = stream(self.seed, _STREAM + self.draw)
            one = Round(places, kernel, model, Z, places.rows(pending), belief, history.cost, rng)
            one.fill(batch, count - len(batch), self.name)
        return after

    def _fitted(
        self, space: Space, kernel: Kernel, seen: Observations, n: int, Z: Array
    ) -> tuple[Self, GaussianProcess]:
        """The strategy and its model, with parameters fitted again if n has grown by a tenth."""
        known = self.space == space.fingerprint and len(self.theta) == kernel.num_parameters + 1
        if known and n <= _GROWTH * self.fitted:
            return self, GaussianProcess.of(kernel, seen, np.array(self.theta))
        starts = [gaussian_process.start(kernel)] if not known or n <= MOST_FITTED else []
        starts += [np.array(self.theta)] if known else []
        theta = gaussian_process.fit(kernel, seen[spread_out(Z, seen.y, MOST_FITTED)], starts)
        model = GaussianProcess.of(kernel, seen, theta)
        remark = _DISTRUST if n >= JUDGED and not model.predicts() else ""
        after = replace(
            self, theta=tuple(theta.tolist()), space=space.fingerprint, fitted=n, remark=remark
        )
        return after, model

    def _joined(self, space: Space, kernel: Kernel, Z: Array, seen: Observations) -> Observations:
        """The observations, and those of the earlier study as far as they agree."""
        if not self.source:
            return seen
        return earlier(space, self.source).joined(kernel, Z, seen)

    def _belief_after(self, space: Space, n: int) -> Belief:
        """log prior density, with the weight that is left after n trials."""
        return lambda Z: weight(n) * log_belief(self.prior, space, Z)

    def _first(self, batch: ProposalList, count: int) -> Self:
        """Adds the default, the earlier study's best, draws from the prior, and Sobol points."""
        after = self
        if not self.started:
            after = after._filled(batch, 1)
        if self.source:
            for config in earlier(batch.space, self.source).best(_FIRST - 2):
                if len(batch) < count:
                    batch.take(config, "source")
        if self.prior:
            after = after._drawn(batch, (count - len(batch) + self.draw % 2) // 2)
        after = after._filled(batch, min(count, _FIRST - len(batch.history.trials)))
        return after._reusing(batch, count)._filled(batch, count)

    def _drawn(self, batch: ProposalList, count: int) -> Self:
        """Adds points drawn from the prior: the largest of log density plus Gumbel noise."""
        rng = stream(self.seed, _STREAM + self.draw)
        places = coordinates(batch.space)
        Z = places.settle(rng.random((32 * max(1, count), len(places.axes))))
        order = np.argsort(
            -log_belief(self.prior, batch.space, Z) - rng.gumbel(size=len(Z)), kind="stable"
        )
        until = len(batch) + count
        for row in order.tolist():
            if len(batch) < until:
                batch.take(places.config(Z[row]), "prior")
        return replace(self, draw=self.draw + 1)

    def _filled(self, batch: ProposalList, count: int) -> Self:
        """Adds Sobol points until there are ``count`` proposals."""
        if len(batch) >= count:
            return self
        after, proposals = self._sobol(batch, count - len(batch))
        for proposal in proposals:
            batch.take(proposal.config, proposal.origin)
        return after

    def _reusing(self, batch: ProposalList, count: int) -> Self:
        """Adds those of the next Sobol points whose program is compiled, up to ``count``."""
        program = batch.history.program
        if program is None or len(batch) >= count:
            return self
        asked = [trial.config for trial in batch.history.trials] + [
            one.config for one in batch.proposals
        ]
        known = {program(config) for config in asked}
        after, proposals = self._sobol(batch, _AHEAD)
        wanted = count - len(batch)
        warm = [one for one in proposals if program(one.config) in known][:wanted]
        if list(proposals[:wanted]) == warm:
            return self  # none of the next points would be skipped
        for proposal in warm:
            batch.take(proposal.config, proposal.origin)
        return after

    def _sobol(self, batch: ProposalList, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The next Sobol points that are new."""
        taken = {proposal.key for proposal in batch.proposals}
        history = replace(
            batch.history, seen=batch.history.seen | taken if taken else batch.history.seen
        )
        sobol, proposals = Sobol(self.seed, self.point, self.started).ask(
            batch.space, history, count
        )
        return replace(self, point=sobol.point, started=sobol.started), proposals

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
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
        """The inverse of `to_json`."""
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
