"""The objective of a tuner: a metric, the sum of several, or a score that training returns."""

from collections.abc import Mapping, Sequence
from typing import Any

from paceline.compat.keras_tuner.engine.metrics_tracking import infer_metric_direction
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

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        """Whether the objective follows from these metrics."""
        return self.name in logs

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        """The objective of these metrics."""
        return logs[self.name]

    def better_than(self, a: float, b: float) -> bool:
        """Whether ``a`` is better than ``b``."""
        return a > b if self.direction == "max" else a < b

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objective) and self.metric == other.metric

    def __hash__(self) -> int:
        return hash(self.metric)

    def __str__(self) -> str:
        return f'Objective(name="{self.name}", direction="{self.direction}")'

    __repr__ = __str__


class DefaultObjective(Objective):
    """The number that ``HyperModel.fit`` or ``run_trial`` returns, to be minimised."""

    def __init__(self) -> None:
        super().__init__("default_objective", "min")


class MultiObjective(Objective):
    """Several metrics: the sum of those to minimise less the sum of those to maximise.

    Attributes:
        objectives: of which it is the sum.
        name_to_direction: their directions, by name.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        super().__init__("multi_objective", "min")
        self.objectives = list(objectives)
        self.name_to_direction = {one.name: one.direction for one in self.objectives}

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        """Whether all are among these metrics."""
        return all(name in logs for name in self.name_to_direction)

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        """The sum; metrics that are missing count as 0."""
        signs = {"min": 1, "max": -1}
        return sum(
            signs[direction] * logs[name]
            for name, direction in self.name_to_direction.items()
            if name in logs
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MultiObjective) and self.name_to_direction == other.name_to_direction
        )

    def __hash__(self) -> int:
        return hash(frozenset(self.name_to_direction.items()))

    def __str__(self) -> str:
        return f"Multi{super().__str__()}: [{', '.join(map(str, self.objectives))}]"

    __repr__ = __str__


def create_objective(given: Any) -> Objective:
    """The objective that a tuner was given.

    Args:
        given: the name of a metric that implies its direction, an `Objective`, a list of these, or
            None for the score that training returns.

    Raises:
        InvalidInput: a name that does not imply a direction.
        TypeError: anything else.
    """
    if given is None:
        return DefaultObjective()
    if isinstance(given, Objective):
        return given
    if isinstance(given, list):
        return MultiObjective([create_objective(one) for one in given])
    if not isinstance(given, str):
        raise TypeError(
            f"`objective` is {shown(given)}, which is not understood, expected str or `Objective`."
        )
    direction = infer_metric_direction(given)
    if direction is None:
        raise InvalidInput(
            f"Could not infer optimization direction of the objective {given!r}: its name does not "
            "say whether larger values are better",
            expected="a direction",
            fix=f"Pass keras_tuner.Objective({given!r}, direction='max'), or 'min'.",
        )
    return Objective(given, direction)
