"""Trains the networks of recorded fits with Paceline's executor."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from paceline.core import Configuration, Objective
from paceline.core.events import EpochMeasured, Event, TrialEnded, TrialStarted
from paceline.execute import Job, NetworkWork, TrainingConfig, create
from paceline.execute.base import Leaves
from paceline.sklearn.candidates import Candidate, ParameterSpace
from paceline.sklearn.lane_fit import LaneFit, recorded_fit
from paceline.space import HyperParameters
from paceline.study.plan.engine import LOOP_NAMES
from paceline.study.planned.retraining import FOLDS, seeds_of
from paceline.train.array_feed import ArrayFeed, PooledData
from paceline.train.internals import layers_of
from paceline.train.keras_callbacks import with_modes
from paceline.train.structure_hash import structure_hash
from paceline.train.variables import Batch, make_variables

_CANDIDATES_TOGETHER = 8  # all of whose folds come before the next candidates
_FIT = "number of the fit"  # in the configuration of a job


@dataclass(frozen=True, eq=False)
class TrainedLane:
    """A fit whose training has ended.

    Attributes:
        number: that of the fit.
        lane: the fit.
        leader: the fit that was trained: another one if that trains this one's epochs and more.
        spec: shapes and types of its batches.
        leaves: the trained variables; None if the training failed.
        reason: why the training failed.
    """

    number: int
    lane: LaneFit
    leader: LaneFit
    spec: Batch
    leaves: Leaves | None
    reason: str


class LaneTraining:
    """Trains some fits with one executor, which must have the same options."""

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

    def run(self) -> Generator[TrainedLane, None, None]:
        """Yields each fit when its training has ended."""
        executor = create(None, self._work())
        try:
            executor.submit(self._jobs(), {}, {})
            while not executor.is_idle:
                for update in executor.progress():
                    for event in update.events:
                        if isinstance(event, TrialEnded):
                            yield self._trained(event, update.results.get(event.number))
                        else:
                            self._follow(event)
                    if update.error is not None:
                        raise update.error
        finally:
            executor.close()

    def _follow(self, event: Event) -> None:
        """Takes over the progress of a fit."""
        if isinstance(event, TrialStarted) and event.prefix_of is not None:
            self._prefix_of[event.number] = event.prefix_of
        elif isinstance(event, EpochMeasured):
            lane = self._lanes[event.number]
            lane.epochs.append(event.metrics)
            lane.seconds = event.seconds

    def _trained(self, event: TrialEnded, leaves: Leaves | None) -> TrainedLane:
        lane = self._lanes[event.number]
        leader = self._lanes[self._prefix_of.get(event.number, event.number)]
        return TrainedLane(event.number, lane, leader, self._spec(lane), leaves, event.reason)

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


def _is_structural(name: str, alike: Iterable[Sequence[Configuration]]) -> bool:
    """Whether a hyperparameter changes more than sizes and numbers of a network.

    Args:
        name: its name.
        alike: the configurations of networks of each structure.
    """
    values = [{repr(config[name]) for config in configs if name in config} for configs in alike]
    num_values = len(set().union(*values))
    return num_values > 1 and all(len(of_one) <= 1 for of_one in values)
