"""`tune`: a study from its beginning, or from where it stopped."""

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from paceline.api.asked import asked_for
from paceline.api.running import Show, carried_out, show_of
from paceline.core import Configuration, check_argument, knows_its_arguments, process_state
from paceline.data import OPTIONS
from paceline.report import Study
from paceline.schedule import Schedule
from paceline.search import Normal, Strategy, Weights
from paceline.space import Hyperparameter, Space
from paceline.study.request import Buildable


@knows_its_arguments(*OPTIONS)
@process_state.preserved()
def tune(
    build: Buildable,
    data: Any = None,
    *,
    objective: Any = None,
    epochs: int | Hyperparameter | None = None,
    batch_size: int | Hyperparameter = 32,
    validation_batch_size: int | None = None,
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
    class_weight: Mapping[Any, float] | Sequence[float] | str | None = None,
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
    change_space: bool = False,
    **data_options: Any,
) -> Study:
    """Searches for the best configuration of ``build(hp)``: many candidates train as one compiled
    program.

    Without ``data``, ``build`` is any function of ``hp`` that trains and measures by itself, in
    whatever framework, and gives its score; see below.

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

    A function objective, here with four processes of which each trial may take a quarter of an
    hour::

        def objective(hp):
            model = make(hp.Int("depth", 2, 8), hp.Float("rate", 1e-4, 1e-1, sampling="log"))
            for epoch in range(27):
                if not hp.report(train_and_validate(model)):
                    return

        paceline.tune(objective, objective="max", trials=100, epochs=27, workers=4, time_limit="15m")

    It reports a number, or a dict of metrics, after each step, and returns when that is answered
    with False; or it just returns its score. What may vary is learnt from what it asks ``hp`` for;
    the first trial is at its defaults.

    Args:
        build: a function that takes ``hp`` and returns a compiled Keras model, or an object with
            such a method ``build``, as KerasTuner's ``HyperModel``; ``"mlp"`` or ``"cnn"`` for a
            built-in network; ``"model.py:build"`` for a function in a file.
        data: a name such as ``"digits"`` or ``"mnist"``; a path (a folder of idx files, ``.npz``,
            ``.csv``, ``.parquet``); arrays ``(x, y)`` or ``(x, y, x_test, y_test)``; a data frame;
            see `paceline.data.load`. A ``keras.utils.PyDataset`` is streamed: each of its batches
            is loaded once an epoch for all networks that train side by side.
        objective: a metric as Keras logs it (``"val_accuracy"``); with a direction where its name
            does not tell it: ``("val_score", "max")``. Built-in networks need none: they take
            ``val_accuracy`` or ``val_loss``.
        epochs: epochs of each trial, or a hyperparameter: ``Choice([5, 10])``; None for 10. Of a
            function objective, the steps that a full run reports; without it no schedule but
            ``"full"`` can be used.
        batch_size: rows in a batch, or a hyperparameter; of a stream, its own.
        validation_batch_size: rows in a validation batch; None for as many as in a training batch,
            as in ``fit``, and for 32 of the validation arrays of a stream. It changes the score
            only of models whose loss or metrics are no sums over rows, or that change their state
            in validation.
        trials: how many trials the study is to hold in total, those of earlier calls included.
        budget: wall time of this call: seconds, or a text such as ``"90s"``, ``"5m"``, ``"1h30m"``.
        search: where to look next: ``"auto"`` (or ``"bayes"``) learns from the trials with a model
            of the whole space; ``"random"``, ``"sobol"``, ``"cmaes"``, ``"grid"`` (which alone
            needs neither ``trials`` nor ``budget``), or a strategy of `paceline.search`, such as
            ``paceline.search.optuna(sampler)``.
        schedule: who goes on: ``"full"`` trains every trial to its end; ``"asha"``, ``"halving"``,
            ``"hyperband"`` and ``"median"`` let slow ones go early; ``"auto"`` is asha, or full
            where trainings are of one or two epochs, ``epochs`` is a hyperparameter, data are
            streamed or the search is a grid. A `paceline.schedule` with settings of its own will do
            as well.
        start_with: configurations to try first, as mappings; values that are left out are at their
            defaults.
        prior: what you believe, by name: ``{"learning_rate": Normal(1e-3)}``, ``{"activation":
            Weights({"relu": 3, "tanh": 1})}`` of `paceline.search`. Of a continuous number about
            which you say nothing it is believed that good values lie within its range, not at the
            ends. Evidence overrules it.
        learn_from: the directory of an earlier study on a similar task; how far it is believed is
            measured.
        ordered: True: what is tried next never depends on the clock, so that the same seed gives
            the same study on any
            machine. False: measured seconds take part. None: True unless ``budget`` is given.
        in_flight: how many trials are in flight at once where a model or a schedule decides what
            follows: more keep the machine busier, fewer know more when they are chosen.
        seed: of everything random: split, configurations, initial weights, batches. None draws one,
            or takes that of the study that is there already.
        study: the directory in which everything is kept; None for a new one in the system's
            temporary folder.
        validation: fraction of the rows outside the test part, or ``(x_val, y_val)``; of a stream
            ``(x_val, y_val)``, another PyDataset, or None where the objective is a training metric.
        patience: epochs without improvement after which a trial is complete; None to train all
            epochs.
        keep: whose weights and score count of each trial: those of its ``"last"`` or its ``"best"``
            epoch.
        class_weight: weight of each class in the loss, by the class as you know it, such as
            ``{"no": 1, "yes": 5}`` (classes left out have 1); ``"balanced"``; or a list, where the
            classes are 0 to k-1.
        repeats: how often each configuration is trained in the search, each time on another seed
            and another split; its score is the mean.
        folds: cross-validation in the search: a number of folds, with equal shares of each class; a
            splitter of scikit-learn, or of its form; or pairs of (training rows, validation rows).
            All of them are lanes of one program. Further ``repeats``, and the final, train on other
            folds of the same kind, drawn under other seeds whether or not a splitter has a
            ``random_state`` of its own; where there are none (``KFold(5)``, ``TimeSeriesSplit``,
            pairs), they train on these with fresh seeds.
        groups: of each row (a patient, a user, a site), rows of a drawn test part included, or the
            name of a table's
            column: rows of one group are never divided between training, validation and test part.
        final: after the search the most promising configurations and the default one train anew on
            fresh seeds and fresh splits, and the winner is the one that is best there: a number of
            fresh trainings of each of eight finalists; ``"strict"`` for 30; ``"auto"`` for 8, or
            fewer (at least 3) and of fewer finalists, so that the final never costs more than the
            search, and the study says what that leaves unsure (no final of streamed data, or of a
            function: it is held where a number is given, and each call has an ``hp.seed`` of its
            own); False for none: then the best is the luckiest trial.
        prefer: of the finalists that the data cannot tell apart, the ``"small"`` or the ``"fast"``
            one wins.
        refit: whether the winner's model is trained anew on training and validation part together;
            None: where there was a final.
        test_trials: measure every completed trial on the test part, too, for comparisons; nothing
            is decided by it.
        keep_models: of how many trials the trained networks are kept, those with the best scores:
            `Study.model` gives them. None for the best one; of a study that is there already, for
            as many as before.
        memory: bytes that networks side by side may take, such as ``"8GiB"``; None for a share of
            what is free.
        display: ``"auto"`` shows progress on a terminal; True shows it in any case, False never.
        fixed: hyperparameters that are not tuned, with their values; as texts, too (``{"units":
            "64"}``).
        space: only of a function objective: what may vary, so that it need not be learnt.
        workers: only of a function objective: how many processes call it; None for this process,
            one trial at a time. What happens to a worker is recorded and happens to no other trial.
        time_limit: only with ``workers``: how long one trial may take, such as ``"15m"``.
        memory_limit: only with ``workers``: what one trial may take, such as ``"2GiB"``.
        change_space: of a study that is there already: whether it may go on in another space: with
            a wider or narrower range, a choice more or less, a hyperparameter fixed, dropped or
            new. Trials whose configuration is one of the new space count as before, and are not run
            again. Those with a value of a hyperparameter that is gone guide the search, but cannot
            be the best. All others stay in the record and count for nothing. Without it another
            space is a StudyMismatch.
        **data_options: ``target``, ``data_dir``, ``test``, ``sample_weight``, ``task``, ``decimal``
            of `paceline.data.load`; ``shuffle=False`` for rows in the order of time: the test part
            is the last rows, validation the last ones before it; ``standardize`` of
            `paceline.data.split`, which says what is done to inputs; ``scale_target``: whether a
            regression target is learnt scaled (it is measured in its own unit in any case), None
            for one far from 0 ± 1, where that makes no other loss of it.

    Returns:
        The study: ``best``, ``best_model()``, ``trials``, ``trials_dataframe()``.

    Raises:
        InvalidInput: anything that cannot be used; nothing has been written then.
        MissingData: data that are not there.
        StudyMismatch: the directory holds a study of another space, data set or objective.
        StudyLocked: another process is writing that study.
        AllTrialsFailed: the first trials all failed.
    """
    task = asked_for({name: given for name, given in locals().items() if name != "display"})
    return carried_out(task, show_of(display))


ARGUMENTS = (
    *(name for name in inspect.signature(tune).parameters if name != "data_options"),
    *OPTIONS,
)
"""The names of all that `tune` takes."""


def check(build: Any, data: Any = None, **arguments: Any) -> None:
    """Refuses what `tune` would refuse before it loads data or builds a model; writes nothing.

    Raises:
        InvalidInput: an argument that is not known, or cannot be used.
        StudyMismatch: the directory holds another study.
    """
    for name in arguments:
        check_argument("tune", name, ARGUMENTS)
    given = inspect.signature(tune).bind(build, data, **arguments)
    given.apply_defaults()
    show_of(given.arguments["display"])
    asked_for({"data_options": {}, **given.arguments})
