"""Estimators around ``build(hp)``, the function that `paceline.tune` takes.

A search makes them by itself where it gets such a function in place of an estimator.
"""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from paceline.core import InvalidInput
from paceline.space import HyperParameters
from paceline.train.build import check_model
from paceline.train.isolation import GlobalState

_OF_AMOUNTS = {
    *("mse", "meansquarederror", "mae", "meanabsoluteerror", "huber", "huberloss", "logcosh"),
    *("mape", "meanabsolutepercentageerror", "msle", "meansquaredlogarithmicerror", "poisson"),
}
"""Losses of regression, by Keras's names of them as `_losses_of` returns them."""


class BuildEstimator(BaseEstimator):  # type: ignore[misc]
    """A network from ``build(hp)``; its hyperparameters are parameters by their own names.

    Args:
        build: a function that takes ``hp`` and returns a compiled model.
        epochs: number of epochs.
        batch_size: rows of a batch.
        values: of hyperparameters; others have their defaults.
    """

    def __init__(
        self,
        build: Any,
        epochs: int = 10,
        batch_size: int = 32,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        self.build, self.epochs, self.batch_size, self.values = build, epochs, batch_size, values

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with those of the network where ``deep``."""
        own: dict[str, Any] = super().get_params(deep=False)
        return {**(self.values or {}), **own} if deep else own

    def set_params(self, **params: Any) -> Self:
        """Sets parameters; all but those of the constructor are hyperparameters."""
        own = super().get_params(deep=False)
        for name in own.keys() & params.keys():
            setattr(self, name, params[name])
        values = {name: value for name, value in params.items() if name not in own}
        if values:
            self.values = {**(self.values or {}), **values}
        return self

    def fit(self, X: Any, y: Any, **options: Any) -> Self:
        """Builds and trains the network.

        Args:
            X: the inputs.
            y: the targets.
            options: of the model's ``fit``.

        Raises:
            InvalidInput: ``build`` does not ask for a hyperparameter, or cannot take its value, or
                returns no compiled model.
        """
        hp = HyperParameters(values=self.values or {})
        model = check_model(getattr(self.build, "build", self.build)(hp))
        for name, value in (self.values or {}).items():
            if name not in hp.used or hp.config[name] != value:
                raise InvalidInput(
                    f"the value of {name!r} is {value!r}",
                    expected=f"one of a hyperparameter that build(hp) asks for: {list(hp.used)}",
                )
        options = {"epochs": self.epochs, "batch_size": self.batch_size, "verbose": 0, **options}
        self.n_features_in_ = np.shape(X)[-1]
        self.history_ = model.fit(np.asarray(X), self._encoded(y, model), **options).history
        self.model_ = model
        return self

    def _encoded(self, y: Any, model: keras.Model) -> Any:  # noqa: ARG002 - classes need it
        return np.asarray(y)

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self, "model_")
        return self.model_.predict(np.asarray(X), verbose=0)


class BuildRegressor(RegressorMixin, BuildEstimator):  # type: ignore[misc]
    """A network for regression from ``build(hp)``; see `BuildEstimator`."""

    def predict(self, X: Any) -> Any:
        """The outputs of the network."""
        outputs = self._outputs(X)
        return outputs[:, 0] if np.ndim(outputs) == 2 and outputs.shape[1] == 1 else outputs


class BuildClassifier(ClassifierMixin, BuildEstimator):  # type: ignore[misc]
    """A network for classification from ``build(hp)``; see `BuildEstimator`.

    Classes are numbered in their order, one-hot for a loss that takes them so.
    """

    def predict(self, X: Any) -> Any:
        """The class of each row."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, as the network gives it."""
        outputs = self._outputs(X)
        return np.hstack([1.0 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def _encoded(self, y: Any, model: keras.Model) -> Any:
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        numbers = encoder.transform(y)
        is_one_hot = any(name.startswith("categorical") for name in _losses_of(model))
        return keras.utils.to_categorical(numbers, len(self.classes_)) if is_one_hot else numbers


def estimator_of(build: Any, y: Any) -> BuildEstimator:
    """The estimator around ``build`` for these targets.

    Targets that are not continuous numbers are classes, unless they are more than two numbers and
    the network has a loss of amounts: such as years, or prices without cents.

    Raises:
        InvalidInput: ``build`` returns no compiled model.
    """
    kind = type_of_target(y)
    is_regression = kind.startswith("continuous")
    if not is_regression and kind != "binary" and np.asarray(y).dtype.kind in "iuf":
        with GlobalState(0):  # random numbers of the process stay as they are
            model = check_model(getattr(build, "build", build)(HyperParameters()))
        is_regression = not _OF_AMOUNTS.isdisjoint(_losses_of(model))
    return (BuildRegressor if is_regression else BuildClassifier)(build)


def _losses_of(model: keras.Model) -> set[str]:
    """Names of the model's loss, in lower case without ``_``: its own, and that of its class."""
    loss = model.loss
    own = getattr(loss, "name", None) or getattr(loss, "__name__", loss)
    return {str(name).lower().replace("_", "") for name in (own, type(loss).__name__)}
