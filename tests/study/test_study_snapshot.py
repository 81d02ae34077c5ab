"""What events add up to, kept beside them: with the rest it is the same as all of them, wherever it
was cut.
"""

import json
import math
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paceline
from paceline.core import Action, Configuration, TrialState
from paceline.core.events import (
    AblationMeasured,
    AblationStarted,
    BestTested,
    EpochMeasured,
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Noted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
    TrialTested,
)
from paceline.report import read
from paceline.space import Choice, Float, Int, Space
from paceline.store import Stored, StudyStore
from paceline.study.record import snapshot
from paceline.study.record.recorder import Recorder
from paceline.study.record.replay import Folded, fold, keep_snapshot

SPACE = Space({"rate": Float(0.0, 1.0), "epochs": Int(1, 9), "kind": Choice(["a", "b", "ü"])})
SETTINGS = {"seed": 1, "trials": None, "nested": {"list": [1, None, "x"], "number": 0.1}}
scores = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)
metrics = st.dictionaries(st.sampled_from(["score", "loss"]), st.floats(), max_size=2)
numbers = st.integers(0, 3)


def opening() -> list[Event]:
    created = StudyCreated(
        2,
        {"metric": "score", "direction": "maximize"},
        {"name": "made", "kind": "function"},
        SETTINGS,
    )
    return [created, SessionStarted({"python": "3"}), SpaceChanged(SPACE.to_json()), Noted("note")]


def asked(number: int, rate: float, epochs: int) -> TrialAsked:
    return TrialAsked(number, {"rate": rate, "epochs": epochs, "kind": "ü"}, 1, epochs, "random")


epochs = st.integers(1, 9)
maybe = st.none() | epochs
ends = st.sampled_from([state for state in TrialState if state.is_final])
texts = st.text(max_size=3)
several = st.sampled_from([(), (0.1, 0.2)])
sides, changed = (
    st.sampled_from(["default", "winner"]),
    st.just({"default": ("a,b",), "winner": ("kind",)}),
)
pairs, flags, seconds = st.integers(1, 3), st.booleans(), st.floats(0, 100)
config = st.just({"rate": 0.5, "epochs": 3})
afterwards = st.one_of(
    st.builds(TrialStarted, numbers, st.sampled_from(["p", "q"]), config, st.none(), maybe),
    st.builds(EpochMeasured, numbers, epochs, metrics, seconds, metrics),
    st.builds(TrialPaused, numbers, texts),
    st.builds(TrialDecided, numbers, epochs, st.sampled_from(Action), texts),
    st.builds(TrialEnded, numbers, ends, scores, maybe, texts, several),
    st.builds(TrialTested, numbers, st.just(({"loss": 0.1}, {"loss": math.nan}))),
    st.builds(ProgramCompiled, texts, pairs, seconds, pairs),
    st.builds(Noted, texts, st.sampled_from(["", "final"])),
    st.builds(FinalStarted, st.just((0, 1)), st.just(0), pairs, flags, seconds),
    st.builds(FinalMeasured, numbers, numbers, scores, st.none(), metrics, seconds),
    st.builds(FinalEnded, st.integers(0, 1), texts),
    st.builds(AblationStarted, st.just(0), st.integers(1, 2), pairs, flags, seconds, changed),
    st.builds(AblationMeasured, sides, st.sampled_from(["", "a,b", "kind"]), numbers, scores),
    st.builds(BestTested, numbers, metrics, flags, maybe),
    st.builds(SessionEnded, texts, seconds),
    st.builds(SessionStarted, st.just({"python": "4"})),
)
steps = st.lists(st.tuples(st.floats(0, 5), afterwards), max_size=30)


def plain(value: Any) -> Any:
    """Everything in a record, with NaN equal to itself."""
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return [(plain(key), plain(entry)) for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def everything(folded: Folded) -> Any:
    record = folded.record
    best = record.best if record.created else None
    longest = record.longest({"rate": 0.5, "epochs": 1}, 1)
    counts = [record.num_ended(state) for state in TrialState]
    derived = (
        plain(best),
        plain(longest),
        record.space.to_json(),
        counts,
        [plain(t) for t in record.all_trials()],
    )
    return folded.last, plain(record), plain(folded.clock), plain(folded.clock.timeline()), derived


def folded_of(stored: list[Stored]) -> Folded:
    folded = Folded()
    for one in stored:
        folded.take(one)
    return folded


@settings(max_examples=50, deadline=None)
@given(steps=steps, cut=st.integers(0, 40))
def test_a_snapshot_and_the_rest_are_all_of_it(steps: list[tuple[float, Event]], cut: int) -> None:
    begun: list[Event] = [*opening(), *(asked(number, 0.5, 3) for number in range(4))]
    now, stored = (
        1000.0,
        [Stored(number, 1000.0, event) for number, event in enumerate(begun, start=1)],
    )
    ended = set()
    for pause, event in steps:
        if isinstance(
            event, TrialStarted | EpochMeasured | TrialPaused | TrialDecided | TrialEnded
        ):
            if event.number in ended:
                continue  # a trial that has ended is never mentioned again
            ended |= {event.number} if isinstance(event, TrialEnded) else set()
        now += pause
        stored.append(Stored(len(stored) + 1, now, event))
    early = folded_of(stored[:cut])
    body = snapshot.dump(early.record, early.clock)
    assert body is not None
    json.loads(body, parse_constant=pytest.fail)  # strict JSON
    state = snapshot.load(body)
    assert state is not None
    resumed = Folded(*state, early.last)
    assert everything(resumed) == everything(early)
    for one in stored[cut:]:
        resumed.take(one)
    assert everything(resumed) == everything(folded_of(stored))


def test_every_field_of_a_record_is_stored() -> None:
    """What `apply` keeps is in declared fields, or follows from them."""
    kept = {one.name for one in fields(Folded().record)}
    assert set(vars(Folded().record)) - kept == {
        "space",
        "_stored_settings",
        "_settings",
        "_remembered",
        "_best",
        "_counts",
        "_longest",
    }


# -- in the store


def trials(first: int, count: int) -> Iterator[Event]:
    for number in range(first, first + count):
        rate = number / 4000
        config: Configuration = {"rate": rate, "epochs": 1, "kind": "a"}
        yield TrialAsked(number, config, 1, 1, "random")
        yield TrialStarted(number, "function", config)
        yield EpochMeasured(number, 1, {"score": rate}, 0.1)
        yield TrialEnded(number, TrialState.COMPLETED, float(number % 501), 1, "")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    opened = StudyStore(tmp_path_factory.mktemp("made") / "s", writable=True)
    opened.append([*opening(), *trials(0, 600)])
    opened.close()
    return opened.directory


@pytest.fixture
def store(tmp_path: Path, made: Path) -> Iterator[StudyStore]:
    shutil.copytree(made, tmp_path / "s")
    opened = StudyStore(tmp_path / "s", writable=True)
    yield opened
    opened.close()


def events_alone(store: StudyStore) -> Any:
    return everything(folded_of(list(store.events())))


def test_it_is_written_now_and_then_and_read_instead_of_the_events(store: StudyStore) -> None:
    keep_snapshot(store)
    first = store.snapshot()
    assert first is not None
    assert first.last == store.last()
    store.append(list(trials(600, 100)))
    keep_snapshot(store)
    assert store.snapshot() == first  # too little is new
    assert everything(fold(store)) == events_alone(store)
    store.append(list(trials(700, 600)))
    keep_snapshot(store)
    later = store.snapshot()
    assert later is not None
    assert later.last == store.last()
    with sqlite3.connect(
        store.directory / "study.db"
    ) as raw:  # that it is read shows where an event says otherwise
        raw.execute(
            "UPDATE events SET body = replace(body, 'random', 'sobol') WHERE kind = 'TrialAsked'"
        )
        raw.execute("UPDATE events SET checksum = NULL")
    assert fold(store).record.trials[0].origin == "random"
    raw.close()


def test_a_small_study_has_none(tmp_path: Path) -> None:
    with paceline.open_study(
        tmp_path, {"x": paceline.Float(0.0, 1.0)}, "max", search="random"
    ) as study:
        study.tell(study.ask(), 1.0)
    reader = StudyStore(tmp_path, writable=False)
    assert reader.snapshot() is None
    reader.close()


CHANGES = {
    "of another version": "UPDATE snapshot SET body = replace(body, '\"version\":1', "
    "'\"version\":0')",
    "damaged": "UPDATE snapshot SET body = substr(body, 1, length(body) / 2)",
    "no JSON": "UPDATE snapshot SET body = '{'",
    "of other bytes": "UPDATE snapshot SET body = x'00ff'",
    "ahead of the events": "UPDATE snapshot SET last = 1000000",
    "a table of an older form": "DROP TABLE snapshot",
    "with a field that is not known": "UPDATE snapshot SET body = replace(body, '\"notes\"', "
    "'\"remarks\"')",
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_unusable_snapshot_is_ignored(store: StudyStore, change: str) -> None:
    keep_snapshot(store)
    directory = store.directory
    expected = events_alone(store)
    store.close()
    raw = sqlite3.connect(directory / "study.db")
    raw.create_function("crc32", 1, lambda body: zlib.crc32(body.encode()))
    with raw:
        raw.execute(CHANGES[change])
        if change in ("of another version", "with a field that is not known", "no JSON"):
            raw.execute("UPDATE snapshot SET checksum = crc32(body)")
    raw.close()
    reader = StudyStore(directory, writable=False)
    assert everything(fold(reader)) == expected
    reader.close()
    assert len(read(directory).record.trials) == 600


STALE = (
    "UPDATE snapshot SET body = replace(body, '\"version\":1', '\"version\":0')",
    "UPDATE snapshot SET body = replace(body, '\"notes\"', '\"remarks\"')",
)


@pytest.mark.parametrize("change", STALE)
def test_a_snapshot_of_another_version_is_replaced_by_the_next_writer_only(
    store: StudyStore, change: str
) -> None:
    keep_snapshot(store)
    directory = store.directory
    good = store.snapshot()
    store.close()
    raw = sqlite3.connect(directory / "study.db")
    raw.create_function("crc32", 1, lambda body: zlib.crc32(body.encode()))
    with raw:
        raw.execute(change)
        raw.execute("UPDATE snapshot SET checksum = crc32(body)")
    raw.close()
    before = (directory / "study.db").read_bytes()
    read(directory)
    assert (directory / "study.db").read_bytes() == before
    writer = StudyStore(directory, writable=True)
    Recorder(writer, None)
    assert writer.snapshot() == good
    assert (writer.num_in_snapshot, writer.num_since_snapshot) == (writer.last(), 0)
    writer.close()


def test_a_long_study_by_hand_is_read_from_its_snapshot(tmp_path: Path) -> None:
    space = {"x": paceline.Float(0.0, 1.0)}
    with paceline.open_study(tmp_path, space, "max", search="random", seed=1) as study:
        for trial in study.ask(600):
            study.tell(trial, trial.config["x"])
    reader = StudyStore(tmp_path, writable=False)
    kept = reader.snapshot()
    assert kept is not None
    assert kept.last > 2000
    assert everything(fold(reader)) == events_alone(reader)
    reader.close()
    with paceline.open_study(tmp_path) as again:
        assert len(again.trials) == 600
        assert again.ask(1)[0].number == 600
