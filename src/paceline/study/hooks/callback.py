"""The base class of callbacks: one method for each thing that happens in a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from paceline.core import Decision, Final, Measurement, Trial
from paceline.core.events import ProgramCompiled
from paceline.study.hooks.view import StudyView


class Callback:
    """Base class of objects that are called while a study runs: override its methods.

    Example::

        class GoodEnough(paceline.Callback):
            def on_trial_end(self, study, trial):
                if trial.score is not None and trial.score > 0.99:
                    study.stop(f"trial {trial.number} reached {trial.score:.3f}")

        paceline.tune(build, "digits", callbacks=[GoodEnough()])

    A callback may read everything and may stop the study with ``study.stop(reason)``. It cannot
    change a result: its arguments are immutable copies.

    The methods are called in the thread and process that called `paceline.tune`, after the event
    has been stored, callback by callback in the order in which they were passed; Paceline's own
    (the log, the display, the report) come after them. Events are stored in groups, so that a trial
    may be ahead of the event for which a method is called: its ``measurements`` may contain later
    epochs. The training of networks continues meanwhile, but nothing is decided before all methods
    have returned, so they should be fast.

    A method that raises an exception ends neither the study nor a trial: the callback is not called
    again in this call, and a `CallbackWarning` with the traceback says so. ``KeyboardInterrupt``
    interrupts the study as Ctrl+C does.

    An instance can be used for several studies, one after the other: reset its state in
    `on_study_begin`. Callbacks are not stored with the study: pass them to `paceline.resume` again.

    Attributes:
        name: name of a registered class: ``callbacks=["csv"]``, ``--callback csv``.
    """

    name: ClassVar[str] = ""

    def on_setup(self) -> None:
        """Called first, before data are loaded and models are built; there may be no study yet."""

    def on_study_begin(self, study: StudyView) -> None:
        """The study was created, or is resumed: ``study.trials`` are those of earlier sessions."""

    def on_trial_asked(self, study: StudyView, trial: Trial) -> None:
        """The search proposed a configuration; the trial waits for its training."""

    def on_trial_begin(self, study: StudyView, trial: Trial) -> None:
        """The training of a trial begins; ``trial.program`` names its compiled model.

        Where a function's space is found while it runs, the configuration may still grow.
        """

    def on_epoch_end(self, study: StudyView, trial: Trial, measurement: Measurement) -> None:
        """A trial has trained one more epoch, or a function has reported one more step."""

    def on_decision(self, study: StudyView, trial: Trial, decision: Decision) -> None:
        """The schedule decided whether a trial continues, pauses or stops, and why."""

    def on_trial_paused(self, study: StudyView, trial: Trial, reason: str) -> None:
        """A trial was paused: it waits for a decision, or the study was stopped."""

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """A trial has completed, was stopped early, or failed; see ``trial.state``."""

    def on_trials_end(self, study: StudyView, trials: Sequence[Trial]) -> None:
        """All trials that ended together; called after `on_trial_end` of each of them.

        For callbacks that write many trials in less time than one by one.
        """

    def on_compile(self, study: StudyView, program: ProgramCompiled) -> None:
        """A model was compiled for a number of trials that train together."""

    def on_space_change(self, study: StudyView) -> None:
        """The space is now ``study.space``: it was found, extended by a trial, or changed."""

    def on_note(self, study: StudyView, text: str) -> None:
        """The study noted something that its user should know, in a sentence."""

    def on_final_begin(self, study: StudyView, final: Final) -> None:
        """The final evaluation begins: finalists are retrained on fresh seeds and splits."""

    def on_final_score(self, study: StudyView, trial: Trial, pair: int, score: float) -> None:
        """A finalist was trained on one pair of seed and split; the score is NaN if that failed."""

    def on_final_end(self, study: StudyView, final: Final) -> None:
        """``final.winner`` is the number of the trial that won."""

    def on_test(self, study: StudyView, trial: Trial, metrics: Mapping[str, float]) -> None:
        """The model of the best trial was measured on the test part."""

    def on_study_end(self, study: StudyView, reason: str) -> None:
        """This session of the study has ended, for this reason: ``"all 32 trials have ended"``.

        Also called when it was interrupted or ended by an error, but not when the process was
        killed.
        """

    def on_report(self, study: StudyView, path: Path) -> None:
        """A report was written to this file."""

    def on_teardown(self) -> None:
        """Called last, whatever happened, if `on_setup` was called."""


class CallbackWarning(UserWarning):
    """A callback raised an exception and is not called any more; the study continues."""
