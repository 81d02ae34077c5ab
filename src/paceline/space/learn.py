"""A space that is refined while it is searched, from what calls of ``build`` use."""

from collections.abc import Hashable, Iterable, Sequence

from paceline.space.hyperparameter import Hyperparameter
from paceline.space.infer import Observation, contradicts, infer_conditions
from paceline.space.space import Space


class Learner:
    """The space as inferred so far, including conditions in plain Python.

    Attributes:
        declared: the hyperparameters with their declared conditions.
        space: the same with inferred conditions.
    """

    def __init__(
        self, known: Iterable[Hyperparameter] = (), observations: Sequence[Observation] = ()
    ) -> None:
        """Starts from known hyperparameters.

        Args:
            known: the hyperparameters.
            observations: the calls so far.

        Raises:
            InvalidInput: a name has several definitions that no condition distinguishes.
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
        """Replaces a known hyperparameter, under the same conditions, or removes it."""
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
        """Adds what a call used, or more of a known call; returns whether the space changed.

        Args:
            run: identifies the call.
            met: the hyperparameters that were new in it, or lost conditions.
            observation: all that it has used so far.

        Raises:
            InvalidInput: a name has several definitions that no condition distinguishes; the space
                is left unchanged.
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
