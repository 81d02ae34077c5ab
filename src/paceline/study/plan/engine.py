"""Makes executors from a plan, with the arrays in the form that the engine takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import Objective, PacelineError, Trial, last_line
from paceline.core.events import TrialEnded
from paceline.data import Split
from paceline.data.folds import Parts
from paceline.data.pool import pool_of
from paceline.execute import (
    Executor,
    ExecutorUpdate,
    Job,
    Leaves,
    NetworkWork,
    TrainingConfig,
    create,
)
from paceline.settings.description import Settings
from paceline.space import Discovery
from paceline.study.inputs.stream_parts import StreamParts, weights_of_classes
from paceline.study.plan.definition import Definition
from paceline.study.plan.division import Division
from paceline.study.plan.keras_callbacks import StudyCallbacks
from paceline.study.planned.retraining import FINAL, Fresh, seeds_of, train_all

if TYPE_CHECKING:
    from paceline.train.array_feed import PooledData, TrainingData
    from paceline.train.stream_feed import StreamFeed
    from paceline.train.variables import Batch

_FINALISTS = 8  # at most, see `paceline.study.evaluation.final_size`

LOOP_NAMES = frozenset({"epochs", "batch_size"})
"""Hyperparameters of the training loop, which ``build`` need not ask for."""


@dataclass(frozen=True, eq=False)
class Engine:
    """Trains a study's networks.

    Attributes:
        definition: the study's definition, with the build function and class weights for these
            data.
        settings: the settings with all open choices decided.
        parts: the data.
        discovery: the space and how it was found.
        structural: for each hyperparameter that was tried, whether it changes the program.
        callbacks: the Keras callbacks of trainings.
    """

    definition: Definition
    settings: Settings
    parts: Split | StreamParts
    discovery: Discovery
    structural: Mapping[str, bool]
    callbacks: StudyCallbacks

    @property
    def training(self) -> TrainingConfig:
        """How trials are trained."""
        asked = self.settings.training
        return TrainingConfig(
            self.definition.objective,
            asked.batch_size or 32,
            asked.patience,
            asked.keep,
            self.settings.execution.memory,
            asked.validation_batch_size,
            asked.min_delta,
            self.settings.execution.merge,
            asked.steps_per_epoch,
            asked.validation_steps,
        )

    def check(self) -> None:
        """Checks whether the data can be divided as was asked for.

        Raises:
            InvalidInput: they cannot.
        """
        self.division.of_search  # noqa: B018 - raises if it is impossible

    @cached_property
    def division(self) -> Division:
        """How rows are divided."""
        return Division(
            self.parts,
            self.settings.evaluation.repeats,
            self.definition.folds,
            self.definition.seed,
        )

    def for_search(self, one_by_one: bool) -> Executor:
        """An executor of trials, each trained as often as was asked for.

        Args:
            one_by_one: whether a model or a schedule chooses trials, so that networks start and end
                one at a time.
        """
        executor = create(self.definition.executor, self.search_work(one_by_one))
        if self.settings.evaluation.is_single:
            return executor
        from paceline.execute.repeated import RepeatedExecutor

        return RepeatedExecutor(executor, self.division.of_search[0], self.training)

    def search_work(self, one_by_one: bool) -> NetworkWork:
        """The work of that executor."""
        trials = self.settings.search.trials
        if self.settings.evaluation.is_single:
            # on a stream, trials proposed together stay together: each batch is loaded once for all
            # of them
            few = one_by_one and not isinstance(self.parts, StreamParts)
            data = training_data(self.parts, self.definition.class_weight)
            return self._work(data, self.training, few, trials)
        seeds, parts = self.division.of_search
        return self._work(self._data(parts), self.training, one_by_one, trials, len(seeds))

    def for_final(self, num_pairs: int) -> Fresh:
        """An executor of finalists, with this number of fresh pairs.

        The search has determined how long each one trains; scores of other epochs are not used, so
        that the reported score did not select anything.
        """
        seeds = seeds_of(self.definition.seed, FINAL, num_pairs)
        training = replace(self.training, patience=None, keep="last")
        data = self._data(self.division.fresh(num_pairs))
        work = self._work(data, training, False, _FINALISTS, num_pairs)
        work = replace(work, callbacks=self.callbacks.of_final)
        return Fresh(create(self.definition.executor, work), seeds)

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        """A trial's variables, retrained on training and validation part; None if that fails."""
        if not isinstance(self.parts, Split):
            return None
        training = TrainingConfig(
            Objective.of("loss"),
            self.settings.training.batch_size or 32,
            memory=self.settings.execution.memory,
            merge=False,  # a single network needs no program of larger sizes
            steps_per_epoch=self.settings.training.steps_per_epoch,
        )
        data = everything(self.parts, self.definition.class_weight)
        work = replace(
            self._work(data, training, False, 1), callbacks=self.callbacks.of_refit(trial)
        )
        executor = create(self.definition.executor, work)
        job = Job(trial.number, trial.config, self.definition.seed, epochs)
        return _train_one(executor, job)[0]

    def retrain(self, trial: Trial) -> Leaves:
        """Variables of a trial's network, retrained with the same program, batches and epochs.

        Raises:
            PacelineError: the training fails.
        """
        job = Job(trial.number, trial.config, trial.seed, len(trial.measurements) or trial.epochs)
        leaves, reason = _train_one(self.for_search(False), job)
        if leaves is None:
            raise PacelineError(
                f"trial {trial.number} cannot be trained again: {last_line(reason)}"
            )
        return leaves

    def _work(
        self,
        data: Any,
        training: TrainingConfig,
        one_by_one: bool,
        num_configs: int | None,
        num_repeats: int = 1,
    ) -> NetworkWork:
        return NetworkWork(
            self.definition.build,
            data,
            training,
            self.discovery.space,
            loop_names=LOOP_NAMES,
            backend=self.settings.execution.backend or "",
            structural=self.structural,
            discovery=self.discovery,
            one_by_one=one_by_one,
            num_configs=num_configs,
            num_repeats=num_repeats,
            study=self.definition.directory.name,
            callbacks=self.callbacks.all,
        )

    def _data(self, parts: Sequence[Parts] | None) -> Any:
        """The data of these splits; None: those of the study's own split."""
        if parts is None:
            return training_data(self.parts, self.definition.class_weight)
        return self._pooled(parts)

    def _pooled(self, parts: Sequence[Parts]) -> "Sequence[PooledData]":
        """The data of each split; splits of one size share an array, and so their programs."""
        from paceline.train.array_feed import PooledData

        if not isinstance(self.parts, Split):
            raise TypeError("a stream cannot be divided")
        pool = pool_of(self.parts, parts)
        train = _with_weight(
            pool.x, pool.y, _weight(pool.y, pool.sample_weight, self.definition.class_weight)
        )
        validation = _with_weight(pool.x, pool.y, pool.sample_weight)
        sizes = [(len(train), len(held_out)) for train, held_out in pool.parts]
        of_size = {
            size: PooledData.of(
                train, validation, {i: pool.parts[i] for i, own in enumerate(sizes) if own == size}
            )
            for size in dict.fromkeys(sizes)
        }
        return [of_size[size] for size in sizes]


def _train_one(executor: Executor, job: Job) -> tuple[Leaves | None, str]:
    """The kept variables of a job; None and the reason if it failed."""
    results: dict[int, Leaves] = {}
    reasons = [""]

    def take(progress: ExecutorUpdate) -> None:
        results.update(progress.results)
        reasons.extend(event.reason for event in progress.events if isinstance(event, TrialEnded))

    train_all(executor, [job], take)
    return results.get(job.trial), reasons[-1]


def training_data(
    parts: Split | StreamParts, class_weight: Mapping[int, float] | None
) -> "TrainingData | StreamFeed":
    """The split as the engine takes it, with class weights as row weights, as in ``fit``."""
    from paceline.train.array_feed import TrainingData

    if isinstance(parts, StreamParts):
        return parts.feed
    weight = _weight(parts.y_train, parts.sample_weight_train, class_weight)
    train = _with_weight(parts.x_train, parts.y_train, weight)
    return TrainingData.of(train, _with_weight(parts.x_val, parts.y_val, parts.sample_weight_val))


def first_batch(
    parts: Split | StreamParts, class_weight: Mapping[int, float] | None, batch_size: int
) -> "Batch":
    """Shapes and types of the batches that networks are trained on; converts no other data."""
    from paceline.data.trees import map_leaves
    from paceline.train.array_feed import ArrayFeed, TrainingData

    if isinstance(parts, StreamParts):
        return parts.feed.batch_spec("train")

    def first(tree: Any) -> Any:
        return None if tree is None else map_leaves(lambda _, leaf: leaf[:batch_size], tree)

    y = first(parts.y_train)
    train = _with_weight(
        first(parts.x_train), y, _weight(y, first(parts.sample_weight_train), class_weight)
    )
    return ArrayFeed(TrainingData.of(train, None), batch_size).batch_spec("train")


def everything(parts: Split, class_weight: Mapping[int, float] | None) -> "TrainingData":
    """Training and validation part together as training data; prepared as in the search."""
    from paceline.data.trees import leaves, map_leaves
    from paceline.train.array_feed import TrainingData

    def both(one: Any, other: Any) -> Any:
        rest = dict(leaves(other))
        return map_leaves(lambda path, leaf: np.concatenate([leaf, rest[path]]), one)

    y = both(parts.y_train, parts.y_val)
    weight = None
    if parts.sample_weight_train is not None and parts.sample_weight_val is not None:
        weight = np.concatenate([parts.sample_weight_train, parts.sample_weight_val])
    x = both(parts.x_train, parts.x_val)
    return TrainingData.of(_with_weight(x, y, _weight(y, weight, class_weight)), None)


def _weight(y: Any, weight: Any, class_weight: Mapping[int, float] | None) -> Any:
    """The weight of each row from its own and its class's; None if there is neither."""
    if class_weight is None:
        return weight
    of_class = weights_of_classes(y, class_weight)
    return of_class if weight is None else weight * of_class


def _with_weight(x: Any, y: Any, weight: Any) -> tuple[Any, ...]:
    return (x, y) if weight is None else (x, y, weight)
