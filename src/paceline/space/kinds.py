"""The kinds of hyperparameters, by name."""

from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.space.choices import Boolean, Choice, Fixed
from paceline.space.floats import Float
from paceline.space.hyperparameter import Hyperparameter, read_conditions
from paceline.space.integers import Int

KINDS: Mapping[str, type[Hyperparameter]] = {
    kind.kind: kind for kind in (Int, Float, Choice, Boolean, Fixed)
}


def hyperparameter_from_json(state: Mapping[str, Any]) -> Hyperparameter:
    """A hyperparameter from the result of its ``to_json``.

    Raises:
        InvalidInput: an unknown kind, or contradictory values.
    """
    fields = dict(state)
    kind = KINDS.get(fields.pop("kind", ""))
    if kind is None:
        raise InvalidInput(
            f"hyperparameter is of kind {state.get('kind')!r}",
            expected=f"one of {', '.join(KINDS)}",
        )
    return kind(**{**fields, "conditions": read_conditions(fields.get("conditions", ()))})
