"""A space that is learnt while it is searched: what each run of ``build``, or of a function, has
shown of it.
"""

from collections.abc import Hashable, Iterable, Sequence

from paceline.space.base import Hyperparameter
from paceline.space.infer import Observation, contradicts, infer_conditions
from paceline.space.space import Space


class Learner:
    """What is known of a space, conditions in plain Python included.

    Attributes:
        declared: the hyperparameters as met, with the conditions that were declared.
        space: with those that the runs show.
    """

    def __init__(
        self, known: Iterable[Hyperparameter] = (), observations: Sequence[Observation] = ()
    ) -> None:
        """Begins with what is known.

        Args:
            known: the hyperparameters as met.
            observations: the runs so far.

        Raises:
            InvalidInput: a name has several definitions which nothing tells apart.
        """
        self.declared = tuple(known)
        self._observations: dict[Hashable, Observation] = dict(
            enumerate(observations, -len(observations))
        )
        self.space = (
            infer_conditions(self.declared, observations)[0]
            if observations
            else Space(self.declared)
        )

    def replace(self, known: Hyperparameter, by: Hyperparameter | None) -> None:
        """Puts another hyperparameter, or nothing, in the place of one that is known, under the
        same conditions.
        """
        at = next(at for at, h in enumerate(self.declared) if h.definition == known.definition)
        before = self.declared[at]
        new = [] if by is None else [by.with_conditions(by.conditions or before.conditions)]
        declared = [*self.declared[:at], *new, *self.declared[at + 1 :]]
        names = {h.name for h in declared}
        self.declared = tuple(
            h.with_conditions([c for c in h.conditions if c.parent in names]) if h.conditions else h
            for h in declared
        )
        self.space = Space(self.declared)

    def learn(self, run: Hashable, met: Sequence[Hyperparameter], observation: Observation) -> bool:
        """Takes what one run showed, or more of a run that it knows; says whether the space is
        another one now.

        Args:
            run: which one.
            met: the hyperparameters that were new to it, or of which it showed fewer conditions.
            observation: all that it has asked for so far.

        Raises:
            InvalidInput: a name has several definitions which nothing tells apart; nothing is
                learnt then.
        """
        known = self._observations.get(run)
        surprises = contradicts(self.space, observation.config, observation.config.keys())
        if not met and (
            not surprises or (known is not None and known.config == observation.config)
        ):
            self._observations[run] = observation
            return False
        declared = list(self.declared)
        for h in met:
            same = [at for at, one in enumerate(declared) if one.definition == h.definition]
            if same:
                declared[same[0]] = h
            else:
                declared.append(h)
        observations = {**self._observations, run: observation}
        before = self.space
        self.space = infer_conditions(declared, observations.values())[0]
        self.declared, self._observations = tuple(declared), observations
        return self.space != before
