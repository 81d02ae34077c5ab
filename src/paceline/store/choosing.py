"""Choosing and opening the store of a study.

A study in SQLite, the default, is recognised by its database. Any other store is named in a small
file in the study's directory, so that it must be passed only when the study is created.

A study may also be named by a URL. It has a directory for its files all the same, and all parts of
Paceline work with that directory; which URL it belongs to is remembered
(`paceline.core.commands`).
"""

import json
import re
from contextlib import suppress
from pathlib import Path

from paceline.core import InvalidInput, StudyLocked, UnreadableStudy, shown
from paceline.core.commands import remember_url, url_of
from paceline.store.database import StudyStore
from paceline.store.files import remove, write_text
from paceline.store.paths import DATABASE, LOCK, MARKER, checked_directory
from paceline.store.store import Store, registry

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SHORTENED = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]", re.IGNORECASE)  # by pathlib
_ALIASES = {"postgres": "postgresql"}


def study_directory(given: object, name: str = "study") -> Path:
    """The directory of a study, given by its path or by a URL; it need not exist.

    Args:
        given: a path, or the URL of a study, such as ``postgresql://host/database/study``.
        name: of the argument, for messages.

    Raises:
        InvalidInput: neither, empty, or not a possible name of a directory.
        PacelineError: the server of the URL cannot be used.
    """
    if isinstance(given, str) and _URL.match(given.strip()):
        kind, address = _of_url(given, name)
        directory = checked_directory(kind.directory_of(address), name).absolute()
        remember_url(directory, address)
        return directory
    path = checked_directory(given, name)
    if not isinstance(given, str) and _SHORTENED.match(str(path)):
        raise InvalidInput(
            f"{name} is a path made of a URL, {shown(_masked(str(path)))}",
            expected="the URL as a text",
        )
    return path


def study_handle(directory: Path) -> str | Path:
    """The argument of `study_directory` in another process; it may contain a password."""
    url = url_of(directory)
    return directory if url is None else _parsed(url)[0].secret_address_of(url)


def has_study(directory: Path) -> bool:
    """Whether there is a study in this directory, or with its URL."""
    if (directory / DATABASE).exists():
        return True
    if url_of(directory) is None:
        found = _marked(directory)
        if found is None or not (directory / found["file"]).exists():
            return False
        if found["file"] != MARKER:
            return True
    return identity(directory) is not None


def identity(directory: Path) -> object | None:
    """Differs between a study and one that replaces it; None if there is none."""
    kind, address = _of_study(directory)
    return kind.identity_of(directory, address)


def open_store(directory: Path, *, writable: bool, store: str | None = None) -> Store:
    """Opens the store of a study, or creates one.

    Args:
        directory: of the study.
        writable: whether this process is to write it. A reader creates no file.
        store: for a new study, the name of its store, alone or followed by a colon and an address,
            or a URL whose scheme is the name; None for SQLite. For an existing study, its store, or
            None.

    Raises:
        StudyLocked: ``writable``, and another process writes it; the message says which.
        InvalidInput: not ``writable``, and there is no study; an unknown store; another store than
            that of the study.
        UnreadableStudy: the stored data are damaged, of a newer version, or not a study.
        PacelineError: the directory or a file in it cannot be used; the message says why.
    """
    directory = directory.absolute()  # independent of the working directory
    there = url_of(directory)
    if there is None and has_study(directory):
        there = stored_in(directory)
    if store is not None:
        _check(directory, there, store)
    text = there or store or StudyStore.name
    kind, address = _parsed(text) if there is None else _of_study(directory)
    is_new = writable and kind is not StudyStore and not (directory / MARKER).exists()
    if is_new:
        directory.mkdir(parents=True, exist_ok=True)
        named = check_store(text)
        write_text(directory / MARKER, json.dumps({"store": named, "file": kind.files[0]}))
    try:
        return kind.open(directory, address, writable=writable)
    except StudyLocked:
        raise  # another process is creating it, with the same marker
    except BaseException:
        if is_new:
            for name in (MARKER, LOCK):
                remove(directory / name)
            with suppress(OSError):
                directory.rmdir()
        raise


def files_of(directory: Path) -> tuple[Path, ...]:
    """The files that change when the study of a directory does; see `Store.files`."""
    kind = _of_study(directory)[0]
    return tuple(directory / name for name in kind.files)


def stored_in(directory: Path) -> str:
    """The store of a study, as it was requested, without passwords; SQLite if there is none.

    Raises:
        UnreadableStudy: the file with its name is damaged.
    """
    if (directory / DATABASE).exists():
        return StudyStore.name
    if url := url_of(directory):
        return url
    found = _marked(directory)
    return StudyStore.name if found is None else found["store"]


def _marked(directory: Path) -> dict[str, str] | None:
    """The content of a directory's marker; None if there is none."""
    path = directory / MARKER
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, dict) or {str} != {type(found.get(key)) for key in ("store", "file")}:
        raise _unreadable(path, found)
    return found


def _unreadable(path: Path, why: object) -> UnreadableStudy:
    return UnreadableStudy(
        f"{path} does not say which store the study has ({shown(why)}); restore it from a copy.",
        shown(why),
    )


def _of_study(directory: Path) -> tuple[type[Store], str]:
    """The class of a study's store, and its address.

    Raises:
        InvalidInput: the class is neither registered nor installed here, or cannot be imported.
    """
    text = stored_in(directory)
    try:
        return _parsed(text)
    except InvalidInput as error:
        raise InvalidInput(
            f"study {directory} cannot be opened: its {error.passed}",
            expected=error.expected,
            fix=error.fix or "Install the package that provides this store.",
        ) from error


def _check(directory: Path, there: str | None, store: str) -> None:
    """Checks that a store is known, and is that of an existing study."""
    asked = _parsed(store)
    if there is not None and asked != _of_study(directory):
        raise InvalidInput(
            f"store is {_masked(store)!r} and study {directory} has the store {there!r}",
            expected=f"store={there!r}, nothing, or another directory",
        )


def check_store(store: object) -> str:
    """Validates a store: a name, alone or with an address; returns it without passwords.

    Raises:
        InvalidInput: no store of this name.
    """
    address = _parsed(store)[1]
    if _URL.match(address):
        return address
    return str(store).strip()


def _parsed(text: object) -> tuple[type[Store], str]:
    """The class of a store and the address, from ``"name"``, ``"name:address"`` or a URL."""
    if not isinstance(text, str):
        return registry.get(text), ""
    name, _, rest = text.strip().partition(":")
    name = name.partition("+")[0]
    kind = registry.get(_ALIASES.get(name.strip().lower(), name))
    return kind, kind.address_of(text.strip() if rest.startswith("//") else rest.strip())


def _of_url(text: str, name: str) -> tuple[type[Store], str]:
    """The class of the store of a study that is named by a URL, and the address."""
    try:
        scheme = text.strip().partition(":")[0].partition("+")[0].lower()
        registry.get(_ALIASES.get(scheme, scheme))
    except InvalidInput:
        raise InvalidInput(
            f"{name} is {shown(_masked(text))}",
            expected="a directory, or an address such as postgresql://user@host/database/study",
        ) from None
    return _parsed(text)


def _masked(text: str) -> str:
    """A text without what may be a password in a URL."""
    return re.sub(r":/.*@", "://***@", text, flags=re.DOTALL)
