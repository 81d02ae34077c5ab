"""A fit whose network is trained together with those of others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from paceline.sklearn.fit_call import FitCall
from paceline.sklearn.recorded_fit import NetworkTraining, RecordedFit, record


@dataclass(eq=False)
class LaneFit:
    """One fit that is trained with others.

    Attributes:
        fit: the call of scikit-learn.
        estimator: fitted, but for the weights of its model.
        recorded: its call of the model's ``fit``.
        training: what that asks for.
        split: the number of its data.
        epochs: the metrics of each epoch so far.
        seconds: of its training.
    """

    fit: FitCall
    estimator: Any
    recorded: RecordedFit
    training: NetworkTraining
    split: int
    epochs: list[Mapping[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def recorded_fit(fit: FitCall, params: Mapping[str, Any]) -> tuple[Any, RecordedFit]:
    """An estimator with these parameters, fitted on the rows of a fit but for the training."""
    (base, X, y), kwargs = fit.call[1], fit.call[2]
    estimator = clone(base).set_params(**clone(dict(params), safe=False))
    train = np.asarray(kwargs["train"])
    given = _check_method_params(X, params=kwargs["fit_params"] or {}, indices=train)
    x_train, y_train = _safe_split(estimator, X, y, train)
    return estimator, record(estimator, x_train, y_train, given)
