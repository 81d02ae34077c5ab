"""What builds of networks show of the search space."""

from dataclasses import dataclass

from paceline.space import Discovery, Hyperparameter, Learner, Observation, Space


@dataclass(frozen=True, slots=True)
class FoundInBuild:
    """What a build has shown of the space.

    Attributes:
        trial: whose build it was.
        new: hyperparameters that were new there, or lost conditions.
        observation: all that the build has used.
    """

    trial: int
    new: tuple[Hyperparameter, ...]
    observation: Observation


def learner_of(space: Space, discovery: Discovery | None) -> Learner:
    """Learns more of a space than is known so far."""
    if discovery is None:
        return Learner(space)
    return Learner(discovery.declared, discovery.observations)
