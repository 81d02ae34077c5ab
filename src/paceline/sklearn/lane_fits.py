"""Trains the networks of many fits together, each with the rows of its fold.

Each fit is recorded (`paceline.sklearn.recorded_fit`): the estimator does all but the training.
The networks are jobs of Paceline's executor, and each estimator gets its trained weights back.
Then scikit-learn's own function is called for the scores, with an estimator that is fitted already.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from sklearn.base import clone
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from paceline.core import Configuration, Objective
from paceline.core.events import EpochMeasured, TrialEnded, TrialStarted
from paceline.execute import Job, NetworkWork, TrainingConfig, create
from paceline.sklearn.candidates import Candidate, ParameterSpace
from paceline.sklearn.fit_call import FitCall
from paceline.sklearn.fold_data import FoldData
from paceline.sklearn.predictions import Predictor
from paceline.sklearn.recorded_fit import NetworkTraining, RecordedFit, RunsAlone, record
from paceline.space import HyperParameters
from paceline.study.plan.engine import LOOP_NAMES
from paceline.study.planned.retraining import FOLDS, seeds_of
from paceline.train.array_feed import ArrayFeed, PooledData
from paceline.train.build import build_model
from paceline.train.finalization import finalize
from paceline.train.internals import layers_of
from paceline.train.keras_callbacks import with_modes
from paceline.train.structure_hash import structure_hash
from paceline.train.variables import Batch, make_variables, restore

_MOST_TOGETHER = 512  # fits that are recorded at once: each has a model
_CANDIDATES_TOGETHER = 8  # all of whose folds come before the next candidates
_FIT = "number of the fit"  # in the configuration of a job


class NetworkFailed(RuntimeError):
    """The training of a network failed."""


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


class LaneFits:
    """Runs fits of networks together.

    Attributes:
        reasons: why some fits have to run alone.
    """

    def __init__(self, parameters: ParameterSpace, seed: int) -> None:
        self._parameters, self._seed = parameters, seed
        self._predictor = Predictor()
        self._models: set[int] = set()  # ids of recorded models: each is trained once
        self.reasons: dict[str, None] = {}

    def run(self, fits: Mapping[int, FitCall]) -> Iterator[tuple[int, Any]]:
        """Yields the result of each fit that could be trained with others, by its number."""
        numbers = list(fits)
        for start in range(0, len(numbers), _MOST_TOGETHER):
            yield from self._run({at: fits[at] for at in numbers[start : start + _MOST_TOGETHER]})

    def _run(self, fits: Mapping[int, FitCall]) -> Iterator[tuple[int, Any]]:
        data = FoldData()
        lanes: dict[int, LaneFit] = {}
        for at, fit in fits.items():
            try:
                lanes[at] = self._record(fit, data)
            except RunsAlone as error:
                self.reasons |= {str(error): None} if str(error) else {}
            except Exception:  # scikit-learn calls it again, and treats the error as asked for
                continue
        alike: dict[object, dict[int, LaneFit]] = {}
        for at, lane in lanes.items():
            alike.setdefault(lane.training.options, {})[at] = lane
        pooled = data.pooled()
        for each in alike.values():
            trainer = _LaneTrainer(self._parameters, self._seed, each, pooled)
            yield from trainer.run(self._predictor)

    def _record(self, fit: FitCall, data: FoldData) -> LaneFit:
        seed = seeds_of(self._seed, FOLDS, fit.split + 1)[-1]
        found: list[tuple[Any, RecordedFit]] = []

        def build(_: HyperParameters) -> keras.Model:
            found.append(recorded_fit(fit, fit.candidate.params))
            return found[-1][1].model

        build_model(build, HyperParameters(), seed)  # in a global state of its own
        estimator, recorded = found[-1]
        training = NetworkTraining.of(recorded)
        if id(recorded.model) in self._models:
            raise RunsAlone("all fits of the estimator train the same model")
        self._models.add(id(recorded.model))
        split = data.add(fit.split, training, np.asarray(fit.call[2]["train"]))
        return LaneFit(fit, estimator, recorded, training, split)


def recorded_fit(fit: FitCall, params: Mapping[str, Any]) -> tuple[Any, RecordedFit]:
    """An estimator with these parameters, fitted on the rows of a fit but for the training."""
    (base, X, y), kwargs = fit.call[1], fit.call[2]
    estimator = clone(base).set_params(**clone(dict(params), safe=False))
    train = np.asarray(kwargs["train"])
    given = _check_method_params(X, params=kwargs["fit_params"] or {}, indices=train)
    x_train, y_train = _safe_split(estimator, X, y, train)
    return estimator, record(estimator, x_train, y_train, given)


class _LaneTrainer:
    """Trains some fits with one executor."""

    def __init__(
        self,
        parameters: ParameterSpace,
        seed: int,
        lanes: Mapping[int, LaneFit],
        data: Sequence[PooledData],
    ) -> None:
        self._parameters, self._lanes, self._data = parameters, lanes, data
        num_splits = 1 + max(lane.fit.split for lane in lanes.values())
        self._seeds = seeds_of(seed, FOLDS, num_splits)
        self._num_splits = num_splits
        self._unused = {at: lane.recorded.model for at, lane in lanes.items()}
        self._exact = {
            parameters.space.key(lane.fit.candidate.config): lane.fit.candidate
            for lane in lanes.values()
        }
        self._prefix_of: dict[int, int] = {}

    def run(self, predictor: Predictor) -> Iterator[tuple[int, Any]]:
        """Yields the result of each fit."""
        executor = create(None, self._work())
        try:
            executor.submit(self._jobs(), {}, {})
            while not executor.is_idle:
                for update in executor.progress():
                    for event in update.events:
                        if isinstance(event, TrialStarted) and event.prefix_of is not None:
                            self._prefix_of[event.number] = event.prefix_of
                        elif isinstance(event, EpochMeasured):
                            lane = self._lanes[event.number]
                            lane.epochs.append(event.metrics)
                            lane.seconds = event.seconds
                        elif isinstance(event, TrialEnded):
                            leaves = update.results.get(event.number)
                            yield event.number, self._scored(event, leaves, predictor)
                    if update.error is not None:
                        raise update.error
        finally:
            executor.close()

    # -- the work of the executor

    def _work(self) -> NetworkWork:
        names = self._parameters.space.names
        hashes: dict[str, list[Configuration]] = {}
        for lane in self._lanes.values():
            key = structure_hash(lane.recorded.model, False)
            hashes.setdefault(key, []).append(lane.fit.candidate.config)
        any_lane = next(iter(self._lanes.values()))
        training, callbacks = any_lane.training, any_lane.training.callbacks
        if callbacks:
            make_variables(any_lane.recorded.model, self._spec(any_lane))
            callbacks = with_modes(callbacks, any_lane.recorded.model)
        return NetworkWork(
            self._build,
            self._data,
            TrainingConfig(
                Objective.of("loss"), validation_batch_size=training.validation_batch_size
            ),
            self._parameters.space,
            loop_names=LOOP_NAMES,
            backend=keras.backend.backend(),
            structural={name: _is_structural(name, hashes.values()) for name in names},
            num_configs=len(self._exact),
            num_repeats=self._num_splits,
            callbacks=callbacks,
        )

    def _spec(self, lane: LaneFit) -> Batch:
        """Shapes and types of the batches of a fit."""
        return ArrayFeed(self._data[lane.split], lane.training.batch_size).batch_spec("train")

    def _jobs(self) -> list[Job]:
        """The jobs, in the order in which they are prepared.

        Networks of one candidate and fold that differ in their epochs only are one training.
        """
        longest: dict[object, int] = {}
        for at in sorted(self._lanes, key=lambda at: -self._lanes[at].training.epochs):
            longest.setdefault(self._key(at), at)
        return [
            Job(
                at,
                self._config(at) | {_FIT: longest[self._key(at)]},
                self._seeds[self._lanes[at].fit.split],
                self._lanes[at].training.epochs,
                split=self._lanes[at].split,
            )
            for at in self._order()
        ]

    def _order(self) -> list[int]:
        """The fits in the order in which they are prepared.

        The networks with fewest layers come first: they are compiled soon, while the others are
        prepared. Then come those with most layers, for which that takes longest. Of networks with
        as many layers, a few candidates come after each other, fold after fold: so candidates are
        complete early, and a search that is killed has little to repeat, but the first networks
        differ in more than their fold, which shows what varies.
        """
        depths = {at: len(layers_of(lane.recorded.model)) for at, lane in self._lanes.items()}
        least = min(depths.values())
        candidates: dict[int, dict[int, int]] = {}  # by number of layers, then by candidate

        def place(at: int) -> tuple[bool, int, int, int]:
            lane, depth = self._lanes[at], depths[at]
            ranks = candidates.setdefault(depth, {})
            rank = ranks.setdefault(id(lane.fit.candidate), len(ranks))
            return depth > least, -depth, rank // _CANDIDATES_TOGETHER, lane.fit.split

        return sorted(self._lanes, key=place)

    def _config(self, at: int) -> dict[str, Any]:
        lane = self._lanes[at]
        return dict(lane.fit.candidate.config) | {"batch_size": lane.training.batch_size}

    def _key(self, at: int) -> object:
        """Equal for fits that differ in their epochs only."""
        lane, config = self._lanes[at], self._config(at)
        if config.get("epochs", lane.training.epochs) == lane.training.epochs:
            config.pop("epochs", None)
        return lane.fit.split, lane.split, repr(sorted(config.items()))

    def _build(self, hp: HyperParameters) -> keras.Model:
        """The model of a configuration: a recorded one, or another in the same way."""
        space = self._parameters.space
        config = {name: hp.get(name) for name in space.names if name in hp}
        known = self._exact.get(space.key(config))
        at = hp.get(_FIT) if _FIT in hp else next(iter(self._lanes))
        lane = self._lanes[at]
        if known is lane.fit.candidate and at in self._unused and _FIT in hp:
            return self._unused.pop(at)
        candidate: Candidate = known or self._parameters.of_config(config)
        return recorded_fit(lane.fit, candidate.params)[1].model

    # -- results

    def _scored(self, event: TrialEnded, leaves: Any, predictor: Predictor) -> Any:
        """The result of a fit, from scikit-learn's function."""
        lane = self._lanes[event.number]
        leader = self._lanes[self._prefix_of.get(event.number, event.number)]
        function, args, kwargs = lane.fit.call
        if leaves is None:
            if not event.reason.startswith("diverged"):
                return function(*args, **kwargs)  # as without us
            with _instead_of_fit(lane.estimator, NetworkFailed(event.reason)):
                return function(lane.estimator, *args[1:], **kwargs)
        model = lane.recorded.model
        restore(model, leaves, self._spec(lane))
        finalize(model)
        _fill(lane, leader.epochs[: lane.training.epochs])
        with predictor.used_by(model), _instead_of_fit(lane.estimator, None):
            result = function(lane.estimator, *args[1:], **kwargs)
        result["fit_time"] += leader.seconds * lane.training.epochs / max(1, len(leader.epochs))
        return result


def _is_structural(name: str, alike: Any) -> bool:
    """Whether a hyperparameter changes more than sizes and numbers of a network.

    Args:
        name: its name.
        alike: the configurations of networks of each structure.
    """
    values = [{repr(config[name]) for config in configs if name in config} for configs in alike]
    num_values = len(set().union(*values))
    return num_values > 1 and all(len(of_one) <= 1 for of_one in values)


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
