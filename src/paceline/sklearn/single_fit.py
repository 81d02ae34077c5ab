"""Carries out a single ``fit`` of Keras with the engine, which is faster than Keras's own loop."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import keras

from paceline.core import Objective, process_state
from paceline.core.events import EpochMeasured
from paceline.data.trees import Tree, map_leaves
from paceline.execute import ExecutorUpdate, Job, Leaves, NetworkWork, TrainingConfig, create
from paceline.sklearn.recorded_fit import NetworkTraining, RecordedFit, RunsAlone, handled_fits
from paceline.space import Space
from paceline.study.planned.retraining import train_all
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.finalization import finalize
from paceline.train.fit_only import fit_only_reason
from paceline.train.internals import fast_initialization
from paceline.train.keras_callbacks import with_modes
from paceline.train.variables import make_variables, restore


@contextmanager
def engine_fits(seed: int) -> Iterator[None]:
    """While the block runs, the engine carries out calls of ``fit`` in this thread where it can.

    Args:
        seed: of the order of batches.
    """
    building = ExitStack()

    def handle(recorded: RecordedFit) -> bool:
        building.close()
        try:
            with process_state.preserved():
                return _fit(recorded, seed)
        except RunsAlone:
            return False
        except Exception:  # Keras's own fit works, or says what is wrong
            return False

    with building, handled_fits(handle):
        building.enter_context(fast_initialization())
        yield


def _fit(recorded: RecordedFit, seed: int) -> bool:
    """Trains the model of a call of ``fit``; returns whether that succeeded."""
    training, model = NetworkTraining.of(recorded), recorded.model
    if fit_only_reason(model) is not None:
        return False
    data = _data(training)
    spec = ArrayFeed(data, training.batch_size).batch_spec("train")
    make_variables(model, spec)
    epochs: list[Mapping[str, float]] = []
    kept: list[Leaves] = []

    def take(update: ExecutorUpdate) -> None:
        epochs.extend(one.metrics for one in update.events if isinstance(one, EpochMeasured))
        kept.extend(update.results.values())

    work = NetworkWork(
        lambda _: model,
        data,
        TrainingConfig(
            Objective.of("loss"),
            training.batch_size,
            validation_batch_size=training.validation_batch_size,
            merge=False,  # a single network needs no program of larger sizes
        ),
        Space(),
        backend=keras.backend.backend(),
        num_configs=1,
        callbacks=with_modes(training.callbacks, model),
    )
    train_all(create(None, work), [Job(0, {}, seed, training.epochs)], take)
    if not kept:
        return False
    restore(model, kept[0], spec)
    finalize(model)
    recorded.fill_history(epochs)
    return True


def _data(training: NetworkTraining) -> TrainingData:
    cut, validation = training.num_train, training.validation

    def part(rows: slice) -> tuple[Tree, ...]:
        return tuple(map_leaves(lambda _, leaf: leaf[rows], tree) for tree in training.arrays)

    if validation is None and len(part(slice(cut, None))[1]):
        validation = part(slice(cut, None))
    return TrainingData.of(part(slice(cut)), validation)
