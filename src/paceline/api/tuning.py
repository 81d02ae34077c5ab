"""`tune` and `optimize`: run a new study, or continue one."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from paceline.api.running import Display, carry_out_study, display_of
from paceline.callbacks import Callback
from paceline.callbacks.named import resolved
from paceline.callbacks.of_keras import divided
from paceline.core import Objective, check_argument, process_state, validates_argument_names
from paceline.report import Study
from paceline.schedule import Schedule
from paceline.search import Strategy
from paceline.settings.function import FUNCTION, Kind
from paceline.settings.keywords import (
    OF_OPTIMIZE,
    OF_TUNE,
    OptimizeOptions,
    TuneOptions,
    documented,
    names,
)
from paceline.space import Hyperparameter, HyperParameters, Space
from paceline.store import study_directory
from paceline.study.plan.arguments import kind_of
from paceline.study.plan.defining import define
from paceline.study.plan.definition import Definition
from paceline.study.plan.limits import fresh_directory
from paceline.study.plan.user_code import Buildable
from paceline.study.resume.existing import Existing

Goal = str | tuple[str, str] | Objective
"""An objective: the name of a metric, with its direction if the name does not imply it."""


@validates_argument_names(*names(TuneOptions))
@process_state.preserved()
@documented(*OF_TUNE)
def tune(
    build: Buildable,
    data: Any = None,
    objective: Goal | None = None,
    *,
    epochs: int | Hyperparameter | None = None,
    batch_size: int | Hyperparameter | None = None,
    trials: int | None = None,
    budget: float | str | None = None,
    search: str | Strategy | None = None,
    schedule: str | Schedule | None = None,
    seed: int | None = None,
    study: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback | str] | None = (),
    display: Display = "auto",
    **options: Unpack[TuneOptions],
) -> Study:
    """Searches for the best configuration of ``build(hp)``.

    Many candidates train together, as one compiled model.

    Example::

        import keras, paceline
        from keras import layers

        def build(hp):
            model = keras.Sequential([
                keras.Input((8, 8)),
                layers.Flatten(),
                layers.Dense(hp.Int("units", 16, 128, step=16), activation="relu"),
                layers.Dense(10, activation="softmax"),
            ])
            rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
            loss = "sparse_categorical_crossentropy"
            model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
            return model

        study = paceline.tune(build, "digits", "val_accuracy", epochs=5, trials=16, study="runs/a")
        study.best.config, study.best.score, study.best_model(), study.trials_dataframe()

    Called again with the same arguments and ``study``, it continues where that study stopped.
    Arguments that are not given are then as in that study.

    Without ``data``, ``build`` is any function of ``hp`` that trains and evaluates by itself, in
    any framework: see `optimize`.

    Args:
        build: a function that takes ``hp`` and returns a compiled Keras model, or an object with
            such a method ``build``, as KerasTuner's ``HyperModel``; the name of a built-in network:
            ``"mlp"``, ``"cnn"``, ``"resnet"``, ``"transformer"``, ``"lstm"`` or ``"tabular"``;
            ``"model.py:build"`` for a function in a file.
        data: a name such as ``"digits"`` or ``"mnist"``; a path (a folder of idx files, ``.npz``,
            ``.csv``, ``.parquet``); arrays ``(x, y)`` or ``(x, y, x_test, y_test)``; a data frame;
            see `paceline.data.load`. A ``keras.utils.PyDataset`` is streamed: each of its batches
            is loaded once an epoch for all networks that train together.
        objective: a metric as Keras logs it (``"val_accuracy"``); with a direction if its name does
            not imply it: ``("val_score", "max")``. Built-in networks need none: theirs is
            ``val_accuracy`` or ``val_loss``.
        epochs: epochs of each trial, or a hyperparameter: ``Choice([5, 10])``; None for 10.
        batch_size: rows of a batch, or a hyperparameter; None for 32, of a stream for its own.
        trials: how many trials the study may have in total, those of earlier calls included.
        budget: wall time of this call: seconds, or a text such as ``"90s"``, ``"5m"``, ``"1h30m"``.
        search: search strategy: ``"auto"`` (or ``"bayes"``) learns from the trials with a model
            of the whole space; ``"random"``, ``"sobol"``, ``"cmaes"``, ``"grid"`` (which alone
            needs neither ``trials`` nor ``budget``), or a strategy of `paceline.search`, such as
            ``paceline.search.optuna(sampler)``. None for ``"auto"``.
        schedule: which trials train to their end: ``"full"`` trains all; ``"asha"``,
            ``"halving"``, ``"hyperband"`` and ``"median"`` stop poor ones early; ``"auto"`` is
            asha, or full where trainings are of one or two epochs, ``epochs`` is a hyperparameter,
            data are streamed or the search is a grid. A `paceline.schedule` with settings of its
            own is accepted as well. None for ``"auto"``.
        seed: of everything random: split, configurations, initial weights, batches. None draws one.
        study: the directory of the study; None for a new one in the system's
            temporary folder.
        callbacks: objects of `paceline.Callback`, or names of registered ones such as ``"csv"``:
            their methods are called while the study runs; they can stop it, and change no result.
            Also callbacks of Keras, which each trial has as in ``fit``: with ``EarlyStopping``,
            ``ReduceLROnPlateau`` and ``LearningRateScheduler`` trials still train together, with
            others one by one; see docs/callbacks.md.
        display: ``"auto"`` shows progress on a terminal or in a notebook, and logs it elsewhere;
            True shows it anywhere, False nowhere.
        {options}

    Returns:
        The study: ``best``, ``best_model()``, ``trials``, ``trials_dataframe()``.

    Raises:
        InvalidInput: anything that cannot be used; nothing has been written then.
        MissingData: data that are not there.
        StudyMismatch: the directory holds a study of another space, data set or objective.
        StudyLocked: another process is writing that study.
        AllTrialsFailed: the first trials all failed.
    """
    given = _given(locals())
    callbacks, training = divided(callbacks)
    definition = defined({**given, "callbacks": training} if training else given)
    return carry_out_study(definition, display, callbacks)


@validates_argument_names(*names(OptimizeOptions))
@process_state.preserved()
@documented(*OF_OPTIMIZE)
def optimize(
    function: Callable[[HyperParameters], Any] | str,
    objective: Goal | None = None,
    *,
    space: Space | Mapping[str, Hyperparameter] | None = None,
    epochs: int | None = None,
    trials: int | None = None,
    budget: float | str | None = None,
    search: str | Strategy | None = None,
    schedule: str | Schedule | None = None,
    workers: int | None = None,
    seed: int | None = None,
    study: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback | str] | None = (),
    display: Display = "auto",
    **options: Unpack[OptimizeOptions],
) -> Study:
    """Searches for the best configuration of any function of ``hp`` that returns a score.

    The function trains and evaluates by itself, in any framework. Here four processes call it,
    and each trial may take a quarter of an hour::

        def objective(hp):
            model = make(hp.Int("depth", 2, 8), hp.Float("rate", 1e-4, 1e-1, sampling="log"))
            for epoch in range(27):
                if not hp.report(train_and_validate(model)):
                    return

        paceline.optimize(objective, "max", trials=100, epochs=27, workers=4, time_limit="15m")

    It reports a number, or a dict of metrics, after each step, and returns when that returns False;
    or it just returns its score. The space is what it asks ``hp`` for; the first trial is at its
    defaults.

    Called again with the same arguments and ``study``, it continues where that study stopped.
    Arguments that are not given are then as in that study.

    Args:
        function: a function of ``hp``; ``"train.py:objective"`` for one in a file.
        objective: ``"max"`` or ``"min"``; with the name of a metric where the function returns or
            reports several: ``("accuracy", "max")``.
        space: what may vary, as a space or a dict of hyperparameters, so that it need not be found
            during the trials.
        epochs: the steps that a full run reports; without it no schedule but ``"full"`` can be
            used.
        trials: how many trials the study may have in total, those of earlier calls included.
        budget: wall time of this call: seconds, or a text such as ``"90s"``, ``"5m"``, ``"1h30m"``.
        search: as in `tune`.
        schedule: ``"auto"`` (asha where ``epochs`` is given), ``"full"``, ``"asha"`` or
            ``"median"``. It decides at once: a function that waits keeps its memory.
        workers: how many processes call the function; None for this one, one trial at a time. What
            happens to a worker is recorded and affects no other trial.
        seed: of everything random, ``hp.seed`` included. None draws one.
        study: the directory of the study; None for a new one in the system's
            temporary folder.
        callbacks, display: as in `tune`.
        {options}

    Returns:
        The study: ``best``, ``trials``, ``trials_dataframe()``.

    Raises:
        InvalidInput, StudyMismatch, StudyLocked, AllTrialsFailed: as in `tune`.
    """
    given = _given(locals())
    callbacks = resolved(callbacks)
    given["build"] = given.pop("function")
    return carry_out_study(defined(given, FUNCTION), display, callbacks)


ARGUMENTS = (
    *(name for name in inspect.signature(tune).parameters if name != "options"),
    *names(TuneOptions),
)
"""The names of all arguments of `tune`."""


def check(build: Any, data: Any = None, **arguments: Any) -> None:
    """Checks arguments of `tune` before data are loaded or a model is built; writes nothing.

    Raises:
        InvalidInput: an argument that is not known, or cannot be used.
        StudyMismatch: the directory holds another study.
    """
    for name in arguments:
        check_argument("tune", name, ARGUMENTS)
    display_of(arguments.pop("display", "auto"))
    _, training = divided(arguments.pop("callbacks", None))
    given = {"callbacks": training} if training else {}
    defined({"build": build, "data": data, **arguments, **given})


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a caller passed, from a function's local variables."""
    display_of(arguments["display"])
    named = {
        name: value
        for name, value in arguments.items()
        if name not in ("options", "callbacks", "display") and value is not None
    }
    return {**named, **arguments["options"]}


def defined(given: Mapping[str, Any], kind: Kind | None = None) -> Definition:
    """The definition of a study that begins or continues.

    Args:
        given: the arguments that were passed, by name.
        kind: that of the study; None: one of networks if data are given, else of a function.

    Raises:
        InvalidInput: an argument that is invalid by itself.
        StudyMismatch: the directory holds another study.
    """
    given = dict(given)
    study = given.pop("study", None)
    directory = fresh_directory() if study is None else study_directory(study)
    return define(given, directory, Existing.find(directory), kind=kind or kind_of(given))
