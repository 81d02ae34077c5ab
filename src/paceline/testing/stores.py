"""Contract tests of stores.

A test class inherits `StoreContract` and defines one fixture, the name of the store::

    class TestSQLite(StoreContract):
        @pytest.fixture
        def store(self) -> str:
            return "sqlite"
"""

from paceline.testing import extra  # noqa: F401 - says what to install if it is missing

# isort: split
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import InvalidInput, PacelineError, StudyLocked
from paceline.core.events import (
    BestTested,
    EpochMeasured,
    Event,
    Noted,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.core.trial import TrialState
from paceline.store import Store, Stored, has_study, lock, open_store
from paceline.store.store import registry
from paceline.store.writer import process_of

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_SCALARS = st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=5)
_EVENTS = st.one_of(
    st.builds(Noted, st.text(max_size=9)),
    st.builds(
        TrialAsked,
        st.integers(0, 99),
        st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3),
        st.integers(0, 99),
        st.integers(1, 99),
        st.text(max_size=5),
    ),
    st.builds(
        TrialStarted,
        st.integers(0, 99),
        st.text(max_size=5),
        st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3),
        st.none() | st.integers(0, 99),
        worker=st.none() | st.text(max_size=5),
    ),
    st.builds(BestTested, st.integers(0, 99), st.dictionaries(st.text(max_size=5), st.floats())),
    st.builds(
        EpochMeasured,
        st.integers(0, 99),
        st.integers(1, 99),
        st.dictionaries(st.text(max_size=5), st.floats(), max_size=3),
        st.floats(0, 1e6),
    ),
    st.builds(
        TrialEnded,
        st.integers(0, 99),
        st.sampled_from(TrialState),
        st.none() | st.floats(-1e9, 1e9),
        st.none() | st.integers(1, 99),
        st.text(max_size=9),
    ),
)
_BATCHES = st.lists(
    st.tuples(
        st.lists(_EVENTS, max_size=4),
        st.dictionaries(st.sampled_from(["strategy", "turns"]), _JSON, max_size=2),
        st.booleans(),
    ),
    max_size=4,
)

_KILLED = """
import importlib, os, sys
from pathlib import Path
importlib.import_module(sys.argv[3])  # where the store is registered, if it is not installed
from paceline.core.events import Noted
from paceline.store import open_store
store = open_store(Path(sys.argv[1]), writable=True, store=sys.argv[2])
store.append([Noted("kept")], {"turns": 1})
os._exit(9)
"""


class StoreContract:
    """Tests that every store passes; see `paceline.store.Store`. Define the fixture ``store``."""

    @pytest.fixture
    def store(self) -> str:
        """The name of the store, with an address if needed, as in ``tune(store=...)``."""
        raise NotImplementedError

    def another(self, store: str) -> str:
        """The store for one more study; override it where an address is that of one study."""
        return store

    def test_appended_events_are_read(self, store: str) -> None:
        """By the writer, by a reader that was opened before, and by the next writer."""

        @settings(max_examples=15, deadline=None)
        @given(batches=_BATCHES)
        def append(batches: Sequence[tuple[list[Event], dict[str, object], bool]]) -> None:
            with tempfile.TemporaryDirectory() as folder:
                append_and_read(Path(folder) / "s", self.another(store), batches)

        append()

    def test_later_events_are_read(self, store: str, tmp_path: Path) -> None:
        """Events are numbered from 1, with the time at which they were written."""
        with opened(tmp_path / "s", store) as writer:
            for text in "abcd":
                writer.append([Noted(text)])
            part = list(writer.events(2))
            assert [(one.id, one.event) for one in part] == [(3, Noted("c")), (4, Noted("d"))]
            assert [writer.time_of(one.id) for one in part] == [one.time for one in part]
            assert part[0].time <= part[1].time
            assert writer.time_of(5) is None
            assert list(writer.events(4)) == []

    @pytest.mark.parametrize("bad", [math.nan, math.inf, object()])
    def test_a_failed_append_stores_nothing(self, store: str, tmp_path: Path, bad: object) -> None:
        """Events and values are one transaction."""
        with opened(tmp_path / "s", store) as writer:
            with pytest.raises((ValueError, TypeError)):
                writer.append([Noted("a"), Noted("b")], {"strategy": 1, "turns": [bad]})
            with pytest.raises((ValueError, TypeError)):
                writer.append([Noted("a"), TrialAsked(0, {"x": bad}, 1, 1, "")], {"strategy": 1})  # type: ignore[dict-item]
            assert list(writer.events()) == []
            assert writer.value("strategy") is None
            writer.append([Noted("c")])
            check(writer, [Noted("c")], {})

    def test_one_process_writes_and_others_read(self, store: str, tmp_path: Path) -> None:
        """A second writer is refused with a message that says who writes."""
        right = lock(tmp_path / "s")  # a process that has not stored anything yet
        with pytest.raises(StudyLocked):
            open_store(tmp_path / "s", writable=True, store=store)
        assert not has_study(tmp_path / "s")
        right.release()
        with opened(tmp_path / "s", store) as writer:
            assert process_of(writer.value("writer")) == os.getpid()
            with pytest.raises(StudyLocked, match=str(os.getpid())):
                open_store(writer.directory, writable=True, store=store)
            writer.append([Noted("a")])
        with opened(tmp_path / "s", None) as writer:
            check(writer, [Noted("a")], {})

    def test_reading_writes_nothing(self, store: str, tmp_path: Path) -> None:
        """Neither for an existing study nor for a missing one."""
        with pytest.raises(InvalidInput, match="contains no study"):
            open_store(tmp_path, writable=False)
        assert not has_study(tmp_path)
        with opened(tmp_path / "s", store) as writer:
            writer.append([Noted("a")])
        before = contents(tmp_path)
        reader = open_store(tmp_path / "s", writable=False)
        check(reader, [Noted("a")], {})
        reader.close()
        reader.close()
        assert contents(tmp_path) == before

    def test_what_came_since_a_mark_is_taken_back(self, store: str, tmp_path: Path) -> None:
        """Events and values, any number of times."""
        with opened(tmp_path / "s", store) as writer:
            writer.append([Noted("a"), Noted("b")], {"turns": 1})
            mark = writer.mark()
            for _ in range(2):
                writer.append([Noted("c")], {"turns": 2, "strategy": 3})
                writer.rewind(mark)
                check(writer, [Noted("a"), Noted("b")], {"turns": 1, "strategy": None})
            writer.append([Noted("d")])
            check(writer, [Noted("a"), Noted("b"), Noted("d")], {"turns": 1})

    def test_a_study_without_results_is_removed(self, store: str, tmp_path: Path) -> None:
        """With its directory, if that is otherwise empty."""
        with opened(tmp_path / "s", store) as writer:
            mark = writer.mark()
            writer.append([Noted("a")], {"turns": 1})
            writer.rewind(mark)
        assert not (tmp_path / "s").exists()

    def test_snapshots_are_optional(self, store: str, tmp_path: Path) -> None:
        """The returned snapshot is the saved one, of existing events."""
        with opened(tmp_path / "s", store) as writer:
            writer.append([Noted("a"), Noted("b")])
            writer.save_snapshot(2, "text")
            found = writer.snapshot()
            assert found is None or (found.last, found.body) == (2, "text")

    def test_its_study_is_found_without_naming_it(self, store: str, tmp_path: Path) -> None:
        """The directory names the store; its first file exists as long as the study does."""
        kind = registry.get(store.partition(":")[0])
        assert not has_study(tmp_path / "s")
        with opened(tmp_path / "s", store) as writer:
            assert isinstance(writer, kind)
            assert has_study(tmp_path / "s")
            assert (tmp_path / "s" / kind.files[0]).exists()
        with pytest.raises(InvalidInput, match=r"store is 'other'|has the store"):
            open_store(tmp_path / "s", writable=True, store="other")

    def test_damage_is_detected(self, store: str, tmp_path: Path) -> None:
        """Reading an overwritten file gives the right events or an error of Paceline."""
        kind = registry.get(store.partition(":")[0])
        with opened(tmp_path / "s", store) as writer:
            for _ in range(50):
                writer.append([Noted("a" * 200)])
        path = tmp_path / "s" / kind.files[0]
        if path.is_dir():  # the store has a file for each transaction, for instance
            path = max(path.iterdir())
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] + b"\x00~" * 2000 + content[-100:])
        with pytest.raises(PacelineError):
            with_reader(tmp_path / "s")

    def test_a_killed_writer_loses_nothing(self, store: str, tmp_path: Path) -> None:
        """After a kill, appended events are there and another process can write."""
        module = registry.get(store.partition(":")[0]).__module__
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(tmp_path / "s"), store, module],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
        assert done.returncode == 9
        with opened(tmp_path / "s", None) as writer:
            check(writer, [Noted("kept")], {"turns": 1})
            writer.append([Noted("more")])
            check(writer, [Noted("kept"), Noted("more")], {"turns": 1})


@contextmanager
def opened(directory: Path, store: str | None) -> Iterator[Store]:
    """A writable store, closed at the end."""
    made = open_store(directory, writable=True, store=store)
    try:
        yield made
    finally:
        made.close()


def append_and_read(
    directory: Path, store: str, batches: Sequence[tuple[list[Event], dict[str, object], bool]]
) -> None:
    """Appends events and values batch by batch, and reads them in between and after."""
    events: list[Event] = []
    values: dict[str, object] = {}
    with opened(directory, store) as writer:
        reader = open_store(directory, writable=False)
        for added, replaced, durable in batches:
            writer.append(added, replaced, durable=durable)
            events += added
            values |= replaced
            for one in (writer, reader):
                assert one.last() == len(events)
                check(one, events, values)
        reader.close()
    with opened(directory, None) as again:
        check(again, events, values)


def with_reader(directory: Path) -> list[Stored]:
    """All that a new reader returns."""
    reader = open_store(directory, writable=False)
    try:
        return list(reader.events())
    finally:
        reader.close()


def check(store: Store, events: Sequence[Event], values: dict[str, object]) -> None:
    """Checks that a store contains exactly these events and values."""
    found = list(store.events())
    assert [one.id for one in found] == list(range(1, len(events) + 1))
    assert [repr(one.event) for one in found] == list(map(repr, events))  # NaN differs from itself
    assert {name: store.value(name) for name in values} == values


def contents(folder: Path) -> dict[str, bytes | None]:
    """All files and folders in one, with their contents."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
