"""The log of a study: messages for the logger ``paceline.study``, and a file in its directory."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from paceline.callbacks.interface import Callback, StudyView
from paceline.core import Action, Decision, Final, PacelineError, Trial, TrialState, last_line
from paceline.core.commands import study_name
from paceline.core.events import ProgramCompiled
from paceline.core.logs import FORMAT, SafeFormatter, logger
from paceline.core.texts import on_one_line
from paceline.report import words
from paceline.store import has_study
from paceline.store.paths import RUN_LOG

_LOG = logger("study")
_DONE = {Action.CONTINUE: "continues", Action.PAUSE: "is paused", Action.STOP: "is stopped"}


class StudyLog(Callback):
    """Logs what happens in a study.

    At level INFO what is of interest in a batch job: the beginning, each trial's end, notes (a
    model that cannot be compiled and is trained with ``fit``, for instance), the final evaluation,
    the end, and where the report is. At level DEBUG also each trial asked for, each decision, each
    compilation and each training of the final evaluation. A trial that failed is a WARNING.

    The messages go to the logger ``paceline.study``. Those of level INFO and above, and all if that
    logger is enabled for DEBUG, are also appended to ``paceline.log`` in the study's directory.
    """

    name = "log"

    def __init__(self) -> None:
        self._directory: Path | None = None
        self._varying: list[str] = []
        self._formatter = SafeFormatter(FORMAT)

    def on_study_begin(self, study: StudyView) -> None:
        """Logs the study, and how far it is."""
        _append(study.directory / RUN_LOG, "")  # before anything is logged: it may not be possible
        self._directory, self._varying = study.directory, words.varying(study.space)
        objective = study.objective
        planned = "" if study.num_planned is None else f" of {study.num_planned:,}"
        seconds = study.budget.seconds
        within = "" if seconds is None else f", within {words.duration(seconds)}"
        self._log(
            logging.INFO,
            f"study {study_name(study.directory)}: {objective.direction} {objective.metric} on "
            f"{study.data.get('name', 'a function')}; {study.num_ended():,}{planned} trials have "
            f"ended{within}",
        )

    def on_space_change(self, study: StudyView) -> None:
        """Logs the names of the hyperparameters."""
        self._varying = words.varying(study.space)
        if self._varying:
            self._log(logging.INFO, f"hyperparameters: {', '.join(self._varying)}")

    def on_trial_asked(self, study: StudyView, trial: Trial) -> None:
        """Logs the configuration."""
        if _LOG.isEnabledFor(logging.DEBUG):
            config = words.configuration(trial.config)
            self._log(logging.DEBUG, f"trial {trial.number} ({trial.origin}): {config}")

    def on_trial_begin(self, study: StudyView, trial: Trial) -> None:
        """Logs how it is trained."""
        self._log(logging.DEBUG, f"trial {trial.number} begins: {trial.program}")

    def on_decision(self, study: StudyView, trial: Trial, decision: Decision) -> None:
        """Logs the decision with its reason."""
        done = _DONE[decision.action]
        self._log(logging.DEBUG, f"trial {trial.number} {done}: {decision.reason}")

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Logs the score, or why there is none."""
        said = f"trial {trial.number} {trial.state}"
        config = words.configuration(trial.config, self._varying)
        if trial.state is TrialState.FAILED:
            why = last_line(trial.error) if trial.error else "no reason was given"
            self._log(logging.WARNING, f"{said}: {why} [{config}]")
            return
        score = "no score" if trial.score is None else words.number(trial.score)
        epochs = words.count(len(trial.measurements), "epoch")
        taken = f"after {epochs}, {words.duration(trial.seconds)}"
        self._log(logging.INFO, f"{said}: {study.objective.metric} {score} {taken} [{config}]")

    def on_compile(self, study: StudyView, program: ProgramCompiled) -> None:
        """Logs what was compiled, and how long that took."""
        together = words.count(program.num_lanes, "trial")
        seconds = words.duration(program.seconds)
        self._log(logging.DEBUG, f"compiled {program.program} for {together} in {seconds}")

    def on_note(self, study: StudyView, text: str) -> None:
        """Logs the note."""
        self._log(logging.INFO, f"note: {text}")

    def on_final_begin(self, study: StudyView, final: Final) -> None:
        """Logs the finalists."""
        finalists = ", ".join(map(str, final.finalists))
        pairs = words.count(final.num_pairs, "fresh training")
        self._log(logging.INFO, f"final evaluation: {pairs} of each of the trials {finalists}")

    def on_final_score(self, study: StudyView, trial: Trial, pair: int, score: float) -> None:
        """Logs the score."""
        of = f"final evaluation: trial {trial.number}, training {pair}"
        self._log(logging.DEBUG, f"{of}: {study.objective.metric} {words.number(score)}")

    def on_final_end(self, study: StudyView, final: Final) -> None:
        """Logs the winner."""
        self._log(logging.INFO, f"final evaluation: trial {final.winner} wins")

    def on_test(self, study: StudyView, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Logs what the model of the best trial measured on the test part."""
        self._log(logging.INFO, f"test of trial {trial.number}: {words.metrics(metrics)}")

    def on_study_end(self, study: StudyView, reason: str) -> None:
        """Logs why it ended, and the best trial."""
        best = study.best
        score = None if best is None else best.score
        said = "no trial has a score"
        if best is not None and score is not None:
            said = f"best: trial {best.number}, {study.objective.metric} {words.number(score)}"
        seconds = words.duration(study.seconds)
        self._log(logging.INFO, f"study ended after {seconds}: {reason}; {said}")

    def on_report(self, study: StudyView, path: Path) -> None:
        """Logs where the report is."""
        self._log(logging.INFO, f"report: {path}")

    def on_teardown(self) -> None:
        """Removes the file where the study was refused after it had begun."""
        # where it cannot be found out whether there is a study, the file stays
        with suppress(OSError, PacelineError):
            if self._directory is not None and not has_study(self._directory):
                (self._directory / RUN_LOG).unlink()
                self._directory.rmdir()

    def _log(self, level: int, message: str) -> None:
        is_enabled = _LOG.isEnabledFor(level)
        if not is_enabled and level < logging.INFO:
            return
        message = on_one_line(message)
        if is_enabled:
            _LOG.log(level, "%s", message, stacklevel=2)
        if self._directory is not None:
            record = _LOG.makeRecord(_LOG.name, level, __file__, 0, message, (), None)
            _append(self._directory / RUN_LOG, self._formatter.format(record) + "\n")


def _append(path: Path, text: str) -> None:
    """Appends to the log file; a link that somebody left under its name is not followed.

    It is open for this long only: a study that its user opens may be dropped without being closed.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
