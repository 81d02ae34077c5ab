"""Search spaces: hyperparameters, their conditions, and the ``hp`` of ``build(hp)``."""

from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.define import HyperParameters
from paceline.space.discover import Discovery, discover
from paceline.space.floats import Float
from paceline.space.hyperparameter import Condition, Hyperparameter
from paceline.space.infer import Observation, contradicts, infer_conditions
from paceline.space.integers import Int
from paceline.space.kinds import hyperparameter_from_json
from paceline.space.learn import Learner
from paceline.space.moving import Moved, differences, move
from paceline.space.space import Space

__all__ = [
    "Boolean",
    "Choice",
    "Condition",
    "Discovery",
    "Fixed",
    "Float",
    "HyperParameters",
    "Hyperparameter",
    "Int",
    "Learner",
    "Moved",
    "Observation",
    "Space",
    "contradicts",
    "differences",
    "discover",
    "hyperparameter_from_json",
    "infer_conditions",
    "move",
]
