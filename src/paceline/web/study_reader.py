"""Repeated reading of a study that is being written: each time only what is new."""

from dataclasses import replace
from pathlib import Path

from paceline.core import PacelineError, UnreadableStudy
from paceline.core.commands import url_of
from paceline.core.events import Json, TrialAsked, TrialEnded, TrialPaused, TrialStarted
from paceline.report.show import Summary
from paceline.store import Store, files_of, identity, open_store
from paceline.store.files import stamp
from paceline.study.record.nodes import nodes_of
from paceline.study.record.replay import Folded, catch_up, fold

_LATEST_EVENTS = 1_000  # last events of an opened study, from which the latest trials are found


class StudyReader:
    """The state of a study, kept up to date; never writes. To be used by one thread at a time.

    Attributes:
        summary: the study at the last update.
        recent: numbers of the trials by the time of their last change, the latest last.
    """

    summary: Summary
    recent: dict[int, None]
    _folded: Folded
    _writer: Json | None

    def __init__(self, directory: Path) -> None:
        """Reads nothing yet; the study may be created later."""
        self._directory = directory
        self._store: Store | None = None
        self._identity: object | None = None
        self._was_there = False
        self._error: PacelineError | None = None
        self._failed_at: object = None  # state of the files then
        self._forget()

    def look(self) -> bool:
        """Reads what is new; returns whether anything changed, including the writer's end.

        After an error everything is read again, since the files may have changed in any way.

        Raises:
            UnreadableStudy: the file is damaged; repeatedly, until it changes.
            PacelineError: it does not exist any more, or is used by another program.
        """
        now = self._stamp()
        if isinstance(self._error, UnreadableStudy) and now == self._failed_at:
            raise self._error.with_traceback(None)
        try:
            is_new = self._look()
        except PacelineError as error:
            self._error, self._failed_at = error, now
            self.close()
            self._forget()
            raise
        failed, self._error = self._error is not None, None
        return is_new or failed

    def _look(self) -> bool:
        """Reads what is new; returns whether anything has changed."""
        if not self._open() or self._store is None:
            return False
        last = self._store.last()
        is_same = self._is_same(self._store)
        if not is_same:  # another study has replaced it
            self._forget()
        is_new = last > self._folded.last
        if is_new:
            self._read(self._store)
            self._writer = self._store.value("writer")
        record, clock = self._folded.record, self._folded.clock
        process = self._store.running(self._writer) if record.ended is None else None
        nodes = None if process is None else nodes_of(self._store, self._writer)
        before = self.summary
        if is_same and not is_new and (process, nodes) == (before.writer, before.nodes):
            return False
        self.summary = Summary(self._directory, record, clock.seconds, process, nodes=nodes)
        return True

    def whole(self) -> Summary:
        """The study at the last update, with the use of its time, which takes longer."""
        return replace(self.summary, timeline=self._folded.clock.timeline())

    def close(self) -> None:
        """Closes the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _open(self) -> bool:
        """Opens the study; returns whether there is one. A recreated study counts as another one.

        Raises:
            PacelineError: there was a study, and it does not exist any more.
        """
        opened = self._store
        found = identity(self._directory) if opened is None else opened.identity()
        if found is None:
            if self._was_there:
                raise PacelineError(
                    f"{url_of(self._directory) or self._files()[0]} does not exist any more; the "
                    f"page shows the study as it was before."
                )
            return False
        self._was_there = True
        if self._store is None or found != self._identity:
            self.close()
            self._forget()
            self._store = open_store(self._directory, writable=False)
            self._identity = found
        return True

    def _stamp(self) -> object:
        """A value that changes when a file of the study does."""
        return [stamp(path) for path in self._files()]

    def _files(self) -> tuple[Path, ...]:
        return files_of(self._directory)

    def _is_same(self, store: Store) -> bool:
        """Whether the last event that was read still has its number."""
        return not self._folded.last or store.time_of(self._folded.last) == self._time

    def _forget(self) -> None:
        self._time: float | None = None  # of the last event
        self._folded = Folded()
        self.summary = Summary(self._directory, self._folded.record, 0.0, None)
        self.recent = {}
        self._writer = None

    def _read(self, store: Store) -> None:
        """Reads new events; the first time from a snapshot, if there is one."""
        if self._folded.last:
            new = catch_up(self._folded, store)
        else:
            self._folded = fold(store)
            latest = store.events(max(0, self._folded.last - _LATEST_EVENTS))
            new = [one for one in latest if one.id <= self._folded.last]
        self._time = new[-1].time if new else store.time_of(self._folded.last)
        for one in new:
            event = one.event
            if isinstance(event, TrialAsked | TrialStarted | TrialPaused | TrialEnded):
                self.recent.pop(event.number, None)
                self.recent[event.number] = None
