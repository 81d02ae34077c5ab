"""Contract tests of panels of the report.

A test class inherits `PanelContract` and defines one fixture::

    class TestLongest(PanelContract):
        @pytest.fixture
        def panel(self) -> ReportPanel:
            return longest
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from paceline.core import TrialState, Value
from paceline.core.events import (
    EpochMeasured,
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Json,
    Noted,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.report.panels import PANELS, ReportPanel
from paceline.report.show import Summary
from paceline.space import Choice, Float, Space
from paceline.study import Record
from paceline.study.record import snapshot
from paceline.study.record.timeline import Clock, Timeline

HOSTILE = "<img src=x onerror=alert(1)></section></script>&\"'"
"""A text that is harmful if it is not escaped."""

_VOID = {"area", "br", "col", "hr", "img", "input", "source", "wbr"}
_SPACE = Space({"rate": Float(1e-4, 1e-1, sampling="log"), HOSTILE: Choice([HOSTILE, "b"])})


def summaries() -> dict[str, Summary]:
    """Studies in every state, with names and values that need escaping, by description."""
    begun = _begun({"name": HOSTILE, "rows": {"train": 80, "val": 20}})
    function = _begun({"name": HOSTILE, "kind": "function"})
    running = [*begun, *_trial(0, 0.5)[:3]]
    failed = [*begun, *_trial(0, None), *_trial(1, None), Noted(HOSTILE)]
    whole = [*begun, *(event for n in range(12) for event in _trial(n, 0.5 + n / 50)), *_final()]
    ended = SessionEnded(HOSTILE, 9.0)
    return {
        "begun": _summary(begun),
        "running": _summary(running),
        "failed": _summary([*failed, ended]),
        "ended": _summary([*whole, ended]),
        "function": _summary([*function, *_trial(0, float("inf")), *_trial(1, 0.5), ended]),
    }


class PanelContract:
    """Tests that every panel passes; see `paceline.report.panels`.

    Define the fixture ``panel``, as `paceline.report.panels.report_panel` makes it.
    """

    @pytest.fixture
    def panel(self) -> ReportPanel:
        """The panel."""
        raise NotImplementedError

    @pytest.fixture(params=["begun", "running", "failed", "ended", "function"])
    def summary(self, request: pytest.FixtureRequest) -> Summary:
        """A study in one of its states."""
        return summaries()[request.param]

    def test_it_escapes_what_users_typed(self, panel: ReportPanel, summary: Summary) -> None:
        """Nothing that came from the study is a tag, and every element is closed."""
        drawn = panel(summary)
        if drawn is not None:
            assert drawn.title.strip()
            assert HOSTILE not in drawn.html
            _Balanced().check(drawn.html)

    def test_its_figures_go_to_json(self, panel: ReportPanel, summary: Summary) -> None:
        """Under names that begin with the panel's, each with a place and a text for who cannot see
        it.
        """
        drawn = panel(summary)
        for figure in () if drawn is None else drawn.figures:
            json.dumps(dict(figure.plotly), allow_nan=False)
            assert figure.name.startswith(panel.name) or panel.name in PANELS.registered
            assert f'data-figure="{figure.name}"' in drawn.html if drawn else False
            assert figure.alt.strip()

    def test_it_changes_nothing_and_is_always_the_same(
        self, panel: ReportPanel, summary: Summary
    ) -> None:
        """The same study gives the same panel, and is as it was."""
        before = snapshot.dump(summary.record, Clock())
        assert panel(summary) == panel(replace(summary))
        assert snapshot.dump(summary.record, Clock()) == before

    def test_it_can_be_registered(self, panel: ReportPanel) -> None:
        """Its name is free, or its own."""
        with PANELS.scope():
            assert PANELS.register(panel) is panel
        assert isinstance(panel.after, str)
        assert panel.after != panel.name


class _Balanced(HTMLParser):
    """Makes sure that all elements are closed in the right order, and that none runs a script."""

    def check(self, html: str) -> None:
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        assert tag != "script"
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert tag in _VOID or (self.open and self.open.pop() == tag), f"</{tag}> closes nothing"


def _begun(data: dict[str, Json]) -> list[Event]:
    settings = {"epochs": 3, "batch_size": 32, "trials": 12, "search": "random", "seed": 1}
    objective = {"metric": "val_accuracy", "direction": "maximize"}
    created = StudyCreated(2, objective, data, settings)
    return [created, SessionStarted({"numpy": "2.4"}), SpaceChanged(_SPACE.to_json())]


def _trial(number: int, score: float | None) -> list[Event]:
    config: dict[str, Value] = {
        "rate": 0.001 * (number + 1),
        HOSTILE: HOSTILE if number % 2 else "b",
    }
    begin: list[Event] = [
        TrialAsked(number, config, 0, 3, "default" if number == 0 else "random"),
        TrialStarted(number, HOSTILE, config, parameters=100),
    ]
    if score is None:
        error = f"ValueError: {HOSTILE}"
        return [*begin, TrialEnded(number, TrialState.FAILED, None, None, error)]
    measured: list[Event] = [
        EpochMeasured(number, epoch, {"val_accuracy": score * epoch / 3, HOSTILE: 1.0}, 0.1 * epoch)
        for epoch in (1, 2, 3)
    ]
    kept = score if score < 1 else None
    return [*begin, *measured, TrialEnded(number, TrialState.COMPLETED, kept, 3, "")]


def _final() -> Iterator[Event]:
    yield FinalStarted((11, 10, 0), 0, 3, True, 0.25)
    for number in (11, 10, 0):
        for pair in range(3):
            score = 0.5 + number / 60 + pair / 100
            yield FinalMeasured(number, pair, score, 3, {"val_accuracy": score}, 0.3)
    yield FinalEnded(11, "the best mean of its fresh trainings")


def _summary(events: list[Event]) -> Summary:
    record = Record.of(events)
    ended = {number: float(number) for number, one in record.trials.items() if one.state.is_final}
    return Summary(Path("study"), record, 9.0, None, Timeline(3.0, 2.0, 1.0, 3.0, ended))
