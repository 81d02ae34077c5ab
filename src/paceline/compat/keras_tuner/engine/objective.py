"""The objective of a tuner."""

from typing import Any

from paceline.core import InvalidInput, shown
from paceline.core import Objective as Metric


class Objective:
    """A metric as Keras logs it and the direction in which it improves.

    ``Objective("val_f1", direction="max")``.

    Attributes:
        name: of the metric.
        direction: ``"min"`` or ``"max"``.

    Raises:
        InvalidInput: not the name of a metric, or not a direction.
    """

    def __init__(self, name: str, direction: str) -> None:
        self.metric = Metric(name, direction)
        self.name = self.metric.metric
        self.direction = self.metric.direction[:3]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objective) and self.metric == other.metric

    def __hash__(self) -> int:
        return hash(self.metric)

    def __str__(self) -> str:
        return f'Objective(name="{self.name}", direction="{self.direction}")'

    __repr__ = __str__


def create_objective(given: Any) -> Objective:
    """The objective that a tuner was given.

    Args:
        given: the name of a metric that implies its direction, or an `Objective`.

    Raises:
        InvalidInput: anything else.
    """
    if isinstance(given, Objective):
        return given
    if given is None:
        raise InvalidInput(
            "objective is missing",
            expected="a metric, such as 'val_accuracy'",
            fix="Scores that HyperModel.fit or run_trial returns are not supported yet: "
            "paceline.optimize tunes any function of hp that returns a score.",
        )
    if isinstance(given, list | tuple):
        raise InvalidInput(
            f"objective is {shown(given)}, a sum of several",
            expected="one metric",
            fix="Compute the sum as a metric of the model, and pass "
            "Objective('val_<its name>', 'min').",
        )
    found = Metric.of(given)
    return Objective(found.metric, found.direction)
