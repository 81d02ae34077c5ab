"""`PacelineClassifier` and `PacelineRegressor`: tuned networks for tables, in one call of `fit`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from paceline.core import InvalidInput
from paceline.report import Study
from paceline.sklearn.fitted_network import FittedNetwork
from paceline.sklearn.merged_rows import merged

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]

_TRIALS = 30  # without any limit
_BATCH_SIZES = ((4_000, 32), (16_000, 64), (64_000, 128))  # below this number of rows
_LARGEST_BATCH = 256
_STEPS, _EPOCHS = 4_000, (15, 100)  # of a training: about so many steps, in so many epochs


class _TableEstimator(BaseEstimator):  # type: ignore[misc]
    """The common part of both estimators."""

    _study: Study | None
    _directory: Path

    def __init__(
        self,
        network: str = "tabular",
        *,
        trials: int | None = None,
        budget: float | str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        validation: float = 0.2,
        folds: Any = None,
        final: str | int | bool | None = "auto",
        fixed: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        study: str | os.PathLike[str] | None = None,
        random_state: Any = None,
        verbose: bool | int = 0,
    ) -> None:
        self.network = network
        self.trials = trials
        self.budget = budget
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.folds = folds
        self.final = final
        self.fixed = fixed
        self.options = options
        self.study = study
        self.random_state = random_state
        self.verbose = verbose

    @property
    def study_(self) -> Study:
        """The study: its trials, verdict and report.

        Raises:
            InvalidInput: its directory is gone, as after unpickling on another machine.
        """
        check_is_fitted(self)
        if self._study is None:
            from paceline.api import load_study

            self._study = load_study(self._directory)
        return self._study

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {**state, "_study": None} if "_study" in state else state

    def _train(self, frame: "pd.DataFrame", y: Array, weight: Array, task: str) -> None:
        """Runs the study and keeps its model."""
        from paceline.api import tune

        frame, y, weights = merged(frame, y, weight)
        if len(y) < 2:
            raise InvalidInput(f"n_samples = {len(y)}", expected="at least two different rows")
        given = self._arguments(len(y))
        given |= {"task": task, "sample_weight": weights, "seed": _seed(self.random_state)}
        self._study = tune(self.network, (frame, y), **given)
        self._directory = self._study.directory
        self.best_params_ = dict(self._study.best.config)
        created = self._study.record.created
        preparation = {} if created is None else created.data["preparation"]
        self._fitted = FittedNetwork(self._study.best_model(), preparation)

    def _arguments(self, rows: int) -> dict[str, Any]:
        """Arguments of `paceline.tune` for data of a number of rows."""
        batch_size = _batch_size(rows) if self.batch_size is None else self.batch_size
        given = {
            "trials": _TRIALS if self.trials is None and self.budget is None else self.trials,
            "budget": self.budget,
            "epochs": _epochs(rows, batch_size) if self.epochs is None else self.epochs,
            "batch_size": batch_size,
            "validation": self.validation,
            "folds": self.folds,
            "final": False if self.final is None else self.final,
            "fixed": self.fixed,
            "study": self.study,
            "display": "auto" if self.verbose else False,
            "test": None,
        }
        # for classes too: accuracy has many ties on few rows, and does not count weights
        usual = {"objective": "val_loss", "refit": True, "keep": "best"}
        own = {name: value for name, value in given.items() if value is not None or name == "test"}
        return {**usual, **(self.options or {}), **own}

    def _frame(self, X: Any, *, reset: bool) -> "pd.DataFrame":
        """The rows as a data frame, with the names of columns that the network knows.

        Raises:
            ValueError: no table, infinite values, or other columns than those of the training data.
            InvalidInput: two columns have the same name.
        """
        import pandas as pd

        if hasattr(X, "to_pandas"):  # of polars, or Arrow
            X = X.to_pandas()
        names = _names(X)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = X
            if min(frame.shape) == 0:
                check_array(np.empty(frame.shape), estimator=self)  # raises scikit-learn's error
        else:
            array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
            frame = pd.DataFrame(array)
            frame = frame.infer_objects() if array.dtype == object else frame
        if reset:
            self._columns = names or [f"x{i}" for i in range(frame.shape[1])]
        frame = frame.set_axis(self._columns, axis=1).reset_index(drop=True)
        for name, column in frame.items():
            is_float = pd.api.types.is_float_dtype(column.dtype)
            if is_float and np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any():
                raise ValueError(f"Input X contains infinity in column {name!r}.")
        return frame

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        return self._fitted.predict(self._frame(X, reset=False))


class PacelineClassifier(ClassifierMixin, _TableEstimator):  # type: ignore[misc]
    """A classifier for tables: a network whose hyperparameters are tuned by `fit`.

    Columns may be numbers, booleans, texts, categories and dates, with missing values; their
    preparation is part of the model (see docs/design/0017). The result depends neither on the order
    of the rows nor on whether a row is repeated or has a weight, and is the same for the same
    ``random_state``, unless ``budget`` limits the time.

    Args:
        network: the name of a built-in network: ``"tabular"`` or ``"mlp"``.
        trials: number of configurations to try; None for 30, or for as many as ``budget`` allows.
        budget: wall time of `fit`: seconds, or a text such as ``"5m"``.
        epochs: epochs of each training; None for a number that follows from that of the rows.
        batch_size: rows of a batch; None for a number that follows from that of the rows.
        validation: fraction of the rows on which configurations are compared.
        folds: cross-validation in their place: a number, or a splitter of scikit-learn.
        final: whether the best configurations are trained again on fresh splits, see
            `paceline.tune`; ``"auto"`` costs at most as much as the search, False nothing.
        fixed: values of hyperparameters that are not tuned, by name.
        options: further options of `paceline.tune`, such as ``{"search": "random"}``.
        study: directory in which everything is kept; None for a temporary one.
        class_weight: weight of each class in the loss, by its label, or ``"balanced"``.
        random_state: of everything random; an int for a reproducible result.
        verbose: whether progress is shown.

    Attributes:
        classes_: the classes, in the order of the columns of `predict_proba`.
        study_: the study: trials, verdict, report.
        best_params_: hyperparameters of the network.
        n_features_in_, feature_names_in_: number of columns, and their names if they are texts.

    Example::

        from paceline.sklearn import PacelineClassifier

        model = PacelineClassifier(budget="2m").fit(X_train, y_train)
        model.score(X_test, y_test)
    """

    def __init__(
        self,
        network: str = "tabular",
        *,
        trials: int | None = None,
        budget: float | str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        validation: float = 0.2,
        folds: Any = None,
        final: str | int | bool | None = "auto",
        fixed: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        study: str | os.PathLike[str] | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: Any = None,
        verbose: bool | int = 0,
    ) -> None:
        super().__init__(
            network,
            trials=trials,
            budget=budget,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            folds=folds,
            final=final,
            fixed=fixed,
            options=options,
            study=study,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Tunes a network, and trains it on all rows.

        Args:
            X: a data frame, or an array of shape (rows, columns).
            y: labels of any type, shape (rows,).
            sample_weight: at least 0, shape (rows,).

        Raises:
            ValueError: X, y or an argument that cannot be used.
        """
        frame, y = self._frame(X, reset=True), _column(y)
        _check_rows(frame, y)
        check_classification_targets(y)
        weight = _weights(sample_weight, len(y))
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        counted = self.classes_[np.unique(codes[weight > 0])]
        if len(counted) < 2:
            has = f"one class, {counted[0]!s}" if len(counted) else "no class"
            where = "" if len(self.classes_) < 2 else ", in the rows with a weight above 0"
            raise InvalidInput(f"y has {has}{where}", expected="at least two classes")
        self._train(frame, codes.astype(np.int64), weight, "classification")
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of the classes, (rows, classes), in the order of ``classes_``."""
        found = self._outputs(X)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """The most probable class of each row, (rows,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[codes])


class PacelineRegressor(RegressorMixin, _TableEstimator):  # type: ignore[misc]
    """A regressor for tables: a network whose hyperparameters are tuned by `fit`.

    It minimises the squared error. Arguments and attributes are those of `PacelineClassifier`, but
    for ``class_weight`` and ``classes_``.

    Example::

        from paceline.sklearn import PacelineRegressor

        model = PacelineRegressor(budget="2m").fit(X_train, y_train)
        model.score(X_test, y_test)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Tunes a network, and trains it on all rows.

        Args:
            X: a data frame, or an array of shape (rows, columns).
            y: numbers, shape (rows,).
            sample_weight: at least 0, shape (rows,).

        Raises:
            ValueError: X, y or an argument that cannot be used.
        """
        frame, y = self._frame(X, reset=True), _column(y)
        if y.dtype.kind in "mM":
            raise InvalidInput(
                f"y is an array of {'dates' if y.dtype.kind == 'M' else 'durations'}",
                expected="numbers",
                fix="Pass what is to be predicted as a number, such as days since a date.",
            )
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        _check_rows(frame, y)
        self._train(frame, y, _weights(sample_weight, len(y)), "regression")
        return self

    def predict(self, X: Any) -> Array:
        """The predicted numbers, (rows,)."""
        return self._outputs(X)[:, 0]


def _names(X: Any) -> list[str]:
    """Names of the columns of a data frame; empty for arrays.

    Raises:
        InvalidInput: two columns have the same name.
    """
    names = list(map(str, getattr(X, "columns", ())))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(
            f"X has more than one column named {', '.join(twice)}",
            expected="a name for each column",
        )
    return names


def _column(y: Any) -> Array:
    """The target as an array of shape (rows,), without missing or infinite values."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    values = column_or_1d(y, warn=True)
    may_lack = values.dtype == object
    missing = [row for row, one in enumerate(values) if one is None] if may_lack else []
    if missing:
        raise InvalidInput(
            f"Input y contains None in {len(missing):,} of {len(values):,} rows, the first of "
            f"which is row {missing[0]}",
            expected="a target for each row",
            fix="Drop these rows.",
        )
    return np.asarray(
        check_array(values, ensure_2d=False, dtype=None, ensure_min_samples=0, input_name="y")
    )


def _check_rows(frame: "pd.DataFrame", y: Array) -> None:
    if len(frame) != len(y):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{len(frame)}, {len(y)}]"
        )


def _weights(given: Any, rows: int) -> Array:
    """The weights of the rows, float64 (rows,).

    Raises:
        ValueError: another shape, negative, or all zero.
    """
    if given is None:
        return np.ones(rows)
    weight = check_array(given, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.shape != (rows,):
        raise ValueError(f"sample_weight.shape == {weight.shape}, expected {(rows,)}!")
    if weight.min() < 0 or weight.max() == 0:
        raise ValueError("sample_weight is negative, or zero for all rows")
    return np.asarray(weight)


def _batch_size(rows: int) -> int:
    return next((size for below, size in _BATCH_SIZES if rows < below), _LARGEST_BATCH)


def _epochs(rows: int, batch_size: int) -> int:
    return int(np.clip(round(_STEPS * batch_size / rows), *_EPOCHS))


def _seed(random_state: Any) -> int:
    """The seed of a study: an int itself, otherwise drawn from the generator."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
