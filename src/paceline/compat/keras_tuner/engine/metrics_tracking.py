"""The metrics of a trial: their values by step, and the directions in which they improve."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from paceline.core import InvalidInput
from paceline.core import Objective as Metric

DIRECTIONS = ("min", "max")
_SHORT = {"loss": "min", "crossentropy": "min", "ce": "min", "acc": "max"}
_LARGER_IS_BETTER = frozenset(
    {
        "Accuracy",
        "BinaryAccuracy",
        "CategoricalAccuracy",
        "SparseCategoricalAccuracy",
        "TopKCategoricalAccuracy",
        "SparseTopKCategoricalAccuracy",
        "TruePositives",
        "TrueNegatives",
        "Precision",
        "Recall",
        "AUC",
        "SensitivityAtSpecificity",
        "SpecificityAtSensitivity",
        "PrecisionAtRecall",
        "RecallAtPrecision",
        "F1Score",
        "FBetaScore",
        "IoU",
        "MeanIoU",
        "BinaryIoU",
        "OneHotIoU",
        "OneHotMeanIoU",
        "R2Score",
        "CosineSimilarity",
        "PearsonCorrelation",
        "ConcordanceCorrelation",
        "accuracy",
        "categorical_accuracy",
        "binary_accuracy",
        "sparse_categorical_accuracy",
        "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
        "cosine_similarity",
    }
)
"""Classes and functions of ``keras.metrics`` that improve as they grow."""


class MetricObservation:
    """The values of a metric at a step, one for each execution.

    Args:
        value: a number, or a list of numbers.
        step: the step, such as an epoch.
    """

    def __init__(self, value: Any, step: int) -> None:
        self.value = list(value) if isinstance(value, list) else [value]
        self.step = step

    def append(self, value: Any) -> None:
        """Adds the value, or values, of further executions."""
        self.value += value if isinstance(value, list) else [value]

    def mean(self) -> float:
        """The mean of the executions."""
        return statistics.fmean(self.value)

    def get_config(self) -> dict[str, Any]:
        """As JSON types."""
        return {"value": self.value, "step": self.step}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "MetricObservation":
        """The inverse of `get_config`."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MetricObservation)
            and other.value == self.value
            and other.step == self.step
        )

    def __hash__(self) -> int:
        return hash(self.step)

    def __repr__(self) -> str:
        return f"MetricObservation(value={self.value}, step={self.step})"


class MetricHistory:
    """The values of one metric by step.

    Args:
        direction: ``"min"`` or ``"max"``.

    Raises:
        ValueError: another direction.
    """

    def __init__(self, direction: str = "min") -> None:
        if direction not in DIRECTIONS:
            raise ValueError(f"`direction` should be one of {DIRECTIONS}; it is {direction!r}.")
        self.direction = direction
        self._observations: dict[int, MetricObservation] = {}

    def update(self, value: Any, step: int) -> None:
        """Adds a value at a step."""
        if step in self._observations:
            self._observations[step].append(value)
        else:
            self._observations[step] = MetricObservation(value, step)

    def get_best_value(self) -> float | None:
        """The best mean over all steps; NaN if all are; None without any."""
        best = self._best()
        return None if best is None else best.mean()

    def get_best_step(self) -> int | None:
        """The step of the best value; None without any."""
        best = self._best()
        return None if best is None else best.step

    def get_history(self) -> list[MetricObservation]:
        """The observations in the order of their steps."""
        return sorted(self._observations.values(), key=lambda one: one.step)

    def set_history(self, observations: Iterable[MetricObservation]) -> None:
        """Adds observations."""
        for one in observations:
            self.update(one.value, one.step)

    def get_statistics(self) -> dict[str, float]:
        """Minimum, maximum, mean, median, variance and deviation over the steps, without NaN."""
        import numpy as np

        each = [one.mean() for one in self.get_history()]
        kinds: Mapping[str, Callable[[Sequence[float]], Any]] = {
            "min": np.nanmin,
            "max": np.nanmax,
            "mean": np.nanmean,
            "median": np.nanmedian,
            "var": np.nanvar,
            "std": np.nanstd,
        }
        return {name: float(kind(each)) for name, kind in kinds.items()} if each else {}

    def get_last_value(self) -> float | None:
        """The mean at the last step; None without any."""
        history = self.get_history()
        return history[-1].mean() if history else None

    def get_config(self) -> dict[str, Any]:
        """As JSON types."""
        each = [one.get_config() for one in self.get_history()]
        return {"direction": self.direction, "observations": each}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "MetricHistory":
        """The inverse of `get_config`."""
        found = cls(config["direction"])
        found.set_history(map(MetricObservation.from_config, config["observations"]))
        return found

    def _best(self) -> MetricObservation | None:
        each = list(self._observations.values())
        known = [one for one in each if one.mean() == one.mean()]
        choose = min if self.direction == "min" else max
        return choose(known or each, key=MetricObservation.mean, default=None)


class MetricsTracker:
    """The metrics of a trial.

    Args:
        metrics: metrics of Keras that are known from the beginning.

    Attributes:
        metrics: the history of each, by name.
    """

    def __init__(self, metrics: Iterable[Any] | None = None) -> None:
        self.metrics: dict[str, MetricHistory] = {}
        self.register_metrics(metrics)

    def register_metrics(self, metrics: Iterable[Any] | None = None) -> None:
        """Adds metrics of Keras."""
        for one in metrics or ():
            self.register(one.name)

    def exists(self, name: str) -> bool:
        """Whether a metric is known."""
        return name in self.metrics

    def register(self, name: str, direction: str | None = None) -> None:
        """Adds a metric; without a direction that of its name, else ``"min"``.

        Raises:
            ValueError: it is known already, or not a direction.
        """
        if self.exists(name):
            raise ValueError(f"Metric already exists: {name}.")
        self.metrics[name] = MetricHistory(direction or infer_metric_direction(name) or "min")

    def update(self, name: str, value: Any, step: int = 0) -> bool:
        """Adds a value of a metric; returns whether it is the best so far."""
        if not self.exists(name):
            self.register(name)
        before = self.metrics[name].get_best_value()
        self.metrics[name].update(float(value), step)
        return self.metrics[name].get_best_value() != before

    def get_history(self, name: str) -> list[MetricObservation]:
        """See `MetricHistory`."""
        return self._known(name).get_history()

    def set_history(self, name: str, observations: Iterable[MetricObservation]) -> None:
        """See `MetricHistory`."""
        if not self.exists(name):
            self.register(name)
        self.metrics[name].set_history(observations)

    def get_best_value(self, name: str) -> float | None:
        """See `MetricHistory`."""
        return self._known(name).get_best_value()

    def get_best_step(self, name: str) -> int | None:
        """See `MetricHistory`."""
        return self._known(name).get_best_step()

    def get_statistics(self, name: str) -> dict[str, float]:
        """See `MetricHistory`."""
        return self._known(name).get_statistics()

    def get_last_value(self, name: str) -> float | None:
        """See `MetricHistory`."""
        return self._known(name).get_last_value()

    def get_direction(self, name: str) -> str:
        """``"min"`` or ``"max"``."""
        return self._known(name).direction

    def get_config(self) -> dict[str, Any]:
        """As JSON types."""
        return {"metrics": {name: one.get_config() for name, one in self.metrics.items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "MetricsTracker":
        """The inverse of `get_config`."""
        found = cls()
        for name, one in config["metrics"].items():
            found.metrics[name] = MetricHistory.from_config(one)
        return found

    def _known(self, name: str) -> MetricHistory:
        if name not in self.metrics:
            raise ValueError(f"Unknown metric: {name}.")
        return self.metrics[name]


def infer_metric_direction(metric: Any) -> str | None:
    """The direction in which a metric improves; None if it is not known.

    Args:
        metric: the name of a metric as Keras logs it, or a metric or a loss of Keras.
    """
    if isinstance(metric, str):
        name = metric.removeprefix("val_").removeprefix("weighted_")
        if name in _SHORT:
            return _SHORT[name]
        try:
            return Metric(metric).direction[:3]
        except InvalidInput:
            return _direction_of(name)
    import keras

    if isinstance(metric, keras.metrics.Metric | keras.losses.Loss):
        kind = type(metric).__name__
        name = getattr(metric, "_fn", metric).__name__ if kind == "MeanMetricWrapper" else kind
        return _direction_of(name)
    return _direction_of(getattr(metric, "__name__", ""))


def _direction_of(name: str) -> str | None:
    """The direction of a metric or loss of Keras by its name; None if it is none."""
    if name in _LARGER_IS_BETTER:
        return "max"
    import keras

    is_known = hasattr(keras.metrics, name) or hasattr(keras.losses, name)
    return "min" if name and is_known else None
