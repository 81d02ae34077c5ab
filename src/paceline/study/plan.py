"""From a request to everything a session needs: data, space, executor. What can be refused is refused here."""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.core import (
    Budget,
    Configuration,
    InvalidInput,
    Objective,
    StudyMismatch,
    Trial,
    Value,
    last_line,
)
from paceline.core.events import Json, StudyCreated
from paceline.data import Split, Stream, load, split
from paceline.execute.base import Executor, Leaves, Training
from paceline.schedule import Full, Schedule
from paceline.schedule import create as create_schedule
from paceline.search import Strategy, create
from paceline.space import Discovery, HyperParameters, Space, discover
from paceline.study.backend import choose_backend
from paceline.study.checkpoints import writing
from paceline.study.record import FORMAT, Record
from paceline.study.request import Request
from paceline.study.streams import StreamParts, check_batch_size, stream_parts, weights_of_classes

if TYPE_CHECKING:
    from paceline.train.feed import TrainingData
    from paceline.train.stream import StreamFeed

_SHORT = 3  # epochs that are not worth dividing
_IN_FLIGHT, _IN_FLIGHT_ACCELERATED = 6, 64
LOOP_NAMES = frozenset({"epochs", "batch_size"})
"""Hyperparameters of the training loop, which ``build`` need not ask for."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What a session works with.

    Attributes:
        request: what was asked for.
        seed: of everything random; drawn where none was given.
        backend: of Keras.
        split: the data.
        space: what may vary, as found by running ``build``.
        structural: for each hyperparameter that was tried, whether it changes the program.
        epochs_are_prefix: whether trials that differ only in ``epochs`` share their beginning.
        notes: sentences for the user.
        schedule: who goes on.
        in_flight: how many trials may be in flight at once where a model or a schedule decides what follows.
    """

    request: Request
    seed: int
    backend: str
    split: Split | StreamParts
    space: Space
    structural: Mapping[str, bool]
    epochs_are_prefix: bool
    notes: tuple[str, ...]
    schedule: Schedule
    in_flight: int

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        return self.request.objective

    @property
    def budget(self) -> Budget:
        """Limits of this session."""
        return self.request.budget

    @property
    def strategy(self) -> Strategy:
        """Where to look next, in its first state."""
        return create(self.request.search, self.seed)

    @property
    def ordered(self) -> bool:
        """Whether what is asked next must not depend on the clock."""
        return self.request.budget.seconds is None if self.request.ordered is None else self.request.ordered

    @property
    def grows(self) -> bool:
        """No: the space is found before the first trial."""
        return False

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""
        return StudyCreated(FORMAT, self.objective_json, self.data_json, self.settings_json)

    def structure(self, config: Configuration) -> object:
        """Equal for configurations that are expected to be one program."""
        from paceline.execute.prepare import structural_hint

        return structural_hint(self.structural, self.space)(config)

    def epochs(self, config: Configuration) -> int:
        """Epochs of a configuration's full training."""
        return int(config.get("epochs", self.request.epochs or 1))

    @property
    def training(self) -> Training:
        """How trials are trained."""
        request = self.request
        return Training(request.objective, request.batch_size or 32, request.patience, request.keep, request.memory)

    @property
    def objective_json(self) -> Mapping[str, str]:
        """For the record."""
        return {"metric": self.request.objective.metric, "direction": self.request.objective.direction}

    @property
    def data_json(self) -> Mapping[str, Json]:
        """For the record."""
        if isinstance(self.split, StreamParts):
            return self.split.to_json()
        dataset = self.split.dataset
        rows = {part: _rows(getattr(self.split, f"y_{part}")) for part in ("train", "val", "test")}
        return {"name": dataset.name, "fingerprint": self.split.fingerprint, "rows": rows, "task": dataset.task}

    @property
    def settings_json(self) -> Mapping[str, Json]:
        """For the record, and for resuming."""
        request = self.request
        return {
            "epochs": request.epochs, "batch_size": request.batch_size, "seed": self.seed, "patience": request.patience,
            "keep": request.keep, "trials": request.budget.trials, "seconds": request.budget.seconds,
            "memory": request.memory, "backend": self.backend,
            "search": request.search if isinstance(request.search, str) else request.search.name,
            "schedule": self.schedule.to_json(), "ordered": self.ordered, "in_flight": self.in_flight,
            "source": dict(request.source),
        }  # fmt: skip

    def kept(self, scores: Sequence[float]) -> tuple[float, int]:
        """Score and epoch of the weights that would be kept after these scores."""
        if self.request.keep == "last":
            return scores[-1], len(scores)
        loss = self.request.objective.loss
        epoch = min(range(len(scores)), key=lambda i: loss(scores[i]) if math.isfinite(scores[i]) else math.inf)
        return scores[epoch], epoch + 1

    def executor(self) -> Executor:
        """Whatever trains."""
        from paceline.execute.fused import FusedExecutor
        from paceline.execute.prepare import Preparation, structural_hint
        from paceline.train.calibration import capacity
        from paceline.train.lanes import LaneCount, cohort_count, device_count, few_lanes, free_memory

        fused = self.backend == "jax"
        build, data = self.request.build, training_data(self.split, self.request.class_weight)
        preparation = Preparation(build, data, self.training, self.space, LOOP_NAMES, fused)
        hint = structural_hint(self.structural, self.space)
        # on a stream those that were asked for together stay together: each of its batches is loaded once for all
        streamed = isinstance(self.split, StreamParts)
        one_by_one = not streamed and (self.strategy.learns or not isinstance(self.schedule, Full))
        lane_count = LaneCount(
            capacity() if fused else 0, self.request.memory or free_memory(), device_count(), cohort_count(),
            few=few_lanes() if one_by_one else 0,
        )  # fmt: skip
        return FusedExecutor(preparation, self.training, hint, lane_count)

    def check_same(self, record: Record) -> None:
        """Makes sure that the study found in the directory is the one that was asked for.

        Raises:
            StudyMismatch: it is another; says in what.
        """
        directory = self.request.directory
        fix = f"Use another directory, or what {directory} was made with."
        created = record.created
        if created is None:
            return
        if dict(created.objective) != dict(self.objective_json):
            was = f"{created.objective['metric']} ({created.objective['direction']})"
            raise StudyMismatch(
                f"objective is {self.request.objective.metric!r}", expected=f"{was}, as in {directory}", fix=fix
            )
        if created.data["fingerprint"] != self.split.fingerprint:
            was = f"the data set of {directory}: {created.data['name']}, split with seed {created.settings['seed']}"
            raise StudyMismatch(
                f"data is {self.split.dataset.name} with other contents or another split", expected=was, fix=fix
            )
        different = [h.name for h in self.space if h.name not in record.space or record.space[h.name] != h]
        missing = [name for name in record.space.names if name not in self.space and self.structural]
        if different or missing:
            names = ", ".join(different + missing)
            raise StudyMismatch(f"the space differs in: {names}", expected=f"the space of {directory}", fix=fix)
        for name in ("epochs", "batch_size", "keep", "patience"):
            if created.settings.get(name) != self.settings_json[name]:
                was = f"{created.settings.get(name)!r}, as in {directory}"
                raise StudyMismatch(f"{name} is {self.settings_json[name]!r}", expected=was, fix=fix)

    def build_model(self, trial: Trial, leaves: Leaves | None) -> Any:
        """The trial's model, with its trained variables or, where they are not kept any more, trained again."""
        from paceline.execute.alone import train_again
        from paceline.train.build import build_model
        from paceline.train.stream import feed_of
        from paceline.train.trace import restore

        hp = HyperParameters(self.space, trial.config)
        model = build_model(self.request.build, hp, trial.seed)
        size = int(trial.config.get("batch_size", self.request.batch_size or 32))
        if leaves is None:
            data = training_data(self.split, self.request.class_weight)
            train_again(model, feed_of(data, size), trial.seed, trial.best_epoch or trial.epochs)
        else:
            restore(model, leaves)
            # what fit does at its end: averaged weights, where the optimizer keeps them, take the place of the last
            model.optimizer.finalize_variable_values(model.trainable_variables)
        return model

    def save_and_test(self, trial: Trial, leaves: Leaves | None, directory: Path) -> dict[str, float]:
        """Saves the trial's model as ``best.keras``; its metrics on the test set, empty where there is none."""
        model = self.build_model(trial, leaves)
        new = directory / "best.new.keras"
        with writing(new):
            model.save(new)
            new.replace(directory / "best.keras")
        if isinstance(self.split, StreamParts):
            metrics = self.split.evaluate(model)
        elif self.split.x_test is None:
            return {}
        else:
            x, y = self.split.x_test, self.split.y_test
            metrics = model.evaluate(x, y, batch_size=512, verbose=0, return_dict=True)
        return {
            name: float(value) for name, value in metrics.items() if not hasattr(value, "shape") or value.shape == ()
        }


def make_plan(request: Request) -> Plan:
    """Loads, splits, discovers and checks; writes nothing."""
    seed = secrets.randbelow(2**31) if request.seed is None else request.seed
    backend = choose_backend()
    if backend == "jax":
        from paceline.train.compiler import use_persistent_cache

        use_persistent_cache()  # before the first build: initial weights are compiled too
    create(request.search, seed)
    options = dict(request.data_options)
    standardize = options.pop("standardize", None)
    dataset = load(request.data, seed=seed, **options)
    parts: Split | StreamParts
    if isinstance(dataset, Stream):
        parts = stream_parts(dataset, request)
    else:
        in_memory = dataset.name == "arrays"
        parts = split(
            dataset,
            validation=request.validation,
            seed=seed,
            # arrays are taken as they are: the user's own predict must see what the network saw
            standardize=False if in_memory and standardize is None else standardize,
            batch_rows=_batch_rows(request),
        )
    found, structural, reads_epochs = _discover(request, parts, seed)
    if isinstance(dataset, Stream):
        check_batch_size(found.space, dataset)
    notes = [*dataset.notes, *parts.notes]
    size = found.space.size()
    if size is not None:
        notes.append(f"The space holds {size:,} configurations.")
    for name, conditions in found.inferred:
        told = " and ".join(f"{c.parent} is {' or '.join(map(str, c.values))}" for c in conditions)
        notes.append(f"{name} matters only where {told}, as the builds show.")
    create(request.search, seed).check(found.space)
    schedule = _schedule(request, isinstance(dataset, Stream))
    in_flight = request.in_flight or _in_flight(backend)
    return Plan(
        request, seed, backend, parts, found.space, structural, not reads_epochs, tuple(notes), schedule, in_flight
    )


def _schedule(request: Request, streamed: bool) -> Schedule:
    """The schedule asked for; ``"auto"`` is successive halving, or full length where that would decide nothing."""
    varies = "epochs" in request.loop
    if request.schedule == "auto":
        whole = varies or streamed or (request.epochs or 1) <= _SHORT
        return Full() if whole or _name(request.search) in ("grid", "given") else create_schedule("asha")
    schedule = create_schedule(request.schedule)
    if varies and not isinstance(schedule, Full):
        raise InvalidInput(
            f"schedule is {schedule.name!r} where epochs are a hyperparameter", expected="'full' or 'auto'",
            fix="A schedule chooses how long each trial trains; pass a number for epochs.",
        )  # fmt: skip
    return schedule


def _name(search: str | Strategy) -> str:
    return search.strip().lower() if isinstance(search, str) else search.name


def _in_flight(backend: str) -> int:
    """Trials in flight where nobody said: some for each core of a CPU, as many as an accelerator likes elsewhere."""
    if backend != "jax":
        return 1
    import jax

    return _IN_FLIGHT if jax.default_backend() == "cpu" else _IN_FLIGHT_ACCELERATED


def training_data(parts: Split | StreamParts, class_weight: Mapping[int, float] | None) -> "TrainingData | StreamFeed":
    """The split as the engine takes it, with class weights as weights of rows, as ``fit`` does it."""
    from paceline.train.feed import TrainingData

    if isinstance(parts, StreamParts):
        return parts.feed
    weight = parts.sample_weight_train
    if class_weight is not None:
        of_class = weights_of_classes(parts.y_train, class_weight)
        weight = of_class if weight is None else weight * of_class
    train = (parts.x_train, parts.y_train) if weight is None else (parts.x_train, parts.y_train, weight)
    weight_val = parts.sample_weight_val
    validation = (parts.x_val, parts.y_val) if weight_val is None else (parts.x_val, parts.y_val, weight_val)
    return TrainingData.of(train, validation)


def _discover(request: Request, parts: Split | StreamParts, seed: int) -> tuple[Discovery, dict[str, bool], bool]:
    """Runs ``build`` to find what may vary, which of it changes the program, and whether it reads ``epochs``."""
    from paceline.train.build import build_model
    from paceline.train.outline import outline

    outlines: list[tuple[Mapping[str, Value], str]] = []
    reads_epochs = False

    def build(hp: HyperParameters) -> None:
        nonlocal reads_epochs
        model = build_model(request.build, hp, seed)
        reads_epochs |= "epochs" in hp.used
        if not outlines:
            _check_objective(request, model, parts)
        outlines.append((hp.config, outline(model)))

    found = discover(build, space=request.loop)
    # what the loop varies is not asked for by build, so nothing was inferred of it
    broken = [o for o in found.observations if o.error is not None]
    refused = next((o.error for o in broken if "paceline.core.errors.InvalidInput" in (o.error or "")), None)
    if len(broken) == len(found.observations) or refused:
        last = last_line(refused or broken[0].error).removeprefix("paceline.core.errors.InvalidInput: ")
        if refused:  # what was refused says it all; it is told again as it was
            passed, _, expected = last.partition("; expected ")
            raise InvalidInput(passed, expected=expected.removesuffix("."))
        raise InvalidInput(
            f"build(hp) raised for every configuration tried; the first time: {last}",
            expected="a build(hp) that works at least for the default values",
        )
    if not any(h.num_values != 1 for h in found.space):
        raise InvalidInput(
            "build(hp) asks for no hyperparameter that varies",
            expected="at least one, such as hp.Float('learning_rate', 1e-4, 1e-1, sampling='log')",
        )
    return found, _structural(outlines), reads_epochs


def _structural(outlines: Sequence[tuple[Mapping[str, Value], str]]) -> dict[str, bool]:
    """Which hyperparameters changed the outline when they alone were changed."""
    default, reference = outlines[0]
    changed: dict[str, bool] = {}
    for config, shape in outlines[1:]:
        names = [name for name in config if name in default and config[name] != default[name]]
        if len(names) == 1:
            changed[names[0]] = changed.get(names[0], False) or shape != reference
    return changed


def _check_objective(request: Request, model: Any, parts: Split | StreamParts) -> None:
    from paceline.train.stream import feed_of
    from paceline.train.trace import CannotTrace, trace

    feed = feed_of(training_data(parts, request.class_weight), request.batch_size or 32)
    try:
        names = trace(model, feed).log_names
    except CannotTrace:
        return
    if request.objective.metric not in names:
        raise InvalidInput(
            f"objective is {request.objective.metric!r}", expected=f"one of the model's metrics: {', '.join(names)}"
        )


def _batch_rows(request: Request) -> int:
    """Rows that every possible batch size divides."""
    if "batch_size" not in request.loop:
        return request.batch_size or 1
    sizes = request.loop["batch_size"]
    count = sizes.num_values or 1
    return math.lcm(*(int(sizes.value_at(i)) for i in range(count))) if count <= 16 else 1


def _rows(y: Any) -> int:
    if y is None:
        return 0
    if isinstance(y, dict):
        return _rows(next(iter(y.values())))
    return _rows(y[0]) if isinstance(y, list | tuple) else len(y)
