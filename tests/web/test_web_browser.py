"""The live page in a real browser: updates, the reader's state, and escaping of names."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.web.browser import CHROMIUM, Browser
from tests.web.by_hand import asked, served, trial

from paceline.core.events import SessionEnded
from paceline.serving.address import listen
from paceline.store import StudyStore
from paceline.web.server import LivePage

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

ROW = "[...document.querySelectorAll('{} tbody tr')].map((row) => row.cells[{}].textContent)"
LATEST, NUMBERS = ROW.format("#latest", 0), ROW.format("[data-panel=trials]", 0)
SCORES = "document.querySelectorAll('[data-panel=trials] th button')[1]"
UNDRAWN = (
    "[...document.querySelectorAll('section[data-panel={}] .plot')]"
    ".filter((plot) => !plot.dataset.drawn)"
)
SEEN = "document.documentElement.dataset.version"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, store: StudyStore) -> Iterator[httpx.Client]:
    browser.problems.clear()
    store.append([event for number in range(4) for event in trial(number, 0.5 - number / 100)])
    with served(store.directory) as client:
        browser.open(str(client.base_url))
        browser.until(f"{NUMBERS}.length === 4")
        yield client
        browser.open("about:blank")


def test_changes_appear_without_a_reload(
    browser: Browser, page: httpx.Client, store: StudyStore
) -> None:
    browser.run("window.sameDocument = true")
    browser.until("document.querySelector('#state').dataset.state === 'running'")
    store.append(asked(4))
    browser.until(f"{LATEST}[0] === '4'")
    browser.until(f"{NUMBERS}.length === 5")
    store.append([*trial(5, 0.25), SessionEnded("enough", 3.0)])
    browser.until(f"document.title.startsWith('finished') && {NUMBERS}.length === 6")
    assert browser.run("document.querySelector('#state').textContent") == "Finished: enough."
    assert browser.run("window.sameDocument")
    for panel in browser.run(
        "[...document.querySelectorAll('section[data-panel]')].map((one) => one.dataset.panel)"
    ):
        browser.run(f"document.querySelector('section[data-panel={panel}]').scrollIntoView()")
        browser.until(f"{UNDRAWN.format(panel)}.length === 0")
    assert browser.run("document.querySelectorAll('.plot[data-drawn] svg').length") > 2
    assert browser.problems == []


def test_sorting_scroll_position_and_focus_are_kept(
    browser: Browser, page: httpx.Client, store: StudyStore
) -> None:
    browser.run(f"{SCORES}.click(); {SCORES}.focus({{preventScroll: true}})")
    assert browser.run(NUMBERS) == ["3", "2", "1", "0"]
    browser.run("document.querySelector('[data-panel=trials]').scrollIntoView({block: 'center'})")
    place = "Math.round(document.querySelector('[data-panel=trials]').getBoundingClientRect().top)"
    before = browser.run(place)
    assert 0 < before < 900
    store.append(trial(4, 0.475))
    browser.until(f"{NUMBERS}.length === 5")
    assert browser.run(NUMBERS) == ["3", "4", "2", "1", "0"]
    assert browser.run(f"document.activeElement === {SCORES}")
    assert abs(browser.run(place) - before) < 100
    assert browser.problems == []


def test_html_in_names_is_shown_and_never_run(
    browser: Browser, page: httpx.Client, store: StudyStore
) -> None:
    assert "<script>document.title='hacked'</script>" in browser.run(
        "document.querySelector('main').innerText"
    )
    assert '"><img src=x onerror=alert(1)>' in browser.run(
        "document.querySelector('#latest').innerText"
    )
    assert browser.run("document.querySelectorAll('main script, main img').length") == 0
    assert "hacked" not in browser.run("document.title")
    # and were there any in a panel, the page's policy would not run it
    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.ran = "
        "true\">')"
    )
    browser.run("new Promise((after) => requestAnimationFrame(() => requestAnimationFrame(after)))")
    assert browser.run("window.ran") is None
    assert any("Content Security Policy" in problem for problem in browser.problems)


@pytest.mark.exhaustive
def test_it_reconnects_to_the_server(browser: Browser, store: StudyStore) -> None:
    store.append(trial(0, 0.5))
    address = listen(port=0)
    port = address.port
    with LivePage(store.directory, address):
        browser.open(address.url())
        browser.until(f"{LATEST}.length === 1")
        first = browser.until(SEEN)
        # the page tries again twenty times as soon; how long the test itself waits stays as it is
        browser.run(
            "const timer = window.setTimeout;"
            "window.setTimeout = (what, when) => timer(what, when < 20000 ? when / 20 : when)"
        )
    browser.until("!document.querySelector('#connection').hidden")
    store.append(trial(1, 0.5))
    with LivePage(store.directory, listen(port=port)):
        browser.until(f"{LATEST}.length === 2")
        browser.until(f"{SEEN} && {SEEN} !== '{first}' && {NUMBERS}.length === 2")
        browser.until("document.querySelector('#connection').hidden")
    browser.open("about:blank")


@pytest.mark.exhaustive
def test_drawn_figures_are_updated(browser: Browser, store: StudyStore) -> None:
    browser.problems.clear()
    store.append([event for number in range(2) for event in trial(number, 0.5)])  # equal scores
    dots = "document.querySelector('[data-figure=best_so_far] .plot').data[0].x.length"
    with served(store.directory) as client:
        browser.open(str(client.base_url))
        browser.until(f"{NUMBERS}.length === 2")
        browser.run("document.querySelector('[data-panel=search]').scrollIntoView()")
        browser.until(f"{UNDRAWN.format('search')}.length === 0 && {dots} === 2")
        store.append(trial(2, 0.5))
        browser.until(f"{NUMBERS}.length === 3 && {dots} === 3")
        browser.open("about:blank")
    assert browser.problems == []


@pytest.mark.exhaustive
def test_a_figure_that_cannot_be_drawn_keeps_nothing_else_from_being_shown(
    browser: Browser, page: httpx.Client, store: StudyStore
) -> None:
    browser.run("document.querySelector('[data-panel=search]').scrollIntoView()")
    browser.until(f"{UNDRAWN.format('search')}.length === 0")
    browser.run(
        "const react = Plotly.react;"
        "Plotly.react = (place, ...more) => {"
        "  if (place.parentElement.dataset.figure === 'best_so_far') throw 'no such axis';"
        "  return react(place, ...more);"
        "}"
    )
    store.append(trial(4, 0.5))
    browser.until(f"{NUMBERS}.length === 5")
    failed = "document.querySelector('[data-figure=best_so_far] .plot')"
    assert "cannot be drawn (no such axis)" in browser.run(f"{failed}.textContent")
    browser.run("Plotly.react = react")
    store.append(trial(5, 0.5))
    browser.until(f"{failed}.dataset.drawn === 'yes' && {failed}.data[0].x.length === 6")
    assert "cannot be drawn" not in browser.run(f"{failed}.textContent")


@pytest.mark.exhaustive
def test_a_request_that_is_never_answered_is_repeated(
    browser: Browser, page: httpx.Client, store: StudyStore
) -> None:
    browser.run(
        "const get = window.fetch, timeout = AbortSignal.timeout.bind(AbortSignal);"
        "window.unanswered = 0;"
        "AbortSignal.timeout = () => timeout(50);"
        "window.fetch = (url, options) => new Promise((_, reject) => {"
        "  window.fetch = get; AbortSignal.timeout = timeout; window.unanswered += 1;"
        "  options?.signal?.addEventListener('abort', () => reject(options.signal.reason));"
        "})"
    )
    store.append(trial(4, 0.5))
    browser.until(f"{NUMBERS}.length === 5")
    assert browser.run("window.unanswered") == 1


@pytest.mark.exhaustive
def test_a_token_leaves_the_address_bar(
    browser: Browser, store: StudyStore, tmp_path: Path
) -> None:
    address = listen(port=0)
    with LivePage(store.directory, address, "s3cretToken"):
        browser.open(address.url("s3cretToken"))
        browser.until("document.querySelector('#state').dataset.state === 'running'")
        assert browser.run("location.href") == address.url()
        browser.open(address.url())  # the cookie is enough
        browser.until("document.querySelector('#state').dataset.state === 'running'")
        assert browser.run("document.cookie") == ""
        browser.open("about:blank")
