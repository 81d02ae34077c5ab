"""A tuner of estimators of scikit-learn."""

import importlib.util
import inspect
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from paceline.compat.keras_tuner.engine.base_tuner import BaseTuner
from paceline.compat.keras_tuner.engine.trial import Trial
from paceline.core import InvalidInput

sklearn: Any = importlib.util.find_spec("sklearn")
"""None where scikit-learn is not installed."""


class SklearnTuner(BaseTuner):
    """Cross-validates estimators of scikit-learn.

    Args:
        oracle: what to try next; its objective is ``Objective("score", "max")``.
        hypermodel: a function of ``hp`` that returns an estimator.
        scoring: a scorer of scikit-learn; None for the estimator's ``score``.
        metrics: functions of scikit-learn that are measured besides.
        cv: a splitter of scikit-learn; None for five shuffled folds.
        **options: see `BaseTuner`.

    Raises:
        ImportError: scikit-learn is not installed.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any,
        scoring: Any = None,
        metrics: Any = None,
        cv: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(oracle, hypermodel, **options)
        if sklearn is None:
            raise ImportError("Please install sklearn: pip install scikit-learn.")
        self.scoring = scoring
        several = metrics if isinstance(metrics, list | tuple) else [metrics]
        self.metrics = [one for one in several if one is not None]
        if cv is None:
            from sklearn.model_selection import KFold

            cv = KFold(5, shuffle=True, random_state=1)
        self.cv = cv
        self._models: dict[str, Any] = {}

    def search(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> None:
        """Searches; data as in the estimators' ``fit``."""
        super().search(X, y, sample_weight=sample_weight, groups=groups)

    def run_trial(
        self, trial: Trial, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> dict[str, float]:
        """The mean of each metric over the folds; keeps the estimator of the last one."""
        found: Mapping[str, list[float]] = defaultdict(list)
        given = {} if groups is None else {"groups": groups}
        model = None
        for train, test in self.cv.split(X, y, **given):
            model = self.hypermodel.build(trial.hyperparameters)
            weights = {}
            if sample_weight is not None and _takes_weights(model):
                weights = {"sample_weight": _rows(sample_weight, train)}
            model.fit(_rows(X, train), _rows(y, train), **weights)
            x_test, y_test = _rows(X, test), _rows(y, test)
            weight = None if sample_weight is None else _rows(sample_weight, test)
            scored = model.score if self.scoring is None else _with_model(self.scoring, model)
            found["score"].append(float(scored(x_test, y_test, **_weighted(weight))))
            predicted = model.predict(x_test) if self.metrics else None
            for metric in self.metrics:
                value = metric(y_test, predicted, **_weighted(weight))
                found[metric.__name__].append(float(value))
        self.save_model(trial.trial_id, model)
        return {name: sum(values) / len(values) for name, values in found.items()}

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:  # noqa: ARG002
        """Keeps an estimator in memory; no file of it is written, as a pickle would be."""
        self._models[trial_id] = model

    def load_model(self, trial: Trial) -> Any:
        """The estimator of the last fold of a trial.

        Raises:
            InvalidInput: it was fitted by another process.
        """
        if trial.trial_id not in self._models:
            raise InvalidInput(
                f"the estimator of trial {trial.trial_id} was fitted by an earlier process",
                expected="a trial of this process: estimators are kept in memory",
                fix="Fit it again: tuner.hypermodel.build(trial.hyperparameters).fit(X, y).",
            )
        return self._models[trial.trial_id]


def _rows(data: Any, rows: Any) -> Any:
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if hasattr(data, "shape"):
        return data[rows]
    raise InvalidInput(
        f"Expected the data to be numpy arrays or data frames; they are a {type(data).__name__}",
        expected="such as numpy.array(...)",
    )


def _takes_weights(model: Any) -> bool:
    return "sample_weight" in inspect.signature(model.fit).parameters


def _weighted(weight: Any) -> dict[str, Any]:
    return {} if weight is None else {"sample_weight": weight}


def _with_model(scoring: Any, model: Any) -> Any:
    return lambda x, y, **given: scoring(model, x, y, **given)
