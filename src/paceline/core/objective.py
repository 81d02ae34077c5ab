"""What is being optimised, and which way is up."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from paceline.core.errors import InvalidInput

Direction = Literal["minimize", "maximize"]

_DIRECTIONS: Mapping[str, Direction] = {
    "min": "minimize",
    "minimize": "minimize",
    "minimise": "minimize",
    "max": "maximize",
    "maximize": "maximize",
    "maximise": "maximize",
}
# Names of Keras's own metrics and losses, by the words they are made of.
_SMALLER_IS_BETTER = frozenset(
    {
        "loss", "error", "mse", "mae", "rmse", "mape", "msle", "crossentropy", "divergence", "hinge", "perplexity",
        "poisson", "logcosh", "cosh", "huber", "deviance",
    }
)  # fmt: skip
_LARGER_IS_BETTER = frozenset(
    {
        "accuracy", "acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "io", "r2", "cosine", "sensitivity",
        "specificity", "positives", "negatives", "kappa", "correlation", "score",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric and the direction in which it improves.

    Attributes:
        metric: the name under which Keras logs it, such as ``"val_accuracy"``.
        direction: ``"minimize"`` or ``"maximize"``.
    """

    metric: str
    direction: Direction

    def loss(self, score: float) -> float:
        """The score as a number to minimise; the one place where directions are normalised."""
        return score if self.direction == "minimize" else -score

    def better(self, score: float, than: float | None) -> bool:
        """Whether ``score`` is finite and strictly better ``than`` another one (None counts as worst)."""
        if not math.isfinite(score):
            return False
        return than is None or self.loss(score) < self.loss(than)

    @classmethod
    def of(cls, metric: "str | tuple[str, str] | Objective", direction: str | None = None) -> "Objective":
        """Generous form of the constructor: a name, a (name, direction) pair or an `Objective`.

        ``direction`` accepts ``min``, ``max``, ``minimize`` and ``maximize``; left out, it is inferred for metrics
        whose name says which way is better.

        Raises:
            InvalidInput: the direction is unknown, or not given and not to be inferred.
        """
        if isinstance(metric, Objective):
            return metric
        if not isinstance(metric, str):
            metric, direction = metric
        if direction is not None:
            known = _DIRECTIONS.get(direction.lower())
            if known is None:
                raise InvalidInput(f"direction is {direction!r}", expected="'min' or 'max' ('minimize', 'maximize')")
            return cls(metric, known)
        return cls(metric, _infer(metric))


def _infer(metric: str) -> Direction:
    words = re.split(r"[^a-z0-9]+", metric.lower().removeprefix("val_"))
    if any(word.startswith(("false",)) for word in words):
        words.append("error")
    smaller = any(word in _SMALLER_IS_BETTER or word.endswith("loss") for word in words)
    larger = any(word in _LARGER_IS_BETTER for word in words) and not smaller
    if not smaller and not larger:
        raise InvalidInput(
            f"objective {metric!r} does not say whether more or less of it is better",
            expected="a direction",
            fix=f"Pass objective=({metric!r}, 'max') or ({metric!r}, 'min'); on the terminal --objective {metric}:max.",
        )
    return "minimize" if smaller else "maximize"
