"""Optuna's interface: ``import paceline.compat.optuna as optuna``.

A study made here is a study of Optuna whose trials Paceline carries out: `Study.optimize` searches
with Paceline's search, prunes with its schedules and stores everything in a study of Paceline; each
trial that has ended is written to Optuna's storage as well. So what reads a study works as ever:
``best_params``, ``trials_dataframe()``, ``optuna.visualization``, optuna-dashboard.

All other names of this module are those of the package ``optuna``, which has to be installed.
"""

import importlib
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from paceline.api import load_study as load_paceline_study
from paceline.api import optimize
from paceline.compat.optuna_calls import NONE, OptunaObjective, OptunaTrial
from paceline.core import AllTrialsFailed, InvalidInput, shown
from paceline.core import Trial as PacelineTrial
from paceline.core import TrialState as PacelineState
from paceline.core.deprecation import depth_of_caller
from paceline.exporters.base import ExportedStudy, require
from paceline.exporters.optuna_storage import OptunaStorage
from paceline.report import Study as PacelineStudy
from paceline.search import optuna as optuna_sampler
from paceline.store import has_study
from paceline.study.hooks.callback import Callback
from paceline.study.hooks.view import StudyView

require("optuna", "Optuna", "optuna")
_optuna = importlib.import_module("optuna")

__all__ = ["Study", "Trial", "create_study", "load_study"]

_NOT_AVAILABLE = "Paceline asks for configurations itself: see paceline.open_study for ask and tell"


def __getattr__(name: str) -> Any:
    """All names that are not defined here: those of Optuna."""
    return getattr(_optuna, name)


class OptunaStudy(_optuna.Study):  # type: ignore[misc, name-defined]
    """A study of Optuna that Paceline carries out; made by `create_study` and `load_study`.

    Attributes:
        paceline: the study of Paceline, with its report and models; None before `optimize`.
    """

    paceline: PacelineStudy | None = None

    def __init__(
        self,
        study_name: str,
        storage: Any,
        sampler: Any = None,
        pruner: Any = None,
        *,
        directory: str | os.PathLike[str] | None = None,
        steps: int | None = None,
        seed: int | None = None,
        final: bool = False,
    ) -> None:
        """See `create_study`."""
        super().__init__(study_name, storage, sampler, pruner)
        if len(self.directions) > 1:
            raise InvalidInput(
                f"the study {study_name!r} has {len(self.directions)} objectives", expected="one"
            )
        if steps is None and pruner is not None and type(pruner).__name__ != "NopPruner":
            warnings.warn(
                f"Nothing is pruned: {type(pruner).__name__} is not used. Paceline prunes by its "
                "own schedule, if it knows how often a full trial reports: "
                "create_study(..., steps=27).",
                stacklevel=depth_of_caller(),
            )
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="paceline-optuna-")) / "study"
        self._directory = Path(directory)
        self._search = "auto" if sampler is None else optuna_sampler(sampler)
        self._options: dict[str, Any] = {"final": final}
        if steps is not None:
            self._options |= {"epochs": steps, "schedule": _schedule(pruner)}
        if seed is not None:
            self._options["seed"] = seed
        self._queue: list[Mapping[str, Any]] = []
        self._is_stopping = False

    def optimize(
        self,
        func: Callable[[Any], Any],
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callable[[Any, Any], None]] | None = None,
        gc_after_trial: bool = False,  # noqa: ARG002 - memory is looked after anyway
        show_progress_bar: bool = False,
    ) -> None:
        """Carries out trials, as ``optuna.Study.optimize`` does.

        Args:
            func: the objective, a function of a trial.
            n_trials: how many more trials.
            timeout: seconds.
            n_jobs: how many threads; -1 for as many as there are processors.
            catch: exceptions with which a trial fails and the study continues; another one ends it.
            callbacks: called with the study and each trial that has ended.
            gc_after_trial: without effect.
            show_progress_bar: whether the progress is shown.

        Raises:
            InvalidInput: neither ``n_trials`` nor ``timeout`` was given.
            Exception: what the objective has raised, if it is not among ``catch``.
        """
        if n_trials is None and timeout is None:
            raise InvalidInput(
                "optimize was called without n_trials and timeout", expected="at least one of them"
            )
        kinds = (catch,) if isinstance(catch, type) else tuple(catch)
        objective = OptunaObjective(func, kinds, self, self._options.get("epochs"))
        watch = _Watch(self, objective, tuple(callbacks or ()))
        options = dict(self._options)
        if self._queue:
            options["start_with"], self._queue = self._queue, []
        options["study"] = self._directory
        self._is_stopping = False
        with _threads(n_jobs) as executor:
            try:
                self.paceline = optimize(
                    objective,
                    self.directions[0].name.lower(),
                    trials=None if n_trials is None else self._num_begun() + n_trials,
                    budget=timeout,
                    search=self._search,
                    executor=executor,
                    callbacks=[watch],
                    display="auto" if show_progress_bar else False,
                    **options,
                )
            except AllTrialsFailed:
                if objective.error is None and not objective.pruned:
                    raise
            finally:
                self._leave_failures()
        if objective.error is not None:
            raise objective.error

    def enqueue_trial(
        self,
        params: dict[str, Any],
        user_attrs: dict[str, Any] | None = None,
        skip_if_exists: bool = False,
    ) -> None:
        """Tries a configuration in the next call of `optimize`, after the default one.

        Raises:
            InvalidInput: ``user_attrs`` were given.
        """
        if user_attrs:
            raise InvalidInput(
                f"user_attrs is {shown(user_attrs)}",
                expected="none: set them in the objective, by trial.set_user_attr",
            )
        known = [*self._queue, *(trial.params for trial in self.get_trials(deepcopy=False))]
        if not skip_if_exists or params not in known:
            self._queue.append(dict(params))

    def stop(self) -> None:
        """Ends `optimize` after the running trials."""
        self._is_stopping = True

    def ask(self, *_: Any, **__: Any) -> Any:
        """Not available.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("ask was called", expected="optimize", fix=f"{_NOT_AVAILABLE}.")

    def tell(self, *_: Any, **__: Any) -> Any:
        """Not available.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("tell was called", expected="optimize", fix=f"{_NOT_AVAILABLE}.")

    def _num_begun(self) -> int:
        """Trials of Paceline's study so far."""
        if not has_study(self._directory):
            return 0
        return len(load_paceline_study(self._directory).trials)

    def _leave_failures(self) -> None:
        """Begins another study of Paceline next time, if nothing in this one was of use.

        A study whose first trials have all failed is not carried on; the objective may be mended.
        """
        if not has_study(self._directory):
            return
        trials = load_paceline_study(self._directory).trials
        if trials and all(trial.state is PacelineState.FAILED for trial in trials):
            name, _, number = self._directory.name.rpartition("-again-")
            again = f"{name or self._directory.name}-again-{int(number) + 1 if name else 1}"
            self._directory = self._directory.with_name(again)


Study, Trial = OptunaStudy, OptunaTrial


def create_study(
    *,
    storage: Any = None,
    sampler: Any = None,
    pruner: Any = None,
    study_name: str | None = None,
    direction: Any = None,
    load_if_exists: bool = False,
    directions: Any = None,
    directory: str | os.PathLike[str] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    final: bool = False,
) -> OptunaStudy:
    """Creates a study, as ``optuna.create_study`` does.

    Args:
        storage, study_name, direction, load_if_exists, directions: as in Optuna; one objective.
        sampler: a sampler of Optuna, as `paceline.search.optuna` uses it; None for Paceline's own
            search.
        pruner: a ``MedianPruner`` chooses Paceline's median schedule, any other one its ASHA; both
            need ``steps``.
        directory: of Paceline's study; None for ``runs/NAME`` where there is a storage, else a new
            one in the system's temporary folder.
        steps: how often a full trial calls ``trial.report``; needed to prune.
        seed: of everything random.
        final: whether the best trials are called again with fresh values of ``hp.seed``.

    Raises:
        InvalidInput: several objectives; a sampler that cannot be used.
    """
    if directions is not None and len(list(directions)) > 1:
        raise InvalidInput(f"directions is {shown(directions)}", expected="one direction")
    place = _optuna.storages.get_storage(storage)
    made = _optuna.create_study(
        storage=place,
        study_name=study_name,
        direction=direction,
        load_if_exists=load_if_exists,
        directions=directions,
    )
    if directory is None and storage is not None:
        directory = _place(made.study_name)
    return OptunaStudy(
        made.study_name,
        place,
        sampler,
        pruner,
        directory=directory,
        steps=steps,
        seed=seed,
        final=final,
    )


def load_study(
    *,
    study_name: str,
    storage: Any,
    sampler: Any = None,
    pruner: Any = None,
    directory: str | os.PathLike[str] | None = None,
    steps: int | None = None,
    seed: int | None = None,
) -> OptunaStudy:
    """Opens a study of `create_study` to continue it.

    Args:
        study_name, storage, sampler, pruner, directory, steps, seed: as in `create_study`.

    Raises:
        KeyError: the storage has no study of this name.
    """
    directory = _place(study_name) if directory is None else directory
    return OptunaStudy(
        study_name, storage, sampler, pruner, directory=directory, steps=steps, seed=seed
    )


def _place(study_name: str) -> Path:
    """Where the study of Paceline is by default, if there is a storage."""
    return Path("runs") / re.sub(r"[^\w.-]", "_", study_name)


def _schedule(pruner: Any) -> Literal["full", "median", "asha"]:
    kind = type(pruner).__name__
    return "full" if kind == "NopPruner" else "median" if "Median" in kind else "asha"


def _threads(n_jobs: int) -> Any:
    """A context of a pool of threads; of None for a single job."""
    if n_jobs == 1:
        return nullcontext()
    pool: Executor = ThreadPoolExecutor(os.cpu_count() if n_jobs == -1 else n_jobs)
    return pool


class _Watch(OptunaStorage, Callback):
    """Writes each trial to the study of Optuna, calls its callbacks, and stops it when asked."""

    def __init__(
        self,
        study: OptunaStudy,
        objective: OptunaObjective,
        callbacks: tuple[Callable[[Any, Any], None], ...],
    ) -> None:
        super().__init__()
        self._target, self._objective, self._callbacks = study, objective, callbacks

    def begin(self, study: ExportedStudy) -> None:
        """Adds to the study that exists already, which may have trials of its own."""
        self.adopt(self._target, study)

    def add(self, trial: PacelineTrial) -> None:
        """Completes the trial that began to run, or adds it."""
        if trial.number in self.known:
            return
        self.known.add(trial.number)
        made, own = self.frozen(trial), self._objective.ids.pop(trial.number, None)
        if own is None:
            self._target.add_trial(made)
            return
        storage = self._target._storage
        for name, distribution in made.distributions.items():
            value = distribution.to_internal_repr(made.params[name])
            storage.set_trial_param(own, name, value, distribution)
        for step, value in made.intermediate_values.items():
            storage.set_trial_intermediate_value(own, step, value)
        for name, value in made.user_attrs.items():
            storage.set_trial_user_attr(own, name, value)
        storage.set_trial_state_values(own, state=made.state, values=made.values)

    def add_many(self, trials: Sequence[PacelineTrial]) -> None:
        """Adds them one by one: some may have begun to run there."""
        for trial in trials:
            self.add(trial)

    def parameters(self, config: Mapping[str, Any]) -> Any:
        """With None as itself; Optuna's storages have no other categories than scalars."""
        params, distributions = super().parameters(config)
        for name in self._objective.with_none & params.keys():
            params[name] = None if params[name] == NONE else params[name]
            known: Any = distributions[name]
            categories = [None if label == NONE else label for label in known.choices]
            distributions[name] = _optuna.distributions.CategoricalDistribution(categories)
        return params, distributions

    def state(self, trial: PacelineTrial) -> Any:
        """Pruned where the objective has pruned itself, too."""
        is_pruned = trial.number in self._objective.pruned
        return _optuna.trial.TrialState.PRUNED if is_pruned else super().state(trial)

    def frozen(self, trial: PacelineTrial) -> Any:
        """With the attributes that were set in the objective."""
        made = super().frozen(trial)
        for name, value in self._objective.attributes.pop(trial.number, {}).items():
            made.set_user_attr(name, value)
        return made

    def on_trial_end(self, study: StudyView, trial: PacelineTrial) -> None:
        """Writes the trial, and calls the callbacks."""
        self.add(study.trial(trial.number))
        try:
            for callback in self._callbacks:
                callback(self._target, self._latest(trial.number))
        except Exception as error:
            self._objective.error = self._objective.error or error
        if self._objective.error is not None:
            study.stop("the objective or a callback has raised an exception")
        elif self._target._is_stopping:
            study.stop("study.stop() was called")

    def _latest(self, number: int) -> Any:
        """The trial in Optuna's study, by its number in Paceline's."""
        trials = reversed(self._target.get_trials(deepcopy=False))
        own = (one for one in trials if one.user_attrs.get("paceline", {}).get("trial") == number)
        return next(own)
