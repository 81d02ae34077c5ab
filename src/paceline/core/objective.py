"""The objective of a study: a metric and a direction."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from paceline.core.errors import InvalidInput, shown
from paceline.core.names import closest

Direction = Literal["minimize", "maximize"]

DIRECTIONS: Mapping[str, Direction] = {
    "min": "minimize",
    "minimize": "minimize",
    "minimise": "minimize",
    "max": "maximize",
    "maximize": "maximize",
    "maximise": "maximize",
}
"""Every accepted spelling of a direction, in lower case."""


@dataclass(frozen=True, slots=True, init=False)
class Objective:
    """A metric and the direction in which it improves.

    ``Objective("val_loss", "min")``; ``Objective("val_accuracy")``, whose direction follows from
    its name.

    Attributes:
        metric: the name under which Keras logs it, such as ``"val_accuracy"``.
        direction: ``"minimize"`` or ``"maximize"``, whichever spelling was passed.

    Raises:
        InvalidInput: not a metric name, not a direction, or no direction given and the name does
            not imply it.
    """

    metric: str
    direction: Direction

    def __init__(self, metric: str, direction: str | None = None) -> None:
        if not isinstance(metric, str) or not metric.strip():
            raise _no_objective(metric)
        if direction is None and _known_direction(metric) is not None:
            raise InvalidInput(
                f"objective is {metric!r}, a direction without a metric",
                expected=f"a metric, such as 'val_accuracy' or ('val_accuracy', {metric!r})",
                fix="A direction alone is enough for a function that returns its score, which is "
                "tuned without data.",
            )
        object.__setattr__(self, "metric", metric)
        object.__setattr__(
            self, "direction", _infer(metric) if direction is None else _direction(direction)
        )

    def score(self, metrics: Mapping[str, float]) -> float:
        """The objective of an epoch with these metrics; NaN if it was not measured."""
        return metrics.get(self.metric, math.nan)

    def loss(self, score: float) -> float:
        """The score as a number to minimise; the only place that depends on the direction."""
        return score if self.direction == "minimize" else -score

    def better(self, score: float, than: float | None) -> bool:
        """Whether ``score`` is finite and strictly better ``than`` another (None is the worst)."""
        if not math.isfinite(score):
            return False
        return than is None or self.loss(score) < self.loss(than)

    @classmethod
    def of(cls, metric: Any, direction: str | None = None) -> "Objective":
        """Makes an objective of a name, a (name, direction) pair, or an `Objective`.

        Raises:
            InvalidInput: anything else, or as in the constructor.
        """
        if isinstance(metric, Objective):
            return metric
        if isinstance(metric, tuple | list):
            is_pair = len(metric) == 2 and isinstance(metric[0], str)
            are_several = isinstance(metric, list) and is_pair and metric[1] not in DIRECTIONS
            if not is_pair or are_several:
                raise _no_objective(metric)
            if _known_direction(metric[1]) is None:
                raise InvalidInput(
                    f"objective is {shown(metric)}, whose direction is {shown(metric[1])}",
                    expected="'min' or 'max' ('minimize', 'maximize')",
                )
            metric, direction = metric[0], metric[1]
        return cls(metric, direction)


def _direction(given: object) -> Direction:
    known = _known_direction(given)
    if known is None:
        raise InvalidInput(
            f"direction is {shown(given)}", expected="'min' or 'max' ('minimize', 'maximize')"
        )
    return known


def _known_direction(given: object) -> Direction | None:
    return DIRECTIONS.get(given.strip().lower()) if isinstance(given, str) else None


def _no_objective(given: object) -> InvalidInput:
    fix = ""
    if hasattr(given, "update_state") and isinstance(name := getattr(given, "name", None), str):
        fix = f"Keras logs this one as {name!r}, and as {'val_' + name!r} on the validation data."
    elif isinstance(given, list | tuple | set | dict) and len(given) > 1:
        fix = "A study has one objective; compute a combination of several as a metric of its own."
    return InvalidInput(
        f"objective is {shown(given)}",
        expected="the name of one metric, such as 'val_accuracy', or the name and a direction: "
        "('val_iou', 'max')",
        fix=fix,
    )


# -- the direction implied by a metric's name
#
# The last words of a name decide, because the first ones may be the name of an output
# ("error_type_accuracy"). Trailing words that say how a metric is averaged ("val", "mean", "macro")
# and numbers (Keras appends them) are skipped.


def _phrases(text: str, direction: Direction) -> dict[tuple[str, ...], Direction]:
    return {tuple(_words(phrase)): direction for phrase in text.split(",")}


def _words(name: str) -> list[str]:
    """Words of a name in lower case, without numbers: ``"valMeanIoU_2"`` gives val, mean, io, u."""
    parts = re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", name)
    return [part.lower() for part in parts if not part.isdigit()]


_SMALLER = """
    loss, error, error rate, cost, regret, perplexity, divergence, deviance, residual, distance,
    nll, kld, kl, mse, mae, rmse, mape, smape, msle, rmsle, mase, crps, wer, cer, eer, fid, kid,
    ece, log loss, logloss, negative log likelihood, neg log likelihood, crossentropy, cross
    entropy, bce, cce, huber, hinge, poisson, log cosh, logcosh, brier, fpr, fnr, fdr, false
    positives, false negatives, false positive rate, false negative rate, false discovery rate,
    false alarms, false alarm rate, miss rate, failure rate
"""
_LARGER = """
    accuracy, acc, auc, auroc, auprc, aucpr, roc auc, auc roc, pr auc, prauc, rocauc, precision,
    recall, f1, f2, f beta, fbeta, f measure, iou, io u, jaccard, dice, dice coefficient, dice
    coef, r2, r squared, explained variance, similarity, sensitivity, specificity, kappa,
    correlation, correlation coefficient, pearson, spearman, mcc, true positives, true negatives,
    true positive rate, true negative rate, tpr, tnr, ppv, npv, hit rate, likelihood, log
    likelihood, bleu, rouge, rouge l, meteor, psnr, ssim, ndcg, mrr, map, inception, silhouette,
    reward
"""
_NEUTRAL = frozenset(
    _words(
        "val valid validation dev test train training cv mean avg average median macro micro "
        "weighted total overall value metric score at top k"
    )
)
_REVERSING = frozenset({"neg", "negated", "negative", "minus", "inverse", "inverted"})


def _infer(metric: str) -> Direction:
    """The direction that the words of a metric's name imply."""
    words = _words(metric)
    while words and words[-1] in _NEUTRAL:
        words.pop()
    for count in range(min(len(words), _LONGEST), 0, -1):
        found = _KNOWN.get(tuple(words[-count:]))
        if found is not None and not _is_reversed(metric, words[:-count]):
            return found
    for suffix, direction in _SUFFIXES.items():
        if words and words[-1].endswith(suffix) and not _is_reversed(metric, words[:-1]):
            return direction
    meant = _similar(metric)
    raise InvalidInput(
        f"objective {metric!r} does not say whether larger or smaller values are better",
        expected="a direction",
        fix=(f"Did you mean {meant!r}? If not: " if meant else "")
        + f"Pass objective=({metric!r}, 'max') or ({metric!r}, 'min'); on the terminal "
        f"--objective {metric}:max.",
    )


def _similar(metric: str) -> str | None:
    """A name that ends in that of a metric as Keras writes it, if this one nearly does."""
    words = metric.split("_")
    known = ["_".join(phrase) for phrase in _KNOWN]
    for count in range(min(len(words), _LONGEST), 0, -1):
        ending = "_".join(words[-count:])
        if ending in known:  # it is not misspelt
            return None
        if len(ending) >= _SHORTEST and (found := closest(ending, known, _LIKE)) is not None:
            return "_".join([*words[:-count], found])
    return None


def _is_reversed(metric: str, before: Iterable[str]) -> bool:
    """Whether a word before the deciding ones may negate them: ``"neg_mean_squared_error"``."""
    return bool(_REVERSING.intersection(before)) or re.match(r"\s*1?\s*-", metric) is not None


_KNOWN: Mapping[tuple[str, ...], Direction] = {
    **_phrases(_SMALLER, "minimize"),
    **_phrases(_LARGER, "maximize"),
}
_LONGEST = max(map(len, _KNOWN))
_SHORTEST, _LIKE = 3, 0.8  # letters and similarity of a name that may be misspelt
_SUFFIXES: Mapping[str, Direction] = {
    "loss": "minimize",
    "error": "minimize",
    "accuracy": "maximize",
}
