"""The figures of the report one by one, for notebooks and files."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.core import InvalidInput, markup
from paceline.report.page import (
    finalists,
    importance_figures,
    mattered,
    search_course,
    seconds,
    tested,
)
from paceline.report.page.parts import Figure
from paceline.report.show import Summary, read
from paceline.study.planned.test_predictions import Tested, read_tested

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Plots:
    """Figures of a study: each method makes one, of the study as it is now, with Plotly.

    All raise `InvalidInput` if the study lacks the numbers for the figure.
    """

    def __init__(self, directory: Path) -> None:
        """Of the study in ``directory``."""
        self._directory = directory

    def _repr_html_(self) -> str:
        rows = [(f"study.plot.{name}()", getattr(Plots, name).__doc__) for name in _names()]
        return markup.table(["figure", "shows"], rows)

    def best_so_far(self) -> "go.Figure":
        """The best score so far against trials, epochs and seconds."""
        return self._made(search_course.best_so_far, "a completed trial")

    def learning_curves(self) -> "go.Figure":
        """The objective after each epoch, of all trials."""
        return self._made(
            lambda summary: search_course.learning_curves(summary, summary.record.all_trials()),
            "a measured epoch",
        )

    def ends(self) -> "go.Figure":
        """Number of trials that ended after each number of epochs."""
        return self._made(
            lambda summary: search_course.ends(summary.record.all_trials()),
            "trials that ended at two epochs",
        )

    def rivals(self) -> "go.Figure":
        """Fresh scores of the finalists."""
        return self._made(finalists.rivals, "a final that has measured something")

    def differences(self) -> "go.Figure":
        """Difference between the winner and each other finalist."""
        return self._made(finalists.differences, "a final of two finalists and two pairs")

    def importance(self) -> "go.Figure":
        """The share that each hyperparameter explains."""
        return self._made(importance_figures.importance, "trials that say enough")

    def dependence(self) -> "go.Figure":
        """The mean score at each value of the hyperparameters that matter most."""
        return self._made(importance_figures.dependence, "trials that say enough")

    def configurations(self) -> "go.Figure":
        """All configurations as parallel coordinates."""
        return self._made(mattered.configurations, "at least three trials that ended")

    def seconds(self) -> "go.Figure":
        """Where the wall time went."""
        return self._made(seconds.seconds, "measured time")

    def confusion(self) -> "go.Figure":
        """The winner's confusion matrix on the test set."""
        return self._tested(tested.confusion, "classification")

    def predicted(self) -> "go.Figure":
        """Predicted against true on the test set."""
        return self._tested(tested.predicted, "regression")

    def residuals(self) -> "go.Figure":
        """Residuals on the test set."""
        return self._tested(tested.residuals, "regression")

    def png(
        self, name: str, path: str | Path | None = None, *, width: int = 1000, scale: float = 2.0
    ) -> Path:
        """Writes one figure as PNG.

        Args:
            name: of the figure: that of its method, such as ``"best_so_far"``.
            path: the file; None for ``<name>.png`` in the study's directory.
            width: pixels before scaling.
            scale: pixels of the file for each of these.

        Raises:
            InvalidInput: no such figure, or what writes PNG is not installed.
        """
        names = _names()
        if name not in names:
            raise InvalidInput(f"figure is {name!r}", expected=f"one of {', '.join(names)}")
        if find_spec("kaleido") is None:
            fix = "Install it with: pip install 'paceline[png]'"
            raise InvalidInput(
                "a figure as PNG needs Kaleido", expected="Kaleido to be installed", fix=fix
            )
        made: go.Figure = getattr(self, name)()
        target = self._directory / f"{name}.png" if path is None else Path(path)
        try:
            made.write_image(
                target, format="png", width=width, height=made.layout.height, scale=scale
            )
        except RuntimeError as error:
            raise InvalidInput(
                f"a figure as PNG ({error})", expected="a Chrome or Chromium on this machine"
            ) from error
        return target

    def _made(self, make: Callable[[Summary], Figure | None], needed: str) -> "go.Figure":
        summary = read(self._directory)
        found = make(summary) if summary.record.created is not None else None
        return self._plotly(found, needed)

    def _tested(self, make: Callable[[Tested], Figure | None], task: str) -> "go.Figure":
        kept = read_tested(self._directory)
        found = make(kept) if kept is not None and kept.task == task else None
        return self._plotly(found, f"a {task} whose test part was predicted at the end")

    def _plotly(self, found: Figure | None, needed: str) -> "go.Figure":
        if found is None:
            raise InvalidInput(
                f"study {self._directory} lacks the numbers for this figure", expected=needed
            )
        from paceline.report.figure import StudyFigure

        shown: dict[str, Any] = dict(found.plotly)
        layout = {"template": "plotly_white", **shown["layout"]}
        return StudyFigure(data=shown["data"], layout=layout)


def _names() -> list[str]:
    """The figures, by the names of the methods that make them."""
    return [name for name in vars(Plots) if not name.startswith("_") and name != "png"]
