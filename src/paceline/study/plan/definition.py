"""A study as it was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

<<<<<<< HEAD
from paceline.core import Budget, InvalidInput, Objective, shown
from paceline.core.checks import flag, mapping
from paceline.data.folds import folds_of, in_time, rebuilt
from paceline.execute import factory_of, name_of
=======
from paceline.core import Budget, Objective
>>>>>>> 241c57c (study/plan: the definition of a study in modules of its own; options' kinds follow from their groups)
from paceline.schedule import Schedule
from paceline.settings.description import Settings
from paceline.settings.function import NETWORKS, Kind
from paceline.space import Space
from paceline.study.inputs.model_inputs import Build
from paceline.study.plan.initial_search import SearchChoice
from paceline.study.resume.existing import Existing


@dataclass(frozen=True, eq=False)
class Definition:
    """A study as it was asked for.

    Attributes:
        directory: where it lives.
        settings: all that can be stored.
        budget: the limits of this session.
        build: the function that is tuned.
        search: the strategy, and what it begins with.
        schedule: which trials continue: its name, or one; ``"auto"`` for what suits the task.
        data: what `paceline.data.load` takes; None for a function.
        loop: hyperparameters of the training loop: ``epochs``, ``batch_size``.
        space: what of a function's space was given.
        validation: fraction of the rows, or validation data.
        folds: their number, or a splitter; None for none.
        class_weight: of each class, as the settings have it, or by the class's number once the data
            are known.
        data_options: further arguments of `paceline.data.load` and `split`.
        executor: a name or an object; None for the standard one.
        existing: the study that exists; None where this one begins.
        change_space: whether the study that exists may continue in another space.
    """

    directory: Path
    settings: Settings
    budget: Budget
    build: Build
    search: SearchChoice
    schedule: str | Schedule
    data: Any = None
    loop: Space = field(default_factory=Space)
    space: Any = None
    validation: Any = None
    folds: Any = None
    class_weight: Any = None
    data_options: Mapping[str, Any] = field(default_factory=dict)
    executor: Any = None
    existing: Existing | None = None
    change_space: bool = False

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        if self.settings.objective is None:
            raise ValueError("a definition without an objective")
        return self.settings.objective

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.settings.search.seed

    @property
    def is_ordered(self) -> bool:
        """Whether what is asked next must not depend on the clock."""
        asked = self.settings.search.ordered
        return self.budget.seconds is None if asked is None else asked

    @property
    def recorded(self) -> Mapping[str, Any] | None:
        """What the study that exists recorded of its data."""
        return None if self.existing is None else self.existing.data


<<<<<<< HEAD
def define(
    given: Mapping[str, Any],
    directory: Path,
    existing: Existing | None = None,
    *,
    kind: Kind | None = None,
    limits: Budget | None = None,
    searches: bool = True,
    trust: bool = False,
) -> Definition:
    """The definition of a study.

    Args:
        given: arguments as in `paceline.tune`, by name: those that were passed.
        directory: where the study lives.
        existing: the study that is there; None where there is none.
        kind: of the study; None for that of the existing one, or what the arguments say.
        limits: of this session; None for those that are given.
        searches: False where no trial is to be added, so that a strategy or schedule whose class is
            not known here need not be passed again.
        trust: whether code that only the existing study names may be run.

    Raises:
        InvalidInput: anything that can be refused before data are loaded and models are built.
        NotTrusted: the study names code that may not be run.
    """
    given = _without_open(given, existing)
    if kind is None:
        kind = existing.kind if existing is not None else _kind_of(given)
    _refuse_others(given, kind, existing is not None)
    base = default_settings(kind) if existing is None else existing.settings
    if base.function.kind != kind:  # another kind of study: refused where it is compared
        base = default_settings(kind)
    plain = {name: value for name, value in given.items() if name not in _OBJECTS}
    plain["seed"] = seed_of(plain.get("seed"), existing)
    settings = base.updated(plain)
    if limits is None and ("trials" in given or "budget" in given):
        spent = 0.0 if existing is None else existing.seconds
        limits = Budget.of(given.get("trials"), given.get("budget"), spent)
    elif limits is None:
        limits = limits_of(existing)
    brought = {name: given.get(name) for name in ("start_with", "prior", "learn_from")}
    if "executor" in given:
        factory_of(given["executor"])  # says what is wrong
    search = choose_search(
        given.get("search", "auto"), settings.search.seed, existing, searches=searches, **brought
    )
    if searches:
        check_limits(search.strategy, limits)
    settings = settings.with_values(
        search={**search.settings, "trials": limits.trials, "seconds": limits.total_seconds}
    )
    schedule = given.get("schedule")
    if schedule is None:
        schedule = "auto" if existing is None else existing.schedule(searches)
    definition = Definition(
        directory,
        _with_executor(settings, given),
        limits,
        given.get("build"),  # type: ignore[arg-type]  # found below
        search,
        schedule,
        executor=given["executor"]
        if "executor" in given
        else _stored_executor(settings, directory, searches),
        existing=existing,
        change_space=flag("change_space", given.get("change_space", False)),
    )
    fill = _with_function if kind == FUNCTION else _with_networks
    return fill(definition, given, trust)


=======
>>>>>>> 241c57c (study/plan: the definition of a study in modules of its own; options' kinds follow from their groups)
def default_settings(kind: Kind) -> Settings:
    """The settings of a study of this kind where nothing is given.

    A function has no final unless it is asked for, since only its user knows what a call costs, and
    no number of steps unless it is given.
    """
    settings = Settings().with_values(function={"kind": kind})
    if kind == NETWORKS:
        return settings
    return settings.with_values(
        training={"epochs": None, "batch_size": None},
        evaluation={"final": "off", "validation": None},
    )
<<<<<<< HEAD


def _with_executor(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings with the executor that was given: by its name if it is registered."""
    executor = given.get("executor")
    if executor is None:
        return settings.updated({"executor": None}) if "executor" in given else settings
    return settings.updated({"executor": name_of(executor) or executor})


def _stored_executor(settings: Settings, directory: Path, searches: bool) -> str | None:
    known = settings.execution.executor
    if isinstance(known, FromMemory):
        if not searches:
            return None
        raise InvalidInput(
            f"the executor of study {directory} was passed from memory, so it is not known",
            expected="that executor again, or the name of another one, such as 'local'",
        )
    return known


def _without_open(given: Mapping[str, Any], existing: Existing | None) -> dict[str, Any]:
    """What was given, without what leaves the choice to the study that exists, or to Paceline."""
    return {
        name: value
        for name, value in given.items()
        if not (name in _LEFT_OPEN and value is None)
        and not (name in _AUTO and _is_auto(value) and (existing is not None or name != "final"))
    }


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() == "auto"


def _kind_of(given: Mapping[str, Any]) -> Kind:
    return "function" if given.get("data") is None else "networks"


_OF_NETWORKS = (
    "data",
    "batch_size",
    "validation_batch_size",
    "patience",
    "keep",
    "class_weight",
    "memory",
    "validation",
    "repeats",
    "folds",
    "groups",
    "prefer",
    "refit",
    "keep_models",
    "test_trials",
    "target",
    "data_dir",
    "test",
    "sample_weight",
    "task",
    "decimal",
    "shuffle",
    "standardize",
    "scale_target",
)
_OF_FUNCTIONS = ("space", "workers", "time_limit", "memory_limit")


def _refuse_others(given: Mapping[str, Any], kind: Kind, exists: bool) -> None:
    """Refuses arguments that have no meaning in a study of this kind, unless they are None."""
    is_function = kind != NETWORKS
    of = "a study of a function" if is_function else "a study of networks"
    when = f"with {of}" if exists else "without data" if is_function else "with data"
    names: Sequence[str] = _OF_NETWORKS if is_function else _OF_FUNCTIONS
    expected = "it left out, or data" if is_function else "it left out, since it is of functions"
    for name in names:
        if given.get(name) is not None:
            raise InvalidInput(f"{name} was given {when}", expected=expected)


# -- networks


def _with_networks(asked: Definition, given: Mapping[str, Any], trust: bool) -> Definition:
    """The definition of a study of networks, with its function, data and what goes with them."""
    settings, existing = asked.settings, asked.existing
    build = _stored_build(asked, trust) if given.get("build") is None else given["build"]
    folds = _folds(asked, given)
    options = _data_options(asked, given, folds)
    fixed = _fixed(given, settings)
    settings = settings.updated(options).with_values(function={"fixed": fixed})
    auto = isinstance(asked.schedule, str) and _is_auto(asked.schedule)
    asked = replace(
        asked,
        settings=settings,
        schedule="auto" if auto else create_schedule(asked.schedule),
        folds=folds,
        data_options=options,
        loop=_loop(given, existing),
        data=_again("data", given.get("data"), settings.data.source, "data", asked.directory),
        class_weight=settings.training.class_weight,
        validation=_again(
            "validation",
            given.get("validation", settings.evaluation.validation),
            None,
            f"validation=(x_val, y_val){_FROM_PYTHON}",
            asked.directory,
        ),
    )
    if "data" in given:
        asked = replace(asked, settings=settings.with_values(data={"source": None}))
        asked = replace(asked, settings=_with_source(asked.settings, given["data"]))
    return _with_build(asked, build, given.get("objective", settings.objective))


def _fixed(given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    if "fixed" not in given:
        return dict(settings.function.fixed)
    return {} if given["fixed"] is None else mapping("fixed", given["fixed"])


def _with_source(settings: Settings, data: Any) -> Settings:
    rule = settings.data.rules()["source"]
    return settings.with_values(data={"source": rule.check("data", data)})


def _with_build(asked: Definition, build: Any, objective: Any) -> Definition:
    """With ``build`` as a function, and the objective of a built-in network."""
    from paceline.study.plan.backend import choose_backend

    settings, data = asked.settings, asked.data
    function: dict[str, Any] = {"build": None, "model": None, "network": None}
    if isinstance(build, str):
        choose_backend()
    if isinstance(build, str) and ":" in build:
        found, function["build"] = import_build(build), absolute(build)
    elif isinstance(build, str):
        data = load_data(data, asked.data_options, asked.seed, rule_of(asked.recorded))
        function |= {"model": build, "network": form_of(build, data)}  # refuses a stream
        found = network(build, function["network"])
        if objective is None:
            is_classes = function["network"]["task"] == "classification"
            objective = "val_accuracy" if is_classes else "val_loss"
    else:
        found, function["build"] = callable_of(build), FromMemory(_name_of(build))
    if objective is None:
        raise InvalidInput(
            "no objective was given",
            expected="the metric to optimise, such as objective='val_accuracy' or 'val_loss'",
            fix="On the terminal: --objective val_accuracy",
        )
    if not callable(found):
        raise InvalidInput(
            f"build is {shown(found)}",
            expected="a function build(hp) that returns a compiled model, or an object with such a "
            "method",
        )
    if settings.function.fixed:
        found = fix(found, settings.function.fixed)
    settings = replace(settings.with_values(function=function), objective=Objective.of(objective))
    return replace(asked, settings=settings, build=found, data=data)


def _stored_build(asked: Definition, trust: bool) -> Any:
    """What the study that exists has as its function."""
    known = asked.settings.function
    if isinstance(known.build, str):
        check_trusted(known.build, asked.directory, trust)
    return _again(
        "build",
        None,
        known.build if known.model is None else known.model,
        "build; on the terminal --build model.py:build",
        asked.directory,
    )


def _folds(asked: Definition, given: Mapping[str, Any]) -> Any:
    if "folds" in given:
        return folds_of(given["folds"])
    known = asked.settings.evaluation.folds
    if isinstance(known, int | None):
        return known
    return _again("folds", rebuilt(known), None, f"folds={known}{_FROM_PYTHON}", asked.directory)


def _data_options(asked: Definition, given: Mapping[str, Any], folds: Any) -> dict[str, Any]:
    """Data options as they are passed on: given now, or stored."""
    settings = asked.settings.data
    own = [name for name in settings.rules() if name != "source"]
    options = {name: given[name] for name in own if name in given}
    for name, value in asked.settings.data.non_default():
        if name == "source" or name in options:
            continue
        if isinstance(value, FromMemory):
            if name == "groups" and getattr(given.get("data"), "groups", None) is not None:
                continue  # they are part of the data set
            value = _again(name, None, value, f"{name}=...{_FROM_PYTHON}", asked.directory)
        options[name] = value
    if "shuffle" not in options and in_time(folds) and asked.existing is None:
        options["shuffle"] = False  # a test part that is drawn is then the last rows, too
    return options


def _loop(given: Mapping[str, Any], existing: Existing | None) -> Space:
    """The hyperparameters of the training loop."""
    found = []
    for name in ("epochs", "batch_size"):
        value = given.get(name)
        if value is None and existing is not None and name in existing.record.space:
            value = existing.record.space[name]
        if isinstance(value, Hyperparameter):
            found.append(_whole(name, value))
    return Space(found)


def _whole(name: str, value: Hyperparameter) -> Hyperparameter:
    named = value.named(name)
    values = getattr(named, "values", None) or (
        getattr(named, "value", getattr(named, "min_value", 0)),
    )
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in values):
        raise InvalidInput(f"{name} is {shown(value)}", expected="whole numbers of at least 1")
    return named


def _again(name: str, given: Any, stored: Any, how: str, directory: Path) -> Any:
    """What is given, else what was stored.

    Raises:
        InvalidInput: neither; it was passed from memory.
    """
    value = stored if given is None else given
    if value is None and name in ("build", "function"):  # a study that begins
        raise InvalidInput(f"build is {value}", expected="a function of hp")
    if isinstance(value, FromMemory) or (value is None and name not in ("validation",)):
        raise InvalidInput(
            f"the {name} of study {directory} was passed from memory, so it is not known",
            expected=f"that {name} again",
            fix=f"Pass it again, with {how}.",
        )
    return value


# -- functions


def _with_function(asked: Definition, given: Mapping[str, Any], trust: bool) -> Definition:
    """The definition of a study of a function."""
    settings, directory = asked.settings, asked.directory
    known = settings.function.build
    function = given.get("build")
    if function is None:
        if isinstance(known, str):
            check_trusted(known, directory, trust)
        function = _again("function", None, known, "the function", directory)
    found = import_build(function) if isinstance(function, str) else callable_of(function)
    if not callable(found):
        raise InvalidInput(f"build is {shown(found)}", expected="a function of hp")
    source = absolute(function) if isinstance(function, str) else FromMemory(_name_of(function))
    fixed = {name: scalar(one, f"fixed[{name!r}]") for name, one in _fixed(given, settings).items()}
    objective = function_objective(given.get("objective", settings.objective))
    settings = settings.with_values(function={"build": source, "fixed": fixed})
    settings = replace(settings, objective=objective)
    return replace(asked, settings=settings, build=found, space=given.get("space"))


def function_objective(given: Any) -> Objective:
    """``"max"``, ``("score", "max")`` or a metric's name, as an objective; a bare direction is of
    the metric ``score``.

    Raises:
        InvalidInput: none was given, or it has no direction.
    """
    from paceline.core import DIRECTIONS

    if given is None:
        raise InvalidInput(
            "no objective was given",
            expected="objective='max' or 'min', or a metric such as ('accuracy', 'max')",
            fix="On the terminal: --objective max",
        )
    if isinstance(given, str) and given.strip().lower() in DIRECTIONS:
        return Objective("score", given)
    return Objective.of(given)


def absolute(text: str) -> str:
    """``"model.py:build"`` with the whole path of the file."""
    file, _, name = text.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{name}"


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
=======
>>>>>>> 241c57c (study/plan: the definition of a study in modules of its own; options' kinds follow from their groups)
