"""What may vary: hyperparameters with conditions, the space of them, and the ``hp`` of
``build(hp)``.
"""

from paceline.space.base import Condition, Hyperparameter
from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.define import HyperParameters
from paceline.space.discover import Discovery, discover
from paceline.space.infer import Observation, contradicts, infer_conditions
from paceline.space.learn import Learner
from paceline.space.moving import Moved, differences, move
from paceline.space.numbers import Float, Int
from paceline.space.space import Space, hyperparameter_from_json

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
