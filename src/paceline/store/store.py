"""The contract of stores: where the events of a study are kept."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from filelock import FileLock, Timeout

from paceline.core import InvalidInput, PacelineError, Registry, StudyLocked, UnreadableStudy
from paceline.core.events import Event, Json
from paceline.store.files import explained
from paceline.store.paths import LOCK, MARKER
from paceline.store.writer import writer_in_words


@dataclass(frozen=True, slots=True)
class Stored:
    """An event with its place in the record and the time (seconds since 1970) it was written."""

    id: int
    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the events up to the one with the id ``last`` add up to, as text."""

    last: int
    body: str


class Store(ABC):
    """The events of one study, with a few current values beside them.

    Guarantees of every store (``paceline.testing.stores.StoreContract`` checks them):

    - `append` is one transaction: events and values are all kept, or none is. What was appended is
      kept when the process is killed at any later moment.
    - The first event has the id 1, each one more than the one before. What a reader has seen never
      changes, except by `rewind`.
    - At most one process writes a study, until it closes the store or ends; any number read it at
      the same time, and see what was appended since they opened it.
    - Reading writes nothing.
    - A writer stores who it is when it opens the store, as the value ``"writer"``
      (`paceline.store.this_process`), so that others see whether the study is being written.

    A study has a directory whatever its store: checkpoints, models and reports are files there.

    Attributes:
        name: of the class, by which users ask for it; studies keep it.
        files: names of the files in the study's directory that change when the study does. The
            first one is there as long as the study is.
        directory: of the study, absolute.
        num_in_snapshot: events that the snapshot covers; counted where the store is writable.
        num_since_snapshot: events that came since.
    """

    name: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = (MARKER,)
    directory: Path
    num_in_snapshot: int = 0
    num_since_snapshot: int = 0

    @classmethod
    @abstractmethod
    def open(cls, directory: Path, address: str, *, writable: bool) -> Self:
        """Opens the study of a directory.

        Args:
            directory: of the study. A writer makes it where it is not there (`lock` does).
            address: what the user wrote besides the name of the store, such as a URL; "" for
                nothing.
            writable: whether this process is to write it.

        Raises:
            StudyLocked: ``writable``, and another process writes it (`lock` says so).
            InvalidInput: not ``writable``, and there is no study; or an address that cannot be.
            UnreadableStudy: what is stored is damaged, or was written by a newer version.
            PacelineError: it cannot be used for another reason.
        """

    @abstractmethod
    def append(
        self,
        events: Sequence[Event],
        values: Mapping[str, Json] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        """Adds events, and replaces current values, in one transaction.

        Args:
            events: in order; `paceline.core.events.to_json` and ``from_json`` make JSON of them.
            values: current values by name, of plain JSON types.
            durable: not even a power cut undoes it once this returns, as where files will be
                removed that were valid before. Else that may undo the last second.

        Raises:
            PacelineError: it cannot be written. Nothing of it is kept then.
            ValueError, TypeError: no JSON. The same.
        """

    @abstractmethod
    def events(self, after: int = 0) -> Iterator[Stored]:
        """The events with an id above ``after``, in order.

        Raises:
            UnreadableStudy: one of them is damaged, or was written by a newer version.
        """

    @abstractmethod
    def last(self) -> int:
        """The id of the last event, 0 where there is none; fast, since readers ask often."""

    @abstractmethod
    def value(self, name: str) -> Json | None:
        """A current value, or None where it was never set.

        Raises:
            UnreadableStudy: it is damaged.
        """

    @abstractmethod
    def mark(self) -> Any:
        """What the study contains now, for `rewind`."""

    @abstractmethod
    def rewind(self, mark: Any) -> None:
        """Removes all that was stored since a mark; calls `discard` if there were no events then."""

    @abstractmethod
    def close(self) -> None:
        """Frees files and connections, and the right to write. May be called twice. Raises nothing:
        it may follow an error.
        """

    def time_of(self, event: int) -> float | None:
        """When an event was written, by its id; None where there is none of this id."""
        return next((one.time for one in self.events(event - 1) if one.id == event), None)

    def discard(self) -> None:
        """Removes a study that came to nothing, and its directory if nothing else is in it; closes
        the store.

        To be overridden where a study is stored in more than its `files`.
        """
        with suppress(OSError):  # what cannot be removed stays
            for name in self.files:
                (self.directory / name).unlink(missing_ok=True)
        self.close()
        with suppress(OSError):
            for name in (MARKER, LOCK):
                (self.directory / name).unlink(missing_ok=True)
            self.directory.rmdir()

    def snapshot(self) -> Snapshot | None:
        """What `save_snapshot` kept last; None where that is nothing or cannot be relied on.

        To be overridden, with the two methods below and the two counts, where reading all events of
        a large study takes long. The events alone are the truth.
        """
        return None

    def save_snapshot(self, last: int, body: str) -> None:  # noqa: B027
        """Keeps what the events up to ``last`` add up to, in place of what was kept before."""

    def disregard_snapshot(self) -> None:  # noqa: B027
        """Counts as if there were no snapshot: this version cannot read the one that is kept."""

    def damaged(self, event: int, reason: object) -> UnreadableStudy:
        """The error for an event that cannot be used."""
        found = f"event {event}: {reason}"
        return UnreadableStudy(
            f"study {self.directory} is damaged ({found}); restore it from a copy.", found
        )


registry: Registry[type[Store]] = Registry(
    "store",
    "store",
    "paceline.stores",
    "paceline.store",
    "a subclass of paceline.store.Store",
    lambda item: isinstance(item, type) and issubclass(item, Store),
)
"""The stores by name."""
_Kind = TypeVar("_Kind", bound=type[Store])


def register(kind: _Kind) -> _Kind:
    """Makes a class of stores known by its ``name``: a class decorator.

    A package can do the same by an entry point of the group ``paceline.stores``. A study can be
    opened only where its store is registered or installed.

    Raises:
        InvalidInput: no store, or another class has this name.
    """
    return registry.register(kind)


def lock(directory: Path, writer: Callable[[], Json | None] = lambda: None) -> FileLock:
    """Takes the right to write the study of a directory, which is made where it is not there.

    It ends with ``release()`` of what is returned, or with the process.

    Args:
        directory: of the study.
        writer: reads the value ``"writer"`` of the study, for the message.

    Raises:
        StudyLocked: another process has the right; says which.
        InvalidInput: the directory cannot be made.
        PacelineError: it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"study directory {directory} cannot be made ({error.strerror})",
            expected="a place that can be written",
        ) from error
    path = directory / LOCK
    taken = FileLock(path)
    try:
        with explained(path):
            taken.acquire(timeout=0)
    except Timeout:
        holder = None
        with suppress(PacelineError):
            holder = writer()
        raise StudyLocked(
            f"study {directory} is being written by {writer_in_words(holder)}; wait for it or "
            f"stop it, or use another directory."
        ) from None
    return taken
