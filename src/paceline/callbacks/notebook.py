"""The progress display of notebooks: a bar and a table that replace themselves."""

import sys
import threading
from contextvars import copy_context
from typing import Any

from paceline.callbacks.lines import activity, remaining, status, trials_done
from paceline.callbacks.progress import StudyProgress
from paceline.core import Trial, TrialState, markup
from paceline.report import words
from paceline.study.hooks.callback import Callback
from paceline.study.hooks.view import StudyView

_SECONDS = 0.5  # between two updates
_BEST = 5  # trials in the table
_NOTES = 10  # notes that are shown


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter, VS Code, Colab and their like.

    IPython is not imported for it: in a kernel it is there.
    """
    find_shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    shell = find_shell()
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


class NotebookDisplay(Callback):
    """One output of a cell that is replaced while the study runs.

    Args:
        progress: a callback that is called before this one.
        opening: what is shown before the study begins.
    """

    def __init__(self, progress: StudyProgress, opening: str) -> None:
        self._progress, self._opening = progress, opening
        self._best: list[Trial] = []
        self._notes: list[str] = []
        self._reason = ""
        self._handle: Any = None
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def on_setup(self) -> None:
        """Shows the opening, and begins to update."""
        from IPython.display import display

        self._handle = display(self, display_id=True)
        # ipykernel finds the cell to which an output belongs in the context of the thread
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._repeat,), name="paceline-notebook", daemon=True
        )
        self._thread.start()

    def on_trial_end(self, study: StudyView, trial: Trial) -> None:
        """Keeps the best trials."""
        if trial.state is not TrialState.COMPLETED or trial.score is None:
            return
        loss = study.objective.loss
        kept = [*self._best, trial]
        self._best = sorted(kept, key=lambda one: (loss(one.score or 0.0), one.number))[:_BEST]

    def on_space_change(self, study: StudyView) -> None:
        """The best trials may not be of the space any more."""
        self._best = []

    def on_note(self, study: StudyView, text: str) -> None:
        """Shows the note below the table."""
        self._notes.append(text)

    def on_study_end(self, study: StudyView, reason: str) -> None:
        """Shows why the study ended."""
        self._reason = reason

    def on_teardown(self) -> None:
        """Updates a last time."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        if self._handle is not None:
            self._handle.update(self)

    def _repeat(self) -> None:
        while not self._is_over.wait(_SECONDS):
            self._handle.update(self)

    def __repr__(self) -> str:
        """For a front end without HTML."""
        return self._opening if self._progress.study is None else status(self._progress)

    def _repr_html_(self) -> str:
        progress = self._progress
        elapsed = words.duration(progress.elapsed)
        if progress.study is None:
            return markup.paragraph(f"{self._opening} {elapsed}")
        shown = [self._head(elapsed), self._table(progress.study)]
        shown += [markup.paragraph(f"Note: {note}") for note in self._notes[-_NOTES:]]
        return f"<div>{''.join(shown)}</div>"

    def _head(self, elapsed: str) -> str:
        progress = self._progress
        if self._reason:
            return markup.paragraph(
                f"{trials_done(progress)} in {elapsed}. The study ended: {self._reason}."
            )
        part = markup.bar(progress.fraction())
        said = ", ".join([trials_done(progress), elapsed, *remaining(progress)])
        return f"<div>{part} {markup.text(said)}</div>{markup.paragraph(activity(progress))}"

    def _table(self, study: StudyView) -> str:
        names = words.varying(study.space)
        rows = [
            (trial.number, trial.score, words.configuration(trial.config, names))
            for trial in self._best
        ]
        return markup.table(["trial", study.objective.metric, "configuration"], rows)
