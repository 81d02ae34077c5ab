"""The plan of a study of networks: data, space, executors; invalid settings are refused here."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from paceline.core import Budget, Configuration, Measurement, Objective, StudyMismatch, Trial
from paceline.core.events import FORMAT, Event, Json, StudyCreated
from paceline.data import Split, Stream
from paceline.data.fingerprints import fingerprint
from paceline.execute.base import Executor, Leaves
from paceline.execute.work import NetworkWork
from paceline.schedule import Full, Schedule
from paceline.search import Strategy
from paceline.settings.description import Settings
from paceline.space import Discovery, Space
from paceline.study.inputs.stream_parts import StreamParts
from paceline.study.models.models import Models
from paceline.study.plan.backend import choose_backend
from paceline.study.plan.default_schedule import in_flight_of, schedule_of
from paceline.study.plan.definition import Definition
from paceline.study.plan.discovery import discover_space, inferred_notes
from paceline.study.plan.engine import Engine, first_batch
from paceline.study.plan.initial_search import SearchChoice
from paceline.study.plan.keras_callbacks import StudyCallbacks
from paceline.study.plan.streams import check_batch_size
from paceline.study.plan.study_data import study_data
from paceline.study.planned.retraining import Fresh, FreshSplits
from paceline.study.planned.test_part import TestPart
from paceline.study.record.changed_space import another_directory, changed
from paceline.study.record.record import Record
from paceline.study.resume.existing import changes_since


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """A planned study of networks on data; see `paceline.study.planned.protocol.Plan`.

    Attributes:
        definition: the study's definition.
        settings: the settings with all open choices decided.
        split: the data.
        discovery: the space and how it was found by running ``build``.
        structural: for each hyperparameter that was tried, whether it changes the network's
            structure: more than its sizes.
        sizes: those that change only its sizes.
        epochs_are_prefix: whether a trial with fewer ``epochs`` is the beginning of one with more.
        notes: sentences for the user.
        schedule: which trials continue, pause or stop.
        callbacks: the Keras callbacks of trainings.
        preparation: preparation of the data, for the record; None if not recorded.
    """

    definition: Definition
    settings: Settings
    split: Split | StreamParts
    discovery: Discovery
    structural: Mapping[str, bool]
    sizes: frozenset[str]
    epochs_are_prefix: bool
    notes: tuple[str, ...]
    schedule: Schedule
    callbacks: StudyCallbacks
    preparation: Mapping[str, Json] | None = None

    is_define_by_run: ClassVar[bool] = False
    """False: the space is found before the first trial."""

    @property
    def space(self) -> Space:
        """The search space."""
        return self.discovery.space

    @property
    def objective(self) -> Objective:
        """The objective."""
        return self.definition.objective

    @property
    def budget(self) -> Budget:
        """Limits of this session."""
        return self.definition.budget

    @cached_property
    def strategy(self) -> Strategy:
        """The search strategy; with a final, the default configuration comes first."""
        return self.definition.search.first(default=bool(self.settings.evaluation.num_pairs))

    def searching(self, strategy: Strategy) -> "NetworkPlan":
        """The same plan with another strategy."""
        search = SearchChoice.of(strategy, self.definition.seed)
        return replace(
            self,
            definition=replace(self.definition, search=search),
            settings=self.settings.with_values(search=search.settings),
        )

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""
        goal = {"metric": self.objective.metric, "direction": self.objective.direction}
        return StudyCreated(FORMAT, goal, self.data_json, self.settings.to_json())

    def structure(self, config: Configuration) -> Hashable:
        """Equal for configurations whose networks have the same structure.

        Sizes do not count, whether or not networks of different sizes share programs in this
        study: the search decides with this, and ``merge`` must not change what it tries.
        """
        from paceline.execute.grouping import structural_hint

        return structural_hint(self.structural, self.space)(config)

    def epochs(self, config: Configuration) -> int:
        """Epochs of a configuration's full training."""
        return int(config.get("epochs", self.settings.training.epochs or 1))

    @property
    def data_json(self) -> Mapping[str, Json]:
        """Description of the data for the record."""
        if isinstance(self.split, StreamParts):
            return {**self.split.to_json(), "batch": self.batch}
        dataset = self.split.dataset
        rows = {part: _rows(getattr(self.split, f"y_{part}")) for part in ("train", "val", "test")}
        return {
            "name": dataset.name,
            "fingerprint": self.split.fingerprint,
            "rows": rows,
            "task": dataset.task,
            "batch": self.batch,
            **({} if self.preparation is None else {"preparation": self.preparation}),
            **({} if dataset.groups is None else {"groups": fingerprint(dataset.groups)}),
        }

    @cached_property
    def batch(self) -> Json:
        """Shapes and types of a training batch, so that models can be built without the data."""
        from paceline.train.batch_spec import to_json

        batch_size = self.settings.training.batch_size or 32
        batch = first_batch(self.split, self.definition.class_weight, batch_size)
        return to_json(batch, rows_vary=not isinstance(self.split, StreamParts))

    def kept(self, measurements: Sequence[Measurement]) -> tuple[float, int]:
        """Score and epoch of the weights that would be kept after these epochs."""
        scores = [self.objective.score(one.metrics) for one in measurements]
        if self.settings.training.keep == "last":
            epoch = self.callbacks.restored_epoch(measurements) or len(scores)
            return scores[epoch - 1], epoch
        loss = self.objective.loss
        epoch = min(
            range(len(scores)),
            key=lambda i: loss(scores[i]) if math.isfinite(scores[i]) else math.inf,
        )
        return scores[epoch], epoch + 1

    @cached_property
    def engine(self) -> Engine:
        """The engine that trains the networks."""
        of_program = dict(self.structural)
        if not self.settings.execution.merge:
            of_program |= dict.fromkeys(self.sizes, True)
        return Engine(
            self.definition, self.settings, self.split, self.discovery, of_program, self.callbacks
        )

    def executor(self) -> Executor:
        """The executor of the search's trials."""
        return self.engine.for_search(self._one_by_one)

    @property
    def search_work(self) -> NetworkWork:
        """The work of that executor."""
        return self.engine.search_work(self._one_by_one)

    @property
    def _one_by_one(self) -> bool:
        return self.strategy.learns or not isinstance(self.schedule, Full)

    @property
    def fresh_splits(self) -> FreshSplits:
        """How the pairs of fresh trainings differ."""
        return self.engine.division.fresh_splits

    def fresh(self, num_pairs: int) -> Fresh:
        """The executor and seeds of the final."""
        return self.engine.for_final(num_pairs)

    @property
    def models(self) -> Models:
        """How the models of trials are made."""
        return Models.described(self.definition.build, self.space, self.data_json, self.settings)

    @property
    def test_part(self) -> TestPart:
        """The data on which models are tested."""
        return TestPart(
            self.split, self.preparation is not None and bool(self.preparation["in_model"])
        )

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        """Variables of a trial's network, retrained on training and validation part."""
        return self.engine.refit(trial, epochs)

    def retrain(self, trial: Trial) -> Leaves:
        """Variables of a trial's network, retrained as in the search."""
        return self.engine.retrain(trial)

    def changes_since(self, record: Record, state: Json | None) -> list[Event]:
        """Events to record when the study in the directory continues with the present arguments.

        Raises:
            StudyMismatch: it is another study; the message lists the differences.
        """
        directory = self.definition.directory
        events = changes_since(self.created, record, state, directory)
        if record.created is not None:
            was = record.created.data.get("groups")  # earlier versions stored nothing about them
            if was is not None and was != self.data_json.get("groups"):
                raise StudyMismatch(
                    "groups are others",
                    expected=f"those of {directory}",
                    fix=another_directory(directory),
                )
            events += changed(
                record.found_space, self.space, record, directory, self.definition.change_space
            )
        return events


def plan_networks(definition: Definition) -> NetworkPlan:
    """Loads and divides the data, finds the space, and checks everything; writes nothing.

    Raises:
        InvalidInput: anything that cannot be used.
    """
    backend = choose_backend()
    if backend == "jax":
        from paceline.train.disk_cache import use_disk_cache

        use_disk_cache()  # before the first build: initial weights are compiled as well
    data = study_data(definition)
    definition, parts = data.definition, data.parts
    is_stream = isinstance(parts.dataset, Stream)
    discovered = discover_space(definition, parts)
    found = discovered.found
    if isinstance(parts.dataset, Stream):
        check_batch_size(found.space, parts.dataset)
    if definition.change_space:
        definition = replace(definition, search=definition.search.within(found.space))
    schedule = schedule_of(definition, is_stream)
    size = found.space.size()
    counted = () if size is None else (f"The space has {size:,} configurations.",)
    plan = NetworkPlan(
        definition,
        _decided(definition, schedule, backend, is_stream),
        parts,
        found,
        discovered.structural,
        discovered.sizes,
        not (discovered.reads_epochs or discovered.callbacks.need_fit),
        (*data.notes, *counted, *inferred_notes(found), *discovered.notes),
        schedule,
        discovered.callbacks,
        data.preparation,
    )
    plan.strategy.check(found.space)
    plan.engine.check()
    return plan


def _decided(definition: Definition, schedule: Schedule, backend: str, is_stream: bool) -> Settings:
    """The settings with all open choices decided."""
    settings, search = definition.settings, definition.settings.search
    final = settings.evaluation.final
    if is_stream and settings.evaluation.is_automatic:
        final = "off"  # otherwise each training would load everything again
    is_tuned = {name: None for name in ("epochs", "batch_size") if name in definition.loop}
    return settings.with_values(
        search={
            "schedule": schedule.to_json(),
            "ordered": definition.is_ordered,
            "in_flight": search.in_flight
            or in_flight_of(backend, definition.search.strategy.learns, search.trials),
        },
        training=is_tuned,
        evaluation={"final": final},
        execution={"backend": backend},
    )


def _rows(y: Any) -> int:
    if y is None:
        return 0
    if isinstance(y, dict):
        return _rows(next(iter(y.values())))
    return _rows(y[0]) if isinstance(y, list | tuple) else len(y)
