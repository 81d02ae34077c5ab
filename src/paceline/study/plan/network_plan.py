"""From a request to everything a session needs: data, space, executor. What can be refused is
refused here.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from paceline.core import Budget, Configuration, Objective, StudyMismatch, Trial
from paceline.core.events import FORMAT, Event, Json, StudyCreated
from paceline.data import Split, Stream
from paceline.data.fingerprints import fingerprint
from paceline.execute.base import Executor, Leaves
from paceline.schedule import Full, Schedule
from paceline.search import Strategy
from paceline.space import Discovery, Space
from paceline.study.closing import Closing
from paceline.study.evaluation.retraining import Fresh, FreshSplits
from paceline.study.evaluation.test_part import TestPart
from paceline.study.models.models import Models
from paceline.study.plan.backend import choose_backend
from paceline.study.plan.discovery import discover_space, inferred_notes
from paceline.study.plan.engine import Engine, first_batch
from paceline.study.plan.pace import in_flight_of, schedule_of
from paceline.study.plan.streams import StreamParts, check_batch_size
from paceline.study.plan.study_data import study_data
from paceline.study.record.record import Record
from paceline.study.request import Request
from paceline.study.resume.changed_space import changed
from paceline.study.resume.existing import going_on
from paceline.study.settings import another_directory


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
        in_flight: how many trials may be in flight at once where a model or a schedule decides what
            follows.
        discovery: how the space was found.
        preparation: what was done to the data, for the record; None where nothing is recorded of
            it.
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
    discovery: Discovery
    preparation: Mapping[str, Json] | None = None

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
        """Where to look next; where there is a final, with the default configuration first."""
        return self.request.search.first(default=bool(self.closing.pairs))

    @property
    def ordered(self) -> bool:
        """Whether what is asked next must not depend on the clock."""
        return (
            self.request.budget.seconds is None
            if self.request.ordered is None
            else self.request.ordered
        )

    @property
    def grows(self) -> bool:
        """No: the space is found before the first trial."""
        return False

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""
        return StudyCreated(FORMAT, self.objective_json, self.data_json, self.settings_json)

    def structure(self, config: Configuration) -> Hashable:
        """Equal for configurations that are expected to be one program."""
        from paceline.execute.prepare import structural_hint

        return structural_hint(self.structural, self.space)(config)

    def epochs(self, config: Configuration) -> int:
        """Epochs of a configuration's full training."""
        return int(config.get("epochs", self.request.epochs or 1))

    @property
    def objective_json(self) -> Mapping[str, str]:
        """For the record."""
        return {
            "metric": self.request.objective.metric,
            "direction": self.request.objective.direction,
        }

    @property
    def data_json(self) -> Mapping[str, Json]:
        """For the record."""
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
        """The form of a training batch, so that models can be built where the data are not at
        hand.
        """
        from paceline.train.batch_spec import to_json

        batch = first_batch(self.split, self.request.class_weight, self.request.batch_size or 32)
        return to_json(batch, rows_vary=not isinstance(self.split, StreamParts))

    @property
    def settings_json(self) -> Mapping[str, Json]:
        """For the record, and for resuming."""
        request = self.request
        return {
            "epochs": request.epochs,
            "batch_size": request.batch_size,
            "validation_batch_size": request.validation_batch_size,
            "seed": self.seed,
            "patience": request.patience,
            "keep": request.keep,
            "trials": request.budget.trials,
            "seconds": request.budget.total_seconds,
            "memory": request.memory,
            "backend": self.backend,
            "keep_models": request.keep_models,
            **request.search.settings,
            "schedule": self.schedule.to_json(),
            "ordered": self.ordered,
            "in_flight": self.in_flight,
            "closing": request.closing.to_json(),
            "replication": {**request.replication.to_json(), "groups": self._has_groups},
            "test_trials": request.test_trials,
            "source": dict(request.source),
        }

    @property
    def _has_groups(self) -> bool:
        return isinstance(self.split, Split) and self.split.dataset.groups is not None

    def kept(self, scores: Sequence[float]) -> tuple[float, int]:
        """Score and epoch of the weights that would be kept after these scores."""
        if self.request.keep == "last":
            return scores[-1], len(scores)
        loss = self.request.objective.loss
        epoch = min(
            range(len(scores)),
            key=lambda i: loss(scores[i]) if math.isfinite(scores[i]) else math.inf,
        )
        return scores[epoch], epoch + 1

    @cached_property
    def engine(self) -> Engine:
        """What trains."""
        return Engine(
            self.request,
            self.split,
            self.seed,
            self.backend,
            self.space,
            self.structural,
            self.discovery,
        )

    @property
    def closing(self) -> Closing:
        """What follows the search."""
        return self.request.closing

    def executor(self) -> Executor:
        """Whatever trains the search's trials."""
        return self.engine.for_search(self.strategy.learns or not isinstance(self.schedule, Full))

    @property
    def test_trials(self) -> bool:
        """Whether every completed trial is measured on the test part, too."""
        return self.request.test_trials

    @property
    def fresh_splits(self) -> FreshSplits:
        """What the pairs of fresh trainings are."""
        return self.engine.division.fresh_splits

    def fresh(self, num_pairs: int) -> Fresh:
        """Whatever trains the final."""
        return self.engine.for_final(num_pairs)

    @property
    def models(self) -> Models:
        """How the models of trials are made."""
        return Models.described(self.request.build, self.space, self.data_json, self.settings_json)

    @property
    def test_part(self) -> TestPart:
        """What models are tested on."""
        return TestPart(
            self.split, self.preparation is not None and bool(self.preparation["in_model"])
        )

    @property
    def num_kept(self) -> int | None:
        """Of how many trials the trained networks are kept; None for as many as before."""
        return self.request.keep_models

    def refit(self, trial: Trial, epochs: int) -> Leaves | None:
        """The variables of a trial's network, trained anew on training and validation part."""
        return self.engine.refit(trial, epochs)

    def retrain(self, trial: Trial) -> Leaves:
        """The variables of a trial's network, trained again as in the search."""
        return self.engine.retrain(trial)

    def going_on(self, record: Record, state: Json | None) -> list[Event]:
        """What has to be recorded when the study of the directory goes on as it is asked for now.

        Raises:
            StudyMismatch: it is another study; says in what.
        """
        directory = self.request.directory
        events = going_on(self.created, record, state, directory)
        if record.created is not None:
            was = record.created.data.get("groups")  # earlier versions kept nothing of them
            if was is not None and was != self.data_json.get("groups"):
                raise StudyMismatch(
                    "groups are others",
                    expected=f"those of {directory}",
                    fix=another_directory(directory),
                )
            events += changed(
                record.found_space, self.space, record, directory, self.request.change_space
            )
        return events


def make_plan(request: Request) -> Plan:
    """Loads, splits, discovers and checks; writes nothing."""
    seed = request.seed
    backend = choose_backend()
    if backend == "jax":
        from paceline.train.disk_cache import use_disk_cache

        use_disk_cache()  # before the first build: initial weights are compiled too
    data = study_data(request, seed)
    request, parts = data.request, data.parts
    dataset = parts.dataset
    if (
        isinstance(dataset, Stream) and request.closing.is_automatic
    ):  # each training would load everything again
        request = replace(request, closing=replace(request.closing, pairs=0))
    discovered = discover_space(request, parts, seed)
    found = discovered.found
    if isinstance(dataset, Stream):
        check_batch_size(found.space, dataset)
    notes = list(data.notes)
    size = found.space.size()
    if size is not None:
        notes.append(f"The space holds {size:,} configurations.")
    notes.extend(inferred_notes(found))
    notes.extend(discovered.notes)
    if request.change_space:
        request = replace(request, search=request.search.within(found.space))
    request.search.first(default=False).check(found.space)
    schedule = schedule_of(request, isinstance(dataset, Stream))
    in_flight = request.in_flight or in_flight_of(backend)
    plan = Plan(
        request,
        seed,
        backend,
        parts,
        found.space,
        discovered.structural,
        not discovered.reads_epochs,
        tuple(notes),
        schedule,
        in_flight,
        found,
        data.preparation,
    )
    plan.engine.check()
    return plan


def _rows(y: Any) -> int:
    if y is None:
        return 0
    if isinstance(y, dict):
        return _rows(next(iter(y.values())))
    return _rows(y[0]) if isinstance(y, list | tuple) else len(y)
