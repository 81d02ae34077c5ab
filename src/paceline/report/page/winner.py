"""The winner: fresh scores of the finalists, or the best scores of the search."""

from collections.abc import Iterator, Sequence

from paceline.core import Trial
from paceline.report import model_text, words
from paceline.report.page.finalists import differences, finalists, rivals
from paceline.report.page.parts import Panel, paragraph, table
from paceline.report.page.trials import shown
from paceline.report.show import Summary

_SHOWN = 10


def panel(summary: Summary) -> Panel:
    """Fresh scores of the finalists if there was a final, else the best scores of the search."""
    figures = tuple(one for one in (rivals(summary), differences(summary)) if one is not None)
    places = "".join(one.place() for one in figures)
    body = "".join(
        [
            places,
            *finalists(summary),
            *_search(summary),
            *_configurations(summary),
            *_models(summary),
        ]
    )
    return Panel("winner", "The winner and the other finalists", body, figures)


def _search(summary: Summary) -> Iterator[str]:
    """The best scores of the search, if there was no final."""
    ranked = summary.ranked
    if summary.record.final is not None or len(ranked) < 2:
        return
    names = words.varying(summary.record.space)
    rows = [[t.number, t.score, len(t.measurements), *_values(t, names)] for t in ranked[:_SHOWN]]
    metric = summary.record.objective.metric
    yield table(["trial", metric, "epochs", *names], rows, caption="The best scores of the search")


def _configurations(summary: Summary) -> Iterator[str]:
    """The winner's configuration, beside the default configuration if that was tried."""
    best, default = summary.record.best, summary.record.default
    if best is None:
        return
    if default is None or default.number == best.number:
        names, columns = [f"trial {best.number}"], [best]
    else:
        names, columns = [f"trial {best.number}", "default"], [best, default]
    rows = [
        [name, *_row(name, columns)] for name in dict.fromkeys(n for t in columns for n in t.config)
    ]
    yield table(["hyperparameter", *names], rows, caption="The winner's configuration")


def _models(summary: Summary) -> Iterator[str]:
    """Where the trained models are, if the study has ended."""
    if summary.state == "finished":
        yield from map(paragraph, model_text.lines(summary))


def _row(name: str, trials: Sequence[Trial]) -> list[str]:
    return [words.value(t.config[name]) if name in t.config else "not active" for t in trials]


def _values(trial: Trial, names: Sequence[str]) -> list[object]:
    return [shown(trial, name) for name in names]
