"""The rules by the name of the primitive."""

from collections.abc import Mapping

from paceline.train.merging import (
    contractions,
    elementwise,
    indexing,
    loops,
    randomness,
    shapes,
)
from paceline.train.merging.rule import PrimitiveRule

RULES: Mapping[str, PrimitiveRule] = {
    **elementwise.RULES,
    **shapes.RULES,
    **contractions.RULES,
    **indexing.RULES,
    **randomness.RULES,
    **loops.RULES,
}
