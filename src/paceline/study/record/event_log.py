"""The record of a study together with its store, for a study without networks of Paceline's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paceline.core import InvalidInput
from paceline.core.commands import study_name
from paceline.core.events import Event
from paceline.store import Store, Stored, open_store
from paceline.store.writer import SessionClock
from paceline.study.record.replay import fold, keep_snapshot


class EventLog:
    """Keeps a record and its store consistent while the study is open for writing.

    Attributes:
        directory: that of the study.
        record: everything that was recorded.
        clock: where the time went.
    """

    def __init__(self, directory: Path, store: str | None = None) -> None:
        """Opens a study, see `paceline.store.open_store`."""
        opened = open_store(directory, writable=True, store=store)
        try:
            folded = fold(opened)
        except BaseException:  # its traceback would keep the study locked
            opened.close()
            raise
        self._store: Store | None = opened
        self.directory = opened.directory
        self.record, self.clock, self._now = folded.record, folded.clock, SessionClock().now

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._store is None

    @property
    def strategy_state(self) -> Any:
        """The stored state of the search strategy; None in a new study."""
        return self._opened().value("strategy")

    def append(self, events: Sequence[Event], values: dict[str, Any] | None = None) -> None:
        """Stores events, and current values with them, in one transaction.

        Raises:
            InvalidInput: the study is closed.
        """
        store = self._opened()
        store.append(events, values)
        keep_snapshot(store)
        now = self._now()
        for event in events:
            self.record.apply(event)
            self.clock.take(Stored(0, now, event))

    def announce_with(self, announce: Callable[[str], None]) -> None:
        """Sets what is called with lines of the store for the user."""
        self._opened().announce = announce

    def close(self) -> None:
        """Lets other processes write the study."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def keep_snapshot(self) -> None:
        """Stores a snapshot for the next reader, if the study is large."""
        keep_snapshot(self._opened(), share=0.0)

    def _opened(self) -> Store:
        if self._store is None:
            raise InvalidInput(
                f"study {study_name(self.directory)} is closed",
                expected="an open one",
                fix="Open it again with open_study.",
            )
        return self._store
