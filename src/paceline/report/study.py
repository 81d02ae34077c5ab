"""A study as its users see it, read from its directory at any time."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.core import InvalidInput, Trial, markup, process_state
from paceline.core.checks import whole_number
from paceline.core.commands import study_name
from paceline.report import words
from paceline.settings.description import Settings
from paceline.space import Space
from paceline.store import study_directory
from paceline.study.record.dataframe import trials_dataframe
from paceline.study.record.record import Record
from paceline.study.record.replay import read_record

if TYPE_CHECKING:
    import pandas as pd

    from paceline.report.plots import Plots
    from paceline.stats.final_verdict import Verdict
    from paceline.study.plan.definition import Definition
    from paceline.study.plan.user_code import Buildable
    from paceline.study.stored_models import Origin


class Study:
    """The record of one search.

    Attributes:
        directory: where it is stored.
        record: everything that was recorded.
    """

    def __init__(
        self, directory: Path, record: Record, definition: "Definition | None" = None
    ) -> None:
        """See `open`."""
        self.directory, self.record, self._definition = directory, record, definition

    @classmethod
    def open(
        cls, directory: str | os.PathLike[str], definition: "Definition | None" = None
    ) -> "Study":
        """Reads a study, finished or not; another process may be writing it.

        Args:
            directory: where it is stored.
            definition: that of the call which ran it in this process; None if there was none.

        Raises:
            InvalidInput: there is none.
        """
        path = study_directory(directory)
        return cls(path, read_record(path), definition)

    def __repr__(self) -> str:
        return f"<Study {study_name(self.directory)}: {self.record.outcome}>"

    def _repr_html_(self) -> str:
        from paceline.report.verdict import sentences

        best, verdict = self.record.best, self.verdict
        parts = [
            markup.heading(f"Study {study_name(self.directory)}"),
            markup.paragraph(f"{self.record.outcome}, {words.duration(self.seconds)}"),
        ]
        if best is not None:
            parts.append(markup.facts([("best trial", best.number), *best.config.items()]))
        if self.record.tested is not None:
            test = words.metrics(self.record.tested.metrics)
            parts.append(markup.paragraph(f"On the test part: {test}"))
        if verdict is not None:
            parts += map(markup.paragraph, sentences(verdict, self.record))
        return f"<div>{''.join(parts)}</div>"

    @property
    def settings(self) -> Settings:
        """The settings; printed, they show what differs from the defaults."""
        return self.record.settings

    @property
    def trials(self) -> list[Trial]:
        """All trials, in order of their numbers."""
        return self.record.all_trials()

    @property
    def best(self) -> Trial:
        """The winner of the final; without a final the trial with the best score.

        Raises:
            InvalidInput: no trial has completed.
        """
        if self.record.best is None:
            raise InvalidInput(
                f"study {study_name(self.directory)} has no completed trial",
                expected="at least one",
                fix="Resume it with more budget.",
            )
        return self.record.best

    @property
    def space(self) -> Space:
        """The search space."""
        return self.record.space

    @property
    def seconds(self) -> float:
        """Wall time of all its sessions."""
        return self.record.seconds

    @property
    def programs_compiled(self) -> int:
        """Number of models that were compiled from scratch, not taken from a cache."""
        return self.record.programs_compiled

    @process_state.preserved()
    def best_model(
        self,
        build: "Buildable | None" = None,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
        trust: bool = False,
    ) -> Any:
        """The trained Keras model of the best trial, compiled: the one that was tested.

        It is read from ``best.keras``. If Keras could not write that file, or the file requires
        your own classes, the model is built by ``build`` and gets the weights that the study
        keeps.

        Args:
            build: the study's build function, or ``"model.py:build"``, with which the model is
                built. None: the one that `paceline.tune` was given in this process, if it is
                needed.
            custom_objects: for ``best.keras``, as in ``keras.saving.load_model``.
            safe_mode: as there; False runs code that the file contains.
            trust: whether the Python file that the study names as the source of ``build`` may be
                run.

        Raises:
            InvalidInput: there is none yet, or it cannot be loaded or built; the message says what
                to pass.
        """
        from paceline.study.stored_models import best_model

        return best_model(
            self.record, self.directory, self._origin(build, trust), custom_objects, safe_mode
        )

    @process_state.preserved()
    def model(
        self,
        trial: Trial | int,
        build: "Buildable | None" = None,
        *,
        retrain: bool = False,
        trust: bool = False,
        data: Any = None,
        **again: Any,
    ) -> Any:
        """The trained Keras model of a trial, compiled: the network that was scored in the search.

        If the study trains each configuration several times, it is the network of the first
        training. Weights of the ``keep_models`` trials with the best scores are kept; a trial that
        waits to continue, in a study that goes on or was stopped, has those of its last epoch, or
        of its best one with ``keep="best"``.

        Args:
            trial: a trial, or its number.
            build, trust: as in `best_model`.
            retrain: train the trial again if its weights are not kept, with the same seed and
                batches; on another machine or with other versions the weights may differ in the
                last digits or more.
            data, **again: with ``retrain``, arguments of `paceline.resume` that were passed from
                memory.

        Raises:
            InvalidInput: there is no such trial, its weights are not kept, or ``build`` is not
                known.
            PacelineError: its training failed.
        """
        from paceline.study import stored_models as loading

        number = (
            trial.number if isinstance(trial, Trial) else whole_number("trial", trial, at_least=0)
        )
        origin = self._origin(build, trust)
        if retrain and not loading.keeps(self.record, self.directory, number):
            return loading.retrained(self.record, self.directory, number, origin, data, again)
        return loading.model_of(self.record, self.directory, number, origin)

    def _origin(self, build: "Buildable | None", trust: bool) -> "Origin":
        from paceline.study.stored_models import Origin

        return Origin(build, self._definition, trust)

    @property
    def classes(self) -> tuple[str | int | bool, ...]:
        """The classes in the order of the model's outputs, as they were passed; maybe empty.

        ``study.classes[i]`` is the class of output ``i``, as in
        ``study.classes[model.predict(x)[0].argmax()]``.
        """
        names = self._preparation.get("classes") or ()
        whole = all(
            isinstance(name, str) and name.lstrip("-").isdigit() and str(int(name)) == name
            for name in names
        )
        return tuple(map(int, names)) if whole else tuple(names)

    def prepare(self, x: Any) -> Any:
        """Transforms rows into the input of the model of `best_model`.

        Rows of a table become a matrix of its columns: numbers unchanged, dates as days since 1970,
        texts as the index of their category, NaN if missing; if all columns are numbers, the model
        takes the data frame itself as well. Arrays of numbers are unchanged.

        Args:
            x: rows as they were passed to the study: a data frame of the table's columns, or
                arrays.

        Raises:
            InvalidInput: they do not fit the study's data, or the study did not record how these
                were transformed.
        """
        from paceline.study.inputs.model_inputs import model_rows

        return model_rows(self._preparation or None, x)

    def columns(self) -> "pd.DataFrame":
        """The use of each column of a table: ``column``, ``became``; no rows for other data."""
        from paceline.report import frames

        return frames.columns(self.record)

    @property
    def _preparation(self) -> Mapping[str, Any]:
        created = self.record.created
        return {} if created is None else created.data.get("preparation") or {}

    @property
    def plot(self) -> "Plots":
        """The figures of the report, one by one: ``study.plot.best_so_far()``."""
        from paceline.report.plots import Plots

        return Plots(self.directory)

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes the report, one self-contained HTML file, and returns its path.

        Args:
            path: the file; None for ``report.html`` in the study's directory.

        Raises:
            InvalidInput: the file cannot be written.
        """
        from paceline.report.document import write_report

        return write_report(self.directory, path)

    @property
    def verdict(self) -> "Verdict | None":
        """The result of the final: winner, interval, differences and ties; None without a final."""
        from paceline.report.verdict import verdict_of

        return verdict_of(self.record)

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row a trial: number, state, score, epochs, seconds, origin, program, ``config_*``."""
        return trials_dataframe(self.record)

    def importance(self) -> "pd.DataFrame":
        """Importance, one row for each hyperparameter that varies, the most important first.

        ``share``: of the variance of scores after full training, over the whole space, the part
        that its value alone explains, with its 95 % interval ``low`` to ``high``; ``best``,
        ``best_low``, ``best_high``: the same of being among the best tenth of the space;
        ``num_trials`` in which it was active; ``r2`` and ``rank_correlation`` of the model behind
        this on held-out trials, and ``sure``, the probability that all shares are correct to within
        0.1. Shares and those of `interactions` add up to at most 1; the rest is noise.

        Trials that a schedule stopped count through a model of learning curves. All shares are NaN
        if they are not reliable (``r2`` below 0.3 or ``sure`` below 0.7): ``.attrs["reason"]`` of
        the frame says why, and is empty otherwise.

        Raises:
            InvalidInput: fewer than 10 trials with a score, nothing that varies, or scores that are
                all equal.
        """
        from paceline.report import frames

        return frames.importance(self.record)

    def interactions(self) -> "pd.DataFrame":
        """Interactions: the share that pairs of hyperparameters explain beyond that of each alone.

        As `importance`, one row a pair. There are none for more than 12 hyperparameters, and of
        two categories with many values. NaN, with a reason, if `importance` is.

        Raises:
            InvalidInput: as `importance`.
        """
        from paceline.report import frames

        return frames.interactions(self.record)

    def ablation(self) -> "pd.DataFrame":
        """The gain of each change from the default to the winner, as `paceline.ablate` measured it.

        One row a change: ``hyperparameter``, ``side`` at which it was changed (the default, towards
        the winner; or the winner, back), ``before`` and ``after``, ``gain`` of the winner's value
        in the metric's unit with its 95 % interval ``low`` to ``high``, ``p`` of no difference
        (Holm), ``num_pairs`` of seed and split. Empty before `paceline.ablate`.
        """
        from paceline.report import frames

        return frames.ablation(self.record)

    def dependence(self, name: str) -> "pd.DataFrame":
        """Partial dependence of the score on one hyperparameter, the others uniform.

        One row a value: ``score`` with its 95 % band ``low`` to ``high``, ``num_trials`` close to
        the value, and whether they are enough (``supported``). NaN, with a reason, if `importance`
        is.

        Raises:
            InvalidInput: as `importance`; or no hyperparameter of this name varies.
        """
        from paceline.report import frames

        return frames.dependence(self.record, name)

    def curves(self) -> "pd.DataFrame":
        """The best score so far against trials, epochs and seconds.

        One row for each trial that has ended, in the order of their ends: ``best``, ``epochs``
        trained and ``seconds`` since the study began, without the time between two sessions.
        """
        from paceline.report import frames, show

        return frames.curves(show.read(self.directory))

    def learning_curves(self) -> "pd.DataFrame":
        """Every measured epoch: number, state, epoch, seconds, and one column a metric."""
        from paceline.report import frames

        return frames.learning_curves(self.record)

    def expected_best(self) -> "pd.DataFrame":
        """Expected best score of n random trials, from the trials of random or Sobol search."""
        from paceline.report import frames

        return frames.expected_best(self.record)
