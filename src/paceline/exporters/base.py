"""The base class of exporters."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paceline.core import InvalidInput, Objective, PacelineError, Trial, checks
from paceline.report.show import Summary, read
from paceline.space import Space
from paceline.store.postgres.address import masked
from paceline.study.hooks.callback import Callback
from paceline.study.hooks.view import StudyView

_NOTE = ".paceline-study"
"""File with the key of the study that was exported to a directory."""


@dataclass(frozen=True, slots=True)
class ExportedStudy:
    """Properties of a study that are known when it begins.

    Attributes:
        directory: where the study is stored.
        objective: its metric and direction.
        space: the search space, as far as it is known.
        id: of the study; None in studies of earlier versions.
    """

    directory: Path
    objective: Objective
    space: Space
    id: str | None = None

    @property
    def name(self) -> str:
        """A short name for people: that of the directory."""
        return self.directory.absolute().name

    @property
    def key(self) -> str:
        """Identifies the study where it is exported."""
        if self.id is not None:
            return self.id[:16]
        return hashlib.sha256(str(self.directory.absolute()).encode()).hexdigest()[:16]


class Exporter(Callback):
    """Passes the trials of a study on to another tool.

    It can be used in two ways: as a callback (trials are passed on when they have ended), and with
    `export` for a study that was carried out before. Both give the same. A study that is exported
    again, or continues after it was exported, adds what is missing and nothing twice.

    Subclasses override `begin`, `add`, `end` and, if they use the space, `change_space`; and
    `add_many`, if many trials at once take less time. As a callback it is called with the trials
    that ended in one step of the study. What a killed process has not added is added when the study
    continues, or is exported.

    Attributes:
        place: where the study is exported to, in words; known once it has begun.
        needs: what has to be given or set, in words, for errors of the tool.
    """

    place: str = ""
    needs: str = "a target that can be written"

    def begin(self, study: ExportedStudy) -> None:
        """The study begins or continues."""

    def change_space(self, study: ExportedStudy) -> None:
        """The space was found, extended by a trial, or changed."""

    def add(self, trial: Trial) -> None:
        """A trial has ended. It may have been added by an earlier export."""

    def add_many(self, trials: Sequence[Trial]) -> None:
        """Trials have ended: in one step of a study, or all those of an export."""
        for trial in trials:
            self.add(trial)

    def end(self, summary: Summary) -> None:
        """Every trial that has ended was added."""

    def on_study_begin(self, study: StudyView) -> None:
        """Calls `begin`, and adds the trials of earlier sessions."""
        self.begin(_exported(study))
        self._add_all(study.trial(trial.number) for trial in study.trials)

    def on_space_change(self, study: StudyView) -> None:
        """Calls `change_space`."""
        self.change_space(_exported(study))

    def on_trials_end(self, study: StudyView, trials: Sequence[Trial]) -> None:  # noqa: ARG002
        """Calls `add_many`."""
        self.add_many(trials)

    def on_study_end(self, study: StudyView, reason: str) -> None:  # noqa: ARG002
        """Calls `end`."""
        self.end(Summary.of(study))

    def export(self, summary: Summary) -> None:
        """Exports a study that has been read."""
        record = summary.record
        own = None if record.created is None else record.created.id
        self.begin(ExportedStudy(summary.directory, record.objective, record.space, own))
        self._add_all(record.all_trials())
        self.end(summary)

    def _add_all(self, trials: Iterable[Trial]) -> None:
        self.add_many([trial for trial in trials if trial.state.is_final])


def _exported(study: StudyView) -> ExportedStudy:
    return ExportedStudy(study.directory, study.objective, study.space, study.id)


def export(study: str | os.PathLike[str], exporter: Exporter) -> None:
    """Exports a study, finished or not::

        paceline.exporters.export("runs/mnist", paceline.exporters.TensorBoard("logs"))

    Args:
        study: the directory of the study.
        exporter: where to.

    Raises:
        InvalidInput: there is no study, it has not begun, or the target cannot be written.
    """
    summary = read(study)
    if summary.record.created is None:
        raise InvalidInput(
            f"the study in {summary.directory} has not begun", expected="one with trials"
        )
    try:
        exporter.export(summary)
    except PacelineError:
        raise
    except Exception as error:  # each tool has its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(
            f"the export to {exporter.name or type(exporter).__name__} failed "
            f"({type(error).__name__}: {reason})",
            expected=exporter.needs,
        ) from error


def without_password(address: str) -> str:
    """An address of a server or database without its user and its passwords."""
    is_file = re.fullmatch(r"[\w.+-]+:///[^?]*", address)  # an @ is part of its name
    return address if is_file else masked(address)


def claim(directory: Path, study: ExportedStudy) -> None:
    """Makes a directory for the files of a study, and notes whose they are.

    Raises:
        InvalidInput: it has the files of another study, or cannot be made.
    """
    note = directory / _NOTE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        owner = note.read_text("utf-8") if note.exists() else study.key
        note.write_text(study.key, "utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"{directory} cannot be written ({getattr(error, 'strerror', None) or error})",
            expected="a directory",
        ) from error
    if owner != study.key:
        note.write_text(owner, "utf-8")
        raise InvalidInput(
            f"{directory} has the files of another study", expected="a directory of its own"
        )


def directory_of(given: str | os.PathLike[str] | None) -> Path | None:
    """The directory that a user passed.

    Raises:
        InvalidInput: it is not a path.
    """
    return None if given is None else checks.path("directory", given).absolute()


def require(module: str, name: str, extra: str) -> None:
    """Makes sure that a library of an extra is installed, without importing it.

    Args:
        module: what is imported.
        name: what people call it.
        extra: the extra of Paceline that installs it.

    Raises:
        InvalidInput: it is not installed; says how to install it.
    """
    if importlib.util.find_spec(module) is None:
        raise InvalidInput(
            f"{name} is not installed",
            expected=f"the extra for exports to {name}",
            fix=f"Install it with: pip install 'paceline[{extra}]'",
        )
