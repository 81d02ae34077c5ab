"""Fits of Keras networks on folds: lanes of compiled models, scored by scikit-learn."""

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from paceline.core import StudyWarning, process_state
from paceline.core.deprecation import depth_of_caller
from paceline.sklearn.candidates import ParameterSpace
from paceline.sklearn.fit_call import FitCall

_WRAPPERS = ("scikeras.", "keras.", "paceline.sklearn.build_estimators")


def is_network(estimator: Any, *values: Any) -> bool:
    """Whether an estimator, a part of it or a value of its parameters wraps a network."""
    if "keras" not in sys.modules or hasattr(estimator, "_run_search"):  # a search in a search
        return False
    return any(map(_is_wrapper, (*values, estimator, *estimator.get_params(deep=True).values())))


def _is_wrapper(part: Any) -> bool:
    kinds = () if isinstance(part, type) else type(part).__mro__
    has_fit = hasattr(part, "fit") and hasattr(part, "get_params")
    return has_fit and any(kind.__module__.startswith(_WRAPPERS) for kind in kinds)


class NetworkFits:
    """Runs fits of networks together, as far as that is possible.

    Args:
        parameters: the search space.
        seed: of initial weights and the order of batches.
    """

    def __init__(self, parameters: ParameterSpace, seed: int) -> None:
        self._parameters, self._seed = parameters, seed
        self._said = self._is_used = False

    def run(self, fits: Mapping[int, FitCall]) -> Iterator[tuple[int, Any]]:
        """Yields the result of each fit that was trained with others, by its number.

        The rest is to be run one by one; a warning says why, once.
        """
        import keras

        if keras.backend.backend() != "jax":
            self._say(f"Keras runs on {keras.backend.backend()}, and not on JAX")
            return
        from paceline.sklearn.lane_fits import LaneFits
        from paceline.train.disk_cache import use_disk_cache

        with process_state.preserved():
            use_disk_cache()  # also for what Keras compiles to draw initial weights
            lanes = LaneFits(self._parameters, self._seed)
            for at, result in lanes.run(fits):
                self._is_used = True
                yield at, result
        if lanes.reasons:
            self._say(next(iter(lanes.reasons)))

    def refit(self) -> AbstractContextManager[None]:
        """While it is entered, a network that is fitted is trained by the engine where it can be.

        It changes nothing unless networks were trained together before.
        """
        if not self._is_used:
            return nullcontext()
        from paceline.sklearn.single_fit import engine_fits

        return engine_fits(self._seed)

    def _say(self, reason: str) -> None:
        if not self._said:
            self._said = True
            warnings.warn(
                f"Networks are fitted one after the other: {reason}.",
                StudyWarning,
                stacklevel=depth_of_caller(),
            )
