"""The definition of a study of networks: its function, data and their options."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor as Pool
from dataclasses import replace
from typing import Any

from paceline import networks
from paceline.core import InvalidInput, Objective, shown
from paceline.data.folds import folds_of, in_time, rebuilt
from paceline.execute.pools import check_runs_engines
from paceline.schedule import create as create_schedule
from paceline.settings.rules import FromMemory
from paceline.space import Hyperparameter, Space
from paceline.study.inputs.loading_data import load_data
from paceline.study.plan.arguments import is_auto
from paceline.study.plan.backend import choose_backend
from paceline.study.plan.definition import Definition, GivenToFit
from paceline.study.plan.passed_again import (
    BUILD_AGAIN,
    DATA_AGAIN,
    FROM_PYTHON,
    absolute,
    again,
    fixed_values,
    name_of,
)
from paceline.study.plan.user_code import callable_of, fix, form_of, import_build, network
from paceline.study.resume.existing import Existing
from paceline.study.resume.trust import check as check_trusted


def with_networks(asked: Definition, given: Mapping[str, Any], trust: bool) -> Definition:
    """The definition of a study of networks, with its function, data and their options."""
    if isinstance(asked.executor, Pool):
        check_runs_engines(asked.executor)
    settings, existing = asked.settings, asked.existing
    build = _stored_build(asked, trust) if given.get("build") is None else given["build"]
    folds = _folds(asked, given)
    options = _data_options(asked, given, folds)
    fixed = fixed_values(given, settings)
    source = {"source": given["data"]} if "data" in given else {}
    settings = settings.updated({**options, **source}).with_values(function={"fixed": fixed})
    if existing is None and given.get("batch_size") is None:  # it may be that of the data
        settings = settings.with_values(training={"batch_size": None})
    auto = isinstance(asked.schedule, str) and is_auto(asked.schedule)
    asked = replace(
        asked,
        settings=settings,
        schedule="auto" if auto else create_schedule(asked.schedule),
        folds=folds,
        data_options=options,
        loop=_loop(given, existing),
        data=again("data", given.get("data"), settings.data.source, DATA_AGAIN, asked.directory),
        given_to_fit=GivenToFit(settings.training.class_weight, _callbacks(asked, given)),
        validation=again(
            "validation",
            given.get("validation", settings.evaluation.validation),
            None,
            f"validation=(x_val, y_val){FROM_PYTHON}",
            asked.directory,
        ),
    )
    return _with_build(asked, build, given.get("objective", settings.objective))


def _with_build(asked: Definition, build: Any, objective: Any) -> Definition:
    """The definition with ``build`` as a function, and the objective of a built-in network."""
    settings, data = asked.settings, asked.data
    function: dict[str, Any] = {"build": None, "model": None, "network": None}
    if isinstance(build, str):
        choose_backend()
    if isinstance(build, str) and ":" in build:
        found, function["build"] = import_build(build), absolute(build)
    elif isinstance(build, str):
        data = load_data(
            data,
            asked.data_options,
            asked.seed,
            asked.recorded,
            settings.training,
            network=networks.find(build),
        )
        form, known = form_of(build, data), settings.function.network
        if asked.existing is not None and known is not None:  # earlier versions had fewer facts
            form = {name: fact for name, fact in form.items() if name in known}
        function |= {"model": build, "network": form}
        found = network(build, function["network"])
        if objective is None:
            is_classes = function["network"]["task"] == "classification"
            objective = "val_accuracy" if is_classes else "val_loss"
    else:
        found, function["build"] = callable_of(build), FromMemory(name_of(build))
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
    """The build function that the existing study has stored."""
    known = asked.settings.function
    if isinstance(known.build, str):
        check_trusted(known.build, asked.directory, trust)
    return again(
        "build",
        None,
        known.build if known.model is None else known.model,
        BUILD_AGAIN,
        asked.directory,
    )


def _callbacks(asked: Definition, given: Mapping[str, Any]) -> Sequence[Any]:
    """The Keras callbacks: given now, or stored; those that only write files are of this call.

    Raises:
        InvalidInput: one was not stored as a whole.
    """
    own, texts = tuple(given.get("callbacks", ())), asked.settings.training.callbacks
    if not texts:
        return own
    choose_backend()
    from paceline.train.callback_text import callback_of, texts_of

    if texts_of(own):
        return own
    found = [callback_of(text) for text in texts]
    for text, one in zip(texts, found, strict=True):
        if one is None:
            raise InvalidInput(
                f"the callback {text} of study {asked.directory} was passed from memory, so it was "
                "not stored as a whole",
                expected="the study's Keras callbacks again",
                fix=f"Pass callbacks=[{', '.join(texts)}]{FROM_PYTHON}.",
            )
    return *found, *own


def _folds(asked: Definition, given: Mapping[str, Any]) -> Any:
    if "folds" in given:
        return folds_of(given["folds"])
    known = asked.settings.evaluation.folds
    if isinstance(known, int | None):
        return known
    return again("folds", rebuilt(known), None, f"folds={known}{FROM_PYTHON}", asked.directory)


def _data_options(asked: Definition, given: Mapping[str, Any], folds: Any) -> dict[str, Any]:
    """The data options to pass on: given now, or stored."""
    settings = asked.settings.data
    own = [name for name in settings.rules() if name != "source"]
    options = {name: given[name] for name in own if name in given}
    for name, value in asked.settings.data.non_default():
        if name == "source" or name in options:
            continue
        if isinstance(value, FromMemory):
            if name == "groups" and getattr(given.get("data"), "groups", None) is not None:
                continue  # these are part of the data set
            value = again(name, None, value, f"{name}=...{FROM_PYTHON}", asked.directory)
        options[name] = value
    if "shuffle" not in options and in_time(folds) and asked.existing is None:
        options["shuffle"] = False  # a test part that is drawn is then the last rows as well
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
