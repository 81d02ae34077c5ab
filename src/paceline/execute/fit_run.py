"""Trains one network at a time with Keras ``fit``: slower, and correct for any model."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import jax
import keras
import numpy as np

from paceline.core import interrupts
from paceline.core.events import Event, Noted
from paceline.execute.base import ExecutorUpdate, Job, Leaves, TrialSnapshot
from paceline.execute.prepare import PreparedNetwork
from paceline.execute.training_run import TrainingRun
from paceline.train.array_feed import ArrayFeed
from paceline.train.finalization import finalize, without_finalization
from paceline.train.fit_callbacks import FitCallbacks
from paceline.train.isolation import global_state_of, seed_epoch
from paceline.train.stream_feed import AnyFeed, BatchFailed, FitBatches, StreamFeed
from paceline.train.variables import leaves_of, restore


@dataclass(eq=False)
class FitRun:
    """A network that is trained with ``fit``, one epoch per call.

    Attributes:
        prepared: the network, with its Keras model.
        run: its trials.
        snapshot: the state from which it continues; None for its beginning.
    """

    prepared: PreparedNetwork
    run: TrainingRun
    snapshot: TrialSnapshot | None = None

    def epochs(self) -> Iterator[ExecutorUpdate]:
        """Trains to the end or a pause; yields after each epoch.

        If ``fit`` raises, all its trials have failed.
        """
        model, feed = self.prepared.model, self.prepared.feed
        if model is None:
            raise TypeError("a network that is trained with fit needs its Keras model")
        epoch, seconds = 0, 0.0
        if self.snapshot is None:
            yield ExecutorUpdate(tuple(self.run.start_events()))
        else:
            epoch, seconds = self.snapshot.epoch, self.snapshot.seconds
            restore(model, self.snapshot.leaves, feed.batch_spec("train"))
        # read before the update is yielded: its receiver may resume the run in another FitRun
        is_paused = False
        while not self.run.is_over and not is_paused:
            began = time.perf_counter()
            try:
                metrics = fit_epoch(model, feed, self.run.leader, epoch, self._callbacks)
            except BatchFailed:
                raise  # the data is at fault, so all networks stop
            except Exception as error:
                yield ExecutorUpdate(tuple(self.run.fail(f"{type(error).__name__}: {error}")))
                return
            epoch, seconds = epoch + 1, seconds + time.perf_counter() - began
            events, results = self.run.record_epoch(
                epoch, metrics, seconds, lambda: leaves_of(model)
            )
            is_paused = self.run.is_paused
            events += self._end() if self.run.is_over else []
            yield self._update(events, results, epoch, seconds)

    @property
    def _callbacks(self) -> FitCallbacks | None:
        callbacks = self.run.callbacks
        return callbacks if isinstance(callbacks, FitCallbacks) else None

    def _end(self) -> list[Event]:
        """Ends the training for the callbacks; a note if one raises."""
        model, callbacks = self.prepared.model, self._callbacks
        if callbacks is None or model is None:
            return []
        try:
            with global_state_of(model):
                if callbacks.restored_epoch is not None and self.run.best_leaves is not None:
                    spec = self.prepared.feed.batch_spec("train")
                    restore(model, self.run.best_leaves, spec)
                finalize(model)
                callbacks.end()
        except Exception as error:
            number = self.run.leader.trial
            text = f"at the end of trial {number} a callback raised {type(error).__name__}: {error}"
            return [Noted(text)]
        return []

    def _update(
        self, events: list[Event], results: dict[int, Leaves], epoch: int, seconds: float
    ) -> ExecutorUpdate:
        snapshots = {}
        if not self.run.is_over and self.prepared.model is not None:
            taken = self.run.snapshot(epoch, seconds, leaves_of(self.prepared.model))
            snapshots = {self.run.leader.trial: taken}
        return ExecutorUpdate(tuple(events), results, snapshots)


def fit_epoch(
    model: keras.Model,
    feed: AnyFeed,
    job: Job,
    epoch: int,
    callbacks: FitCallbacks | None = None,
) -> dict[str, float]:
    """Trains one epoch with ``fit``, on the batches that a lane of a cohort would use.

    ``on_train_end`` of the callbacks is left to `FitCallbacks.end`.
    """
    with global_state_of(model), without_finalization(model) as more:
        seed_epoch(job.seed, epoch)
        passed: Any = [*more, _interruptible()]
        if callbacks is not None:
            passed = callbacks.list_of(model, job.epochs, _num_batches(feed), passed)
        if isinstance(feed, StreamFeed):
            return _fit_streamed_epoch(model, feed, epoch, passed)
        return _fit_epoch_of_arrays(model, feed, job, epoch, passed)


def _num_batches(feed: AnyFeed) -> int:
    """Training batches of an epoch, with a smaller last one."""
    if isinstance(feed, StreamFeed):
        return len(FitBatches(feed.sources["train"]))
    return feed.num_steps + ("train_rest" in feed.sizes)


def _fit_epoch_of_arrays(
    model: keras.Model,
    feed: ArrayFeed,
    job: Job,
    epoch: int,
    callbacks: Any,
) -> dict[str, float]:
    """Trains an epoch on the rows, and in the order, that a lane would have."""
    order, held_out = feed.order(job.seed, epoch), slice(feed.num_validation)
    train, validation = feed.data.parts(job.split)
    validation = jax.tree.map(lambda array: array[held_out], validation)
    x, y, *weight = (jax.tree.map(lambda array: array[order], part) for part in train)
    history = model.fit(
        x,
        y,
        sample_weight=weight[0] if weight else None,
        batch_size=feed.batch_size,
        shuffle=False,
        validation_batch_size=feed.validation_batch_size,
        initial_epoch=epoch,
        epochs=epoch + 1,
        validation_data=validation,
        verbose=0,
        callbacks=callbacks,
    )
    return _last_epoch(history)


def _fit_streamed_epoch(
    model: keras.Model, feed: StreamFeed, epoch: int, callbacks: Any
) -> dict[str, float]:
    with ExitStack() as epochs:
        for source in feed.sources.values():
            epochs.enter_context(source.epoch(epoch))
        datasets = {kind: FitBatches(source) for kind, source in feed.sources.items()}
        history = model.fit(
            datasets["train"],
            validation_data=datasets.get("test"),
            shuffle=False,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            callbacks=callbacks,
        )
    return _last_epoch(history)


def _interruptible() -> keras.callbacks.Callback:
    """A callback with which Ctrl+C ends an epoch between two batches."""

    def check(*_: object, **__: object) -> None:
        interrupts.check()

    return keras.callbacks.LambdaCallback(on_train_batch_end=check, on_test_batch_end=check)


def _last_epoch(history: keras.callbacks.History) -> dict[str, float]:
    """The scalar metrics of the last epoch."""
    return {
        name: float(values[-1])
        for name, values in history.history.items()
        if np.ndim(values[-1]) == 0
    }
