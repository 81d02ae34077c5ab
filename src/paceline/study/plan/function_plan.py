"""A study of a plain function: whatever can be refused of it is refused here."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from paceline import schedule as schedules
from paceline.core import (
    DIRECTIONS,
    Budget,
    Configuration,
    InvalidInput,
    Objective,
    PacelineError,
    Splits,
    Trial,
    Value,
    parse_bytes,
    parse_seconds,
    shown,
)
from paceline.core.checks import flag, mapping, whole_number
from paceline.core.events import FORMAT, Event, Json, StudyCreated
from paceline.execute import Executor, ExecutorFactory, FunctionWork, Leaves, create
from paceline.execute.function_call import Function
from paceline.execute.process_worker import Load, check_may_spawn, importable
from paceline.execute.worker_slot import TrialLimits
from paceline.schedule import Full, Schedule
from paceline.schedule.asha import Asha
from paceline.search import Strategy
from paceline.space import Fixed, Hyperparameter, Space, differences
from paceline.space.hyperparameter import scalar
from paceline.study.bring import SearchChoice
from paceline.study.closing import Closing
from paceline.study.evaluation.retraining import FINAL, Fresh, FreshSplits, seeds_of
from paceline.study.plan.user_code import callable_of, import_build
from paceline.study.record.record import Record
from paceline.study.request import Buildable
from paceline.study.resume.changed_space import changed, given_before, regrown
from paceline.study.resume.existing import FUNCTION, Existing, going_on


@dataclass(frozen=True, eq=False)
class FunctionTask:
    """A function objective as a session works on it; `FunctionTask.of` is the generous form.

    Attributes:
        function: gives a number or a dict of metrics, or reports.
        name: how the function is called.
        objective: what is optimised; the metric that a bare number is.
        directory: where the study lives.
        budget: limits.
        seed: of everything random.
        space: as far as it is known: given, or met by an earlier session.
        given: what was given of the space.
        search: where to look next.
        schedule: who goes on; it decides at once.
        ordered: whether what is asked next must not depend on the clock.
        in_flight: how many trials may be in flight at once. A part of the study, other than
            ``workers``: what is known when a trial is chosen depends on it.
        num_epochs: steps that a full run reports; None where that is not said.
        workers: processes that call the function; None for the caller's own.
        limits: of each trial.
        load: how a worker finds the function; None where there are none.
        source: ``"file.py:function"``, for ``paceline resume``; None where the function was passed
            from memory.
        closing: the final; none unless it was asked for, since only the user knows what a call
            takes.
        fixed: values of hyperparameters that are not to be tuned.
        change_space: whether the study that is there may go on in another space.
        notes: sentences for the user.
        executor_choice: where the function is called; None for Paceline's own executor.
    """

    function: Function
    name: str
    objective: Objective
    directory: Path
    budget: Budget
    seed: int
    space: Space
    given: Space
    search: SearchChoice
    schedule: Schedule
    ordered: bool
    in_flight: int = 1
    num_epochs: int | None = None
    workers: int | None = None
    limits: TrialLimits = field(default_factory=TrialLimits)
    load: Load | None = None
    source: str | None = None
    closing: Closing = field(default_factory=Closing)
    fixed: Mapping[str, Value] = field(default_factory=dict)
    change_space: bool = False
    notes: Sequence[str] = ()
    executor_choice: str | ExecutorFactory | None = None

    @classmethod
    def of(
        cls,
        function: Buildable,
        *,
        objective: Any,
        study: Path,
        budget: Budget,
        search: SearchChoice,
        seed: int,
        existing: Existing | None = None,
        schedule: str | Schedule = "auto",
        epochs: Any = None,
        space: Space | Mapping[str, Hyperparameter] | None = None,
        workers: int | None = None,
        time_limit: float | str | None = None,
        memory_limit: int | str | None = None,
        ordered: bool | None = None,
        in_flight: int | None = None,
        fixed: Mapping[str, Any] | None = None,
        closing: Closing | None = None,
        change_space: bool = False,
    ) -> "FunctionTask":
        """Takes what users pass and checks it; the arguments are those of `paceline.tune`.

        Args:
            function, objective, study, search, seed, schedule, epochs, space, workers, time_limit,
                memory_limit, ordered, in_flight, fixed, change_space: as in `tune`.
            budget: its ``trials`` and ``budget``.
            existing: the study that is there already.
            closing: its ``final``.

        Raises:
            InvalidInput: anything that cannot be.
        """
        workers = None if workers is None else whole_number("workers", workers)
        in_flight = None if in_flight is None else whole_number("in_flight", in_flight)
        epochs = None if epochs is None else whole_number("epochs", epochs)
        ordered = (
            budget.seconds is None
            if ordered is None
            else flag("ordered", ordered, also=", or nothing")
        )
        limits = _limits(workers, time_limit, memory_limit)
        found = import_build(function) if isinstance(function, str) else callable_of(function)
        if not callable(found):
            raise InvalidInput(f"build is {shown(found)}", expected="a function of hp")
        function = function if isinstance(function, str) else found
        asked = {} if fixed is None else mapping("fixed", fixed)
        fixed = {name: scalar(value, f"fixed[{name!r}]") for name, value in asked.items()}
        given = given_space(_stored_space(existing) if space is None else space, fixed)
        closing = closing or Closing()
        change_space = flag("change_space", change_space) and existing is not None
        whole = _whole(given, existing, change_space)
        search = search.within(whole) if change_space else search
        strategy = search.first(default=bool(closing.pairs))
        if any(h.num_values != 1 for h in given):  # else the space is known by and by
            strategy.check(given)
        decides = schedule_of(schedule, epochs)
        return cls(
            found,
            _name_of(function),
            objective_of(objective),
            study,
            budget,
            seed,
            whole,
            given,
            search,
            decides,
            ordered,
            in_flight or _in_flight(workers or 1, strategy, decides),
            epochs,
            workers,
            limits,
            load=None if workers is None else _loader(function, found),
            source=_source_of(function),
            closing=closing,
            fixed=fixed,
            change_space=change_space,
        )

    @property
    def strategy(self) -> Strategy:
        """Where to look next; where there is a final, with the default configuration first."""
        return self.search.first(default=bool(self.closing.pairs))

    @property
    def grows(self) -> bool:
        """Yes: a call is too dear to find out what the function may ask for."""
        return True

    @property
    def created(self) -> StudyCreated:
        """The study's first event."""
        settings: dict[str, Json] = {
            "epochs": self.num_epochs,
            "seed": self.seed,
            "trials": self.budget.trials,
            "seconds": self.budget.total_seconds,
            **self.search.settings,
            "schedule": self.schedule.to_json(),
            "ordered": self.ordered,
            "in_flight": self.in_flight,
            "workers": self.workers,
            "time_limit": self.limits.seconds,
            "memory_limit": self.limits.memory,
            "closing": self.closing.to_json(),
            "source": {
                "build": self.source,
                "fixed": dict(self.fixed),
                "space": self.given.to_json(),
            },
        }
        return created(self.objective, FUNCTION, self.name, settings)

    @property
    def epochs_are_prefix(self) -> bool:
        """No: what a function does with a hyperparameter named ``epochs`` is its own affair."""
        return False

    def structure(self, config: Configuration) -> Hashable:  # noqa: ARG002
        """A function is one program, whatever it does."""
        return None

    def epochs(self, config: Configuration) -> int:  # noqa: ARG002
        """Steps that a full run reports; 1 where that is not said."""
        return self.num_epochs or 1

    def kept(self, scores: Sequence[float]) -> tuple[float, int]:
        """The last score."""
        return scores[-1], len(scores)

    def executor(self) -> Executor:
        """A thread that calls the function, or processes that do, or another executor."""
        expected_names = {
            **dict.fromkeys(self.fixed, "fixed"),
            **dict.fromkeys(self.strategy.names, "prior"),
        }
        work = FunctionWork(
            self.function,
            self.objective.metric,
            self.space,
            num_workers=self.workers,
            load=self.load,
            limits=self.limits,
            fixed=self.fixed,
            expected_names=expected_names,
            overrides=tuple(self.given),
            may_change=self.change_space,
            epochs=self.num_epochs,
        )
        return create(self.executor_choice, work)

    @property
    def test_trials(self) -> bool:
        """No: a function has no test part that we know of."""
        return False

    @property
    def fresh_splits(self) -> FreshSplits:
        """What a call draws anew is the function's own affair: nothing is said of it."""
        return FreshSplits(Splits.ROWS)

    def fresh(self, num_pairs: int) -> Fresh:
        """The function, called anew with a seed of each pair as its ``hp.seed``."""
        return Fresh(self.executor(), seeds_of(self.seed, FINAL, num_pairs))

    @property
    def models(self) -> None:
        """None: a function's models are its own."""
        return None

    @property
    def test_part(self) -> None:
        """None: a function has no test part that we know of."""
        return None

    @property
    def num_kept(self) -> None:
        """None."""
        return None

    def refit(self, trial: Trial, epochs: int) -> None:
        """None."""

    def retrain(self, trial: Trial) -> Leaves:
        """Cannot be."""
        raise PacelineError(f"trial {trial.number} is of a function, whose networks are its own")

    def going_on(self, record: Record, state: Json | None) -> list[Event]:
        """What has to be recorded when the study of the directory goes on as it is asked for now.

        Raises:
            StudyMismatch: it is another study; says in what.
        """
        events = going_on(self.created, record, state, self.directory)
        if record.created is None:
            return events
        before, whole = given_before(record, self.given), regrown(self.given, record)
        return [
            *events,
            *changed(before, self.given, record, self.directory, self.change_space, whole),
        ]


def created(
    objective: Objective, kind: str, name: str, settings: Mapping[str, Json]
) -> StudyCreated:
    """The first event of a study without data, of a `paceline.study.resume.existing` kind."""
    goal = {"metric": objective.metric, "direction": objective.direction}
    return StudyCreated(FORMAT, goal, {"fingerprint": kind, "kind": kind, "name": name}, settings)


def objective_of(given: Any) -> Objective:
    """``"max"``, ``("score", "max")`` or a metric's name, as an objective; a bare direction is of
    the metric ``score``.

    Raises:
        InvalidInput: none was given, or it has no direction.
    """
    if given is None:
        raise InvalidInput(
            "no objective was given",
            expected="objective='max' or 'min', or a metric such as ('accuracy', 'max')",
            fix="On the terminal: --objective max",
        )
    if isinstance(given, str) and given.strip().lower() in DIRECTIONS:
        return Objective("score", given)
    return Objective.of(given)


def given_space(
    space: Space | Mapping[str, Hyperparameter] | None, fixed: Mapping[str, Any]
) -> Space:
    """The space as far as it is given, with fixed values in the place of what is not tuned.

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
    """The schedule of a function objective. It must decide at once: a function that waits holds its
    memory.

    Args:
        given: its name, or one; ``"auto"`` is asha where ``epochs`` are given, else full length.
        epochs: steps that a full run reports; None where that is not said.

    Raises:
        InvalidInput: an unknown schedule, one that lets trials wait for others, or one that needs
            ``epochs``.
    """
    if isinstance(given, str) and given.strip().lower() == "auto":
        given = "full" if epochs is None or epochs == 1 else "asha"
    made = schedules.create(given)
    if isinstance(made, Asha) and isinstance(given, str):
        made = replace(made, stops=True)
    if made.pauses:
        raise InvalidInput(
            f"schedule is {made.name!r}, which lets trials wait for others",
            expected="'asha', 'median' or 'full'",
            fix="A function that waits holds its memory, so it is told at once whether to go on.",
        )
    if made.name != "full" and epochs is None:
        raise InvalidInput(
            f"schedule is {made.name!r} and epochs was not given",
            expected="epochs=27 or the like: how many steps a full run reports with hp.report",
        )
    return made


def _stored_space(existing: Existing | None) -> Space | None:
    """What of the space a study was given, where it is not given again."""
    stored = None if existing is None else existing.settings.get("source", {}).get("space")
    return None if stored is None else Space.from_json(stored)


def _whole(given: Space, existing: Existing | None, may_change: bool) -> Space:
    """The space as far as it is known: what is given, and what earlier calls have shown."""
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


def _in_flight(workers: int, strategy: Strategy, schedule: Schedule) -> int:
    """Trials in flight where nobody said: so many that no worker idles for long.

    In order, a worker waits while one before it is slow. With twice as many in flight it hardly
    does, but what a model or a schedule goes by would be older, and trials that wait for the
    schedule would need processes of their own.
    """
    return (
        workers
        if workers == 1 or strategy.learns or not isinstance(schedule, Full)
        else 2 * workers
    )


def _limits(
    workers: int | None, time_limit: float | str | None, memory_limit: int | str | None
) -> TrialLimits:
    seconds = None if time_limit is None else parse_seconds(time_limit, "time_limit")
    memory = None if memory_limit is None else parse_bytes(memory_limit, "memory_limit")
    if workers is None and (seconds is not None or memory is not None):
        name = "memory_limit" if seconds is None else "time_limit"
        raise InvalidInput(
            f"{name} was given without workers",
            expected="workers=1 or more",
            fix="Only what runs in a process of its own can be ended from outside.",
        )
    return TrialLimits(seconds, memory)


def _loader(function: Function | str, found: Function) -> Load:
    check_may_spawn()
    return (
        partial(import_build, _absolute(function))
        if isinstance(function, str)
        else importable(found)
    )


def _source_of(function: Function | str) -> str | None:
    return _absolute(function) if isinstance(function, str) else None


def _absolute(text: str) -> str:
    file, _, name = text.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{name}"


def _name_of(function: Function | str) -> str:
    if isinstance(function, str):
        return function.rpartition(":")[2]
    return str(getattr(function, "__name__", type(function).__name__))
