"""A study that is being written, read again and again: each time only what is new."""

from dataclasses import replace
from pathlib import Path

from paceline.core.events import Json, TrialAsked, TrialEnded, TrialPaused, TrialStarted
from paceline.report.show import Summary, seconds_spent
from paceline.report.timeline import timeline
from paceline.store import Stored, StudyStore
from paceline.store.writer import process_of
from paceline.study import Record


class Feed:
    """What a study's store says, kept up to date; it never writes. To be used by one thread at a time.

    Attributes:
        summary: the study as it was at the last look.
        recent: numbers of the trials by when their state last changed, the latest last.
    """

    summary: Summary
    recent: dict[int, None]
    _stored: list[Stored]
    _seen: int
    _writer: Json | None

    def __init__(self, directory: Path) -> None:
        """Reads nothing yet; the study may be made later."""
        self._directory = directory
        self._store: StudyStore | None = None
        self._file = 0
        self._forget()

    def look(self) -> bool:
        """Reads what is new; whether there was anything, be it only that the writer is gone.

        Raises:
            PacelineError: the file is damaged.
        """
        if not self._open() or self._store is None:
            return False
        new = list(self._store.events(self._seen)) if self._store.last() > self._seen else []
        for one in new:
            self._take(one)
        if new:
            self._writer = self._store.value("writer")
        record = self.summary.record
        process = process_of(self._writer) if record.ended is None else None
        if not new and process == self.summary.writer:
            return False
        self.summary = Summary(self._directory, record, seconds_spent(self._stored), process)
        return True

    def whole(self) -> Summary:
        """The study as it was at the last look, with where its seconds went: that takes longer."""
        return replace(self.summary, timeline=timeline(self._stored))

    def close(self) -> None:
        """Lets go of the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _open(self) -> bool:
        """Whether there is a study; one that was deleted and begun anew is another one."""
        path = self._directory / "study.db"
        try:
            file = path.stat().st_ino
        except OSError:
            return self._store is not None  # what was read of a study that is gone stays
        if self._store is None or file != self._file:
            self.close()
            self._forget()
            self._file, self._store = file, StudyStore(self._directory, writable=False)
        return True

    def _forget(self) -> None:
        self.summary = Summary(self._directory, Record(), 0.0, None)
        self.recent = {}
        self._stored, self._seen, self._writer = [], 0, None

    def _take(self, one: Stored) -> None:
        event = one.event
        self.summary.record.apply(event)
        self._stored.append(one)
        self._seen = one.id
        if isinstance(event, TrialAsked | TrialStarted | TrialPaused | TrialEnded):
            self.recent.pop(event.number, None)
            self.recent[event.number] = None
