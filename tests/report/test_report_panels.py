"""Panels of others in the report: where they stand, and that they never cost the report."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import paceline
from paceline.core import InvalidInput
from paceline.report.document import assemble, document
from paceline.report.panels import (
    PANELS,
    Panel,
    ReportPanel,
    Summary,
    figure,
    panel_names,
    panels,
    paragraph,
    register,
    report_panel,
)
from paceline.report.show import read
from paceline.testing.packages import installed
from paceline.testing.report_panels import HOSTILE, PanelContract, summaries
from paceline.web.content import content

OWN = ["answer", "winner", "search", "mattered", "seconds", "trials", "tested", "repeat"]


@pytest.mark.parametrize("name", [*OWN, "workers"])
class TestOwnPanels(PanelContract):
    @pytest.fixture
    def panel(self, name: str) -> ReportPanel:
        return PANELS.get(name)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with PANELS.scope():
        yield


@pytest.fixture(scope="module")
def ended() -> Summary:
    return summaries()["ended"]


def test_a_panel_is_shown_at_its_place(ended: Summary) -> None:
    @register
    @report_panel("mine", after="winner")
    def mine(summary: Summary) -> tuple[str, str]:
        return "Mine & <yours>", paragraph(f"{len(summary.record.trials)} trials of {HOSTILE}")

    @register
    @report_panel("last")
    def last(summary: Summary) -> Panel:
        data = [{"type": "bar", "x": [1.0], "y": [2.0]}]
        shown = figure("last_bar", data, {"height": 200}, "A bar.")
        return Panel("another", "Last", shown.place(), (shown,))

    @register
    @report_panel("follows", after="mine")
    def follows(summary: Summary) -> tuple[str, str]:
        return "Follows", paragraph("it")

    @register
    @report_panel("silent", after="answer")
    def silent(summary: Summary) -> None:
        return None

    names = [panel.name for panel in panels(ended)]
    assert names == ["answer", "winner", "mine", "follows", *OWN[2:], "last"]
    page = document(ended)
    assert '<li><a href="#mine">Mine &amp; &lt;yours&gt;</a></li>' in page
    assert "12 trials of &lt;img" in page
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page)
    assert found is not None
    assert json.loads(found[1])["last"][0]["name"] == "last_bar"
    assert content(ended)["figure/last_bar"]["panel"] == "last"
    assert set(panel_names()) == {*OWN, "workers", "mine", "last", "follows", "silent"}


def nothing_drawn(summary: Summary) -> Any:
    raise ZeroDivisionError(HOSTILE)


def no_number(summary: Summary) -> Panel:
    shown = figure("broken", [{"y": [1.0]}], {}, "A line.")
    plotly: dict[str, Any] = {"data": [{"y": [float("nan")]}], "layout": {}}
    return Panel("broken", "Broken", shown.place(), (type(shown)("broken", plotly, "A line."),))


def name_of_another(summary: Summary) -> Panel:
    shown = figure("best_so_far", [], {}, "A line.")
    return Panel("broken", "Broken", shown.place(), (shown,))


def no_panel(summary: Summary) -> Any:
    return 3


@pytest.mark.parametrize("draw", [nothing_drawn, no_number, name_of_another, no_panel])
def test_a_panel_that_fails_is_a_note_in_the_report(
    draw: Any, ended: Summary, caplog: pytest.LogCaptureFixture
) -> None:
    without = panels(ended)
    register(report_panel("broken", after="trials")(draw))
    shown = panels(ended)
    (failed,) = [panel for panel in shown if panel.name == "broken"]
    assert "This panel cannot be drawn (" in failed.html
    assert [panel for panel in shown if panel is not failed] == without
    assert HOSTILE not in assemble("", "", [failed])
    (logged,) = (one for one in caplog.records if one.levelno == logging.ERROR)
    assert logged.name == "paceline.report"
    assert logged.exc_info is not None


def test_panels_of_installed_packages_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: Summary
) -> None:
    code = """
from paceline.report.panels import paragraph, report_panel

@report_panel("installed", after="seconds")
def installed(summary):
    return "Installed", paragraph("by somebody")
"""
    points = {"paceline.panels": {"installed": "installed", "missing": "not_there"}}
    installed(tmp_path, "paceline_panels", code, points)
    monkeypatch.syspath_prepend(tmp_path)
    names = [panel.name for panel in panels(ended)]
    assert names == [*OWN[:5], "installed", *OWN[5:], "missing"]
    assert "paceline_panels" in document(ended)


@pytest.mark.parametrize("item", [nothing_drawn, "answer", None])
def test_what_is_no_panel_is_refused(item: Any) -> None:
    with pytest.raises(InvalidInput, match="report_panel"):
        register(item, "mine")
    with pytest.raises(InvalidInput, match="answer"):
        register(report_panel("answer")(nothing_drawn))


@pytest.mark.parametrize(("names", "drawn"), [("x", False), ("xy", True)])
def test_lines_of_configurations_need_two_hyperparameters(
    tmp_path: Path, names: str, drawn: bool
) -> None:
    def total(hp: Any) -> float:
        return sum(float(hp.Float(name, 0.0, 1.0)) for name in names)

    study = paceline.optimize(
        total, "max", search="random", trials=6, study=tmp_path / "s", display=False
    )
    panel = PANELS.get("mattered")(read(study.directory))
    assert panel is not None
    assert any(figure.name == "configurations" for figure in panel.figures) is drawn


def test_the_least_and_the_largest_value_lie_on_their_lines(tmp_path: Path) -> None:
    def total(hp: Any) -> float:
        return float(hp.Int("few", 1, 3) + hp.Int("many", 1, 8, sampling="log"))

    study = paceline.optimize(
        total, "max", search="grid", trials=24, study=tmp_path / "s", display=False
    )
    panel = PANELS.get("mattered")(read(study.directory))
    assert panel is not None
    (figure,) = [one for one in panel.figures if one.name == "configurations"]
    heights = {
        text: y
        for line in figure.plotly["data"]
        for text, y in zip(line["text"], line["y"], strict=True)
        if y is not None
    }
    of = {
        name: {y for text, y in heights.items() if f": {name} {value}" in text}
        for name, value in (("few", 1), ("many", 1))
    }
    assert of == {"few": {0.0}, "many": {0.0}}
    assert max(heights.values()) == 1.0
