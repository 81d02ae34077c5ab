"""The contract of stores, which contain the events of a study."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from filelock import FileLock, Timeout

from paceline.core import (
    InvalidInput,
    PacelineError,
    Registry,
    StudyLocked,
    UnreadableStudy,
    subclass_of,
)
from paceline.core.events import Event, Json
from paceline.store.files import explained
from paceline.store.paths import LOCK, MARKER
from paceline.store.writer import running, writer_in_words


@dataclass(frozen=True, slots=True)
class Stored:
    """An event with its id and the time (seconds since 1970) when it was written."""

    id: int
    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after the event with the id ``last``, as text."""

    last: int
    body: str


class Store(ABC):
    """The events of one study, and a few current values.

    Guarantees of every store (``paceline.testing.stores.StoreContract`` checks them):

    - `append` is one transaction: all events and values are stored, or none. What was appended
      survives if the process is killed at any later moment.
    - The first event has the id 1, each following one more. What a reader has seen never changes,
      except by `rewind`.
    - At most one process writes a study, until it closes the store or ends; any number read it at
      the same time, and see what was appended since they opened it.
    - Reading writes nothing.
    - A writer stores its identity when it opens the store, as the value ``"writer"``
      (`paceline.store.this_process`), so that others see whether the study is being written.

    A study has a directory, whatever its store: checkpoints, models and reports are files there.

    Attributes:
        name: of the class, by which users request it; studies store it.
        files: names of the files in the study's directory that change when the study does. The
            first one exists as long as the study does.
        directory: of the study, absolute.
        num_in_snapshot: number of events in the snapshot; counted if the store is writable.
        num_since_snapshot: number of later events.
        announce: is called by a writer with a line for the user, such as that it waits for a
            server; None: nobody listens.
    """

    name: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = (MARKER,)
    directory: Path
    num_in_snapshot: int = 0
    num_since_snapshot: int = 0
    announce: Callable[[str], None] | None = None

    @classmethod
    def address_of(cls, text: str) -> str:
        """The address as it may be shown and stored: without passwords.

        Args:
            text: what the user wrote after the name of the store, or the whole URL.

        Raises:
            InvalidInput: it is not an address of this store.
        """
        return text

    @classmethod
    def secret_address_of(cls, address: str) -> str:
        """The address with the passwords that this process knows, for another process."""
        return address

    @classmethod
    def directory_of(cls, address: str) -> Path:
        """The directory for the files of a study that is named by a URL; it need not exist.

        Raises:
            InvalidInput: the studies of this store are named by their directories.
            PacelineError: it cannot be found out.
        """
        raise InvalidInput(
            f"study is {address!r}", expected=f"a directory; the record can have store={cls.name!r}"
        )

    @classmethod
    def identity_of(cls, directory: Path, address: str) -> object | None:  # noqa: ARG003
        """Differs between a study and one that replaces it; None if there is none."""
        try:
            return (directory / cls.files[0]).stat().st_ino
        except OSError:
            return None

    def running(self, writer: Json | None) -> str | None:
        """The process that writes the study now, in words; None if none does.

        By default only processes of this machine are found.

        Args:
            writer: the value ``"writer"``.
        """
        return running(writer)

    @classmethod
    @abstractmethod
    def open(cls, directory: Path, address: str, *, writable: bool) -> Self:
        """Opens the study of a directory.

        Args:
            directory: of the study. A writer creates it if necessary (`lock` does).
            address: what the user wrote after the name of the store, such as a URL; "" for nothing.
            writable: whether this process is to write it.

        Raises:
            StudyLocked: ``writable``, and another process writes it (`lock` raises this).
            InvalidInput: not ``writable``, and there is no study; or an invalid address.
            UnreadableStudy: the stored data are damaged, or were written by a newer version.
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
        """Appends events and replaces current values, in one transaction.

        Args:
            events: in order; `paceline.core.events.to_json` and ``from_json`` convert to JSON.
            values: current values by name, of JSON types.
            durable: whether this survives a power loss once it returns, as needed before files are
                removed; otherwise a power loss may undo the last second.

        Raises:
            PacelineError: it cannot be written. Nothing is stored then.
            ValueError, TypeError: not JSON. Nothing is stored then.
        """

    @abstractmethod
    def events(self, after: int = 0) -> Iterator[Stored]:
        """The events with an id above ``after``, in order.

        Raises:
            UnreadableStudy: one of them is damaged, or was written by a newer version.
        """

    @abstractmethod
    def last(self) -> int:
        """The id of the last event; 0 if there is none. Fast, since readers call it often."""

    @abstractmethod
    def value(self, name: str) -> Json | None:
        """A current value, or None if it was never set.

        Raises:
            UnreadableStudy: it is damaged.
        """

    @abstractmethod
    def mark(self) -> Any:
        """The current state of the study, for `rewind`."""

    @abstractmethod
    def rewind(self, mark: Any) -> None:
        """Removes everything stored since a mark; calls `discard` if there were no events then."""

    @abstractmethod
    def close(self) -> None:
        """Closes files and connections and releases the lock; may be called twice.

        Raises nothing, as it may follow an error.
        """

    def identity(self) -> object | None:
        """As `identity_of`, of the open study; readers call it often."""
        return type(self).identity_of(self.directory, "")

    def time_of(self, event: int) -> float | None:
        """When the event with an id was written; None if there is none."""
        return next((one.time for one in self.events(event - 1) if one.id == event), None)

    def discard(self) -> None:
        """Removes a study without results, and its directory if it is otherwise empty; closes it.

        Override it if a study consists of more than its `files`.
        """
        with suppress(OSError):  # files that cannot be removed are left
            for name in self.files:
                (self.directory / name).unlink(missing_ok=True)
        self.close()
        with suppress(OSError):
            for name in (MARKER, LOCK):
                (self.directory / name).unlink(missing_ok=True)
            self.directory.rmdir()

    def snapshot(self) -> Snapshot | None:
        """The last saved snapshot; None if there is none that can be used.

        Override it, with the two methods below and the two counts, if reading all events of a large
        study is slow. The events contain everything.
        """
        return None

    def save_snapshot(self, last: int, body: str) -> None:  # noqa: B027
        """Stores a snapshot of the events up to ``last``, in place of the previous one."""

    def disregard_snapshot(self) -> None:  # noqa: B027
        """Ignores the stored snapshot, which this version cannot read."""

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
    subclass_of(Store),
)
"""The stores by name.

They are registered by the class decorator ``register``, or provided by a package with an entry
point of the group ``paceline.stores``; else a study in them cannot be opened.
"""
register = registry.register


def lock(
    directory: Path, writer: Callable[[], Json | None] = lambda: None, study: str = ""
) -> FileLock:
    """Acquires the lock of a study's writer; creates the directory if necessary.

    It is held until ``release()`` of the returned object, or the end of the process.

    Args:
        directory: of the study.
        writer: reads the value ``"writer"`` of the study, for the message.
        study: what the study is called in the message; "" for its directory.

    Raises:
        StudyLocked: another process has the lock; says which.
        InvalidInput: the directory cannot be created.
        PacelineError: it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"study directory {directory} cannot be created ({error.strerror})",
            expected="a writable place",
        ) from error
    path = directory / LOCK
    taken = FileLock(path)
    try:
        with explained(path):
            taken.acquire(timeout=0)
    except Timeout:
        holder = None
        with suppress(PacelineError, OSError):  # it may not have stored anything yet
            holder = writer()
        raise StudyLocked(
            f"study {study or directory} is being written by {writer_in_words(holder)}; wait for "
            f"it or stop it, or use another {'name' if study else 'directory'}."
        ) from None
    return taken
