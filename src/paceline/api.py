"""The functions that users call."""

import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from paceline.core import Configuration, InvalidInput, PacelineError
from paceline.report import Study, read, watch
from paceline.report.document import write_report
from paceline.report.going_on import interruptible
from paceline.schedule import Schedule
from paceline.search import Normal, Strategy, Weights
from paceline.space import Hyperparameter, HyperParameters, Space
from paceline.store import study_directory
from paceline.study import Request, carry_out, make_plan
from paceline.study.ablation import measure_ablation
from paceline.study.asking import as_request, check_limits, fresh_directory, seed_of
from paceline.study.asktell import OpenStudy
from paceline.study.bring import bring
from paceline.study.closing import Closing, Replication
from paceline.study.function import FunctionTask
from paceline.study.resuming import check_begun, function_of, limits_of, request_of

Build = Callable[[HyperParameters], Any]
Show = Literal["auto"] | bool


def tune(
    build: Build | str,
    data: Any = None,
    *,
    objective: Any = None,
    epochs: int | Hyperparameter | None = None,
    batch_size: int | Hyperparameter = 32,
    trials: int | None = None,
    budget: float | str | None = None,
    search: str | Strategy = "auto",
    schedule: str | Schedule = "auto",
    start_with: Iterable[Configuration] | None = None,
    prior: Mapping[str, Normal | Weights] | None = None,
    learn_from: str | os.PathLike[str] | None = None,
    ordered: bool | None = None,
    in_flight: int | None = None,
    seed: int | None = None,
    study: str | os.PathLike[str] | None = None,
    validation: Any = 0.1,
    patience: int | None = None,
    keep: str = "last",
    class_weight: Mapping[int, float] | None = None,
    repeats: int = 1,
    folds: Any = None,
    groups: Any = None,
    final: Literal["auto", "strict"] | int | None = "auto",
    prefer: Literal["small", "fast"] | None = None,
    refit: bool | None = None,
    test_trials: bool = False,
    keep_models: int | None = None,
    memory: int | str | None = None,
    display: Show = "auto",
    fixed: Mapping[str, Any] | None = None,
    space: Space | Mapping[str, Hyperparameter] | None = None,
    workers: int | None = None,
    time_limit: float | str | None = None,
    memory_limit: int | str | None = None,
    **data_options: Any,
) -> Study:
    """Searches for the best configuration of ``build(hp)``: many candidates train as one compiled program.

    Without ``data``, ``build`` is any function of ``hp`` that trains and measures by itself, in whatever framework,
    and gives its score; see below.

    Example::

        import keras, paceline

        def build(hp):
            model = keras.Sequential([
                keras.Input((8, 8)),
                keras.layers.Flatten(),
                keras.layers.Dense(hp.Int("units", 32, 128, step=32), activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ])
            rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
            model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
            return model

        study = paceline.tune(build, "digits", objective="val_accuracy", epochs=5, trials=16, study="runs/digits")
        study.best.config, study.best.score, study.best_model(), study.trials_dataframe()

    Called again with the same arguments and ``study``, it goes on where that study stopped.

    A function objective, here with four processes of which each trial may take a quarter of an hour::

        def objective(hp):
            model = make(hp.Int("depth", 2, 8), hp.Float("rate", 1e-4, 1e-1, sampling="log"))
            for epoch in range(27):
                if not hp.report(train_and_validate(model)):
                    return

        paceline.tune(objective, objective="max", trials=100, epochs=27, workers=4, time_limit="15m")

    It reports a number, or a dict of metrics, after each step, and returns when that is answered with False; or it
    just returns its score. What may vary is learnt from what it asks ``hp`` for; the first trial is at its defaults.

    Args:
        build: a function that takes ``hp`` and returns a compiled Keras model; ``"mlp"`` or ``"cnn"`` for a built-in
            network; ``"model.py:build"`` for a function in a file.
        data: a name such as ``"digits"`` or ``"mnist"``; a path (a folder of idx files, ``.npz``, ``.csv``,
            ``.parquet``); arrays ``(x, y)`` or ``(x, y, x_test, y_test)``; a data frame; see `paceline.data.load`.
            A ``keras.utils.PyDataset`` is streamed: each of its batches is loaded once an epoch for all networks that
            train side by side.
        objective: a metric as Keras logs it (``"val_accuracy"``); with a direction where its name does not tell it:
            ``("val_score", "max")``. Built-in networks need none: they take ``val_accuracy`` or ``val_loss``.
        epochs: epochs of each trial, or a hyperparameter: ``Choice([5, 10])``; None for 10. Of a function objective,
            the steps that a full run reports; without it no schedule but ``"full"`` can be used.
        batch_size: rows in a batch, or a hyperparameter; of a stream, its own.
        trials: how many trials the study is to hold in total, those of earlier calls included.
        budget: wall time of this call: seconds, or a text such as ``"90s"``, ``"5m"``, ``"1h30m"``.
        search: where to look next: ``"auto"`` (or ``"bayes"``) learns from the trials with a model of the whole space;
            ``"random"``, ``"sobol"``, ``"cmaes"``, ``"grid"`` (which alone needs neither ``trials`` nor ``budget``), or
            a strategy of `paceline.search`, such as ``paceline.search.optuna(sampler)``.
        schedule: who goes on: ``"full"`` trains every trial to its end; ``"asha"``, ``"halving"``, ``"hyperband"`` and
            ``"median"`` let slow ones go early; ``"auto"`` is asha, or full where trainings are of one or two
            epochs, ``epochs`` is a hyperparameter, data are streamed or the search is a grid. A `paceline.schedule`
            with settings of its own will do as well.
        start_with: configurations to try first, as mappings; values that are left out are at their defaults.
        prior: what you believe, by name: ``{"learning_rate": Normal(1e-3)}``, ``{"activation": Weights({"relu": 3,
            "tanh": 1})}`` of `paceline.search`. Of a continuous number about which you say nothing it is believed that
            good values lie within its range, not at the ends. Evidence overrules it.
        learn_from: the directory of an earlier study on a similar task; how far it is believed is measured.
        ordered: True: what is tried next never depends on the clock, so that the same seed gives the same study on any
            machine. False: measured seconds take part. None: True unless ``budget`` is given.
        in_flight: how many trials are in flight at once where a model or a schedule decides what follows: more keep
            the machine busier, fewer know more when they are chosen.
        seed: of everything random: split, configurations, initial weights, batches. None draws one, or takes that of
            the study that is there already.
        study: the directory in which everything is kept; None for a new one in the system's temporary folder.
        validation: fraction of the rows outside the test part, or ``(x_val, y_val)``; of a stream ``(x_val, y_val)``,
            another PyDataset, or None where the objective is a training metric.
        patience: epochs without improvement after which a trial is complete; None to train all epochs.
        keep: whose weights and score count of each trial: those of its ``"last"`` or its ``"best"`` epoch.
        class_weight: weight of each class in the loss, by its number.
        repeats: how often each configuration is trained in the search, each time on another seed and another split;
            its score is the mean.
        folds: cross-validation in the search: a number of folds, with equal shares of each class; a splitter of
            scikit-learn, or of its form; or pairs of (training rows, validation rows). With ``repeats``, folds are
            drawn anew each time, where they are drawn. All of them are lanes of one program. The final trains on
            others of the same kind or, where there are none (``TimeSeriesSplit``), on these with fresh seeds.
        groups: of each row, for folds that keep groups together.
        final: after the search the most promising configurations and the default one train anew on fresh seeds and
            fresh splits, and the winner is the one that is best there: a number of fresh trainings of each of eight
            finalists; ``"strict"`` for 30; ``"auto"`` for 8, or fewer (at least 3) and of fewer finalists, so that
            the final never costs more than the search, and the study says what that leaves unsure (no final of
            streamed data, or of a function: it is held where a number is given, and each call has an ``hp.seed`` of
            its own); False for none: then the best is the luckiest trial.
        prefer: of the finalists that the data cannot tell apart, the ``"small"`` or the ``"fast"`` one wins.
        refit: whether the winner's model is trained anew on training and validation part together; None: where there
            was a final.
        test_trials: measure every completed trial on the test part, too, for comparisons; nothing is decided by it.
        keep_models: of how many trials the trained networks are kept, those with the best scores: `Study.model` gives
            them. None for the best one; of a study that is there already, for as many as before.
        memory: bytes that networks side by side may take, such as ``"8GiB"``; None for a share of what is free.
        display: ``"auto"`` shows progress on a terminal; True shows it in any case, False never.
        fixed: hyperparameters that are not tuned, with their values; as texts, too (``{"units": "64"}``).
        space: only of a function objective: what may vary, so that it need not be learnt.
        workers: only of a function objective: how many processes call it; None for this process, one trial at a time.
            What happens to a worker is recorded and happens to no other trial.
        time_limit: only with ``workers``: how long one trial may take, such as ``"15m"``.
        memory_limit: only with ``workers``: what one trial may take, such as ``"2GiB"``.
        **data_options: ``target``, ``data_dir``, ``test``, ``sample_weight``, ``task`` of `paceline.data.load`, and
            ``standardize`` of `paceline.data.split`.

    Returns:
        The study: ``best``, ``best_model()``, ``trials``, ``trials_dataframe()``.

    Raises:
        InvalidInput: anything that cannot be used; nothing has been written then.
        MissingData: data that are not there.
        StudyMismatch: the directory holds a study of another space, data set or objective.
        StudyLocked: another process is writing that study.
        AllTrialsFailed: the first trials all failed.
    """
    check_limits(search, trials, budget)
    study = fresh_directory() if study is None else study_directory(study)
    seed = seed_of(study) if seed is None else seed
    search = bring(search, seed, start_with=start_with, prior=prior, learn_from=learn_from)
    if data is None:
        _refuse(
            "without data", "left out, or data", batch_size=(batch_size, 32), validation=(validation, 0.1),
            patience=(patience, None), keep=(keep, "last"), class_weight=(class_weight, None), memory=(memory, None),
            repeats=(repeats, 1), folds=(folds, None), groups=(groups, None), prefer=(prefer, None),
            refit=(refit, None), test_trials=(test_trials, False), keep_models=(keep_models, None),
            **{name: (value, None) for name, value in data_options.items()},
        )  # fmt: skip
        task = FunctionTask.of(
            build, objective=objective, study=study, trials=trials,
            budget=budget, search=search, schedule=schedule, seed=seed, epochs=epochs, space=space, workers=workers,
            time_limit=time_limit, memory_limit=memory_limit, ordered=ordered, in_flight=in_flight, fixed=fixed,
            closing=Closing() if final == "auto" else Closing.of(final),
        )  # fmt: skip
        return _watched_function(task, display)
    only = {"space": space, "workers": workers, "time_limit": time_limit, "memory_limit": memory_limit}
    _refuse("with data", "left out, since it is of function objectives", **{n: (v, None) for n, v in only.items()})
    request = as_request(
        build, data, objective=objective, trials=trials, budget=budget, search=search, seed=seed, study=study,
        validation=validation, class_weight=class_weight, fixed=fixed, data_options=data_options,
        epochs=10 if epochs is None else epochs, batch_size=batch_size, patience=patience, keep=keep, memory=memory,
        schedule=schedule, ordered=ordered, in_flight=in_flight, test_trials=test_trials, keep_models=keep_models,
        closing=Closing.of(final, prefer, refit), replication=Replication.of(repeats, folds, groups),
    )  # fmt: skip
    return _watched(request, display)


def resume(
    study: str | os.PathLike[str],
    build: Build | str | None = None,
    data: Any = None,
    *,
    trials: int | None = None,
    budget: float | str | None = None,
    validation: Any = None,
    class_weight: Mapping[int, float] | None = None,
    folds: Any = None,
    groups: Any = None,
    keep_models: int | None = None,
    memory: int | str | None = None,
    display: Show = "auto",
    **data_options: Any,
) -> Study:
    """Goes on with a study that was interrupted or killed, or gives a finished one more to do.

    Example::

        paceline.resume("runs/mnist", build, trials=128)

    Nothing that was measured is lost or run again. All settings come from the study. What had been passed from memory
    (a function, arrays) cannot be stored and has to be passed again.

    Args:
        study: the study's directory.
        build: as in `tune`; None to find it again, where it was a file's function or a built-in network.
        data: as in `tune`; None to find them again, where they were a name or a path.
        trials: the new total; None for what was asked for first.
        budget: wall time of this call; None for what is left of the study's.
        validation: as in `tune`, where it was ``(x_val, y_val)``.
        class_weight: as in `tune`; None for the study's.
        folds, groups: as in `tune`, where they were a splitter and an array.
        keep_models: as in `tune`, from now on; None for as many as before.
        memory: as in `tune`; None for the study's.
        display: as in `tune`.
        **data_options: as in `tune`; what is not passed is taken from the study.

    Raises:
        InvalidInput: there is no study, build or data were not stored, or the study's budget is used up.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    directory = study_directory(study)
    summary = read(directory)
    record = summary.record
    check_begun(record, directory)
    if record.created is not None and "kind" in record.created.data:
        _refuse("with a study of a function", "left out, since its models are its own", keep_models=(keep_models, None))
        return _watched_function(function_of(record, directory, summary.seconds, build, trials, budget), display)
    trials, budget = limits_of(record, directory, summary.seconds, trials, budget)
    request = request_of(
        record, directory, build, data, trials=trials, budget=budget, validation=validation, class_weight=class_weight,
        folds=folds, groups=groups, memory=memory, keep_models=keep_models, data_options=data_options,
    )  # fmt: skip
    return _watched(request, display)


def finish(
    study: str | os.PathLike[str],
    build: Build | str | None = None,
    data: Any = None,
    *,
    validation: Any = None,
    class_weight: Mapping[int, float] | None = None,
    folds: Any = None,
    groups: Any = None,
    memory: int | str | None = None,
    display: Show = "auto",
    **data_options: Any,
) -> Study:
    """Ends a search that was interrupted or killed: nothing more is tried, and the winner is chosen now.

    Example::

        study = paceline.finish("runs/mnist", build)
        study.best.config, study.best_model()

    The final is held on what was measured (where the study has one), and the best model is saved and tested. Trials
    that were under way are left as they are; `resume` with more ``trials`` goes on with them.

    Args:
        study: the study's directory.
        build, data, validation, class_weight, folds, groups, memory, display, **data_options: as in `resume`.

    Raises:
        InvalidInput: there is no study, nothing was measured yet, or build or data were not stored.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    directory = study_directory(study)
    record = read(directory).record
    trials = record.all_trials()
    if not any(trial.measurements for trial in trials):
        raise InvalidInput(
            f"study {directory} has measured nothing yet", expected="a study with at least one measured epoch",
            fix="Resume it, so that a trial can train.",
        )  # fmt: skip
    if record.created is not None and "kind" in record.created.data:
        task = function_of(record, directory, 0.0, build, len(trials), None)
        return _watched_function(task, display, search=False)
    request = request_of(
        record, directory, build, data, trials=len(trials), budget=None, validation=validation,
        class_weight=class_weight, folds=folds, groups=groups, memory=memory, data_options=data_options,
    )  # fmt: skip
    return _watched(request, display, search=False)


def ablate(
    study: str | os.PathLike[str],
    build: Build | str | None = None,
    data: Any = None,
    *,
    pairs: int = 8,
    validation: Any = None,
    folds: Any = None,
    groups: Any = None,
    display: Show = "auto",
    **data_options: Any,
) -> Study:
    """Measures what each change from the default configuration to the winner is worth, with real networks.

    Example::

        study = paceline.ablate("runs/mnist")
        study.ablation()

    The default configuration with one hyperparameter set as the winner has it, and the winner with one set back, train
    on the same fresh pairs of seed and split, all of them side by side. Nothing that was measured is measured again.

    Args:
        study: the directory of a study that has ended.
        build, data, validation, folds, groups, **data_options: as in `resume`, where they were passed from memory.
        pairs: fresh pairs of seed and split on which each of them trains.
        display: as in `tune`.

    Raises:
        InvalidInput: there is no such study, its best trial is the default configuration, or it is one of a function.
        StudyMismatch: build or data are not those of the study.
        StudyLocked: another process is writing it.
    """
    directory = study_directory(study)
    summary = read(directory)
    check_begun(summary.record, directory)
    if summary.record.created is not None and "kind" in summary.record.created.data:
        raise InvalidInput(f"study {directory} is of a function", expected="a study of a build(hp) on data")
    request = request_of(
        summary.record, directory, build, data, trials=len(summary.record.trials), budget=None, validation=validation,
        folds=folds, groups=groups, data_options=data_options,
    )  # fmt: skip
    with interruptible(directory), watch(display) as observer:
        measure_ablation(make_plan(request), directory, pairs, observer)
    return _reported(directory)


def load_study(directory: str | os.PathLike[str]) -> Study:
    """A study as it stands, finished or not; another process may be writing it.

    Raises:
        InvalidInput: there is none in this directory.
    """
    return Study.open(directory)


def open_study(
    study: str | os.PathLike[str],
    space: Space | Mapping[str, Hyperparameter] | None = None,
    objective: Any = None,
    *,
    search: str | Strategy = "auto",
    seed: int | None = None,
) -> OpenStudy:
    """A study whose trials you run yourself: ``ask`` says what to try next, ``tell`` takes what came of it.

    Example::

        with paceline.open_study("runs/oven", {"heat": paceline.Float(150, 250)}, "max") as study:
            for trial in study.ask(4):
                study.tell(trial, bake(**trial.config))
        study.best.config

    Args:
        study: its directory. One that is there is opened again; ``pending`` are the trials not told of yet.
        space: what may vary; of a study that is there, it need not be passed.
        objective: ``"max"`` or ``"min"``, or a metric such as ``("accuracy", "max")``; the same.
        search: as in `tune`; of a study that is there, its own is taken.
        seed: as in `tune`.

    Raises:
        InvalidInput: anything that cannot be used; nothing has been written then.
        StudyMismatch: the directory holds another study.
        StudyLocked: another process is writing it.
    """
    return OpenStudy(study, space, objective, search, seed)


def _refuse(when: str, expected: str, **options: tuple[Any, Any]) -> None:
    """Refuses options that mean nothing here; of each, what was given and what it is when left out."""
    for name, (value, default) in options.items():
        if value is not default and value != default:
            raise InvalidInput(f"{name} was given {when}", expected=f"it {expected}")


def _watched_function(task: FunctionTask, display: Show, search: bool = True) -> Study:
    limits, opening = task.budget, "Calling the function ..."
    with (
        interruptible(task.directory),
        watch(display, trials=limits.trials, seconds=limits.seconds, opening=opening) as observer,
    ):
        carry_out(task, task.directory, observer, search=search)
    return _reported(task.directory)


def _watched(request: Request, display: Show, search: bool = True) -> Study:
    began = time.monotonic()
    with (
        interruptible(request.directory),
        watch(display, trials=request.budget.trials, seconds=request.budget.seconds) as observer,
    ):
        carry_out(make_plan(request), request.directory, observer, began, search=search)
    return _reported(request.directory, request)


def _reported(directory: Path, request: Request | None = None) -> Study:
    """The study that just ended, its report written; that the report cannot be written is no failure of the study."""
    try:
        write_report(directory)
    except Exception as error:
        told = error if isinstance(error, PacelineError) else f"{type(error).__name__}: {error}"
        warnings.warn(
            f"The study in {directory} is complete, but its report was not written. {told}"
            f" To try again: paceline report {directory}",
            stacklevel=3,
        )
    return Study.open(directory, request)
