"""Writes the report at the end of a study."""

import warnings

from paceline.callbacks.interface import Callback, StudyView
from paceline.core import PacelineError, TrialState, command_line, interrupts, shown
from paceline.core.deprecation import depth_of_caller


class ReportWriter(Callback):
    """Writes ``report.html`` into the study's directory whenever a session ends.

    Not where every trial has failed, where an error ended the session (a disk that is full, for
    instance), nor when Ctrl+C was pressed twice. A report that cannot be written is a warning: the
    study is complete without it.
    """

    name = "report"

    def on_study_end(self, study: StudyView, reason: str) -> None:
        """Writes the report."""
        ended, failed = study.num_ended(), study.num_ended(TrialState.FAILED)
        have_all_failed = failed > 0 and failed == ended
        is_broken = study.error is not None and not isinstance(study.error, KeyboardInterrupt)
        if not study.num_trials or have_all_failed or is_broken or interrupts.is_forced():
            return
        from paceline.report.document import write
        from paceline.report.show import Summary

        try:
            path = write(Summary.of(study))
        except Exception as error:
            why = str(error) if isinstance(error, PacelineError) else shown(error)
            warnings.warn(
                f"The report of the study in {study.directory} was not written: {why.rstrip('.')}. "
                f"Nothing of the study is lost. To try again: "
                f"{command_line('report', study.directory)}",
                stacklevel=depth_of_caller(),
            )
        else:
            study.announce_report(path)
