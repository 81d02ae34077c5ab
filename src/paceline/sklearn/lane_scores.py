"""The result of a fit whose network is trained: that of scikit-learn's own function.

It is called with an estimator that is fitted already, whose ``fit`` does nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from paceline.sklearn.lane_fit import LaneFit
from paceline.sklearn.lane_training import TrainedLane
from paceline.sklearn.predictions import Predictor
from paceline.train.finalization import finalize
from paceline.train.variables import restore


class NetworkFailed(RuntimeError):
    """The training of a network failed."""


def scored(trained: TrainedLane, predictor: Predictor) -> Any:
    """The result of a fit, from scikit-learn's function.

    Args:
        trained: the fit.
        predictor: predicts for all networks.
    """
    lane, leader = trained.lane, trained.leader
    function, args, kwargs = lane.fit.call
    if trained.leaves is None:
        if not trained.reason.startswith("diverged"):
            return function(*args, **kwargs)  # as without us
        with _instead_of_fit(lane.estimator, NetworkFailed(trained.reason)):
            return function(lane.estimator, *args[1:], **kwargs)
    model = lane.recorded.model
    restore(model, trained.leaves, trained.spec)
    finalize(model)
    _fill(lane, leader.epochs[: lane.training.epochs])
    with predictor.used_by(model), _instead_of_fit(lane.estimator, None):
        result = function(lane.estimator, *args[1:], **kwargs)
    result["fit_time"] += leader.seconds * lane.training.epochs / max(1, len(leader.epochs))
    return result


@contextmanager
def _instead_of_fit(estimator: Any, error: Exception | None) -> Iterator[None]:
    """While the block runs, ``fit`` of an estimator does nothing, or raises an error."""

    def fit(*_: Any, **__: Any) -> Any:
        if error is not None:
            raise error
        return estimator

    def set_params(**_: Any) -> Any:
        return estimator

    vars(estimator).update(fit=fit, set_params=set_params)
    try:
        yield
    finally:
        del vars(estimator)["fit"], vars(estimator)["set_params"]


def _fill(lane: LaneFit, epochs: Sequence[Mapping[str, float]]) -> None:
    """Fills the history that the estimator was given, and its own copies of it."""
    lane.recorded.fill_history(epochs)
    history = lane.recorded.history
    for part in _parts(lane.estimator):
        own = vars(part).get("history_")
        if isinstance(own, dict) and vars(part).get("model_") is lane.recorded.model:
            own.update(history.history)


def _parts(estimator: Any) -> Iterator[Any]:
    """A fitted estimator, and those that it consists of."""
    yield estimator
    steps = getattr(estimator, "steps", None)
    inner = [step for _, step in steps] if steps else []
    inner += [own for name, own in vars(estimator).items() if name.endswith("_")]
    for part in inner:
        if hasattr(part, "get_params") and hasattr(part, "fit"):
            yield from _parts(part)
