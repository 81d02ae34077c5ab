"""The command and the call that repeat a study, as far as they can."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from paceline.core import InvalidInput
from paceline.report.show import Summary
from paceline.schedule import create as create_schedule
from paceline.schedule import restore as restore_schedule
from paceline.search import Bayes, Strategy, create, restore
from paceline.settings import reproduction
from paceline.settings.description import Settings
from paceline.settings.function import NETWORKS
from paceline.settings.search_settings import same_state
from paceline.space import Choice, Space
from paceline.study.plan.default_schedule import is_default_in_flight


def command(summary: Summary) -> str | None:
    """The command; None where something came from memory, or has settings that no option has."""
    settings, space = summary.record.settings, summary.record.space
    return reproduction.command(settings, space, dict(_objects(settings, space)))


def python(summary: Summary) -> str:
    """The call in Python."""
    settings, space = summary.record.settings, summary.record.space
    return reproduction.python(settings, space, dict(_objects(settings, space)))


def _objects(settings: Settings, space: Space) -> Iterator[tuple[str, str]]:
    """Arguments that a name does not repeat, as Python; by their names where that is not known."""
    search = settings.search
    yield from _search(search.search, search.strategy, search.seed)
    state = search.schedule
    if state is not None and not _is_standard_schedule(state):
        yield "schedule", _schedule(state)
    if search.ordered not in (None, search.seconds is None):
        yield "ordered", repr(search.ordered)
    if not is_default_in_flight(settings, _learns(search.search, search.seed)):
        yield "in_flight", repr(search.in_flight)
    for name in ("epochs", "batch_size"):
        if settings.function.kind != NETWORKS or name not in space:
            continue
        h = space[name]
        values = [h.value_at(index) for index in range(h.num_values or 0)]
        if h != Choice(values).named(name):
            unnamed = str(h.named("")).replace("('', ", "(", 1)
            yield name, f"paceline.{unnamed}"


def _search(name: str, state: Mapping[str, Any] | None, seed: int) -> Iterator[tuple[str, str]]:
    if state is None:
        return
    standard = _standard(name, seed)
    if standard is None or not isinstance(standard, Bayes):
        if standard is None or not same_state(standard.to_json(), state):
            yield "search", "search"
        return
    expected = {**standard.to_json(), "prior": state.get("prior"), "source": state.get("source")}
    if not same_state(expected, state):
        yield "search", "search"
        return
    if state.get("prior"):
        prior = restore({**standard.to_json(), "prior": state["prior"]}).prior  # type: ignore[attr-defined]
        said = ", ".join(f"{key!r}: paceline.search.{belief!r}" for key, belief in prior)
        yield "prior", f"{{{said}}}"
    if state.get("source"):
        yield "learn_from", "learn_from"


@lru_cache(maxsize=8)
def _standard(name: str, seed: int) -> Strategy | None:
    """The strategy that a name alone makes; None where it is not known here."""
    try:
        return create(name, seed)
    except InvalidInput:
        return None


def _learns(name: str, seed: int) -> bool:
    """Whether a search goes by the results; of one that is not known here it is taken to."""
    standard = _standard(name, seed)
    return standard is None or standard.learns


def _schedule(state: Mapping[str, Any]) -> str:
    try:
        found = restore_schedule(state)
    except InvalidInput:
        return "schedule"
    own = type(found).__module__.startswith("paceline.")
    return f"paceline.schedule.{found!r}" if own else "schedule"


def _is_standard_schedule(state: Mapping[str, Any]) -> bool:
    """Whether a schedule is what its name alone makes."""
    try:
        return dict(create_schedule(state["schedule"]).to_json()) == dict(state)
    except (InvalidInput, KeyError, TypeError):
        return False
