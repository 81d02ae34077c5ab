"""A study as its user sees it: read from its directory, at any time."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.core import InvalidInput, Trial
from paceline.space import Space
from paceline.store import study_directory
from paceline.study.backend import choose_backend
from paceline.study.frames import trials_dataframe
from paceline.study.record import Record, read_record

if TYPE_CHECKING:
    import pandas as pd

    from paceline.report.plots import Plots
    from paceline.stats.winner import Verdict


class Study:
    """The record of one search.

    Attributes:
        directory: where it lives.
        record: everything that its events add up to.
    """

    def __init__(self, directory: Path, record: Record) -> None:
        """See `open`."""
        self.directory, self.record = directory, record

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "Study":
        """Reads a study, finished or not; another process may be writing it.

        Raises:
            InvalidInput: there is none.
        """
        path = study_directory(directory)
        return cls(path, read_record(path))

    def __repr__(self) -> str:
        return f"<Study {self.directory}: {self.record.outcome}>"

    @property
    def trials(self) -> list[Trial]:
        """Every trial, in the order in which they were asked for."""
        return self.record.all_trials()

    @property
    def best(self) -> Trial:
        """The trial with the best score.

        Raises:
            InvalidInput: no trial has completed.
        """
        if self.record.best is None:
            raise InvalidInput(
                f"study {self.directory} has no completed trial",
                expected="at least one",
                fix="Resume it with more budget.",
            )
        return self.record.best

    @property
    def space(self) -> Space:
        """What may vary."""
        return self.record.space

    @property
    def seconds(self) -> float:
        """Wall time of all its sessions."""
        return self.record.seconds

    @property
    def programs_compiled(self) -> int:
        """XLA programs compiled from scratch."""
        return self.record.programs_compiled

    def best_model(self) -> Any:
        """The best trial's trained Keras model, as saved in ``best.keras``.

        Raises:
            InvalidInput: there is none yet.
        """
        path = self.directory / "best.keras"
        if not path.exists():
            raise InvalidInput(f"{path} is not there", expected="a study that ended", fix="Resume the study first.")
        choose_backend()
        import keras

        return keras.saving.load_model(path, safe_mode=True)

    @property
    def plot(self) -> "Plots":
        """The report's figures one by one: ``study.plot.best_so_far()``."""
        from paceline.report.plots import Plots

        return Plots(self.directory)

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes the report, one HTML file that opens anywhere, and says where; None: ``report.html`` in the study.

        Raises:
            InvalidInput: the file cannot be written.
        """
        from paceline.report.document import write_report

        return write_report(self.directory, path)

    @property
    def verdict(self) -> "Verdict | None":
        """What the final shows: the winner with its interval, its rivals and ties; None where there was no final."""
        from paceline.report.verdict import verdict_of

        return verdict_of(self.record)

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row a trial: number, state, score, epochs, seconds, origin, one ``config_*`` column a hyperparameter."""
        return trials_dataframe(self.record)

    def importance(self) -> "pd.DataFrame":
        """What mattered, one row a hyperparameter that varies, the most important first.

        ``share`` of the variance of the scores that it alone explains, with its 95 % interval ``low`` to ``high``
        (fANOVA on a forest); ``best``, ``best_low``, ``best_high`` the same of being among the best tenth;
        ``ped_anova`` as other tools compute that; ``num_trials`` in which it was active; ``r2`` and
        ``rank_correlation`` of the forest on trials that it has not seen. Below an ``r2`` of 0.3 do not rely on
        ``share``.

        Raises:
            InvalidInput: fewer than 10 trials with a score, nothing that varies, or scores that are all equal.
        """
        from paceline.report import frames

        return frames.importance(self.record)

    def interactions(self) -> "pd.DataFrame":
        """What pairs of hyperparameters explain beyond what each does alone; as `importance`, one row a pair.

        Raises:
            InvalidInput: as `importance`.
        """
        from paceline.report import frames

        return frames.interactions(self.record)

    def ablation(self) -> "pd.DataFrame":
        """What each change from the default configuration to the winner is worth, as `paceline.ablate` measured it.

        One row a change: ``hyperparameter``, ``side`` at which it was changed (the default, towards the winner; or the
        winner, back), ``before`` and ``after``, ``gain`` of the winner's value in the metric's unit with its 95 %
        interval ``low`` to ``high``, ``p`` of no difference (Holm), ``num_pairs`` of seed and split. Empty before.
        """
        from paceline.report import frames

        return frames.ablation(self.record)

    def dependence(self, name: str) -> "pd.DataFrame":
        """How the score depends on one hyperparameter, all else drawn evenly: one row a value.

        ``score`` with its 95 % band ``low`` to ``high``, ``num_trials`` that lie close to the value, and whether they
        are enough (``supported``).

        Raises:
            InvalidInput: as `importance`; or there is no such hyperparameter that varies.
        """
        from paceline.report import frames

        return frames.dependence(self.record, name)

    def curves(self) -> "pd.DataFrame":
        """The best score so far (``best``) against trials, ``epochs`` trained and ``seconds`` since the study began.

        One row a trial that has ended, in the order in which they did; seconds between two sessions do not count.
        """
        from paceline.report import frames, show

        return frames.curves(show.read(self.directory))

    def learning_curves(self) -> "pd.DataFrame":
        """Every epoch that was measured: number, state, epoch, seconds, and one column a metric."""
        from paceline.report import frames

        return frames.learning_curves(self.record)

    def expected_best(self) -> "pd.DataFrame":
        """The best score to expect of so many trials by chance, from those drawn by random or Sobol search."""
        from paceline.report import frames

        return frames.expected_best(self.record)
