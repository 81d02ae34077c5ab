"""The plan of a study of a function; invalid settings are refused here."""

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from paceline import schedule as schedules
from paceline.core import (
    Budget,
    Configuration,
    InvalidInput,
    Measurement,
    Objective,
    PacelineError,
    Splits,
    Trial,
    shown,
)
from paceline.core.checks import mapping
from paceline.core.events import FORMAT, Event, Json, StudyCreated
from paceline.execute import Executor, FunctionWork, Leaves, Ray, WorkerServer, create
from paceline.execute.function_call import Function
from paceline.execute.pools import check_memory_limit, loader, num_calls
from paceline.execute.process_worker import Load, check_may_spawn, importable
from paceline.execute.worker_slot import TrialLimits
from paceline.schedule import Full, Schedule
from paceline.schedule.asha import Asha
from paceline.search import Strategy
from paceline.settings.description import Settings
from paceline.settings.rules import FromMemory
from paceline.space import Fixed, Hyperparameter, Space, differences
from paceline.study.plan.default_schedule import in_flight_of_function
from paceline.study.plan.definition import Definition
from paceline.study.plan.user_code import import_build
from paceline.study.planned.retraining import FINAL, Fresh, FreshSplits, seeds_of
from paceline.study.record.changed_space import changed, given_before, regrown
from paceline.study.record.record import Record
from paceline.study.resume.existing import Existing, changes_since


@dataclass(frozen=True, eq=False)
class FunctionPlan:
    """A planned study of a function; see `paceline.study.planned.protocol.Plan`.

    Attributes:
        definition: the study's definition.
        settings: the settings with all open choices decided.
        space: the space as far as it is known: given, or found by an earlier session.
        given: the given part of the space.
        strategy: the search strategy in its initial state; with a final, the default configuration
            comes first.
        schedule: which trials continue; it never pauses trials.
        limits: those of each trial.
        load: how a worker loads the function; None without workers.
    """

    definition: Definition
    settings: Settings
    space: Space
    given: Space
    strategy: Strategy
    schedule: Schedule
    limits: TrialLimits
    load: Load | None

    is_define_by_run: ClassVar[bool] = True
    """True: there is no dry run, since a call may be expensive; trials show the space."""
    epochs_are_prefix: ClassVar[bool] = False
    """False: only the function knows what a hyperparameter named ``epochs`` means."""
    notes: ClassVar[Sequence[str]] = ()
    models: ClassVar[None] = None
    """None: Paceline does not make a function's models."""
    test_part: ClassVar[None] = None
    """None: a function has no known test part."""

    @property
    def objective(self) -> Objective:
        """The objective; its metric is that of a bare number."""
        return self.definition.objective

    @property
    def budget(self) -> Budget:
        """Limits of this session."""
        return self.definition.budget

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""
        name = _name_of(self.settings.function.build, self.definition.build)
        return created(self.settings, name)

    def structure(self, config: Configuration) -> Hashable:  # noqa: ARG002
        """A function counts as one program."""
        return None

    def epochs(self, config: Configuration) -> int:  # noqa: ARG002
        """Steps that a full run reports; 1 if that is unknown."""
        return self.settings.training.epochs or 1

    def kept(self, measurements: Sequence[Measurement]) -> tuple[float, int]:
        """The last score."""
        return self.objective.score(measurements[-1].metrics), len(measurements)

    def executor(self) -> Executor:
        """A thread that calls the function, processes that call it, or another executor."""
        settings, definition = self.settings, self.definition
        fixed = settings.function.fixed
        expected_names = {
            **dict.fromkeys(fixed, "fixed"),
            **dict.fromkeys(self.strategy.names, "prior"),
        }
        work = FunctionWork(
            definition.build,
            self.objective.metric,
            self.space,
            num_workers=settings.execution.workers,
            load=self.load,
            limits=self.limits,
            fixed=fixed,
            expected_names=expected_names,
            overrides=tuple(self.given),
            may_change=definition.change_space,
            epochs=settings.training.epochs,
            study=definition.directory.name,
        )
        return create(definition.executor, work)

    @property
    def fresh_splits(self) -> FreshSplits:
        """Pairs differ in their seeds; what else a call draws is up to the function."""
        return FreshSplits(Splits.ROWS)

    def fresh(self, num_pairs: int) -> Fresh:
        """An executor that calls the function with the seed of each pair as ``hp.seed``."""
        return Fresh(self.executor(), seeds_of(self.definition.seed, FINAL, num_pairs))

    def refit(self, trial: Trial, epochs: int) -> None:
        """None."""

    def retrain(self, trial: Trial) -> Leaves:
        """Always raises: a function's networks are its own."""
        raise PacelineError(f"trial {trial.number} is of a function, whose networks are its own")

    def changes_since(self, record: Record, state: Json | None) -> list[Event]:
        """Events to record when the study in the directory continues with the present arguments.

        Raises:
            StudyMismatch: it is another study; the message lists the differences.
        """
        directory, may_change = self.definition.directory, self.definition.change_space
        events = changes_since(self.created, record, state, directory)
        if record.created is None:
            return events
        before, whole = given_before(record, self.given), regrown(self.given, record)
        return [
            *events,
            *changed(before, self.given, record, directory, may_change, whole),
        ]


def plan_function(definition: Definition) -> FunctionPlan:
    """Checks and plans a study of a function; writes nothing.

    Raises:
        InvalidInput: anything that cannot be used.
    """
    settings, existing = definition.settings, definition.existing
    asked, fixed = settings.execution, settings.function.fixed
    limits = TrialLimits(asked.time_limit, asked.memory_limit)
    num_workers = _num_workers(definition.executor, asked.workers, limits)
    space = _stored_space(definition) if definition.space is None else definition.space
    given = given_space(space, fixed)
    may_change = definition.change_space and existing is not None
    whole = _whole(given, existing, may_change)
    search = definition.search.within(whole) if may_change else definition.search
    strategy = search.first(default=bool(settings.evaluation.num_pairs))
    if any(h.num_values != 1 for h in given):  # otherwise the space is found during the trials
        strategy.check(given)
    schedule = schedule_of(definition.schedule, settings.training.epochs)
    in_flight = settings.search.in_flight or in_flight_of_function(
        num_workers, strategy.learns, isinstance(schedule, Full)
    )
    settings = settings.with_values(
        function={"space": given.to_json()},
        search={
            "schedule": schedule.to_json(),
            "ordered": definition.is_ordered,
            "in_flight": in_flight,
        },
    )
    load = _loader(definition, asked.workers)
    definition = replace(definition, change_space=may_change)
    return FunctionPlan(definition, settings, whole, given, strategy, schedule, limits, load)


def created(settings: Settings, name: str, fingerprint: str = "") -> StudyCreated:
    """The first event of a study without data.

    Args:
        settings: the settings.
        name: of what is tuned.
        fingerprint: differs for studies that must not continue each other; empty for its kind.
    """
    objective = settings.objective
    if objective is None:
        raise ValueError("settings without an objective")
    kind = settings.function.kind
    goal = {"metric": objective.metric, "direction": objective.direction}
    data = {"fingerprint": fingerprint or kind, "kind": kind, "name": name}
    return StudyCreated(FORMAT, goal, data, settings.to_json())


def given_space(
    space: Space | Mapping[str, Hyperparameter] | None, fixed: Mapping[str, Any]
) -> Space:
    """The given part of the space, with fixed values for hyperparameters that are not tuned.

    Raises:
        InvalidInput: the space is none, or a value is not one that its hyperparameter can take.
    """
    if isinstance(space, Mapping):
        named = mapping("space", space).items()
        space = Space(h.named(name) if isinstance(h, Hyperparameter) else h for name, h in named)
    if not isinstance(space, Space | None):
        raise InvalidInput(
            f"space is {shown(space)}",
            expected="a paceline.Space, or a dict such as {'rate': paceline.Float(0, 1)}",
        )
    given = Space() if space is None else space
    held = {h.name for h in given} & fixed.keys()
    return Space(
        Fixed(h.name, h.legal(fixed[h.name]), h.conditions) if h.name in held else h for h in given
    )


def schedule_of(given: str | Schedule, epochs: int | None) -> Schedule:
    """The schedule of a function objective; it must not pause trials.

    Args:
        given: a schedule or its name; ``"auto"`` is asha if ``epochs`` is given, else full length.
        epochs: steps that a full run reports; None if unknown.

    Raises:
        InvalidInput: an unknown schedule, one that pauses trials, or one that needs ``epochs``.
    """
    if isinstance(given, str) and given.strip().lower() == "auto":
        given = "full" if epochs is None or epochs == 1 else "asha"
    made = schedules.create(given)
    if isinstance(made, Asha) and isinstance(given, str):
        made = replace(made, stops=True)
    if made.pauses:
        raise InvalidInput(
            f"schedule is {made.name!r}, which pauses trials",
            expected="'asha', 'median', 'full' or another one that pauses none",
            fix="A function cannot be paused and continued in another process.",
        )
    if made.name != "full" and epochs is None:
        raise InvalidInput(
            f"schedule is {made.name!r} and epochs was not given",
            expected="epochs=27 or the like: how many steps a full run reports with hp.report",
        )
    return made


def _stored_space(definition: Definition) -> Space | None:
    """The part of the space that a study was given, if it is not given again."""
    stored = definition.settings.function.space
    return None if stored is None else Space.from_json(stored)


def _whole(given: Space, existing: Existing | None, may_change: bool) -> Space:
    """The space as far as it is known: the given part, and what earlier calls have shown."""
    if existing is None:
        return given
    if may_change and differences(given_before(existing.record, given), given):
        return regrown(given, existing.record)
    return _grown(given, existing.record.space)


def _grown(given: Space, before: Space) -> Space:
    for h in given:
        if h.name not in before:
            before = before.with_hyperparameter(h)
    return before


def _num_workers(executor: object, workers: int | None, limits: TrialLimits) -> int:
    """How many calls run at once, where the limits can be kept.

    Raises:
        InvalidInput: they cannot.
    """
    if isinstance(executor, Ray | WorkerServer):
        return executor.num_calls()
    if isinstance(executor, Pool):
        check_memory_limit(executor, limits.memory)
        return num_calls(executor, workers)
    if workers is None and (limits.seconds is not None or limits.memory is not None):
        name = "memory_limit" if limits.seconds is None else "time_limit"
        raise InvalidInput(
            f"{name} was given without workers",
            expected="workers=1 or more",
            fix="Only a process of its own, or a worker elsewhere, can be ended from outside.",
        )
    return workers or 1


def _loader(definition: Definition, workers: int | None) -> Load | None:
    """How other processes load the function; None if there are none."""
    source, executor = definition.settings.function.build, definition.executor
    if isinstance(executor, Ray | WorkerServer):
        return executor.loader(definition.build)
    is_pool = isinstance(executor, Pool)
    if isinstance(executor, ThreadPoolExecutor) or (workers is None and not is_pool):
        return None
    check_may_spawn()
    if isinstance(source, str):
        return partial(import_build, source)
    return loader(executor, definition.build) if is_pool else importable(definition.build)


def _name_of(source: str | FromMemory | None, function: Function) -> str:
    if isinstance(source, str):
        return source.rpartition(":")[2]
    return str(getattr(function, "__name__", type(function).__name__))
